/** Which file under `src/ops` declares an op. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const OPS = join(import.meta.dirname, "../../src/ops");

let files: Map<string, string> | undefined;
/** Files by the full names that they declare, and by names without overload. */
function declarations(): Map<string, string> {
  if (files !== undefined) return files;
  files = new Map();
  for (const folder of ["aten", "prim", "torchvision"]) {
    for (const file of readdirSync(join(OPS, folder)).toSorted()) {
      if (!file.endsWith(".ts") || file.endsWith(".samples.ts") || file.endsWith(".test.ts")) continue;
      for (const [, name = ""] of readFileSync(join(OPS, folder, file), "utf8").matchAll(/["'`]((?:aten|prim|torchvision)::\w+(?:\.\w+)?)\(/g)) {
        if (!files.has(name)) files.set(name, `${folder}/${file}`);
        const bare = name.replace(/\.\w+$/, "");
        if (!files.has(bare)) files.set(bare, `${folder}/${file}`);
      }
    }
  }
  return files;
}

/** `aten/pooling.ts` for `aten::max_pool2d`; in-place and `out=` forms are where their plain form is; `several` for `a + b`; `none` where nothing declares it. */
export function familyOf(op: string | undefined): string {
  if (op === undefined) return "none";
  if (op.includes(" + ")) return "several";
  const bare = op.replace(/\.\w+$/, "");
  const known = declarations();
  return known.get(op) ?? known.get(bare) ?? known.get(bare.replace(/_$/, "")) ?? "none";
}
