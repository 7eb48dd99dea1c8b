/** Writes a loaded ONNX model again: the same messages, with large data beside the file where one file cannot hold it. */

import { DEFAULT_LIMITS, type Limits } from "../../bytes/limits.ts";
import { type ModelProto, readOnnx, type TensorProto } from "../../bytes/onnx-proto.ts";
import { encodeModel, type TensorData } from "../../bytes/onnx-writer.ts";
import type { PutFile, WriteOptions } from "../../ir/graph.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Range, Source } from "../../tensor/source.ts";
import { functionsOf, tensorsOf } from "./loader.ts";
import { TensorReader } from "./tensors.ts";

/** Protobuf messages end here; a margin is left for what is not data. */
const LARGEST_FILE = 2 ** 31 - 2 ** 26;
/** Smaller tensors stay in the model's file. */
const LEAST_EXTERNAL = 1024;
/** Tensors in a file of their own begin at pages, so that they can be mapped. */
const PAGE = 4096;
const CHUNK = 2 ** 26;

/** Bytes of a tensor as they lie in a file. */
interface Placed {
  readonly source: Source;
  readonly range: Range;
}

async function* chunksOf({ source, range }: Placed): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < range.length; at += CHUNK) yield await source.read({ offset: range.offset + at, length: Math.min(CHUNK, range.length - at) });
}

/**
 * Writes the model of `source` as `name`, and where its data is more than one file may hold (or `externalData` asks for it) as `name.data` beside it.
 * Data is copied piece by piece. @throws as loading does
 */
export async function saveOnnx(source: Source, name: string, put: PutFile, options: WriteOptions = {}, limits: Limits = DEFAULT_LIMITS): Promise<void> {
  const { model, bytes } = await readOnnx(source, limits);
  const places = await placesOf(model, source, bytes, limits);
  const total = [...places.values()].reduce((n, p) => n + p.range.length, 0);
  const apart = options.externalData ?? total > LARGEST_FILE;
  if (!apart && total > LARGEST_FILE)
    throw new OpwiseError("limit-exceeded", "the model's data does not fit one file", {
      wanted: `at most ${LARGEST_FILE} bytes`,
      got: `${total}`,
      hint: "leave out `externalData: false`",
    });

  const data = new Map<TensorProto, TensorData>();
  const beside: { readonly place: Placed; readonly at: number }[] = [];
  const location = `${name.slice(name.lastIndexOf("/") + 1)}.data`;
  let end = 0;
  for (const [tensor, place] of places) {
    if (apart && place.range.length >= LEAST_EXTERNAL) {
      const at = Math.ceil(end / PAGE) * PAGE;
      end = at + place.range.length;
      beside.push({ place, at });
      data.set(
        tensor,
        new Map([
          ["location", location],
          ["offset", `${at}`],
          ["length", `${place.range.length}`],
        ]),
      );
    } else if (tensor.external !== undefined) data.set(tensor, await place.source.read(place.range));
  }
  if (beside.length > 0) {
    await put(
      `${name}.data`,
      (async function* all() {
        let at = 0;
        for (const next of beside) {
          if (next.at > at) yield new Uint8Array(next.at - at);
          yield* chunksOf(next.place);
          at = next.at + next.place.range.length;
        }
      })(),
    );
  }
  await put(name, [encodeModel(model, { bytes, data: (tensor) => data.get(tensor) })]);
}

/** Where the tensors lie that are plain bytes: in the model's file, or in others. */
async function placesOf(model: ModelProto, source: Source, bytes: Uint8Array, limits: Limits): Promise<Map<TensorProto, Placed>> {
  const reader = new TensorReader(source, bytes, limits);
  const out = new Map<TensorProto, Placed>();
  if (model.graph === undefined) return out;
  for (const tensor of tensorsOf(model.graph, functionsOf(model))) {
    await reader.open(tensor);
    const place = reader.place(tensor);
    if (place !== undefined) out.set(tensor, place);
  }
  return out;
}
