/** `opwise print`: the typed graph with source lines. */

import { printFunction } from "../ir/printer.ts";
import { load } from "../model.ts";
import type { Arguments } from "./arguments.ts";
import { progressLine } from "./progress.ts";

export async function print(args: Arguments): Promise<number> {
  const model = await load(args.model, { onProgress: progressLine(args.model) });
  const { program } = model;
  console.log(`# ${args.model}: ${program.format}, ${program.version}`);
  if (program.main !== undefined) console.log(`\n${printFunction(program.main)}`);
  for (const fn of program.functions.values()) console.log(`\n${printFunction(fn)}`);
  for (const cls of program.classes.values()) {
    if (cls.kind !== "Class" || cls.name.startsWith("__torch__.torch.classes.")) continue;
    for (const method of cls.methods.values()) console.log(`\n${printFunction(method, { name: `${cls.name}.${method.name}` })}`);
  }
  return 0;
}
