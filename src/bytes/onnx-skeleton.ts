/**
 * Reads an ONNX file without the large data of its tensors: memory as long as the file, in which those parts are never written, so that the system gives it no pages for them.
 * Ranges in the decoded model are ranges of the file either way. What cannot be followed is read whole, for the decoder to say what is wrong with it.
 */

import { dtypeOfOnnx } from "../tensor/dtype.ts";
import type { Range, Source } from "../tensor/source.ts";
import { packedBits } from "./packed-bits.ts";
import { WIRE } from "./protobuf.ts";
import { readInto } from "./source.ts";

/** Data of more bytes than this is left out. Loading looks into smaller tensors: they may say shapes. */
const LEAST_HOLE = 4096;
/** Bytes read at a time: names and headers of the next fields come along. */
const WINDOW = 16 * 1024;
/** Deeper messages are read whole. */
const MAX_DEPTH = 64;

type Message = "model" | "graph" | "node" | "attribute" | "function" | "tensor" | "sparse";

/** Fields that are messages with tensors somewhere inside. */
const INSIDE: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: "graph", 25: "function" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  function: { 7: "node" },
  sparse: { 1: "tensor", 2: "tensor" },
  tensor: {},
};
const DATA_TYPE = 2;
/** `float_data`, `raw_data` and `double_data`: bytes as memory has them. */
const AS_IN_MEMORY: ReadonlySet<number> = new Set([4, 9, 10]);

/** What cannot be followed. */
class Lost extends Error {}

class Skeleton {
  readonly bytes: Uint8Array;
  readonly #source: Source;
  /** The part read last; the walk goes forward. */
  #from = 0;
  #to = 0;
  #at = 0;

  constructor(source: Source) {
    this.#source = source;
    this.bytes = new Uint8Array(source.size);
  }

  read({ offset, length }: Range): void {
    readInto(this.#source, { offset, length }, this.bytes.subarray(offset, offset + length));
  }

  /** Reads everything from where the walk was lost. */
  rest(): void {
    this.read({ offset: this.#at, length: this.bytes.length - this.#at });
  }

  #need(offset: number, length: number): void {
    if (offset >= this.#from && offset + length <= this.#to) return;
    // What follows the part at hand is read on from its end.
    const from = offset >= this.#from && offset < this.#to ? this.#to : offset;
    const to = Math.min(this.bytes.length, Math.max(offset + length, from + WINDOW));
    this.read({ offset: from, length: to - from });
    this.#from = from === offset ? from : this.#from;
    this.#to = to;
  }

  #varint(end: number): number {
    let value = 0;
    for (let scale = 1; this.#at < end && scale <= 2 ** 63; scale *= 128) {
      this.#need(this.#at, 1);
      const byte = this.bytes[this.#at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new Lost();
  }

  walk(message: Message, end: number, depth: number): void {
    const holes: Range[] = [];
    let [type, parts] = [0, 0];
    let mayStay = false;
    try {
      while (this.#at < end) {
        const tag = this.#varint(end);
        const field = Math.floor(tag / 8);
        if (message === "tensor" && AS_IN_MEMORY.has(field)) parts++;
        switch (tag % 8) {
          case WIRE.VARINT: {
            const value = this.#varint(end);
            if (message === "tensor" && field === DATA_TYPE) type = value;
            break;
          }
          case WIRE.FIXED64:
            this.#pass(8, end);
            break;
          case WIRE.FIXED32:
            this.#pass(4, end);
            break;
          case WIRE.BYTES: {
            const length = this.#varint(end);
            const inner = INSIDE[message][field];
            if (length > end - this.#at) throw new Lost();
            if (inner !== undefined && depth < MAX_DEPTH) this.walk(inner, this.#at + length, depth + 1);
            else if (message === "tensor" && AS_IN_MEMORY.has(field) && length > LEAST_HOLE) {
              holes.push({ offset: this.#at, length });
              this.#at += length;
            } else this.#pass(length, end);
            break;
          }
          default:
            throw new Lost(); // groups
        }
      }
      // Data in several parts is joined, packed elements are taken apart: both by whoever decodes the tensor.
      const dtype = dtypeOfOnnx(type);
      mayStay = parts <= 1 && dtype !== undefined && dtype !== "string" && packedBits(dtype) >= 8;
    } finally {
      if (!mayStay) for (const hole of holes) this.read(hole);
    }
  }

  #pass(length: number, end: number): void {
    if (length > end - this.#at) throw new Lost();
    if (length > 0) this.#need(this.#at, length);
    this.#at += length;
  }
}

/**
 * The bytes of an ONNX file, those of large tensor data left zero where `tensorContent` gives their range. For sources that can be read at once.
 * @throws as the source's `readSync`
 */
export function readSkeleton(source: Source): Uint8Array {
  const skeleton = new Skeleton(source);
  try {
    skeleton.walk("model", source.size, 0);
  } catch (error) {
    if (!(error instanceof Lost)) throw error;
    skeleton.rest();
  }
  return skeleton.bytes;
}
