/** What a planned region goes through before it is compiled. Each pass can be left out by name; those of `ROUNDING` change bits of what leaves, and run where they are asked for. */

import type { Backend } from "../../prims/backend.ts";
import { convolveOperands } from "../../prims/call.ts";
import { Storage } from "../../tensor/storage.ts";
import { dropDead } from "./dead.ts";
import { forward } from "./forward.ts";
import { isDense } from "./flow.ts";
import { joinMaps, mergeBehind, runEpilogues } from "./fuse.ts";
import { writeInPlace } from "./in-place.ts";
import { layOutPlanes } from "./layout.ts";
import { placeParts } from "./place.ts";
import type { StraightLine } from "./region.ts";
import { rename } from "./rename.ts";

/**
 * - `rename`: a storage that is written anew as a whole is another one from there on.
 * - `layout`: values inside lie in the order of their axes, whatever memory format the model asks for.
 * - `forward`: what is read of a copy is read of what was copied.
 * - `dead`: steps go whose results nothing reads.
 * - `fold`: a map behind a convolution that is affine in each channel, such as a batch norm, goes into constant filters and bias: results round differently.
 * - `join`: maps one after another become one.
 * - `epilogue`: maps behind a product or a convolution run on its parts while these are in a cache; a copy into a concatenation is such a map.
 * - `inplace`: a map writes over an operand that nothing reads any more.
 * - `place`: what is copied whole into a range of a larger value is computed there.
 */
export const PASSES = ["rename", "layout", "forward", "dead", "fold", "join", "epilogue", "inplace", "place"] as const;
/** Passes after which results round differently: left out unless named. */
export const ROUNDING: readonly PassName[] = ["fold"];
export type PassName = (typeof PASSES)[number];

type Pass = (line: StraightLine, backend: Backend) => StraightLine;

let fold: Pass | undefined;

/** Fetches the passes that come apart from the first download. */
export async function loadPasses(): Promise<void> {
  if (fold !== undefined) return;
  const { foldAffine } = await import("./fold.ts");
  const tools = { mergeBehind, convolveOperands, isDense, Storage };
  fold = (line, backend) => foldAffine(line, backend, tools);
}

const RUN: Readonly<Record<PassName, Pass>> = { rename, layout: layOutPlanes, forward, dead: dropDead, fold: (line, backend) => fold?.(line, backend) ?? line, join: joinMaps, epilogue: runEpilogues, inplace: writeInPlace, place: placeParts };

export function passes(line: StraightLine, backend: Backend, without: readonly PassName[]): StraightLine {
  return PASSES.filter((name) => !without.includes(name)).reduce((now, name) => RUN[name](now, backend), line);
}
