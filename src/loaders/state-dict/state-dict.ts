/** Named tensors of a checkpoint: what `loadStateDict` takes. */

import type { TensorTemplate } from "../../ir/template.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { type CheckpointOptions, readCheckpoint, type SavedDict, type SavedValue } from "./checkpoint.ts";

export interface StateDictOptions extends CheckpointOptions {
  /** Keys that lead to the state dict inside a checkpoint: `["model"]`. */
  readonly path?: readonly string[] | undefined;
}

/**
 * The tensors of a state dict by name, in its order; other values are left out. A sparse one gives its parts, `w.indices` and `w.values`.
 * @throws bad-argument where the file holds no state dict at `path`, and everything that `readCheckpoint` throws
 */
export async function readStateDict(source: Source, options: StateDictOptions = {}): Promise<Map<string, TensorTemplate>> {
  let value = await readCheckpoint(source, options);
  const path = options.path ?? [];
  for (const key of path) {
    const next = value.kind === "dict" ? entryOf(value, key) : undefined;
    if (next === undefined)
      throw new OpwiseError("bad-argument", `the checkpoint has nothing at \`${path.join(".")}\``, {
        where: { file: source.name },
        got: keysOf(value).join(", "),
      });
    value = next;
  }
  const out = value.kind === "dict" ? tensorsOf(value) : undefined;
  if (out !== undefined && out.size > 0) return out;
  if (value.kind === "dict" && value.entries.length === 0) return new Map();
  const inner =
    value.kind === "dict"
      ? value.entries.flatMap(([key, item]) => (key.kind === "str" && item.kind === "dict" && tensorsOf(item).size > 0 ? [key.value] : []))
      : [];
  // A tensor saved alone has no name.
  if (value.kind === "tensor") return new Map([["", value.tensor]]);
  throw new OpwiseError("bad-argument", "the file holds no state dict: no tensors by name", {
    where: { file: source.name },
    got: value.kind === "dict" ? `a dict of ${keysOf(value).join(", ")}` : value.kind,
    ...(inner.length === 0 ? {} : { hint: `pass \`path: ["${inner[0]}"]\`; tensors are below ${inner.map((key) => `\`${key}\``).join(", ")}` }),
  });
}

function entryOf(dict: SavedDict, key: string): SavedValue | undefined {
  return dict.entries.find(([k]) => k.kind === "str" && k.value === key)?.[1];
}

function keysOf(value: SavedValue): string[] {
  return value.kind === "dict" ? value.entries.slice(0, 12).map(([key]) => ("value" in key ? String(key.value) : key.kind)) : [];
}

function tensorsOf(dict: SavedDict): Map<string, TensorTemplate> {
  const out = new Map<string, TensorTemplate>();
  for (const [key, item] of dict.entries) {
    if (key.kind !== "str") continue;
    if (item.kind === "tensor") out.set(key.value, item.tensor);
    else if (item.kind === "sparse") for (const [part, tensor] of item.parts) out.set(`${key.value}.${part}`, tensor);
  }
  return out;
}
