/** ImageDecoder: a file's bytes to pixels, by the decoders of codecs/ (Pillow's pixels, which the standard refers to). */

import { convert } from "../../codecs/convert.ts";
import { decodeImage, prepareFor } from "../../codecs/decode.ts";
import type { Image } from "../../codecs/image.ts";
import { empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { forEachOffset, type Tensor } from "../../tensor/tensor.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { tensorAt } from "./inputs.ts";
import { onHost } from "./programs.ts";

/** uint8 samples of a picture, interleaved, and how many a pixel has. */
function pixelsOf(image: Image, format: string): { readonly data: ArrayLike<number>; readonly channels: number } {
  switch (format) {
    case "RGB":
      return { data: convert(image, "RGB").data, channels: 3 };
    case "BGR": {
      const { data } = convert(image, "RGB");
      return { data: Uint8Array.from(data, (_, i) => data[i - (i % 3) + 2 - (i % 3)] ?? 0), channels: 3 };
    }
    case "Grayscale":
      return { data: convert(image, "L").data, channels: 1 };
    default:
      throw new OpwiseError("bad-onnx", "attribute `pixel_format` of `ImageDecoder`", { wanted: "RGB, BGR or Grayscale", got: format });
  }
}

/** uint8 [height, width, channels]. The stream is read on the host; decoders of other packages are loaded when a file needs them. */
function* imageDecoder(ctx: Context, call: OnnxCall): Generator<Tensor | Promise<void>, Tensor, void> {
  const stream = tensorAt(call, 0);
  yield stream;
  const bytes = Uint8Array.from(stream.data, Number);
  const preparing = prepareFor(bytes);
  if (preparing !== undefined) yield preparing;
  const image = decodeImage(bytes);
  const { data, channels } = pixelsOf(image, call.attributes.string("pixel_format", "RGB"));
  const out = empty(ctx, [image.height, image.width, channels], "uint8");
  onHost(ctx, "image_decoder", [], [out], (_, [result]) => {
    if (result === undefined) return;
    const array = result.storage.array("u8");
    forEachOffset(result.shape, result.strides, result.offset, (at, i) => (array[at] = data[i] ?? 0));
  });
  return out;
}

export const pictureOps: readonly OnnxOp[] = [onnxOp("ImageDecoder", { 20: { reads: imageDecoder } })];
