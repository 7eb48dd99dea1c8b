/** A storage: bytes with identity that tensors view, on the host, on a device, or on both. */

import { type Carrier, carrierSize, carrierView, type TypedArray } from "./dtype.ts";
import { OpwiseError, unreachable } from "./error.ts";

/** A backend's handle to memory; opaque here. */
export type Buffer = object;

/** What a storage needs of the backend that holds its other copy. */
export interface Device {
  readonly name: string;
  release(buffer: Buffer): void;
  /** The buffer's bytes as the host lays them out. */
  download(buffer: Buffer, nbytes: number): Uint8Array | Promise<Uint8Array>;
}

/** Where a storage's bytes come from when they are first needed; each may be asked again after a release. */
export interface ByteSource {
  readonly load: () => Uint8Array | Promise<Uint8Array>;
  /** Writes all bytes to `target`, at once. Absent where they have to be waited for, or lie otherwise in the file. */
  readonly fill?: (target: Uint8Array) => void;
  /** As `fill`, while the caller goes on; `target` is the source's until the promise settles. Never there without `fill`. */
  readonly fillLater?: ((target: Uint8Array) => Promise<void>) | undefined;
  /** Hands all bytes over in order, in pieces that `take` may not keep. Absent as `fill`; one of the two is there where bytes are as in the file. */
  readonly stream?: (take: (piece: Uint8Array) => void) => Promise<void>;
}

const CARRIERS: readonly Carrier[] = ["i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64"];
const SLOT: Readonly<Record<Carrier, number>> = { i8: 0, u8: 1, i16: 2, u16: 3, i32: 4, u32: 5, i64: 6, u64: 7, f32: 8, f64: 9 };

let nextId = 1;

/**
 * Bytes with identity. At least one copy is valid at any time: the host's, or a device's. Writes go through
 * `beginHostWrite` or `beginDeviceWrite`, which keep the other copy, borrowed file bytes and snapshots honest.
 */
export class Storage {
  /** Writes to any storage so far: while there are no more, no version has changed. */
  static writes = 0;
  readonly id: number = nextId++;
  /** Counts writes; a snapshot or a trace names a state by it. */
  version = 0;
  #nbytes: number;
  #bytes: Uint8Array | undefined;
  #borrowed: boolean;
  #views: (TypedArray | undefined)[] = [];
  #load: ByteSource | undefined;
  #device: Device | undefined;
  #buffer: Buffer | undefined;
  #savers: ((bytes: Uint8Array) => void)[] | undefined;
  /** Mark of the last sweep that reached it; see `run/sweep.ts`. */
  mark = 0;

  private constructor(nbytes: number, bytes: Uint8Array | undefined, borrowed: boolean) {
    this.#nbytes = nbytes;
    this.#bytes = bytes;
    this.#borrowed = borrowed;
  }

  /** Zeroed host bytes. */
  static allocate(nbytes: number): Storage {
    return new Storage(nbytes, undefined, false);
  }
  /** Host bytes of the caller: `borrowed` ones are copied before the first write, others are written in place. */
  static wrap(bytes: Uint8Array, borrowed: boolean): Storage {
    return new Storage(bytes.byteLength, bytes, borrowed);
  }
  /** Bytes fetched when first needed. */
  static lazy(nbytes: number, source: ByteSource | ByteSource["load"]): Storage {
    const storage = new Storage(nbytes, undefined, true);
    storage.#load = typeof source === "function" ? { load: source } : source;
    return storage;
  }
  /** Memory of a device, valid there only. */
  static onDevice(nbytes: number, device: Device, buffer: Buffer): Storage {
    const storage = new Storage(nbytes, undefined, false);
    storage.#device = device;
    storage.#buffer = buffer;
    return storage;
  }

