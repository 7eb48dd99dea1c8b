/** The backend's linear memory and its allocator: size classes with free lists, since kernels ask for the same sizes again and again. */

import { type MemoryLimits, PAGE_BYTES } from "../../wasm/module.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { writeLiterals } from "./literals.ts";

/** Below this address lie the argument block of the running kernel, the spill area and constants. */
const HEAP_START = 2 * PAGE_BYTES;
/** Pages a memory may have: 4 GiB less one page, so that sizes stay below 2^32. */
const MAX_PAGES = 65_535;
/** Every block starts at a multiple of this: a cache line, and four vectors. */
const ALIGNMENT = 64;
/** Above this, sizes go up by sixteenths of a power of two, so that blocks are found again where every run wants somewhat other sizes. */
const LARGE = 4 * 2 ** 20;

/** What engines copy to shared memory at a time, and what is brought into line for it. */
const WORD = 8;
const PIECE_BYTES = 64 * 1024;

/** Pages at first, 256 MiB: untouched ones cost nothing, and V8 collects all garbage whenever a memory grows. */
const FIRST_PAGES = 4096;
/** Pages that a growth adds at least where there are so many: 16 MiB. */
const LEAST_GROWTH = 256;

/** A range of memory that holds one storage's bytes. */
export interface Block {
  readonly address: number;
  /** Bytes reserved; at least what was asked for. */
  readonly size: number;
}

/** Bytes of a block for so many. Sizes go up by quarters of a power of two, so that at most a fifth of a block is unused. */
export function sizeClass(bytes: number): number {
  if (bytes <= ALIGNMENT) return ALIGNMENT;
  const step = 2 ** Math.max(6, Math.floor(Math.log2(bytes - 1)) - (bytes > LARGE ? 4 : 2));
  return Math.ceil(bytes / step) * step;
}

/** How modules import a memory. */
export const limitsOf = (shared: boolean): MemoryLimits => (shared ? { initial: 1, maximum: MAX_PAGES, shared } : { initial: 1 });

/** As many pages as there may be at first. */
function firstMemory(shared: boolean): WebAssembly.Memory {
  const make = (initial: number): WebAssembly.Memory => new WebAssembly.Memory({ initial, maximum: MAX_PAGES, shared });
  try {
    return make(FIRST_PAGES);
  } catch {
    return make(HEAP_START / PAGE_BYTES + 16); // a small device
  }
}

interface Range {
  address: number;
  size: number;
}

/** Blocks that belong together: freed ranges are used again within the scope only, all go back when it is released. */
export interface Scope {
  readonly blocks: Block[];
  /** Ranges in order; none touches the next. */
  readonly free: Range[];
  /** Those of the scope around it, for which bodies that may run at the same time stand in line. */
  readonly outer: Range[];
}

export const newScope = (outer?: Scope): Scope => ({ blocks: outer?.blocks ?? [], free: [], outer: outer?.free ?? [] });

/** The lowest range that is wide enough: what has been touched is touched again. */
function take(free: readonly Range[], size: number): Block | undefined {
  const range = free.find((one) => one.size >= size);
  if (range === undefined) return undefined;
  range.size -= size;
  range.address += size;
  return { address: range.address - size, size };
}

function give(free: Range[], block: Block): void {
  free.push({ ...block });
  free.sort((a, b) => a.address - b.address);
  for (let i = free.length - 1; i > 0; i--) {
    const [range, next] = [free[i - 1], free[i]];
    if (range === undefined || next === undefined || range.address + range.size !== next.address) continue;
    range.size += next.size;
    free.splice(i, 1);
  }
}

export class LinearMemory {
  readonly memory: WebAssembly.Memory;
  readonly isShared: boolean;
  readonly #free = new Map<number, number[]>();
  #end = HEAP_START;
  #u8: Uint8Array<ArrayBuffer>;
  #bytes = 0;
  #scope: Scope | undefined;
  #piece: Uint8Array | undefined;

  /** @param shared whether threads see it */
  constructor(shared = false) {
    this.isShared = shared;
    this.memory = firstMemory(shared);
    this.#u8 = new Uint8Array(this.memory.buffer);
    writeLiterals(this.memory);
  }

