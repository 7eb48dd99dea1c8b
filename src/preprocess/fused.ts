/** Decoding and the first resize of a JPEG in one pass: rows are made narrow as they are decoded, so the whole picture is never held. */

import type { Image } from "../codecs/image.ts";
import { formatOf } from "../codecs/decode.ts";
import { DEFAULT_MAX_PIXELS } from "../codecs/failure.ts";
import { openJpeg } from "../codecs/jpeg/decode.ts";
import { isOpwiseError } from "../tensor/error.ts";
import { PILLOW_BITS, pillowTaps, toFixed } from "./filters.ts";
import { resizeColumns, verticalFirst } from "./pil-resize.ts";
import type { PreprocessOptions } from "./preprocess.ts";
import { rowResampler } from "./resampler.ts";
import { resizedTo } from "./sizes.ts";
import type { Step } from "./step.ts";

const named = <T>(name: string | undefined, work: () => T): T => {
  try {
    return work();
  } catch (error) {
    throw isOpwiseError(error) ? error.at({ file: name }) : error;
  }
};

/** The picture after the first step, where that is a filtered resize of an RGB JPEG whose horizontal pass comes first; the bytes are those of the long way. */
export function decodeResized(bytes: Uint8Array, first: Step | undefined, options: PreprocessOptions): Image | undefined {
  return named(options.name, () => decodeNarrow(bytes, first, options));
}

function decodeNarrow(bytes: Uint8Array, first: Step | undefined, options: PreprocessOptions): Image | undefined {
  if (first?.op !== "Resize" || first.path === "tensor" || options.onStep !== undefined || options.upright === true || (options.mode ?? "RGB") !== "RGB")
    return undefined;
  const filter = first.interpolation ?? "bilinear";
  if (filter === "nearest" || filter === "nearest-exact" || formatOf(bytes) !== "jpeg") return undefined;
  const file = openJpeg(bytes, options.maxPixels ?? DEFAULT_MAX_PIXELS);
  const { width: w, height: h, orientation } = file;
  const [height, width] = resizedTo(first.size, first.max_size, h, w);
  if (file.mode !== "RGB" || width === w || height < 1 || width < 1 || verticalFirst(w, h, width, height, options.pillow ?? 13)) return undefined;
  const resampler = rowResampler(w, toFixed(pillowTaps(filter, w, 0, w, width), PILLOW_BITS), options.wasm ?? true);
  const narrow = new Uint8Array(h * width * 3);
  file.decode((data, y, count) => resampler(data, count, narrow.subarray(y * width * 3)), options.wasm);
  return resizeColumns({ mode: "RGB", width, height: h, data: narrow, orientation, source: "jpeg islow" }, height, filter, options.wasm ?? true);
}
