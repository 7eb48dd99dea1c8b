/** Is it the same every time (F17): runs again, and the first value whose hash differs, with why it may. */

import type { Session } from "../run/session.ts";
import type { Input } from "../run/convert.ts";
import { typedError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { hashElements } from "./hash.ts";
import { elementBytes } from "./elements.ts";
import { record, type RecordOptions, type RunInputs } from "./record.ts";
import { primsOf } from "./match.ts";
import type { Execution, TraceRun, ValueRecord } from "./trace.ts";
import { tensorsIn } from "./plain.ts";

/** A way in which a run may differ from the first. */
export interface Variant {
  readonly name: string;
  /** A session to run on; its own for each variant, or the first one's again. */
  readonly session: () => Promise<Session>;
  readonly inputs?: RunInputs;
  /** `outputs`: only what the run gives is compared, on a run that nobody watches. */
  readonly compare?: "values" | "outputs";
  /** Compares the first rows of each output with the first run's whole outputs. */
  readonly rows?: boolean;
}

export interface Difference {
  readonly variant: string;
  readonly what: "value" | "path" | "output" | "error";
  readonly execution: Execution | undefined;
  readonly value: ValueRecord | undefined;
  /** Position among the outputs. */
  readonly output: number | undefined;
  readonly reasons: readonly string[];
}
export interface Repetition {
  readonly runs: number;
  readonly values: number;
  /** The first difference of each variant that has one. */
  readonly differences: readonly Difference[];
  readonly first: TraceRun;
}

/** Why an execution may give other bits another time. */
function reasonsOf(run: TraceRun, execution: Execution, prims: readonly string[]): string[] {
  const { op } = run.node(execution.node);
  const reasons: string[] = [];
  if (run.events.some((event) => event.k === "rng" && event.t === execution.t)) reasons.push("it draws random numbers: give each run the same seed");
  if (prims.some((kind) => kind.startsWith("scatter"))) reasons.push("it scatters: a backend that adds atomically adds in any order");
  if (/::empty|::new_empty|::empty_like/.test(op)) reasons.push("its memory is not initialised");
  if (execution.fallbacks.length > 0)
    reasons.push(`it fell back to ${execution.fallbacks[0]?.to ?? "another backend"}: ${execution.fallbacks[0]?.reason ?? ""}`);
  if (reasons.length === 0 && run.inputsOf(execution).every((value) => value.tensor === undefined))
    reasons.push("it depends on no tensor: on the time, the host, or state between runs");
  if (reasons.length === 0) reasons.push("its operands were the same: the kernel's order of sums, or a race");
  return reasons;
}

/** The first difference of two runs recorded alike. */
export function firstDifference(
  a: TraceRun,
  b: TraceRun,
): { readonly what: "value" | "path"; readonly execution: Execution | undefined; readonly value: ValueRecord | undefined } | undefined {
  const count = Math.max(a.values.length, b.values.length);
  for (let i = 0; i < count; i++) {
    const [x, y] = [a.values[i], b.values[i]];
    if (x === undefined || y === undefined || x.value !== y.value || x.t !== y.t) return { what: "path", execution: (x ?? y)?.execution, value: x ?? y };
    if (x.hash !== y.hash || x.text !== y.text || x.tensor?.shape.join() !== y.tensor?.shape.join() || x.tensor?.dtype !== y.tensor?.dtype)
      return { what: "value", execution: x.execution, value: x };
  }
  return undefined;
}

/** Runs until what a session plans is planned. */
const WARM = 3;

/** Hashes of all tensors that a run gives. */
async function outputHashes(
  session: Session,
  inputs: RunInputs,
  method: string,
  rows: readonly number[] | undefined,
): Promise<{ readonly hashes: readonly string[]; readonly rows: readonly number[] }> {
  // Code is planned when it comes again: the last of some runs goes in plans.
  for (let i = 1; i < WARM; i++) await session.invoke(method, copies(inputs).args ?? [], copies(inputs).named ?? {});
  const { value } = await session.invoke(method, inputs.args ?? [], inputs.named ?? {});
  const tensors = [...tensorsIn(value)];
  const hashes = tensors.map((tensor, i) => {
    const wanted = rows?.[i];
    const part =
      wanted === undefined || tensor.rank === 0
        ? tensor
        : new Tensor(tensor.storage, tensor.dtype, [wanted, ...tensor.shape.slice(1)], tensor.strides, tensor.offset);
    return hashElements(tensor.dtype, elementBytes(part, tensor.storage.bytes()).bytes);
  });
  return { hashes, rows: tensors.map((tensor) => tensor.shape[0] ?? 1) };
}

export interface RepeatOptions {
  readonly method?: string;
  /** Runs of the same session, the first included; default 3. */
  readonly runs?: number;
  readonly variants?: readonly Variant[];
  readonly limits?: RecordOptions["limits"];
}

/**
 * Runs a method several times with hashes alone, and variants of it. Each run starts from fresh copies of the inputs, and `session` gives one with the
 * same seed each time.
 */
export async function repeat(session: () => Promise<Session>, inputs: RunInputs = {}, options: RepeatOptions = {}): Promise<Repetition> {
  const method = options.method ?? "forward";
  const hashes = async (made: Session, given: RunInputs): Promise<TraceRun> =>
    (
      await record(made, copies(given), {
        method,
        values: "hash",
        timing: false,
        prims: true,
        ...(options.limits === undefined ? {} : { limits: options.limits }),
      })
    ).run;
  const first = await hashes(await session(), inputs);
  const prims = primsOf(first);
  const differences: Difference[] = [];
  const compare = (variant: string, run: TraceRun): void => {
    const found = firstDifference(first, run);
    if (found === undefined) return;
    const reasons = variant.startsWith("backend")
      ? ["backends sum in other orders: `opwise compare` judges by what that may change"]
      : found.execution === undefined
        ? ["the inputs differ"]
        : reasonsOf(first, found.execution, prims?.get(found.execution) ?? []);
    differences.push({ variant, ...found, output: undefined, reasons });
  };
  const runs = options.runs ?? 3;
  for (let i = 1; i < runs; i++) compare(`run ${i + 1}`, await hashes(await session(), inputs));
  let plain: Awaited<ReturnType<typeof outputHashes>> | undefined;
  const compareVariant = async (variant: Variant): Promise<void> => {
    if (variant.compare !== "outputs") {
      compare(variant.name, await hashes(await variant.session(), variant.inputs ?? inputs));
      return;
    }
    plain ??= await outputHashes(await session(), copies(inputs), method, undefined);
    const other = await outputHashes(await variant.session(), copies(variant.inputs ?? inputs), method, variant.rows === true ? plain.rows : undefined);
    const at = plain.hashes.findIndex((hash, i) => hash !== other.hashes[i]);
    if (at >= 0 || plain.hashes.length !== other.hashes.length)
      differences.push({
        variant: variant.name,
        what: "output",
        execution: undefined,
        value: undefined,
        output: Math.max(0, at),
        reasons: [`with ${variant.name} the outputs have other bits: compare the two to find where`],
      });
  };
  for (const variant of options.variants ?? []) {
    try {
      await compareVariant(variant);
    } catch (error) {
      // Another shape may be more than the model takes: that is a finding about the variant, not the end of the others.
      differences.push({
        variant: variant.name,
        what: "error",
        execution: undefined,
        value: undefined,
        output: undefined,
        reasons: [typedError(error).message],
      });
    }
  }
  return { runs: runs + (options.variants?.length ?? 0), values: first.values.length, differences, first };
}

/** Inputs whose tensors are copies: a model may write its arguments. */
export function copies(inputs: RunInputs): RunInputs {
  return {
    ...(inputs.args === undefined ? {} : { args: inputs.args.map(copyOf) }),
    ...(inputs.named === undefined ? {} : { named: Object.fromEntries(Object.entries(inputs.named).map(([name, value]) => [name, copyOf(value)])) }),
  };
}
function copyOf(value: Input): Input {
  if (value instanceof Tensor) return Tensor.from(value.data.slice(), value.shape, value.dtype);
  return Array.isArray(value) ? value.map((item: Input) => copyOf(item)) : value;
}

/** The inputs with their first axis `times` as long: each row again and again. */
export function batched(inputs: RunInputs, times: number): RunInputs {
  const long = (value: Input): Input => {
    if (!(value instanceof Tensor) || value.rank === 0) return value;
    const { data } = value;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const out = Tensor.zeros([(value.shape[0] ?? 1) * times, ...value.shape.slice(1)], value.dtype);
    const to = out.storage.bytes();
    for (let i = 0; i < times; i++) to.set(bytes, i * bytes.length);
    return out;
  };
  return {
    ...(inputs.args === undefined ? {} : { args: inputs.args.map(long) }),
    ...(inputs.named === undefined ? {} : { named: Object.fromEntries(Object.entries(inputs.named).map(([name, value]) => [name, long(value)])) }),
  };
}
