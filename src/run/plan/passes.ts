/** What a planned region goes through before it is compiled. Each pass keeps every bit of what leaves, and can be left out by name. */

import type { Backend } from "../../prims/backend.ts";
import { dropDead } from "./dead.ts";
import { forward } from "./forward.ts";
import { joinMaps, runEpilogues } from "./fuse.ts";
import { writeInPlace } from "./in-place.ts";
import type { StraightLine } from "./region.ts";
import { rename } from "./rename.ts";

/**
 * - `rename`: a storage that is written anew as a whole is another one from there on.
 * - `forward`: what is read of a copy is read of what was copied.
 * - `dead`: steps go whose results nothing reads.
 * - `join`: maps one after another become one.
 * - `epilogue`: maps behind a product or a convolution run on its parts while these are in a cache; a copy into a concatenation is such a map.
 * - `inplace`: a map writes over an operand that nothing reads any more.
 */
export const PASSES = ["rename", "forward", "dead", "join", "epilogue", "inplace"] as const;
export type PassName = (typeof PASSES)[number];

type Pass = (line: StraightLine, backend: Backend) => StraightLine;

const RUN: Readonly<Record<PassName, Pass>> = { rename, forward, dead: dropDead, join: joinMaps, epilogue: runEpilogues, inplace: writeInPlace };

export function passes(line: StraightLine, backend: Backend, without: readonly PassName[]): StraightLine {
  return PASSES.filter((name) => !without.includes(name)).reduce((now, name) => RUN[name](now, backend), line);
}
