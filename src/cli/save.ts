/** `opwise save`: an ONNX model written again. */

import { load } from "../index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { progressLine } from "./progress.ts";

export async function save(args: Arguments): Promise<number> {
  const to = args.options.get("output");
  if (to === undefined) throw new UsageError("where shall the model go? --output FILE");
  const model = await load(args.model, { onProgress: progressLine(args.model) });
  await model.save(to, args.flags.has("external-data") ? { externalData: true } : {});
  return 0;
}
