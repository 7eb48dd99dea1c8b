/** `opwise goldens script pytorch`: the recorder for the real runtime. */

import { PYTORCH_RECORDER } from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";

export function goldens(args: Arguments): number {
  const [what, runtime] = [args.model, args.words[0]];
  if (what !== "script" || runtime !== "pytorch") throw new UsageError("`opwise goldens script pytorch` writes a recorder");
  console.log(PYTORCH_RECORDER);
  return 0;
}
