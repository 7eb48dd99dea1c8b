/** One entry of the preprocessing corpus against what this build makes of it. Runs under Node and in a browser alike. */

import { CHANNELS, type Image } from "../../src/codecs/image.ts";
import { convert } from "../../src/codecs/convert.ts";
import { decodeImage } from "../../src/codecs/decode.ts";
import { transposeFor } from "../../src/codecs/transpose.ts";
import { isOpwiseError } from "../../src/tensor/error.ts";
import { type Json, type JsonObject, object } from "./value.ts";

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

async function differs(what: string, image: Image, want: Json | undefined): Promise<string | undefined> {
  if (want === undefined) return undefined;
  const entry = object(want);
  if (Array.isArray(entry["size"]) && entry["size"].join() !== `${image.width},${image.height}`) return `${what}: size ${image.width} x ${image.height}`;
  if (image.data.length !== image.width * image.height * CHANNELS[image.mode]) return `${what}: ${image.data.length} samples`;
  const got = await sha256(pillowBytes(image));
  return got === entry["sha256"] ? undefined : `${what}: other pixels (mode ${image.mode})`;
}

/** An entry of images.json; undefined where all agrees. */
export async function checkPicture(entry: JsonObject, bytes: Uint8Array): Promise<string | undefined> {
  const image = decodeImage(bytes, { name: String(entry["file"]) });
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
export async function checkDamaged(entry: JsonObject, bytes: Uint8Array): Promise<string | undefined> {
  const verdict = String(entry["pillow"]);
  const wanted = /^accepts: (\w+)/.exec(verdict)?.[1];
  try {
    const image = decodeImage(bytes, { name: String(entry["file"]) });
    if (wanted === undefined) return `accepted, Pillow gives ${verdict}`;
    return (await sha256(convert(image, "RGB").data)) === wanted ? undefined : "other pixels";
  } catch (error) {
    if (!isOpwiseError(error)) return `an error without a code: ${String(error)}`;
    return wanted === undefined ? undefined : `refused: ${error.message}`;
  }
}
