/**
 * Protocol buffers by hand-written field numbers: a bounded reader that knows where each field lies, so that large data can stay
 * where it is. The reader is ours because protobufjs's keeps no positions and does not bound nested messages; the writer is in `protobuf-writer.ts`.
 */

import { OpwiseError } from "../tensor/error.ts";
import type { Range } from "../tensor/source.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";

/** How a field's value is written. */
export const WIRE = { VARINT: 0, FIXED64: 1, BYTES: 2, GROUP: 3, END_GROUP: 4, FIXED32: 5 } as const;

/** What all readers of one file share. */
interface Shared {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly limits: Limits;
  readonly file: string | undefined;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });
const looseUtf8 = new TextDecoder("utf-8");

/**
 * The fields of one message, in the file's order. `next()` steps to a field and `field` says its number; then one of the value
 * methods reads it, or the next `next()` skips it, whatever its wire type.
 */
export class MessageReader {
  /** Number of the current field. */
  field = 0;
  /** Wire type of the current field. */
  wire = 0;
  /** The message's name for errors: `GraphProto`. */
  readonly what: string;
  readonly #shared: Shared;
  readonly #end: number;
  readonly #depth: number;
  #at: number;
  #fieldAt = 0;
  #unread = false;

  private constructor(shared: Shared, what: string, at: number, end: number, depth: number) {
    this.#shared = shared;
    this.what = what;
    this.#at = at;
    this.#end = end;
    this.#depth = depth;
  }

  /** A reader over a file whose outermost message is a `what`. */
  static open(bytes: Uint8Array, what: string, options: { readonly limits?: Limits | undefined; readonly file?: string | undefined } = {}): MessageReader {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new MessageReader({ bytes, view, limits: options.limits ?? DEFAULT_LIMITS, file: options.file }, what, 0, bytes.length, 0);
  }

