/** `opwise ops`: which of PyTorch's operators this build has. */

import { load, type Operator, operators } from "../index.ts";
import type { Arguments } from "./arguments.ts";
import { toJson } from "./inspect.ts";

/** Overloads without their namespace's twin forms: `add.Tensor, add.Scalar` as one entry by name. */
function byName(list: readonly Operator[]): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const { name } of list) {
    const [bare = name, overload = ""] = name.split(".");
    names.set(bare, [...(names.get(bare) ?? []), overload]);
  }
  return names;
}

/** Exit code 3 where the model given with `--missing` has ops that this build lacks. */
export async function ops(args: Arguments): Promise<number> {
  const file = args.options.get("missing");
  if (file !== undefined) {
    const missing = (await load(file)).summary().ops.filter((op) => !op.supported);
    if (args.flags.has("json")) console.log(toJson({ file, missing: missing.map(({ name, count }) => ({ name, count })) }));
    else if (missing.length === 0) console.log(`${file}: nothing is missing`);
    else for (const { name, count } of missing) console.log(`${String(count).padStart(5)}  ${name}`);
    return missing.length === 0 ? 0 : 3;
  }
  const all = operators();
  if (args.flags.has("json")) {
    console.log(toJson(all));
    return 0;
  }
  const missing = all.filter((op) => op.state === "missing");
  const families = new Map<string, Operator[]>();
  for (const op of all) {
    if (op.state === "missing") continue;
    const family = op.family ?? "the machine itself";
    families.set(family, [...(families.get(family) ?? []), op]);
  }
  console.log(`${all.length - missing.length} of ${all.length} overloads that PyTorch registers`);
  for (const [family, own] of [...families].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const declared = own.filter((op) => op.state === "declared" || op.state === "machine");
    console.log(`\n${family}: ${declared.length}, and ${own.length - declared.length} in-place and out= forms`);
    for (const [name, overloads] of byName(declared))
      console.log(`  ${name}${overloads.join("") === "" ? "" : `  ${overloads.map((o) => (o === "" ? "(default)" : o)).join(", ")}`}`);
  }
  console.log(`\nmissing: ${missing.length}`);
  for (const [name, overloads] of byName(missing))
    console.log(`  ${name}${overloads.join("") === "" ? "" : `  ${overloads.map((o) => (o === "" ? "(default)" : o)).join(", ")}`}`);
  return 0;
}