  /** All bytes. Growing detaches the array, or leaves it short: ask again after every `allocate`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.#u8.length === 0) this.#u8 = new Uint8Array(this.memory.buffer);
    return this.#u8;
  }

  /** Copies bytes of the host to an address. */
  write(address: number, from: Uint8Array): void {
    if (!this.isShared || (from.byteOffset - address) % WORD === 0) return this.bytes.set(from, address);
    // Engines write to shared memory a word at a time, but a byte at a time where words lie differently on both sides.
    this.#piece ??= new Uint8Array(PIECE_BYTES);
    for (let at = 0; at < from.length; at += PIECE_BYTES) {
      const piece = from.subarray(at, at + PIECE_BYTES);
      this.#piece.set(piece);
      this.bytes.set(piece.length === PIECE_BYTES ? this.#piece : this.#piece.subarray(0, piece.length), address + at);
    }
  }

  /** Bytes of blocks in use. */
  get used(): number {
    return this.#bytes;
  }

  /** A block of at least `bytes`, of the open scope where there is one; its contents are arbitrary. @throws out-of-memory */
  allocate(bytes: number): Block {
    const scope = this.#scope;
    if (scope === undefined) return this.allocateLasting(bytes);
    const size = Math.ceil(Math.max(1, bytes) / ALIGNMENT) * ALIGNMENT;
    return take(scope.free, size) ?? take(scope.outer, size) ?? this.allocatePinned(size);
  }

  /** A block for what is written once and read for as long as the open scope lives: no scratch of the scope ever lies there. */
  allocatePinned(bytes: number): Block {
    const block = this.allocateLasting(bytes);
    this.#scope?.blocks.push(block);
    return block;
  }

  /** A block that no scope owns. @throws out-of-memory */
  allocateLasting(bytes: number): Block {
    const size = sizeClass(bytes);
    const address = this.#free.get(size)?.pop() ?? this.#extend(size);
    this.#bytes += size;
    return { address, size };
  }

  free(block: Block): void {
    if (this.#scope === undefined) this.freeLasting(block);
    else give(this.#scope.free, block);
  }

  /** Takes what lies in the block out of what is free in the open scope. */
  occupy({ address, size }: Block): void {
    const free = this.#scope?.free ?? [];
    const end = address + size;
    for (let i = free.length - 1; i >= 0; i--) {
      const range = free[i];
      if (range === undefined || range.address >= end || range.address + range.size <= address) continue;
      const [before, behind] = [address - range.address, range.address + range.size - end];
      if (behind > 0) free.splice(i + 1, 0, { address: end, size: behind });
      if (before > 0) range.size = before;
      else free.splice(i, 1);
    }
  }

  /** Runs `body` with every allocation taken from the scope and every block freed to it. */
  within<R>(scope: Scope, body: () => R): R {
    const outer = this.#scope;
    this.#scope = scope;
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  /** Runs each body in turn such that none gets memory that another freed: they may run at the same time later. */
  apart<R>(bodies: () => readonly (() => R)[]): R[] {
    const scope = this.#scope;
    if (scope === undefined) return bodies().map((body) => body());
    const used: Scope[] = [];
    try {
      return bodies().map((body) => {
        const own = newScope(scope);
        used.push(own);
        return this.within(own, body);
      });
    } finally {
      for (const { free } of used) for (const block of free) give(scope.free, block);
    }
  }

  /** Gives all of a scope's blocks back. */
  release(scope: Scope): void {
    for (const block of scope.blocks.splice(0)) this.freeLasting(block);
    scope.free.length = 0;
  }

  /** Frees what `allocateLasting` gave. */
  freeLasting(block: Block): void {
    const list = this.#free.get(block.size);
    if (list === undefined) this.#free.set(block.size, [block.address]);
    else list.push(block.address);
    this.#bytes -= block.size;
  }

  #extend(size: number): number {
    const address = this.#end;
    const end = address + size;
    if (!this.#cover(end)) {
      throw new OpwiseError("out-of-memory", "WebAssembly memory is used up", {
        wanted: `${size} bytes more`,
        got: `${this.#bytes} bytes in use of at most ${MAX_PAGES * PAGE_BYTES}`,
        hint: "run on `cpu`, or with smaller inputs",
      });
    }
    this.#end = end;
    return address;
  }

  /** Grows once for allocations of about `bytes` in all, where there is room for them. */
  expect(bytes: number): void {
    this.#cover(Math.min(this.#end + bytes, (MAX_PAGES - 1) * PAGE_BYTES));
  }

  /** Sees that the memory reaches to `end`, and a page further: vectors may be read past an end, though never used there. */
  #cover(end: number): boolean {
    const pages = Math.ceil(end / PAGE_BYTES) + 1;
    const have = this.memory.buffer.byteLength / PAGE_BYTES;
    if (pages <= have) return true;
    // Each growth has views made anew, and the engine collect garbage. Pages that nothing has touched cost nothing, so there are many of them.
    const wanted = Math.min(MAX_PAGES, Math.max(pages + LEAST_GROWTH, Math.ceil(have * 1.5)));
    if (pages > MAX_PAGES || (!this.#grow(wanted - have) && !this.#grow(pages - have))) return false;
    this.#u8 = new Uint8Array(this.memory.buffer);
    return true;
  }

  #grow(pages: number): boolean {
    try {
      this.memory.grow(pages);
      return true;
    } catch {
      return false; // the engine has no more: the caller asks for less, or says so
    }
  }
}
