/** Executions of a tape by selector. */

import { numberingOf } from "../graph.ts";
import { matches } from "../match.ts";
import { parseSelector } from "../selector.ts";
import type { Execution, Tape } from "./tape.ts";

/** A test of the tape's executions. What a selector asks of a recorded run (times, statistics) matches nothing here. @throws bad-argument for a text that is no selector */
export function executionsOf(tape: Tape, text: string): (execution: Execution) => boolean {
  const selector = parseSelector(text);
  const numbering = numberingOf(tape.program);
  const { graph } = numbering;
  return (e) => {
    const node = graph.nodes[numbering.nodeId(e.node) - 1];
    return node !== undefined && matches(selector, { node, nth: e.nth, module: e.module }, graph) === true;
  };
}
