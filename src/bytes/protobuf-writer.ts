/** Writes protobuf messages. A file of its own: readers, and pages that only read, need nothing of protobufjs. */

import protobuf from "protobufjs/minimal.js";
import { WIRE } from "./protobuf.ts";

/** Fields of one message being written; all methods return the writer. */
export class MessageWriter {
  readonly #writer: protobuf.Writer;

  constructor(writer: protobuf.Writer = protobuf.Writer.create()) {
    this.#writer = writer;
  }

  /** An int64 or uint64; also an int32 or enum, whose negative values are written as 64 bits too. */
  int(field: number, value: number | bigint): this {
    this.#tag(field, WIRE.VARINT).int64(longOf(value));
    return this;
  }
  float(field: number, value: number): this {
    this.#tag(field, WIRE.FIXED32).float(value);
    return this;
  }
  double(field: number, value: number): this {
    this.#tag(field, WIRE.FIXED64).double(value);
    return this;
  }
  string(field: number, value: string): this {
    this.#tag(field, WIRE.BYTES).string(value);
    return this;
  }
  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, WIRE.BYTES).bytes(value);
    return this;
  }
  /** A packed list of ints; nothing for an empty one. */
  packedInts(field: number, values: readonly (number | bigint)[]): this {
    if (values.length === 0) return this;
    const list = this.#tag(field, WIRE.BYTES).fork();
    for (const value of values) list.int64(longOf(value));
    list.ldelim();
    return this;
  }
  /** A packed list of floats; nothing for an empty one. */
  packedFloats(field: number, values: readonly number[]): this {
    if (values.length === 0) return this;
    const list = this.#tag(field, WIRE.BYTES).fork();
    for (const value of values) list.float(value);
    list.ldelim();
    return this;
  }
  /** A message, whose fields `write` adds. */
  message(field: number, write: (inner: MessageWriter) => void): this {
    const inner = this.#tag(field, WIRE.BYTES).fork();
    write(new MessageWriter(inner));
    inner.ldelim();
    return this;
  }
  /** The bytes written; the outermost writer only. */
  finish(): Uint8Array {
    const bytes = this.#writer.finish();
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #tag(field: number, wire: number): protobuf.Writer {
    return this.#writer.uint32(((field << 3) | wire) >>> 0);
  }
}

/** What protobufjs takes for 64 bits without a library for long ints. */
function longOf(value: number | bigint): Parameters<protobuf.Writer["int64"]>[0] {
  const bits = BigInt.asUintN(64, BigInt(value));
  return new protobuf.util.LongBits(Number(bits & 0xffffffffn), Number(bits >> 32n)).toLong(false);
}