  get nbytes(): number {
    return this.#nbytes;
  }
  /** Whether the bytes still are a file's own. */
  get borrowed(): boolean {
    return this.#borrowed;
  }
  /** Whether the bytes can be fetched again from where they came: a weight that nothing has written. */
  get hasSource(): boolean {
    return this.#load !== undefined;
  }
  /** Where the bytes can be fetched again: they are a weight's that nothing has written. */
  get source(): ByteSource | undefined {
    return this.#load;
  }
  /** Where the bytes come from, while they are nowhere else: a device may take them from there. */
  get unread(): ByteSource | undefined {
    return this.#bytes === undefined && this.#buffer === undefined ? this.#load : undefined;
  }
  /** Whether nothing has written or read it yet: all zeros, and memory nowhere. */
  get isBlank(): boolean {
    return this.#bytes === undefined && this.#buffer === undefined && this.#load === undefined;
  }
  /** Whether host bytes can be had without waiting. */
  get onHost(): boolean {
    return this.#bytes !== undefined || (this.#buffer === undefined && this.#load === undefined);
  }
  /** The device copy if `device` holds a valid one. */
  bufferOn(device: Device): Buffer | undefined {
    return this.#device === device ? this.#buffer : undefined;
  }
  get device(): Device | undefined {
    return this.#device;
  }

  /** Makes the host copy valid. Returns a promise only where that has to wait. */
  sync(): void | Promise<void> {
    if (this.onHost) return;
    const bytes =
      this.#device !== undefined && this.#buffer !== undefined
        ? this.#device.download(this.#buffer, this.#nbytes)
        : this.#load?.load();
    if (bytes === undefined) return;
    if (bytes instanceof Promise) return bytes.then((b) => this.#setBytes(b));
    this.#setBytes(bytes);
  }

  #setBytes(bytes: Uint8Array): void {
    if (bytes.byteLength < this.#nbytes) {
      throw new OpwiseError("truncated", `a storage of ${this.#nbytes} bytes has only ${bytes.byteLength}`);
    }
    this.#bytes = bytes;
    this.#views = [];
  }

