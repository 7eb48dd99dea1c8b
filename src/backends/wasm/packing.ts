/** Packed forms of operands: a weight's are kept with its buffer, within a limit. */

import type { View } from "../../tensor/tensor.ts";
import type { Block, LinearMemory } from "./memory.ts";
import type { Packed } from "./products.ts";
import type { WasmBuffer } from "./buffer.ts";

export class Packing {
  readonly #memory: LinearMemory;
  readonly #limit: number;
  #bytes = 0;

  /** @param limit bytes up to which forms are kept that are larger than their operands */
  constructor(memory: LinearMemory, limit: number) {
    this.#memory = memory;
    this.#limit = limit;
  }

  /**
   * What makes and finds packed forms.
   * @param keeper the buffer that keeps a view's forms; undefined where they last for one call, and go to `temporaries`
   * @param now runs what packs a kept form
   */
  forms(keeper: (view: View) => WasmBuffer | undefined, temporaries: Block[], now: (pack: () => void) => void = (pack) => pack()): Packed {
    const of = (view: View, key: string, bytes: number, pack: (to: number) => void): Block => {
      const buffer = keeper(view);
      if (buffer === undefined) {
        const block = this.#memory.allocate(bytes);
        temporaries.push(block);
        pack(block.address);
        return block;
      }
      const known = buffer.packed.get(key);
      if (known !== undefined) return known;
      const block = this.#memory.allocateLasting(bytes);
      now(() => pack(block.address));
      buffer.packed.set(key, block);
      this.#bytes += block.size;
      return block;
    };
    const keeps = (view: View): boolean => keeper(view)?.constant === true;
    const fits = (view: View, key: string, bytes: number): boolean => {
      const buffer = keeper(view);
      return buffer?.constant === true && (buffer.packed.has(key) || this.#bytes + bytes <= this.#limit);
    };
    return Object.assign(of, { keeps, fits, lasts: (view: View) => keeper(view) !== undefined });
  }

  /** Frees a weight's bytes as the file has them where only its packed forms are read. */
  thin(buffer: WasmBuffer): void {
    if (buffer.block === undefined || buffer.fill === undefined || buffer.users > 0 || buffer.packed.size === 0) return;
    this.#memory.freeLasting(buffer.block);
    buffer.block = undefined;
  }

  /** Frees the forms of a buffer that is written or goes. */
  drop(buffer: WasmBuffer): void {
    for (const block of buffer.packed.values()) {
      this.#memory.freeLasting(block);
      this.#bytes -= block.size;
    }
    buffer.packed.clear();
  }
}
