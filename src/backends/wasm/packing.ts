/** Packed forms of operands: a weight's are kept with its buffer, within a limit. */

import type { View } from "../../tensor/tensor.ts";
import type { Block, LinearMemory } from "./memory.ts";
import type { Packed, Places } from "./products.ts";
import { residentAt, type WasmBuffer } from "./buffer.ts";

/** A kept form whose place is known and that is not there yet. */
interface Pending {
  readonly buffer: WasmBuffer;
  readonly pack: () => void;
  /** The weight's bytes, where their place has been handed over to what is packed after this. */
  from: Block | undefined;
}

export class Packing {
  readonly #memory: LinearMemory;
  readonly #limit: number;
  readonly #staging: Staging;
  #bytes = 0;
  #pending: Pending[] = [];
  /** Places of weights that are read no more when what is pending is done. */
  readonly #spare: Block[] = [];

  /** @param limit bytes up to which forms are kept that are larger than their operands */
  constructor(memory: LinearMemory, limit: number) {
    this.#memory = memory;
    this.#limit = limit;
    this.#staging = new Staging(memory);
  }

  /**
   * What makes and finds packed forms.
   * @param keeper the buffer that keeps a view's forms; undefined where they last for one call, and go to `temporaries`
   * @param later runs what packs a kept form, when `finish` is called: the bytes may still be on their way, and what reads them as they are is known then. Left
   * out: forms are packed at once
   */
  forms(keeper: (view: View) => WasmBuffer | undefined, temporaries: Block[], later?: (pack: () => void) => void): Packed {
    const of = (view: View, key: string, bytes: number, pack: (to: number) => void, places?: Places): Block => {
      const buffer = keeper(view);
      if (buffer === undefined) {
        const block = this.#memory.allocate(bytes);
        temporaries.push(block);
        pack(block.address);
        return block;
      }
      if (later === undefined) this.finish();
      const known = buffer.packed.get(key);
      if (known !== undefined) return known;
      if (later === undefined) {
        const block = this.#keep(buffer, key, this.#memory.allocateLasting(bytes));
        pack(block.address);
        return block;
      }
      const inPlace = places === undefined || view.offset > 0 ? undefined : this.#inPlace(buffer, bytes, places);
      const block = this.#keep(buffer, key, inPlace?.block ?? this.#spareOf(bytes) ?? this.#memory.allocateLasting(bytes));
      this.#pending.push({ buffer, pack: () => later(inPlace?.pack ?? (() => pack(block.address))), from: undefined });
      return block;
    };
    const keeps = (view: View): boolean => keeper(view)?.constant === true;
    const fits = (view: View, key: string, bytes: number): boolean => {
      const buffer = keeper(view);
      return buffer?.constant === true && (buffer.packed.has(key) || this.#bytes + bytes <= this.#limit);
    };
    return Object.assign(of, { keeps, fits, lasts: (view: View) => keeper(view) !== undefined });
  }

  #keep(buffer: WasmBuffer, key: string, block: Block): Block {
    buffer.packed.set(key, block);
    this.#bytes += block.size;
    return block;
  }

  #spareOf(bytes: number): Block | undefined {
    const size = this.#memory.sizeFor(bytes);
    const at = this.#spare.findIndex((block) => block.size === size);
    return at < 0 ? undefined : this.#spare.splice(at, 1)[0];
  }

  /** Gives up a weight's bytes as the file has them, where no plan reads them: what has been asked for is packed from there, and what will be may lie there. */
  handOver(buffer: WasmBuffer): void {
    const { block, fill, users, packed } = buffer;
    if (block === undefined || fill === undefined || users > 0 || packed.size === 0) return;
    buffer.block = undefined;
    for (const form of this.#pending) if (form.buffer === buffer) form.from ??= block;
    this.#spare.push(block);
  }

  /** Packs what is pending, in the order in which it was asked for. @throws as reading the file does; what is left stays pending */
  finish(): void {
    try {
      for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
        const { buffer, pack, from } = next;
        const resident = buffer.block;
        buffer.block = from ?? resident;
        try {
          pack();
        } finally {
          buffer.block = resident;
        }
        this.#pending.shift();
      }
      for (const block of this.#spare.splice(0)) this.#memory.freeLasting(block);
    } finally {
      this.#staging.end();
    }
  }

  /** Address of a weight's bytes for what packs them: where they are, or where they have been read to for now. */
  addressOf(buffer: WasmBuffer): number {
    return this.#staging.addressOf(buffer);
  }

  /**
   * Panels in the place of the weight's bytes: where no plan reads them as they are, and the file has them should any want to. Panel by panel, the rows are moved
   * aside and packed to where they were.
   */
  #inPlace(buffer: WasmBuffer, bytes: number, { bytes: own, rowBytes, panels, pack }: Places): { readonly block: Block; readonly pack: () => void } | undefined {
    const memory = this.#memory;
    const { nbytes, users, packed, fill, block: resident } = buffer;
    if (fill === undefined || users > 0 || packed.size > 0 || nbytes !== own || (resident !== undefined && resident.size < bytes)) return undefined;
    const block = resident ?? memory.allocateLasting(Math.max(bytes, nbytes));
    buffer.block = undefined;
    const packAll = (): void => {
      if (resident === undefined) fill(memory.bytes.subarray(block.address, block.address + nbytes));
      const ranges = panels();
      const aside = memory.allocateLasting(Math.max(...ranges.map(([, count]) => count)) * rowBytes);
      for (const [first, count] of ranges) {
        const at = block.address + first * rowBytes;
        memory.bytes.copyWithin(aside.address, at, at + count * rowBytes);
        pack(at, aside.address, count);
      }
      memory.freeLasting(aside);
    };
    return { block, pack: packAll };
  }

  /** Frees the forms of a buffer that is written or goes. */
  drop(buffer: WasmBuffer): void {
    this.#pending = this.#pending.filter((form) => form.buffer !== buffer);
    for (const block of buffer.packed.values()) {
      this.#memory.freeLasting(block);
      this.#bytes -= block.size;
    }
    buffer.packed.clear();
  }
}

/** Where weights are read to that are only packed: a block as large as the largest so far. */
class Staging {
  readonly #memory: LinearMemory;
  #block: Block | undefined;
  #holds: WasmBuffer | undefined;

  constructor(memory: LinearMemory) {
    this.#memory = memory;
  }

  /** The weight's bytes: where they are, or read now. */
  addressOf(buffer: WasmBuffer): number {
    const { fill, nbytes } = buffer;
    if (buffer.block !== undefined || fill === undefined) return residentAt(this.#memory, buffer);
    if (this.#block === undefined || this.#block.size < nbytes) {
      this.end();
      this.#block = this.#memory.allocateLasting(nbytes);
    }
    const { address } = this.#block;
    if (this.#holds !== buffer) {
      this.#holds = undefined;
      fill(this.#memory.bytes.subarray(address, address + nbytes));
      this.#holds = buffer;
    }
    return address;
  }

  end(): void {
    if (this.#block !== undefined) this.#memory.freeLasting(this.#block);
    this.#block = undefined;
    this.#holds = undefined;
  }
}
