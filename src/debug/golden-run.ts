/** Held to a recorded run: the first step that gives other values than the trace has (`catch mismatch`). */

import { Tensor } from "../tensor/tensor.ts";
import { elementBytes } from "./elements.ts";
import type { Health } from "./events.ts";
import { hashElements } from "./hash.ts";
import { healthOf } from "./health.ts";
import { plainText } from "./plain.ts";
import { typeText } from "./tensor-line.ts";
import type { Step } from "./timeline.ts";
import type { TraceRun, ValueRecord } from "./trace.ts";

/** Relative to the largest magnitude: what statistics of two right answers may differ by. */
const TOLERANCE = 1e-4;

/** What differs between a step and the same execution of a recorded run; undefined where nothing does, or nothing was recorded. */
export function differsFrom(run: TraceRun, step: Step, node: number, nth: number): string | undefined {
  const execution = run.execution(node, nth);
  if (execution === undefined) return undefined;
  for (const record of run.outputsOf(execution)) {
    const i = run.node(node).results.indexOf(record.value);
    const value = step.outputs[i];
    if (value === undefined) continue;
    const name = `%${run.name(record.value)}`;
    if (value instanceof Tensor) {
      const found = ofTensor(record, value);
      if (found !== undefined) return `${name} of #${node}: ${found}`;
    } else if (record.text !== undefined && record.text !== plainText(value) && record.text !== plainText(value, true))
      return `${name} of #${node}: ${plainText(value)}, recorded ${record.text}`;
  }
  return undefined;
}

function ofTensor(record: ValueRecord, value: Tensor): string | undefined {
  const { tensor, hash, health } = record;
  if (tensor === undefined) return undefined;
  if (tensor.dtype !== value.dtype || tensor.shape.join() !== value.shape.join()) return `${typeText(value)}, recorded ${typeText(tensor)}`;
  if (!value.storage.onHost) return undefined;
  if (hash !== undefined) {
    const { bytes } = elementBytes(value, value.storage.bytes());
    if (hashElements(value.dtype, bytes) === hash) return undefined;
    if (health === undefined) return "other bits than recorded";
  }
  return health === undefined ? undefined : ofHealth(health, healthOf(value, value.storage.bytes()));
}

function ofHealth(recorded: Health, now: Health): string | undefined {
  for (const count of ["nan", "posInf", "negInf"] as const) if (recorded[count] !== now[count]) return `${count} ${now[count]}, recorded ${recorded[count]}`;
  const scale = Math.max(recorded.absmax ?? 0, now.absmax ?? 0);
  for (const fact of ["min", "max", "mean", "std"] as const) {
    const [a, b] = [recorded[fact], now[fact]];
    if (a !== undefined && b !== undefined && Math.abs(a - b) > TOLERANCE * scale) return `${fact} ${b.toPrecision(6)}, recorded ${a.toPrecision(6)}`;
  }
  return undefined;
}
