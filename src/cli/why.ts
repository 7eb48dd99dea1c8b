/** `opwise why`: the elements that one number of a run was made from. */

import { Debugger, EXIT, resultJson, whyOf, whyText } from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { openTarget } from "./target.ts";

export async function why(args: Arguments): Promise<number> {
  const [text] = args.words;
  if (text === undefined) throw new UsageError("which number? `opwise why MODEL '%y1[0,5]' -i FILE`");
  const depth = args.options.get("depth");
  if (depth !== undefined && !/^[1-9]\d*$/.test(depth)) throw new UsageError(`\`--depth\` wants a number of ops, got \`${depth}\``);
  const target = await openTarget(args);
  using session = target.session;
  const debugged = new Debugger(session, target.inputs, { method: target.method });
  try {
    const explanation = await whyOf(debugged, text, depth === undefined ? {} : { depth: Number(depth) });
    console.log(args.flags.has("json") ? resultJson({ ...explanation, exit: EXIT.held }) : whyText(explanation).join("\n"));
    return EXIT.held;
  } finally {
    debugged.dispose();
  }
}
