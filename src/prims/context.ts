/** What an op's meaning may ask for: calls, regions, memory. Ops see this and never a backend. */

import type { DType } from "../tensor/dtype.ts";
import type { Storage } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import type { Call, Region } from "./call.ts";

export interface Context {
  /** Runs (or enqueues) a call. */
  run(call: Call): void;
  /** Runs `body` as a named region, unless the backend claims the region and runs it whole. */
  region(region: Region, body: () => void): void;
  /** Memory for a result; counted against the run's `maxBytes`. @throws out-of-memory */
  allocate(nbytes: number): Storage;
  /** Counts memory of Python data (strings, lists) against the run's `maxBytes`. @throws out-of-memory */
  charge(nbytes: number): void;
  /** Makes the tensor's bytes readable on the host; a promise only where that takes waiting. Only for ops that are declared `reads`. */
  sync(tensor: Tensor): void | Promise<void>;
  /** The default random generator. */
  readonly generator: GeneratorState;
  readonly defaultDtype: DType;
  /** Prints a line for the model (`print`, warnings). */
  print(text: string): void;
}
