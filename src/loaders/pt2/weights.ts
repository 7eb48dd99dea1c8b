/** Weights and constants of a .pt2 archive: raw records described by a JSON list; tied tensors share a record. */

import type { Zip } from "../../bytes/zip.ts";
import type { StorageTemplate, TensorTemplate } from "../../ir/template.ts";
import { itemsize } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { extentOf } from "../../tensor/shape.ts";
import { deviceText } from "./arguments.ts";
import { dtypeOfExport, layoutOfExport } from "./enums.ts";
import { type JsonObject, JsonView, parseJson } from "./json.ts";

/** Tensors by their name in the model. */
export type Weights = ReadonlyMap<string, TensorTemplate>;

export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/**
 * Reads the config record of a folder (`data/weights/`). A config that is absent means no tensors.
 * @throws bad-model, bad-tensor, missing-record, unsupported-format
 */
export async function readWeights(zip: Zip, folder: string, config: string): Promise<Weights> {
  const out = new Map<string, TensorTemplate>();
  if (zip.entry(config) === undefined) return out;
  const view = new JsonView(config);
  const root = view.object(parseJson(textOf(await zip.read(config)), config), "config");
  const storages = new Map<string, StorageTemplate>();
  for (const [name, json] of Object.entries(view.object(root["config"], "config"))) {
    const entry = view.object(json, name);
    if (entry["use_pickle"] === true || entry["tensor_meta"] === null || entry["tensor_meta"] === undefined) {
      throw new OpwiseError("unsupported-format", `\`${name}\` is stored as a Python pickle, not as a plain tensor`, { where: { record: config } });
    }
    const path = folder + view.text(entry["path_name"], "path_name");
    const meta = view.object(entry["tensor_meta"], "tensor_meta");
    let storage = storages.get(path);
    if (storage === undefined) {
      const source = await zip.record(path);
      storage = { source, nbytes: source.size, device: deviceText(meta["device"] ?? null, view) };
      storages.set(path, storage);
    }
    out.set(name, tensorTemplate(name, meta, storage, view));
  }
  return out;
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
