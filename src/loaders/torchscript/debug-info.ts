/** `.debug_pkl` records: byte offsets of the code to the author's source. Read when first asked; damage never stops a load. */

import type { Limits } from "../../bytes/limits.ts";
import { readPickle } from "../../bytes/pickle.ts";
import type { Origin } from "./source-text.ts";
import { itemsOf, type PickleValue, safeIntOf, stringOf } from "../../bytes/pickle-value.ts";

/** How many entries back a place is looked for. */
const NEAR = 4;

interface Entry {
  /** From this byte of the code on. */
  readonly offset: number;
  readonly origin: () => Origin | undefined;
}

/** The list inside `build_intlist([...])`, or a plain list. */
function ints(value: PickleValue): readonly number[] {
  const list = value.kind === "reduce" ? itemsOf(value.args)[0] : value;
  return list === undefined ? [] : itemsOf(list).map(safeIntOf);
}

/** No file: the text of traced code is Python's stack, innermost call first (`/path/net.py(88): forward`), or nothing at all. */
function originOf(text: string, file: string, firstLine: number, start: number, end: number): Origin | undefined {
  return file === "" && !/\.py\(\d+\): /.test(text) ? undefined : { file: file === "" ? undefined : file, firstLine, text, start, end };
}

function field(items: readonly PickleValue[], index: number): PickleValue {
  const found = items[index];
  if (found === undefined) throw new RangeError("an entry is too short");
  return found;
}

function parse(bytes: Uint8Array, record: string, limits: Limits): readonly Entry[] {
  const { value } = readPickle(bytes, { allow: (name) => name === "torch.jit._pickle.build_intlist", limits, record });
  const root = itemsOf(value);
  const [head, strings, list] = root;
  if (head?.kind === "string" && head.value === "FORMAT_WITH_STRING_TABLE" && strings !== undefined && list !== undefined) {
    const table = itemsOf(strings).map(stringOf);
    return itemsOf(list).map((entry): Entry => {
      const parts = itemsOf(entry);
      const [source, start, end] = itemsOf(field(parts, 1));
      return {
        offset: safeIntOf(field(parts, 0)),
        origin: () => {
          if (source === undefined || start === undefined || end === undefined) return undefined;
          const facts = itemsOf(source);
          const text = ints(field(facts, 0))
            .map((id) => table[id] ?? "")
            .join("");
          return originOf(text, table[safeIntOf(field(facts, 1))] ?? "", safeIntOf(field(facts, 2)), safeIntOf(start), safeIntOf(end));
        },
      };
    });
  }
  return root.map((entry): Entry => {
    const parts = itemsOf(entry);
    const [source, start, end] = itemsOf(field(parts, 1));
    return {
      offset: safeIntOf(field(parts, 0)),
      origin: () => {
        if (source === undefined || start === undefined || end === undefined) return undefined;
        const facts = itemsOf(source);
        const file = field(facts, 1);
        return originOf(stringOf(field(facts, 0)), file.kind === "string" ? file.value : "", safeIntOf(field(facts, 2)), safeIntOf(start), safeIntOf(end));
      },
    };
  });
}

/** A function from byte offset to the author's source, over the bytes of a `.debug_pkl` record, which are read when a place is first asked for. */
export function debugOrigins(read: () => Uint8Array, record: string, limits: Limits): (byteOffset: number) => Origin | undefined {
  let entries: readonly Entry[] | undefined;
  return (byteOffset) => {
    try {
      entries ??= parse(read(), record, limits);
      let low = 0;
      let high = entries.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((entries[middle] as Entry).offset <= byteOffset) low = middle + 1;
        else high = middle;
      }
      // Parts of an expression may have no place of their own: the one before them is near.
      for (let i = low - 1; i >= Math.max(0, low - NEAR); i--) {
        const origin = entries[i]?.origin();
        if (origin !== undefined) return origin;
      }
      return undefined;
    } catch {
      // Places are a comfort for messages: without them the code's own lines still tell.
      entries = [];
      return undefined;
    }
  };
}
