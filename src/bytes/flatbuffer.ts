/**
 * Reads flatbuffers: tables, vectors, strings and structs by offset, every one checked against the buffer. Fields are named by their
 * place in the vtable (4 for the first, then 6, 8, …), as generated code has them.
 */

import { OpwiseError } from "../tensor/error.ts";

/** A vector: `length` elements of a fixed size that start at `start`. */
export interface FlatVector {
  readonly start: number;
  readonly length: number;
}

export class FlatBuffer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  /** Texts by position: many fields may share one. */
  readonly #strings = new Map<number, string>();
  #elements = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @throws bad-model */
  #check(at: number, size: number): void {
    if (at < 0 || size < 0 || at + size > this.bytes.length) {
      throw new OpwiseError("bad-model", "an offset points outside the flatbuffer", { wanted: `at most ${this.bytes.length}`, got: `${at} + ${size}` });
    }
  }

  u8(at: number): number {
    this.#check(at, 1);
    return this.#view.getUint8(at);
  }
  i8(at: number): number {
    this.#check(at, 1);
    return this.#view.getInt8(at);
  }
  u16(at: number): number {
    this.#check(at, 2);
    return this.#view.getUint16(at, true);
  }
  u32(at: number): number {
    this.#check(at, 4);
    return this.#view.getUint32(at, true);
  }
  i32(at: number): number {
    this.#check(at, 4);
    return this.#view.getInt32(at, true);
  }
  i64(at: number): bigint {
    this.#check(at, 8);
    return this.#view.getBigInt64(at, true);
  }
  f64(at: number): number {
    this.#check(at, 8);
    return this.#view.getFloat64(at, true);
  }

  /** Where the offset at `at` points. */
  follow(at: number): number {
    return at + this.u32(at);
  }

  /** Counts elements that are read out: vectors that many tables share could make a small file a large one. @throws limit-exceeded */
  spend(elements: number): void {
    this.#elements += elements;
    if (this.#elements > MAX_READS_PER_BYTE * this.bytes.length)
      throw new OpwiseError("limit-exceeded", "the flatbuffer's vectors overlap: reading them all would multiply its size");
  }

  root(): FlatTable {
    return new FlatTable(this, this.follow(0));
  }

  vectorAt(at: number, elementSize: number): FlatVector {
    const length = this.u32(at);
    this.#check(at + 4, length * elementSize);
    return { start: at + 4, length };
  }

  stringAt(at: number): string {
    const known = this.#strings.get(at);
    if (known !== undefined) return known;
    const { start, length } = this.vectorAt(at, 1);
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.bytes.subarray(start, start + length));
    } catch (cause) {
      throw new OpwiseError("bad-model", "a text of the flatbuffer is not UTF-8", { cause });
    }
    this.#strings.set(at, text);
    return text;
  }
}

/** A sound file is read about once. */
const MAX_READS_PER_BYTE = 8;
const NO_ELEMENTS: FlatVector = { start: 0, length: 0 };

/** A table. A field that the buffer leaves out has its default. */
export class FlatTable {
  readonly buffer: FlatBuffer;
  readonly position: number;
  readonly #vtable: number;
  readonly #vtableSize: number;

  constructor(buffer: FlatBuffer, position: number) {
    this.buffer = buffer;
    this.position = position;
    this.#vtable = position - buffer.i32(position);
    this.#vtableSize = buffer.u16(this.#vtable);
  }

  /** Where a field's inline data is; undefined for one left out. */
  at(field: number): number | undefined {
    if (field + 2 > this.#vtableSize) return undefined;
    const offset = this.buffer.u16(this.#vtable + field);
    return offset === 0 ? undefined : this.position + offset;
  }

  u8(field: number, fallback: number = 0): number {
    const at = this.at(field);
    return at === undefined ? fallback : this.buffer.u8(at);
  }
  i8(field: number, fallback: number = 0): number {
    const at = this.at(field);
    return at === undefined ? fallback : this.buffer.i8(at);
  }
  i32(field: number, fallback: number = 0): number {
    const at = this.at(field);
    return at === undefined ? fallback : this.buffer.i32(at);
  }
  u32(field: number, fallback: number = 0): number {
    const at = this.at(field);
    return at === undefined ? fallback : this.buffer.u32(at);
  }
  f64(field: number, fallback: number = 0): number {
    const at = this.at(field);
    return at === undefined ? fallback : this.buffer.f64(at);
  }

  string(field: number): string | undefined {
    const at = this.at(field);
    return at === undefined ? undefined : this.buffer.stringAt(this.buffer.follow(at));
  }

  table(field: number): FlatTable | undefined {
    const at = this.at(field);
    return at === undefined ? undefined : new FlatTable(this.buffer, this.buffer.follow(at));
  }

  /** Where a member of a union, a struct or table of its own, starts. */
  target(field: number): number | undefined {
    const at = this.at(field);
    return at === undefined ? undefined : this.buffer.follow(at);
  }

  /** An empty vector where the field is left out. */
  vector(field: number, elementSize: number): FlatVector {
    const at = this.at(field);
    return at === undefined ? NO_ELEMENTS : this.buffer.vectorAt(this.buffer.follow(at), elementSize);
  }

  tables(field: number): FlatTable[] {
    return this.#each(field, 4, (at) => new FlatTable(this.buffer, this.buffer.follow(at)));
  }
  strings(field: number): string[] {
    return this.#each(field, 4, (at) => this.buffer.stringAt(this.buffer.follow(at)));
  }
  u32s(field: number): number[] {
    return this.#each(field, 4, (at) => this.buffer.u32(at));
  }
  i32s(field: number): number[] {
    return this.#each(field, 4, (at) => this.buffer.i32(at));
  }
  i64s(field: number): bigint[] {
    return this.#each(field, 8, (at) => this.buffer.i64(at));
  }
  f64s(field: number): number[] {
    return this.#each(field, 8, (at) => this.buffer.f64(at));
  }
  u8s(field: number): number[] {
    return this.#each(field, 1, (at) => this.buffer.u8(at));
  }

  #each<R>(field: number, size: number, read: (at: number) => R): R[] {
    const { start, length } = this.vector(field, size);
    this.buffer.spend(length);
    const out = new Array<R>(length);
    for (let i = 0; i < length; i++) out[i] = read(start + i * size);
    return out;
  }
}
