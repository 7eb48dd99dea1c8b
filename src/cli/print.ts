/** `opwise print`: the typed graph with source lines. */

import { load, printProgram } from "../index.ts";
import { type Arguments, programOption } from "./arguments.ts";
import { progressLine } from "./progress.ts";

export async function print(args: Arguments): Promise<number> {
  const model = await load(args.model, { onProgress: progressLine(args.model), ...programOption(args) });
  console.log(printProgram(model.program));
  return 0;
}
