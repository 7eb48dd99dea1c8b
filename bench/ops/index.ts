/**
 * `npm run bench:ops`: bundles `measure.ts` as the package is for Node and runs it in a process of its own. A compiler on the fly names each closure when it is made, which took
 * 0.2 ms of a product's 5.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { bundleForNode } from "../../scripts/bundle-node.ts";

const BUILT = join(import.meta.dirname, "../../.cache/bench-ops");

await bundleForNode({ ops: join(import.meta.dirname, "measure.ts") }, BUILT);
const { status } = spawnSync(process.execPath, [join(BUILT, "ops.js"), ...process.argv.slice(2)], { stdio: "inherit" });
process.exitCode = status ?? 1;
