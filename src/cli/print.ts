/** `opwise print`: the typed graph with source lines; what a trace holds. */

import { load, printProgram } from "../index.ts";
import { type Arguments, programOption, UsageError } from "./arguments.ts";
import { progressLine } from "./progress.ts";

export async function print(args: Arguments): Promise<number> {
  if (/\.opwtrace$/i.test(args.model)) return (await import("./show.ts")).show(args);
  if (args.words.length > 0) throw new UsageError("a selector is shown of a trace (.opwtrace); `opwise select MODEL SELECTOR` looks into a model");
  const model = await load(args.model, { onProgress: progressLine(args.model), ...programOption(args) });
  console.log(printProgram(model.program));
  return 0;
}
