/** Weights and constants of a .pt2 archive: raw records described by a JSON list; tied tensors share a record. */

import type { Limits } from "../../bytes/limits.ts";
import type { Zip } from "../../bytes/zip.ts";
import type { StorageTemplate, TensorTemplate } from "../../ir/template.ts";
import { itemsize } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { extentOf } from "../../tensor/shape.ts";
import { readCheckpoint } from "../state-dict/checkpoint.ts";
import { readStateDict } from "../state-dict/state-dict.ts";
import { deviceText } from "./arguments.ts";
import { dtypeOfExport, layoutOfExport } from "./enums.ts";
import { type JsonObject, JsonView, parseJson } from "./json.ts";

/** Tensors by their name in the model. */
export type Weights = ReadonlyMap<string, TensorTemplate>;

export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/**
 * Reads the tensors of a folder (`data/weights/`) that belong to the program `name`: raw records by a config, tensors of classes of their own
 * as one pickle each; before PyTorch 2.9 all of them in one file. No record means no tensors; custom objects are left out.
 * @throws bad-model, bad-tensor, missing-record, unsupported-format, unsafe-pickle
 */
export async function readWeights(zip: Zip, folder: string, name: string, kind: "weights" | "constants", limits: Limits): Promise<Weights> {
  const out = new Map<string, TensorTemplate>();
  const config = `${folder}${name}_${kind}_config.json`;
  if (zip.entry(config) === undefined) return readLegacy(zip, `${folder}${name}.pt`, limits);
  const view = new JsonView(config);
  const root = view.object(parseJson(textOf(await zip.read(config)), config), "config");
  const storages = new Map<string, StorageTemplate>();
  for (const [tensor, json] of Object.entries(view.object(root["config"], "config"))) {
    const entry = view.object(json, tensor);
    const path = folder + view.text(entry["path_name"], "path_name");
    if ((entry["tensor_meta"] ?? null) === null) continue;
    if (entry["use_pickle"] === true) {
      out.set(tensor, await readPickled(zip, path, tensor, limits));
      continue;
    }
    const meta = view.object(entry["tensor_meta"], "tensor_meta");
    let storage = storages.get(path);
    if (storage === undefined) {
      const source = await zip.record(path);
      storage = { source, nbytes: source.size, device: deviceText(meta["device"] ?? null, view) };
      storages.set(path, storage);
    }
    out.set(tensor, tensorTemplate(tensor, meta, storage, view));
  }
  return out;
}

async function readPickled(zip: Zip, record: string, name: string, limits: Limits): Promise<TensorTemplate> {
  const saved = await readCheckpoint(await zip.record(record), { limits });
  if (saved.kind === "tensor") return saved.tensor;
  throw new OpwiseError("unsupported-format", `\`${name}\` is stored as a Python object, not as a tensor`, { where: { record } });
}

async function readLegacy(zip: Zip, record: string, limits: Limits): Promise<Weights> {
  if (zip.entry(record) === undefined) return new Map();
  const source = await zip.record(record);
  return source.size === 0 ? new Map() : readStateDict(source, { limits });
}

function tensorTemplate(name: string, meta: JsonObject, storage: StorageTemplate, view: JsonView): TensorTemplate {
  const fixed = (key: string): number[] =>
    view.array(meta[key], key).map((size) => {
      const [kind, value] = view.union(size, key);
      return kind === "as_int" ? view.size(value, key) : view.fail(key, "a fixed size", size);
    });
  const dtype = dtypeOfExport(view.size(meta["dtype"], "dtype"));
  if (layoutOfExport(view.size(meta["layout"], "layout")) !== 0) {
    throw new OpwiseError("unsupported-format", `\`${name}\` is a sparse tensor`, { where: { record: view.record }, wanted: "a strided tensor" });
  }
  const shape = fixed("sizes");
  const strides = fixed("strides");
  const [kind, value] = view.union(meta["storage_offset"], "storage_offset");
  const offset = kind === "as_int" ? view.size(value, "storage_offset") : view.fail("storage_offset", "a fixed offset", value);
  if (strides.length !== shape.length)
    throw new OpwiseError("bad-tensor", `\`${name}\` has ${shape.length} sizes and ${strides.length} strides`, { where: { record: view.record } });
  const extent = extentOf(shape, strides);
  if (extent !== undefined && (offset + extent.high + 1) * itemsize(dtype) > storage.nbytes) {
    throw new OpwiseError("bad-tensor", `\`${name}\` reaches beyond its record`, {
      where: { record: view.record },
      wanted: `at least ${(offset + extent.high + 1) * itemsize(dtype)} bytes`,
      got: `${storage.nbytes} bytes`,
    });
  }
  return { storage, dtype, shape, strides, offset, requiresGrad: meta["requires_grad"] === true };
}
