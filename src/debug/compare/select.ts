/** Which executions a selector's text means: `#412`, `#412[3]`, an op, a module's path, a source line. */

import { OpwiseError } from "../../tensor/error.ts";
import { numberingOf, placeOf, sourceOf } from "../graph.ts";
import type { Execution, Tape } from "./tape.ts";

function glob(pattern: string): RegExp {
  const text = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*\*/g, "\0")
    .replace(/\*/g, "[^.]*")
    .replaceAll("\0", ".*");
  return new RegExp(`^${text}$`);
}

/** A test of executions of a tape. @throws bad-argument for a text that is no selector */
export function executionsOf(tape: Tape, text: string): (execution: Execution) => boolean {
  const numbering = numberingOf(tape.program);
  const node = /^#(\d+)(?:\[(\d+)\])?$/.exec(text);
  if (node !== null) {
    const [, id, nth] = node;
    return (e) => numbering.nodeId(e.node) === Number(id) && (nth === undefined || e.nth === Number(nth));
  }
  const line = /^(.*\.py):(\d+)$/.exec(text);
  if (line !== null) {
    const [, file = "", number] = line;
    return (e) => {
      const place = placeOf(sourceOf(e.node.location));
      return place?.line === Number(number) && place.file.endsWith(file);
    };
  }
  if (text.includes("::")) {
    const pattern = glob(text);
    return (e) => pattern.test(e.node.op) || pattern.test(e.node.op.replace(/[.@].*$/, ""));
  }
  if (!/^[\w.*/]+$/.test(text))
    throw new OpwiseError("bad-argument", `\`${text}\` is no selector`, { wanted: "#12, #12[3], aten::add, a module's path, or model.py:12" });
  const pattern = glob(text);
  return (e) => pattern.test(e.module) || (e.node.name !== undefined && pattern.test(e.node.name));
}