  /** The bytes as they are now, wherever they are, without changing what is valid where: for whoever watches. Host bytes are a view. */
  peek(): Uint8Array | Promise<Uint8Array> {
    if (this.#bytes !== undefined) return this.#bytes.subarray(0, this.#nbytes);
    if (this.#device !== undefined && this.#buffer !== undefined) return this.#device.download(this.#buffer, this.#nbytes);
    return this.#load?.load() ?? new Uint8Array(this.#nbytes);
  }

  /** The host bytes. @throws would-block while they are only on a device or in a file that cannot be read at once */
  bytes(): Uint8Array {
    if (this.#bytes === undefined) {
      if (this.onHost) this.#setBytes(new Uint8Array(this.#nbytes));
      else {
        const waiting = this.sync();
        if (waiting instanceof Promise) {
          waiting.catch(() => undefined); // the caller gets the error below; the late one has nobody to go to
          throw new OpwiseError("would-block", "this value has to be waited for", { hint: "use the asynchronous form (`await session.run(...)`)" });
        }
      }
    }
    return this.#bytes ?? unreachable("host bytes after sync");
  }

  /** The host bytes as a typed array from offset 0; misaligned borrowed bytes are copied once. */
  array(carrier: Carrier): TypedArray {
    const known = this.#views[SLOT[carrier]];
    if (known !== undefined) return known;
    let bytes = this.bytes();
    if (bytes.byteOffset % carrierSize(carrier) !== 0) {
      bytes = new Uint8Array(bytes); // an unaligned range of a file
      this.#bytes = bytes;
      this.#views = [];
      this.#borrowed = false;
    }
    const view = carrierView(carrier, bytes.buffer, bytes.byteOffset, Math.floor(this.#nbytes / carrierSize(carrier)));
    this.#views[SLOT[carrier]] = view;
    return view;
  }

  /** Before the host copy is written: un-borrow, save for snapshots, drop the device's copy. */
  beginHostWrite(): void {
    if (this.#savers !== undefined) this.#save();
    if (this.#borrowed || this.#bytes === undefined) {
      const bytes = this.bytes();
      if (this.#borrowed) {
        this.#bytes = new Uint8Array(bytes.subarray(0, this.#nbytes));
        this.#borrowed = false;
        this.#load = undefined;
      }
      this.#views = [];
    }
    if (this.#buffer !== undefined) this.#dropDevice();
    Storage.writes++;
    this.version++;
  }

  /** After a device wrote: its buffer is the only valid copy. A former buffer of that device is released. */
  deviceWritten(device: Device, buffer: Buffer): void {
    if (this.#buffer !== undefined && this.#buffer !== buffer) this.#dropDevice();
    this.#device = device;
    this.#buffer = buffer;
    this.#bytes = undefined;
    this.#views = [];
    this.#borrowed = false;
    this.#load = undefined;
    Storage.writes++;
    this.version++;
  }

  /** Before a device writes: what snapshots want saved is saved. */
  beginDeviceWrite(): void {
    if (this.#savers !== undefined) this.#save();
  }

  /** Keeps a device's copy beside the valid host copy (an upload). */
  cacheOnDevice(device: Device, buffer: Buffer): void {
    if (this.#buffer !== undefined) this.#dropDevice();
    this.#device = device;
    this.#buffer = buffer;
  }

  /** Forgets lazily loaded host bytes that a device now holds (weights). */
  dropHostCopy(): void {
    if (this.#buffer !== undefined && this.#load !== undefined) {
      this.#bytes = undefined;
      this.#views = [];
    }
  }

  /** Lets go of the device's copy; the host must have the bytes, or a source give them again. */
  dropDevice(): void {
    this.#dropDevice();
  }

  #dropDevice(): void {
    if (this.#device !== undefined && this.#buffer !== undefined) this.#device.release(this.#buffer);
    this.#device = undefined;
    this.#buffer = undefined;
  }

  #save(): void {
    const savers = this.#savers;
    this.#savers = undefined;
    if (savers === undefined) return;
    const bytes = this.bytes().subarray(0, this.#nbytes);
    const kept = this.#borrowed ? bytes : new Uint8Array(bytes); // borrowed bytes are never written
    for (const saver of savers) saver(kept);
  }

  /** Calls `saver` once with the bytes as they are now, just before they next change. The bytes it gets are never written. */
  saveBeforeWrite(saver: (bytes: Uint8Array) => void): void {
    (this.#savers ??= []).push(saver);
  }
  /** Withdraws a saver. */
  forgetSaver(saver: (bytes: Uint8Array) => void): void {
    const left = this.#savers?.filter((s) => s !== saver);
    this.#savers = left !== undefined && left.length > 0 ? left : undefined;
  }

  /** Puts back saved bytes, which stay the saver's: they are copied before the next write. Whoever else wants today's bytes gets them first. */
  restore(bytes: Uint8Array, version: number): void {
    if (this.#savers !== undefined) this.#save();
    this.#dropDevice();
    this.#bytes = bytes;
    this.#nbytes = bytes.byteLength;
    this.#views = [];
    this.#borrowed = true;
    this.#load = undefined;
    Storage.writes++;
    this.version = version;
  }

  /** Grows to at least `nbytes`; old bytes stay, new ones are zero. */
  grow(nbytes: number): void {
    if (nbytes <= this.#nbytes) return;
    this.beginHostWrite();
    const bytes = new Uint8Array(nbytes);
    bytes.set(this.bytes().subarray(0, this.#nbytes));
    this.#bytes = bytes;
    this.#nbytes = nbytes;
    this.#views = [];
  }

  /** Frees the device's copy; host bytes become garbage with the last reference. Only when nothing will read it again. */
  release(): void {
    this.#dropDevice();
    if (this.#load === undefined) {
      this.#bytes = undefined;
      this.#views = [];
    }
  }
}

/** Carriers in slot order; for tests. */
export const CARRIER_NAMES: readonly Carrier[] = CARRIERS;
