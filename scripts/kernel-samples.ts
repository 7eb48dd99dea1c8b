/** The kernels that are printed for layers of common networks, run small, are those that most models begin with. `bundle-node.ts` puts them into its bundles. */

import { tellKernels } from "../src/backends/wasm/runtime.ts";
import { wasm } from "../src/backends/wasm/wasm.ts";
import { load, Tensor } from "../src/index.ts";
import { convolutions, numbers, products } from "./samples.ts";

const tensorOf = (shape: readonly number[]): Tensor => {
  const count = shape.reduce((n, size) => n * size, 1);
  return Tensor.from(numbers(count), shape);
};

/** Kernels by what they are printed from, in the form of a process's first backend. */
export async function sampleKernels(): Promise<ReadonlyMap<string, Uint8Array>> {
  const kernels = new Map<string, Uint8Array>();
  for (const { file, inputs } of [...convolutions(), ...products()]) {
    const backend = wasm({ threads: 2 });
    tellKernels((identity, bytes) => kernels.set(identity, bytes));
    try {
      const tensors = Object.entries(inputs).map(([name, shape]) => [name, tensorOf(shape)] as const);
      const model = await load(file);
      using session = await model.session({ backend });
      await (model.format === "onnx" ? session.run(Object.fromEntries(tensors)) : session.forward(...tensors.map(([, tensor]) => tensor)));
    } finally {
      tellKernels(undefined);
      backend.dispose();
    }
  }
  return kernels;
}
