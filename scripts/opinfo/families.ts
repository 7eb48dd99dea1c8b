/** Which file under `src/ops` declares an op. */

import { operators } from "../../src/index.ts";

let files: Map<string, string> | undefined;
/** Families by full names, and by names without overload. */
function declarations(): Map<string, string> {
  if (files !== undefined) return files;
  files = new Map();
  for (const { name, family } of operators()) {
    if (family === undefined) continue;
    files.set(name, `${family}.ts`);
    const bare = name.replace(/\.\w+$/, "");
    if (!files.has(bare)) files.set(bare, `${family}.ts`);
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
