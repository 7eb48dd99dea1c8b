/**
 * A straight line of calls that a backend may compile once and launch often. Sizes, addresses' offsets and scalars are fixed;
 * what varies is the contents of its inputs. Storages stand for memory: `inputs` are bound at each launch, `outputs` are made by it,
 * storages that are neither and that a step writes live inside of it, and any other is a constant with its contents.
 */

import type { Storage } from "../tensor/storage.ts";
import type { Call, Region } from "./call.ts";

export interface Segment {
  readonly steps: readonly (Call | Region)[];
  /** Placeholders of what is handed in. No step writes them. */
  readonly inputs: readonly Storage[];
  /** Placeholders of what leaves; each is written by a step. */
  readonly outputs: readonly Storage[];
}

export interface Executable {
  /**
   * Runs all steps. @returns new storages of the outputs, on the host
   * @throws index-out-of-range where a step's check fails; nothing outside has changed then
   */
  run(inputs: readonly Storage[]): readonly Storage[];
  /** Bytes that it holds for values inside: the most that are alive at once. */
  readonly bytes: number;
  /** Those that nothing else uses; left out: all. */
  readonly own?: number;
  /** Readies kernels for the first run, where an engine would do that during it. */
  warm?(): void;
  dispose(): void;
}
