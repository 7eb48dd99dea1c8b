/** `opwise print`: the typed graph with source lines; what a trace holds. */

import { load, printProgram } from "../index.ts";
import { type Arguments, programOption } from "./arguments.ts";
import { noWords, show } from "./show.ts";
import { progressLine } from "./progress.ts";

export async function print(args: Arguments): Promise<number> {
  if (/\.opwtrace$/i.test(args.model)) return show(args);
  noWords(args);
  const model = await load(args.model, { onProgress: progressLine(args.model), ...programOption(args) });
  console.log(printProgram(model.program));
  return 0;
}
