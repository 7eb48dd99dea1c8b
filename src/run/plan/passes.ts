/** What a planned region goes through before it is compiled. Each pass keeps every bit of what leaves, and can be left out by name. */

import type { Backend } from "../../prims/backend.ts";
import type { StraightLine } from "./region.ts";

export const PASSES = [] as const;
export type PassName = string;

export function passes(line: StraightLine, _backend: Backend, _without: readonly PassName[]): StraightLine {
  return line;
}
