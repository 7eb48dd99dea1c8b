import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Source } from "../tensor/source.ts";
import { crc32 } from "./crc32.ts";
import { decodeModel, readOnnxOutline } from "./onnx-proto.ts";
import { readSkeleton } from "./onnx-skeleton.ts";
import { tensorContent } from "./onnx-tensor.ts";
import { MessageWriter } from "./protobuf-writer.ts";
import { bytesSource } from "./source.ts";

const FLOAT = 1;
const INT4 = 22;

/** The bytes as a file would give them: at once, never as they lie in memory; which parts were read is kept. */
function fileLike(bytes: Uint8Array): { readonly source: Source; readonly reads: [number, number][] } {
  const reads: [number, number][] = [];
  const readSync: NonNullable<Source["readSync"]> = ({ offset, length }) => {
    reads.push([offset, length]);
    return bytes.slice(offset, offset + length);
  };
  return { source: { name: "m.onnx", size: bytes.length, read: readSync, readSync }, reads };
}
const total = (reads: readonly (readonly [number, number])[]): number => reads.reduce((n, [, length]) => n + length, 0);

type Fill = (tensor: MessageWriter) => void;
const raw =
  (elements: number): Fill =>
  (t) =>
    void t
      .packedInts(1, [elements])
      .int(2, FLOAT)
      .bytes(9, new Uint8Array(4 * elements).fill(7));
function model(...tensors: readonly Fill[]): Uint8Array {
  return new MessageWriter()
    .int(1, 9)
    .message(7, (graph) => {
      graph.message(1, (node) =>
        node
          .string(2, "c")
          .string(4, "Constant")
          .message(5, (a) => a.string(1, "value").int(20, 4).message(5, raw(3000))),
      );
      tensors.forEach((fill, i) =>
        graph.message(5, (t) => {
          t.string(8, `w${i}`);
          fill(t);
        }),
      );
      graph.string(2, "g".repeat(100));
    })
    .message(8, (o) => o.int(2, 17))
    .finish();
}

/** What each tensor of the model says and holds, its ranges read from the file itself. */
function contents(file: Uint8Array, bytes: Uint8Array): unknown[] {
  const { graph } = decodeModel(bytes);
  const tensors = [
    ...(graph?.initializers ?? []),
    ...(graph?.nodes ?? []).flatMap((n) => n.attributes.flatMap((a) => (a.value?.kind === "tensor" ? [a.value.value] : []))),
  ];
  return tensors.map((t) => {
    const content = tensorContent(t, bytes);
    // By their CRC: comparing element by element takes seconds.
    if (content.kind === "range") return { ...content, crc: crc32(file.subarray(content.range.offset, content.range.offset + content.range.length)) };
    return content.kind === "bytes" ? { ...content, bytes: content.bytes.length, crc: crc32(content.bytes) } : content;
  });
}

describe("the outline of an ONNX file", () => {
  it("has all but large data, at the file's own offsets", () => {
    const file = model(raw(100_000), raw(10), raw(50_000));
    const { source, reads } = fileLike(file);
    const bytes = readSkeleton(source);
    expect(bytes.length).toBe(file.length);
    expect(total(reads)).toBeLessThan(100_000); // of 612,000
    expect(contents(file, bytes)).toEqual(contents(file, file));
    expect(decodeModel(bytes).graph?.name).toBe("g".repeat(100));
  });

  it("has data that is joined from parts, or packed below a byte", () => {
    const parts: Fill = (t) => void t.packedInts(1, [4002]).int(2, FLOAT).packedFloats(4, new Array<number>(4000).fill(1)).float(4, 2).float(4, 3);
    const packed: Fill = (t) => void t.packedInts(1, [20_000]).int(2, INT4).bytes(9, new Uint8Array(10_000).fill(0x8f));
    // The type may come after the data.
    const late: Fill = (t) => void t.packedInts(1, [20_000]).bytes(9, new Uint8Array(10_000).fill(0x8f)).int(2, INT4);
    for (const fill of [parts, packed, late]) {
      const file = model(raw(5000), fill);
      expect(contents(file, readSkeleton(fileLike(file).source))).toEqual(contents(file, file));
    }
  });

  it("is the whole of a file that it cannot follow", () => {
    const file = model(raw(5000), raw(5000));
    for (const damaged of [file.slice(0, file.length - 30), Uint8Array.from([...file, 0x0b]), Uint8Array.from({ length: 9000 }, (_, i) => (i * 37) % 256)]) {
      const bytes = readSkeleton(fileLike(damaged).source);
      const said = (b: Uint8Array): unknown => {
        try {
          return decodeModel(b).graph?.name;
        } catch (error) {
          return error instanceof Error ? error.message : error;
        }
      };
      expect(said(bytes)).toEqual(said(damaged));
    }
  });

  it("says of any damaged file what the whole file says", () => {
    const file = model(raw(3000), raw(20), raw(2000));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 }), fc.boolean(), (changes, atEnd) => {
        const damaged = file.slice();
        for (const [at, value] of changes) damaged[atEnd ? damaged.length - 1 - at : at] = value;
        const said = (b: Uint8Array): unknown => {
          try {
            return contents(damaged, b);
          } catch (error) {
            return error instanceof Error ? error.message : error;
          }
        };
        expect(said(readSkeleton(fileLike(damaged).source))).toEqual(said(damaged));
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  it("is taken of files alone: bytes in memory are used as they are, and what is slow is read whole", async () => {
    const file = model(raw(5000));
    expect((await readOnnxOutline(bytesSource(file))).bytes.buffer).toBe(file.buffer);
    const reads: number[] = [];
    const slow: Source = {
      name: "slow",
      size: file.length,
      read: async ({ offset, length }) => {
        reads.push(length);
        return file.slice(offset, offset + length);
      },
    };
    expect((await readOnnxOutline(slow)).bytes).toEqual(file);
    expect(reads).toEqual([file.length]);
  });
});
