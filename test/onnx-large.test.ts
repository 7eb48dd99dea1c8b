/** Models above 2 GiB: weights in many files, which are read tensor by tensor and copied in pieces. */

import { expect, test } from "vitest";
import { decodeModel } from "../src/bytes/onnx-proto.ts";
import { MessageWriter } from "../src/bytes/protobuf-writer.ts";
import { bytesSource } from "../src/bytes/source.ts";
import { loadOnnx } from "../src/loaders/onnx/loader.ts";
import { saveOnnx } from "../src/loaders/onnx/saving.ts";
import type { Source } from "../src/tensor/source.ts";

const GIB = 2 ** 30;
const MOST_AT_ONCE = 2 ** 26;
const COUNT = 5;

/** Five weights of 1 GiB, each in a file of its own, added to `x [1]`. */
const model = new MessageWriter()
  .int(1, 9)
  .message(8, (o) => o.int(2, 17))
  .message(7, (g) => {
    for (let i = 0; i < COUNT; i++) {
      g.message(1, (n) =>
        n
          .string(1, i === 0 ? "x" : `y${i - 1}`)
          .string(1, `w${i}`)
          .string(2, `y${i}`)
          .string(4, "Add"),
      );
      g.message(5, (t) =>
        t
          .packedInts(1, [GIB / 4])
          .int(2, 1)
          .string(8, `w${i}`)
          .message(13, (e) => e.string(1, "location").string(2, `part${i}.bin`))
          .message(13, (e) => e.string(1, "offset").string(2, "4096"))
          .int(14, 1),
      );
    }
    g.message(11, (v) => v.string(1, "x").message(2, (t) => t.message(1, (e) => e.int(1, 1).message(2, (s) => s.message(1, (d) => d.int(1, 1))))));
    g.message(12, (v) => v.string(1, `y${COUNT - 1}`));
  })
  .finish();

/** The model with files that hold nothing until they are read, and then zeros. */
function source(): { readonly source: Source; readonly reads: number[] } {
  const reads: number[] = [];
  const zeros = new Uint8Array(MOST_AT_ONCE);
  const part = (name: string): Source => ({
    name,
    size: GIB + 4096,
    read: (range) => {
      reads.push(range.length);
      return zeros.subarray(0, range.length);
    },
  });
  return { source: { ...bytesSource(model, "large.onnx"), sibling: part }, reads };
}

test("loading reads no weight, and a weight is read by itself", async () => {
  const { source: from, reads } = source();
  const program = await loadOnnx(from);
  expect(reads).toEqual([]);
  const weights = (program.state ?? []).flatMap(({ value }) => (value.kind === "tensor" ? [value.tensor] : []));
  expect(weights.map((w) => w.storage.nbytes)).toEqual(new Array(COUNT).fill(GIB));
  const bytes = await weights[3]?.storage.source.read({ offset: 512, length: 16 });
  expect([bytes?.length, reads]).toEqual([16, [16]]);
});

test("saving copies the weights in pieces into one file beside the model", async () => {
  const { source: from, reads } = source();
  const sizes = new Map<string, number>();
  let written = new Uint8Array(0);
  await saveOnnx(from, "copy.onnx", async (path, pieces) => {
    let total = 0;
    for await (const piece of pieces) {
      total += piece.length;
      if (path === "copy.onnx") written = new Uint8Array(piece);
    }
    sizes.set(path, total);
  });
  expect(sizes.get("copy.onnx.data")).toBe(COUNT * GIB);
  expect(Math.max(...reads)).toBe(MOST_AT_ONCE);
  const places = decodeModel(written).graph?.initializers.map((t) => [t.external?.get("location"), Number(t.external?.get("offset"))]);
  expect(places).toEqual(Array.from({ length: COUNT }, (_, i) => ["copy.onnx.data", i * GIB]));
});
