/** `.debug_pkl` records: byte offsets of the code to the author's file and line. Read when first asked; damage never stops a load. */

import type { Limits } from "../../bytes/limits.ts";
import { readPickle } from "../../bytes/pickle.ts";
import { itemsOf, type PickleValue, safeIntOf, stringOf } from "../../bytes/pickle-value.ts";

/** How many entries back a place is looked for. */
const NEAR = 4;

interface Entry {
  /** From this byte of the code on. */
  readonly offset: number;
  readonly place: () => string | undefined;
}

/** The list inside `build_intlist([...])`, or a plain list. */
function ints(value: PickleValue): readonly number[] {
  const list = value.kind === "reduce" ? itemsOf(value.args)[0] : value;
  return list === undefined ? [] : itemsOf(list).map(safeIntOf);
}

/** `file.py:88` for a position in a text that starts at `firstLine` of `file`. */
function placeOf(text: string, file: string, firstLine: number, start: number): string | undefined {
  if (file !== "") {
    let line = firstLine;
    for (let at = text.indexOf("\n"); at >= 0 && at < start; at = text.indexOf("\n", at + 1)) line++;
    return `${file}:${line}`;
  }
  // Traced code has Python's stack as its text, innermost call first: `/path/net.py(88): forward`.
  const frame = /^(.*\.py)\((\d+)\): /m.exec(text);
  return frame === null ? undefined : `${frame[1]}:${frame[2]}`;
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
      const [source, start] = itemsOf(field(parts, 1));
      return {
        offset: safeIntOf(field(parts, 0)),
        place: () => {
          if (source === undefined || start === undefined) return undefined;
          const facts = itemsOf(source);
          const text = ints(field(facts, 0))
            .map((id) => table[id] ?? "")
            .join("");
          return placeOf(text, table[safeIntOf(field(facts, 1))] ?? "", safeIntOf(field(facts, 2)), safeIntOf(start));
        },
      };
    });
  }
  return root.map((entry): Entry => {
    const parts = itemsOf(entry);
    const [source, start] = itemsOf(field(parts, 1));
    return {
      offset: safeIntOf(field(parts, 0)),
      place: () => {
        if (source === undefined || start === undefined) return undefined;
        const facts = itemsOf(source);
        const file = field(facts, 1);
        return placeOf(stringOf(field(facts, 0)), file.kind === "string" ? file.value : "", safeIntOf(field(facts, 2)), safeIntOf(start));
      },
    };
  });
}

/** A function from byte offset to the author's place, over the bytes of a `.debug_pkl` record. */
export function debugPlaces(bytes: Uint8Array, record: string, limits: Limits): (byteOffset: number) => string | undefined {
  let entries: readonly Entry[] | undefined;
  return (byteOffset) => {
    try {
      entries ??= parse(bytes, record, limits);
      let low = 0;
      let high = entries.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((entries[middle] as Entry).offset <= byteOffset) low = middle + 1;
        else high = middle;
      }
      // Parts of an expression may have no place of their own: the one before them is near.
      for (let i = low - 1; i >= Math.max(0, low - NEAR); i--) {
        const place = entries[i]?.place();
        if (place !== undefined) return place;
      }
      return undefined;
    } catch {
      // Places are a comfort for messages: without them the code's own lines still tell.
      entries = [];
      return undefined;
    }
  };
}