  /** Decodes the varints that lie at `range`, which `varints()` gave; int32 values are in the low 32 bits. @throws bad-onnx */
  static varintsAt(bytes: Uint8Array, range: Range, kind: "int32" | "int64" | "uint64"): (number | bigint)[] {
    const outer = MessageReader.open(bytes, "packed list");
    const reader = new MessageReader(outer.#shared, "packed list", range.offset, range.offset + range.length, 0);
    const list: (number | bigint)[] = [];
    while (reader.#at < reader.#end) list.push(kind === "int32" ? reader.#varint32Low() : reader.#varint64(kind === "int64"));
    return list;
  }

  get limits(): Limits {
    return this.#shared.limits;
  }

  /** Steps to the next field; false at the message's end. @throws bad-onnx, limit-exceeded */
  next(): boolean {
    if (this.#unread) this.#skip();
    if (this.#at >= this.#end) return false;
    this.#fieldAt = this.#at;
    const tag = this.#varint32();
    this.field = tag >>> 3;
    this.wire = tag & 7;
    if (this.field === 0) throw this.error("a tag has field number 0");
    if (this.wire > 5) throw this.error(`a tag has the unknown wire type ${this.wire}`);
    if (this.wire === WIRE.END_GROUP) throw this.error("a group ends that never began");
    this.#unread = true;
    return true;
  }

  /** An error at the current field. */
  error(message: string, facts: { readonly wanted?: string; readonly got?: string } = {}): OpwiseError {
    const place = this.field === 0 ? `in ${this.what}` : `in field ${this.field} of ${this.what}`;
    return new OpwiseError("bad-onnx", `${message} (${place}, byte ${this.#fieldAt})`, { where: { file: this.#shared.file }, ...facts });
  }

  // ---- values of the current field

  /** An int64: a safe number, else a bigint. */
  int64(): number | bigint {
    this.#want(WIRE.VARINT);
    return this.#varint64(true);
  }
  /** A uint64: a safe number, else a bigint. */
  uint64(): number | bigint {
    this.#want(WIRE.VARINT);
    return this.#varint64(false);
  }
  /** An int32 or an enum; writers sign-extend negative ones to 64 bits. */
  int32(): number {
    this.#want(WIRE.VARINT);
    return this.#varint32Low();
  }
  float(): number {
    this.#want(WIRE.FIXED32);
    return this.#shared.view.getFloat32(this.#advance(4), true);
  }
  double(): number {
    this.#want(WIRE.FIXED64);
    return this.#shared.view.getFloat64(this.#advance(8), true);
  }
  /** Where a bytes field, a string or a packed list lies in the file. */
  range(): Range {
    this.#want(WIRE.BYTES);
    return this.#range();
  }
  /** A view of a bytes field. */
  bytes(): Uint8Array {
    const { offset, length } = this.range();
    return this.#shared.bytes.subarray(offset, offset + length);
  }
  /** A string; bytes that are no UTF-8 become U+FFFD, the same way each time. */
  string(): string {
    const { offset, length } = this.range();
    return decodeText(this.#shared.bytes, offset, length);
  }
  /** A reader of a message field. @throws limit-exceeded when messages are nested too deep */
  message(what: string): MessageReader {
    const { offset, length } = this.range();
    return this.#inner(what, offset, length);
  }

  /** Adds one element, or a packed list of them, of a repeated int64 to `list`. */
  addInt64s(list: (number | bigint)[]): void {
    this.#addVarints((inner) => list.push(inner.#varint64(true)));
  }
  /** As `addInt64s`, for int32 and enums. */
  addInt32s(list: number[]): void {
    this.#addVarints((inner) => list.push(inner.#varint32Low()));
  }
  /** As `addInt64s`, for uint64. */
  addUint64s(list: (number | bigint)[]): void {
    this.#addVarints((inner) => list.push(inner.#varint64(false)));
  }
  /** Adds one element, or a packed list of them, of a repeated float to `list`. */
  addFloats(list: number[]): void {
    const { view } = this.#shared;
    const { offset, length } = this.fixed(4);
    for (let at = offset; at < offset + length; at += 4) list.push(view.getFloat32(at, true));
  }
  /** Where the elements of a repeated float (`itemsize` 4) or double (8) field lie: one of them, or a packed list. */
  fixed(itemsize: 4 | 8): Range {
    if (this.wire !== WIRE.BYTES) {
      this.#want(itemsize === 4 ? WIRE.FIXED32 : WIRE.FIXED64);
      return { offset: this.#advance(itemsize), length: itemsize };
    }
    const range = this.range();
    if (range.length % itemsize !== 0) throw this.error("a packed list ends inside an element", { wanted: `a multiple of ${itemsize} bytes`, got: `${range.length}` });
    return range;
  }
  /** Where the varints of a repeated field lie: one of them, or a packed list. They are checked when they are decoded. */
  varints(): Range {
    if (this.wire === WIRE.BYTES) return this.range();
    this.#want(WIRE.VARINT);
    const offset = this.#at;
    this.#varint64(false);
    return { offset, length: this.#at - offset };
  }

  // ---- inside

  #inner(what: string, offset: number, length: number): MessageReader {
    const depth = this.#depth + 1;
    if (depth > this.#shared.limits.maxMessageDepth) {
      throw new OpwiseError("limit-exceeded", "the file's messages (graphs in graphs, types in types) are nested too deep", {
        where: { file: this.#shared.file },
        wanted: `at most ${this.#shared.limits.maxMessageDepth} levels`,
        hint: "raise `maxMessageDepth`",
      });
    }
    return new MessageReader(this.#shared, what, offset, offset + length, depth);
  }
  #want(wire: number): void {
    if (this.wire !== wire) throw this.error("a field has another wire type than its declaration", { wanted: `wire type ${wire}`, got: `${this.wire}` });
    this.#unread = false;
  }
  #addVarints(add: (inner: MessageReader) => void): void {
    if (this.wire !== WIRE.BYTES) {
      this.#want(WIRE.VARINT);
      add(this);
      return;
    }
    const { offset, length } = this.range();
    const inner = new MessageReader(this.#shared, this.what, offset, offset + length, this.#depth);
    inner.field = this.field;
    inner.#fieldAt = this.#fieldAt;
    while (inner.#at < inner.#end) add(inner);
  }
  #advance(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) throw this.#short(length);
    this.#at = at + length;
    return at;
  }
  #short(length: number): OpwiseError {
    return this.error("a field runs past the end of its message", { wanted: `${length} bytes`, got: `${this.#end - this.#at}` });
  }
  #range(): Range {
    const length = Number(this.#varint64(false));
    return { offset: this.#advance(length), length };
  }
  #byte(): number {
    if (this.#at >= this.#end) throw this.error("the data ends inside a varint");
    return this.#shared.bytes[this.#at++] ?? 0;
  }
  /** A tag: at most five bytes. */
  #varint32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw this.error("a tag is longer than 32 bits");
  }
  /** The low 32 bits of a varint of up to ten bytes, signed. */
  #varint32Low(): number {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      if (i < 5) value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return value;
    }
    throw this.error("a varint is longer than ten bytes");
  }
  #varint64(signed: boolean): number | bigint {
    // 28 bits at a time, so that each part is an exact small int.
    let low = 0;
    let middle = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i < 8) middle |= bits << (7 * (i - 4));
      else high |= bits << (7 * (i - 8));
      if (byte < 0x80) {
        if (i < 7) return low + middle * 2 ** 28;
        const exact = BigInt(low) | (BigInt(middle) << 28n) | (BigInt(high) << 56n);
        const value = signed ? BigInt.asIntN(64, exact) : BigInt.asUintN(64, exact);
        const number = Number(value);
        return Number.isSafeInteger(number) ? number : value;
      }
    }
    throw this.error("a varint is longer than ten bytes");
  }

  /** Skips the current field. Groups end with their own number; they are followed without recursion. */
  #skip(): void {
    this.#unread = false;
    if (this.wire !== WIRE.GROUP) return this.#skipValue(this.wire);
    const open = [this.field];
    while (open.length > 0) {
      if (this.#at >= this.#end) throw this.error("a group never ends");
      const tag = this.#varint32();
      const wire = tag & 7;
      if (tag >>> 3 === 0) throw this.error("a tag has field number 0");
      if (wire === WIRE.GROUP) {
        open.push(tag >>> 3);
        if (open.length > this.#shared.limits.maxMessageDepth) throw this.error("groups are nested too deep");
      } else if (wire === WIRE.END_GROUP) {
        if (open.pop() !== tag >>> 3) throw this.error("a group ends with another number than it began with");
      } else {
        this.#skipValue(wire);
      }
    }
  }
  #skipValue(wire: number): void {
    switch (wire) {
      case WIRE.VARINT: this.#varint64(false); return;
      case WIRE.FIXED64: this.#advance(8); return;
      case WIRE.BYTES: this.#range(); return;
      case WIRE.FIXED32: this.#advance(4); return;
      default: throw this.error(`a tag has the unknown wire type ${wire}`);
    }
  }
}

/** UTF-8 text of a part of `bytes`; a short ASCII text, as most names are, without a decoder. */
export function decodeText(bytes: Uint8Array, offset: number, length: number): string {
  if (length <= 48) {
    let text = "";
    let at = offset;
    for (; at < offset + length; at++) {
      const byte = bytes[at] ?? 0x80;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (at === offset + length) return text;
  }
  const part = bytes.subarray(offset, offset + length);
  try {
    return strictUtf8.decode(part);
  } catch {
    return looseUtf8.decode(part);
  }
}
