/** `opwise why`: the elements that one number of a run was made from. */

import { load } from "../index.ts";
import { deadNodes, deadText, Debugger, EXIT, resultJson, whyOf, whyText } from "../debug/index.ts";
import { type Arguments, programOption, UsageError } from "./arguments.ts";
import { progressLine } from "./progress.ts";
import { openTarget } from "./target.ts";

/** Nodes that are for nothing; no run is needed. */
async function dead(args: Arguments): Promise<number> {
  const model = await load(args.model, { onProgress: progressLine(args.model), ...programOption(args) });
  const nodes = deadNodes(model.program);
  if (args.flags.has("json")) console.log(resultJson({ dead: nodes, exit: nodes.length > 0 ? EXIT.found : EXIT.held }));
  else console.log(deadText(nodes).join("\n"));
  return nodes.length > 0 ? EXIT.found : EXIT.held;
}

export async function why(args: Arguments): Promise<number> {
  if (args.flags.has("dead")) return dead(args);
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
