/** A growing byte writer with the integer and float encodings of the WebAssembly binary format. */

/** Bytes that are sooner written one by one than by a call of `set`. */
const FEW = 16;

/** Bytes in the making. Spreading arrays into each other costs six times as much as one buffer that doubles. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  bytes(values: ArrayLike<number>): void {
    const count = values.length;
    this.#room(count);
    if (count > FEW) this.#bytes.set(values, this.#length);
    else for (let i = 0; i < count; i++) this.#bytes[this.#length + i] = values[i] ?? 0;
    this.#length += count;
  }

  /** LEB128 of an unsigned 32-bit integer. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** LEB128 of a signed 32-bit integer. */
  i32(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  /** LEB128 of a signed 64-bit integer. */
  i64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  f32(value: number): void {
    const at = new DataView(new ArrayBuffer(4));
    at.setFloat32(0, value, true);
    this.bytes(new Uint8Array(at.buffer));
  }

  f64(value: number): void {
    const at = new DataView(new ArrayBuffer(8));
    at.setFloat64(0, value, true);
    this.bytes(new Uint8Array(at.buffer));
  }

  /** A name: its length in bytes, then UTF-8. */
  name(text: string): void {
    const utf8 = new TextEncoder().encode(text);
    this.u32(utf8.length);
    this.bytes(utf8);
  }

  /** Another writer's bytes behind their length. */
  sized(inner: ByteWriter): void {
    this.u32(inner.length);
    this.bytes(inner.view());
  }

  /** The bytes so far; valid until the next write. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }
}
