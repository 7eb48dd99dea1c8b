/** Weights go from their file to a backend that takes them there, when a session is made: the host holds no copy. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cpu, isOpwiseError, load, type Session, Tensor, wasm } from "../src/index.ts";
import { makeBackend } from "../scripts/runner/backend.ts";
import { MessageWriter } from "../src/bytes/protobuf-writer.ts";

const MODEL = join(import.meta.dirname, "../examples/shapes/model.pt");
const file = new Uint8Array(readFileSync(MODEL));
const picture = (): Tensor =>
  Tensor.from(
    Float32Array.from({ length: 1024 }, (_, i) => (i % 31) / 31),
    [1, 1, 32, 32],
  );

const weightsOf = (session: Session): Tensor[] =>
  session
    .tensors()
    .map((t) => t.tensor)
    .filter((t) => t.storage.nbytes >= 256);

describe.each([
  ["a file", MODEL],
  ["bytes", file],
  ["a Blob", new Blob([file])],
])("weights of %s", (_, what) => {
  it("are on the backend alone when the session is ready, and give the cpu's answer", async () => {
    const backend = wasm();
    const model = await load(what);
    using session = await model.session({ backend });
    const weights = weightsOf(session);
    expect(weights.length).toBeGreaterThan(2);
    expect(weights.map((t) => [t.storage.bufferOn(backend) !== undefined, t.storage.onHost])).toEqual(weights.map(() => [true, false]));
    const got = await session.forward(picture());
    using reference = await model.session({ backend: cpu() });
    const want = await reference.forward(picture());
    if (!(got instanceof Tensor) || !(want instanceof Tensor)) throw new TypeError("a tensor was expected");
    const [a, b] = [Array.from(got.data, Number), Array.from(want.data, Number)];
    a.forEach((value, i) => expect(value).toBeCloseTo(b[i] ?? NaN, 4));
    // The host can have them back.
    const names = [...session.stateDict().keys()];
    for (const name of names) expect(session.stateDict().get(name)?.data).toEqual(reference.stateDict().get(name)?.data);
  });
});

it("go into memory that threads share, too", async () => {
  const backend = await makeBackend("wasm2");
  try {
    using session = await (await load(MODEL)).session({ backend });
    using reference = await (await load(MODEL)).session({ backend: cpu() });
    expect(weightsOf(session).every((t) => !t.storage.onHost)).toBe(true);
    for (const [name, tensor] of session.stateDict()) expect(tensor.data).toEqual(reference.stateDict().get(name)?.data);
  } finally {
    backend.dispose();
  }
});

it("damage of a record ends the making of a session, and leaves nothing on the backend", async () => {
  const damaged = file.slice();
  const model = await load(MODEL);
  const weight = Buffer.from((await model.session()).parameters().values().next().value?.data.buffer ?? new ArrayBuffer(0));
  const at = Buffer.from(damaged).indexOf(weight.subarray(0, 64));
  damaged[at + 5] = (damaged[at + 5] ?? 0) ^ 255;
  for (const what of [damaged, new Blob([damaged])]) {
    const backend = wasm();
    const error: unknown = await (await load(what)).session({ backend }).then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(isOpwiseError(error) && error.code).toBe("crc-mismatch");
    expect(backend.live().buffers).toBe(0);
  }
});

it("an ONNX weight that several nodes name is on the backend once", async () => {
  const values = new Uint8Array(Float32Array.from({ length: 1024 }, (_, i) => i).buffer);
  const info = (name: string) => (v: MessageWriter) =>
    void v.string(1, name).message(2, (type) => type.message(1, (t) => t.int(1, 1).message(2, (s) => s.message(1, (d) => d.int(1, 1024)))));
  const bytes = new MessageWriter()
    .int(1, 9)
    .message(7, (g) => {
      g.message(1, (n) => n.string(1, "x").string(1, "w").string(2, "a").string(4, "Add"));
      g.message(1, (n) => n.string(1, "a").string(1, "w").string(2, "y").string(4, "Mul"));
      g.message(5, (t) => t.packedInts(1, [1024]).int(2, 1).string(8, "w").bytes(9, values));
      g.message(11, info("x")).message(12, info("y"));
    })
    .message(8, (o) => o.int(2, 17))
    .finish();
  const backend = wasm();
  using session = await (await load(bytes)).session({ backend });
  expect(backend.live().buffers).toBe(1);
  const { y } = await session.run({ x: Tensor.zeros([1024]) });
  expect(y instanceof Tensor && [y.data[2], y.data[3]]).toEqual([4, 9]);
});
