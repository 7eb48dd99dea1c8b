/** Packed forms of operands: a weight's are kept with its buffer, within a limit. */

import type { View } from "../../tensor/tensor.ts";
import { Batch } from "./batch.ts";
import type { WasmBuffer } from "./buffer.ts";
import { type Block, type LinearMemory, sizeClass } from "./memory.ts";
import type { Packed, Places } from "./products.ts";

export class Packing {
  readonly #memory: LinearMemory;
  readonly #limit: number;
  #bytes = 0;

  /** @param limit bytes up to which forms are kept that are larger than their operands */
  constructor(memory: LinearMemory, limit: number) {
    this.#memory = memory;
    this.#limit = limit;
  }

  /** For the forms of a plan. */
  batch(): Batch {
    return new Batch(this.#memory);
  }

  /**
   * What makes and finds packed forms.
   * @param keeper the buffer that keeps a view's forms; undefined where they last for one call, and go to `temporaries`
   * @param batch where kept forms are packed later, since their bytes may be on their way, and may take the place of these; left out: at once
   */
  forms(keeper: (view: View) => WasmBuffer | undefined, temporaries: Block[], batch?: Batch): Packed {
    const of = (view: View, key: string, bytes: number, pack: (to: number) => void, places?: Places): Block => {
      const buffer = keeper(view);
      if (buffer === undefined) {
        const block = this.#memory.allocate(bytes);
        temporaries.push(block);
        pack(block.address);
        return block;
      }
      if (buffer.batch !== undefined) {
        if (batch === undefined) buffer.batch.finish();
        else batch.follow(buffer.batch);
      }
      const known = buffer.packed.get(key);
      if (known !== undefined) return known;
      const inPlace = batch === undefined || places === undefined || view.offset > 0 ? undefined : this.#inPlace(buffer, bytes, places);
      const block = inPlace?.block ?? batch?.take(sizeClass(bytes)) ?? this.#memory.allocateLasting(bytes);
      buffer.packed.set(key, block);
      this.#bytes += block.size;
      const work = inPlace?.pack ?? ((): void => pack(block.address));
      if (batch === undefined) work();
      else batch.add(buffer, work);
      return block;
    };
    const keeps = (view: View): boolean => keeper(view)?.constant === true;
    const fits = (view: View, key: string, bytes: number): boolean => {
      const buffer = keeper(view);
      return buffer?.constant === true && (buffer.packed.has(key) || this.#bytes + bytes <= this.#limit);
    };
    return Object.assign(of, { keeps, fits, lasts: (view: View) => keeper(view) !== undefined });
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
    const { batch, packed } = buffer;
    for (const block of packed.values()) {
      this.#bytes -= block.size;
      if (batch === undefined) this.#memory.freeLasting(block);
      else batch.give(block);
    }
    packed.clear();
    batch?.forget(buffer);
  }
}
