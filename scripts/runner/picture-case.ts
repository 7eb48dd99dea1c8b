/** One entry of the preprocessing corpus against what this build makes of it. Runs under Node and in a browser alike. */

import { CHANNELS, type Image, type Mode } from "../../src/codecs/image.ts";
import { convert } from "../../src/codecs/convert.ts";
import { decodeImage, type DecodeOptions, prepareFor } from "../../src/codecs/decode.ts";
import { transposeFor } from "../../src/codecs/transpose.ts";
import { isTensor, type Item } from "../../src/preprocess/item.ts";
import { parseSteps } from "../../src/preprocess/parse.ts";
import { Compose } from "../../src/preprocess/pipeline.ts";
import { isPreset, PRESETS } from "../../src/preprocess/presets.ts";
import { isOpwiseError } from "../../src/tensor/error.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { array, type Json, type JsonObject, object } from "./value.ts";

export async function sha256(data: ArrayBufferView): Promise<string> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const digest = await crypto.subtle.digest("SHA-256", bytes.slice());
  return [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

/** The bytes that Pillow's `tobytes` gives: bits packed for mode 1, all others as they are. */
export function pillowBytes(image: Image): ArrayBufferView {
  if (image.mode !== "1") return image.data;
  const { width, height, data } = image;
  const stride = Math.ceil(width / 8);
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) if (data[y * width + x] !== 0) out[y * stride + (x >> 3)] = (out[y * stride + (x >> 3)] ?? 0) | (128 >> (x & 7));
  return out;
}

/** Whether the hot loops may be WebAssembly. */
export interface Way {
  readonly wasm: boolean;
}

async function decoded(bytes: Uint8Array, options: DecodeOptions): Promise<Image> {
  await prepareFor(bytes);
  return decodeImage(bytes, options);
}

async function differs(what: string, image: Image, want: Json | undefined): Promise<string | undefined> {
  if (want === undefined) return undefined;
  const entry = object(want);
  if (Array.isArray(entry["size"]) && entry["size"].join() !== `${image.width},${image.height}`) return `${what}: size ${image.width} x ${image.height}`;
  if (image.data.length !== image.width * image.height * CHANNELS[image.mode]) return `${what}: ${image.data.length} samples`;
  const got = await sha256(pillowBytes(image));
  return got === entry["sha256"] ? undefined : `${what}: other pixels (mode ${image.mode})`;
}

/** An entry of images.json; undefined where all agrees. */
export async function checkPicture(entry: JsonObject, bytes: Uint8Array, { wasm }: Way = { wasm: true }): Promise<string | undefined> {
  const image = await decoded(bytes, { name: String(entry["file"]), wasm });
  if (image.mode !== entry["mode"]) return `mode ${image.mode}, wanted ${String(entry["mode"])}`;
  return (
    (await differs("as it is", image, entry["raw"])) ??
    (await differs("RGB", convert(image, "RGB"), entry["rgb"])) ??
    (entry["rgba"] === undefined ? undefined : await differs("RGBA", convert(image, "RGBA"), entry["rgba"])) ??
    (entry["l"] === undefined ? undefined : await differs("L", convert(image, "L"), entry["l"])) ??
    (entry["exif_transpose"] === undefined
      ? undefined
      : await differs("upright", convert(transposeFor(image, image.orientation ?? 1), "RGB"), entry["exif_transpose"]))
  );
}

/** An entry of bad.json: a typed error where Pillow refuses the file, the same pixels where it does not. */
export async function checkDamaged(entry: JsonObject, bytes: Uint8Array, { wasm }: Way = { wasm: true }): Promise<string | undefined> {
  const verdict = String(entry["pillow"]);
  const wanted = /^accepts: (\w+)/.exec(verdict)?.[1];
  try {
    const image = await decoded(bytes, { name: String(entry["file"]), wasm });
    if (wanted === undefined) return `accepted, Pillow gives ${verdict}`;
    return (await sha256(convert(image, "RGB").data)) === wanted ? undefined : "other pixels";
  } catch (error) {
    if (!isOpwiseError(error)) return `an error without a code: ${String(error)}`;
    return wanted === undefined ? undefined : `refused: ${error.message}`;
  }
}

/** An item's numbers in the order of the record: pictures and tensors row by row, channels-last tensors as they lie in memory. */
function dataOf(item: Item, layout: Json | undefined): Image["data"] | Tensor["data"] {
  if (!isTensor(item)) return item.data;
  if (layout !== "channels_last") return item.data;
  const [n = 0, c = 0, h = 0, w = 0] = item.shape;
  if (item.strides.join() !== [h * w * c, 1, w * c, c].join()) throw new Error(`strides [${item.strides.join(", ")}] are not channels last`);
  return new Tensor(item.storage, item.dtype, [n, h, w, c]).data;
}

