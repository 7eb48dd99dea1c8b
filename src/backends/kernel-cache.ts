/** Kernels by the identity of what they were printed from, and by what varies besides. */

import type { Combiner } from "../prims/combiner.ts";
import type { Program } from "../prims/program.ts";

export class KernelCache<Kernel> {
  readonly #programs = new WeakMap<Program, Map<string | number, Kernel>>();
  readonly #combiners = new WeakMap<Program, WeakMap<Combiner, Map<string | number, Kernel>>>();

  /** The kernel of a program. */
  of(program: Program, variant: string | number, make: () => Kernel): Kernel {
    let kernels = this.#programs.get(program);
    if (kernels === undefined) this.#programs.set(program, (kernels = new Map<string | number, Kernel>()));
    return cached(kernels, variant, make);
  }

  /** The kernel of a program whose elements a combiner joins. */
  combined(program: Program, combiner: Combiner, variant: string | number, make: () => Kernel): Kernel {
    let combiners = this.#combiners.get(program);
    if (combiners === undefined) this.#combiners.set(program, (combiners = new WeakMap<Combiner, Map<string | number, Kernel>>()));
    let kernels = combiners.get(combiner);
    if (kernels === undefined) combiners.set(combiner, (kernels = new Map<string | number, Kernel>()));
    return cached(kernels, variant, make);
  }
}

function cached<Kernel>(kernels: Map<string | number, Kernel>, variant: string | number, make: () => Kernel): Kernel {
  let kernel = kernels.get(variant);
  if (kernel === undefined) kernels.set(variant, (kernel = make()));
  return kernel;
}
