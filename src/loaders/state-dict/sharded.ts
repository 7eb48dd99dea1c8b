/** Checkpoints in several files: `model.safetensors.index.json` and its like say which file has which tensor. */

import type { Limits } from "../../bytes/limits.ts";
import { checkSiblingPath, readAll } from "../../bytes/source.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import type { SavedDict, SavedValue } from "./saved-value.ts";

/** The files that an index names, by the tensors they hold; undefined for other JSON. */
function weightMap(text: string): ReadonlyMap<string, string> | undefined {
  let index: unknown;
  try {
    index = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof index !== "object" || index === null || !("weight_map" in index)) return undefined;
  const { weight_map: map } = index;
  if (typeof map !== "object" || map === null || Array.isArray(map)) return undefined;
  const out = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== "string") return undefined;
    out.set(name, file);
  }
  return out;
}

/**
 * All tensors that the index names, in its order, as one dict; `read` reads one file.
 * @throws unsupported-format for JSON that is no index, missing-file, bad-argument where a file lacks a tensor
 */
export async function readSharded(source: Source, limits: Limits, read: (shard: Source) => Promise<SavedValue>): Promise<SavedDict> {
  const map = weightMap(new TextDecoder().decode(await readAll(source, limits.maxCodeBytes)));
  if (map === undefined) {
    throw new OpwiseError("unsupported-format", "the JSON file is no index of a checkpoint", {
      wanted: "an object with `weight_map`: file names by tensor names",
    });
  }
  const files = new Map<string, ReadonlyMap<string, SavedValue>>();
  for (const file of new Set(map.values())) {
    if (files.size >= limits.maxRecords) throw new OpwiseError("limit-exceeded", "the index names too many files", { wanted: `at most ${limits.maxRecords}` });
    const path = checkSiblingPath(file, source.name).join("/");
    if (source.sibling === undefined) {
      throw new OpwiseError("missing-file", `the file \`${path}\` is needed beside the index`, {
        hint: "pass it in `siblings`, or open the index by its path or URL",
      });
    }
    const shard = await read(await source.sibling(path));
    const tensors = new Map<string, SavedValue>();
    if (shard.kind === "dict") for (const [key, value] of shard.entries) if (key.kind === "str") tensors.set(key.value, value);
    files.set(file, tensors);
  }
  const entries: [SavedValue, SavedValue][] = [];
  for (const [name, file] of map) {
    const value = files.get(file)?.get(name);
    if (value === undefined) throw new OpwiseError("bad-tensor", `the file \`${file}\` has no tensor \`${name}\`, which the index says it has`);
    entries.push([{ kind: "str", value: name }, value]);
  }
  return { kind: "dict", ordered: true, entries };
}