function formOf(item: Item): string {
  return isTensor(item) ? `${item.dtype}[${item.shape.join(", ")}]` : `${item.mode}[${item.height}, ${item.width}]`;
}

/** The first step whose result is not the recorded one. */
async function firstDifference(steps: readonly (readonly Item[])[], trace: readonly Json[]): Promise<string> {
  const flat = steps.flat();
  for (const [i, item] of flat.entries()) {
    const want = trace[i] === undefined ? undefined : object(trace[i]);
    if (want !== undefined && (await sha256(isTensor(item) ? item.data : pillowBytes(item))) !== want["sha256"])
      return `first at ${String(want["op"])} (${i}): ${formOf(item)}`;
  }
  return "no step differs";
}

async function compareItem(item: Item, expect: JsonObject, arrays: ReadonlyMap<string, Tensor>): Promise<string | undefined> {
  const form = isTensor(item) ? item.dtype : item.mode;
  const shape = isTensor(item) ? item.shape : [item.height, item.width];
  if (expect["kind"] !== (isTensor(item) ? "tensor" : "image")) return `kind ${formOf(item)}`;
  if (form !== (isTensor(item) ? expect["dtype"] : expect["mode"])) return `${form}, wanted ${String(expect["dtype"])} ${String(expect["mode"] ?? "")}`;
  if (shape.join() !== array(expect["shape"]).join()) return `shape [${shape.join(", ")}], wanted [${array(expect["shape"]).join(", ")}]`;
  const data = dataOf(item, expect["layout"]);
  const atol = Number(expect["atol"]);
  if (atol === 0) return (await sha256(isTensor(item) ? data : pillowBytes(item))) === expect["sha256"] ? undefined : "other bytes";
  const recorded = arrays.get(String(expect["npz"]));
  const pairs: readonly (readonly [got: number, want: number])[] =
    recorded === undefined
      ? array(object(expect["probe"])["indices"]).map((at, k) => [Number(data[Number(at)]), Number(array(object(expect["probe"])["values"])[k])] as const)
      : Array.from({ length: recorded.numel }, (_, i) => [Number(data[i]), Number(recorded.data[i])] as const);
  const worst = pairs.reduce((most, [got, want]) => Math.max(most, Math.abs(got - want)), 0);
  if (!(worst <= atol)) return `off by ${worst}, allowed ${atol}`;
  const off = pairs.filter(([got, want]) => got !== want).length / pairs.length;
  return off <= Number(expect["max_fraction_off"] ?? 1) ? undefined : `${off} of the values differ`;
}

/** An entry of cases.json. */
export async function checkCase(
  entry: JsonObject,
  read: (file: string) => Promise<Uint8Array>,
  arrays: ReadonlyMap<string, Tensor>,
  { wasm }: Way = { wasm: true },
): Promise<string | undefined> {
  const files = Array.isArray(entry["image"]) ? entry["image"].map(String) : [String(entry["image"])];
  const load = String(entry["load"]);
  const images: Image[] = [];
  for (const file of files) {
    const image = await decoded(await read(file), { name: file, wasm });
    images.push(load === "as-is" ? image : convert(image, load as Mode)); // the record's modes are Pillow's
  }
  const expect = object(entry["expect"]);
  const run = async (steps: Json, wanted: JsonObject = expect, pillow: 12 | 13 = 13): Promise<string | undefined> => {
    const trace: (readonly Item[])[] = [images];
    const items = new Compose(parseSteps(steps)).apply(images, { wasm, pillow, onStep: (event) => trace.push(event.items) });
    const [item] = items;
    if (item === undefined || items.length > 1) return `${items.length} items`;
    const difference = await compareItem(item, wanted, arrays);
    return difference === undefined ? undefined : `${difference}; ${await firstDifference(trace, array(entry["trace"]))}`;
  };
  const before = expect["pillow12"] === undefined ? undefined : await run(entry["steps"] ?? [], { ...expect, sha256: expect["pillow12"] }, 12);
  if (before !== undefined) return `as Pillow 12: ${before}`;
  const outcome = await run(entry["steps"] ?? []);
  if (outcome !== undefined || entry["preset"] === undefined) return outcome;
  const name = String(entry["preset"]);
  if (!isPreset(name)) return `there is no preset ${name}`;
  const preset = await run(PRESETS[name] as unknown as Json); // steps are JSON
  return preset === undefined ? undefined : `preset ${name}: ${preset}`;
}
