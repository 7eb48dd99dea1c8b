/** What a primitive call is called: its program, combiner, transform or composite. */

import type { Call, Region } from "../prims/call.ts";

export function callName(what: Call | Region): string {
  if (what.kind === "region" || what.kind === "host" || what.kind === "linalg") return what.name;
  if (what.kind === "random") return what.transform;
  if (what.kind === "window") return what.reduction;
  if (what.kind === "reduce" || what.kind === "scan") return what.combiner.name;
  return "program" in what ? what.program.name : what.kind;
}
