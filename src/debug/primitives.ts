/** Inside an op: the primitive calls it makes, found by running it and taking it back. */

import type { Call } from "../prims/call.ts";
import { OpwiseError } from "../tensor/error.ts";
import { numelOf } from "../tensor/shape.ts";
import type { View } from "../tensor/tensor.ts";
import { callName } from "./call-name.ts";
import type { Debugger } from "./debugger.ts";
import { healthOf } from "./health.ts";
import { tensorLine } from "./tensor-line.ts";
import type { Health } from "./events.ts";

export interface ShownView {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly health: Health | undefined;
}

/** One call of an op, or the beginning of a composite that no backend claimed. */
export interface PrimitiveCall {
  readonly kind: Call["kind"] | "region" | "body";
  /** The program's or region's name. */
  readonly name: string;
  /** Composites it is inside of. */
  readonly depth: number;
  readonly backend: string;
  readonly refusal: string | undefined;
  readonly operands: readonly ShownView[];
  readonly results: readonly ShownView[];
}

/** Calls and elements of an op that are shown. */
const MAX_CALLS = 1000;
const MAX_ELEMENTS = 2 ** 24;

function shown(view: View): ShownView {
  const wait = view.storage.sync();
  if (wait instanceof Promise) wait.catch(() => undefined); // shown without statistics
  const health = view.storage.onHost && numelOf(view.shape) <= MAX_ELEMENTS ? healthOf(view, view.storage.bytes()) : undefined;
  return { dtype: view.dtype, shape: [...view.shape], strides: [...view.strides], offset: view.offset, health };
}

/** The calls of the op that is next. The run stays where it is. */
export async function primitiveCalls(debug: Debugger): Promise<readonly PrimitiveCall[]> {
  const { timeline, session } = debug;
  const { next, time } = timeline;
  if (next?.kind !== "op") return [];
  const calls: PrimitiveCall[] = [];
  let depth = 0;
  let operands: readonly ShownView[] = [];
  const { executor } = session;
  const before = executor.inspector;
  executor.inspector = {
    before: (what) => void (operands = what.operands.map(shown)),
    after: (what, backend, refusal) => {
      if (calls.length < MAX_CALLS) calls.push({ kind: what.kind, name: callName(what), depth, backend, refusal, operands, results: what.results.map(shown) });
    },
    body: (region, phase) => {
      if (phase === "exit") depth--;
      else {
        if (calls.length < MAX_CALLS)
          calls.push({ kind: "body", name: region.name, depth, backend: "", refusal: undefined, operands: region.operands.map(shown), results: [] });
        depth++;
      }
    },
  };
  try {
    await timeline.peek();
  } finally {
    executor.inspector = before;
  }
  if (timeline.time !== time) throw new OpwiseError("internal", "unreachable: a look into an op has moved the run");
  return calls;
}

export function primitiveText(debug: Debugger, calls: readonly PrimitiveCall[]): readonly string[] {
  const { next } = debug.timeline;
  if (next === undefined) return ["the run has ended"];
  const id = debug.numbering.nodeId(next.node);
  if (calls.length === 0) return [`${next.node.op} #${id} makes no primitive calls: it only arranges views or data`];
  const line = (view: ShownView): string => tensorLine(view, { health: view.health });
  let n = 0;
  return [
    `inside ${next.node.op} #${id}`,
    ...calls.flatMap((call) => {
      const indent = "  ".repeat(call.depth + 1);
      if (call.kind === "body") return [`${indent}composite ${call.name}`];
      const label = `#${id}.${++n}`;
      return [
        `${indent}${label}  ${call.kind} ${call.name}${call.refusal === undefined ? "" : `  (on ${call.backend}: ${call.refusal})`}`,
        ...call.results.map((r, i) => `${indent}  → ${call.results.length > 1 ? `${i}: ` : ""}${line(r)}`),
      ];
    }),
  ];
}
