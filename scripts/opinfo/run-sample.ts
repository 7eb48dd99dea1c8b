/** Runs one sample of a frame here and compares it with what PyTorch gave. */

import { walkNodes } from "../../src/ir/graph.ts";
import type { Datum } from "../../src/ir/datum.ts";
import type { Model } from "../../src/model.ts";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import type { Input } from "../../src/run/convert.ts";
import type { Session } from "../../src/run/session.ts";
import { isOpwiseError, type OpwiseError } from "../../src/tensor/error.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { compareTensors, type Difference, itemsOf, type Reason, sameStrides, similarity } from "./compare.ts";
import type { Frame, FrameTensor, FrameValue, Sample } from "./reference.ts";

/** `torch.manual_seed` of reference.py. */
const SEED = 7;

/** What became of a sample. */
export interface SampleOutcome {
  readonly at: number;
  readonly variant: string;
  /** Absent where it agrees. */
  readonly reason?: Reason;
  readonly text?: string;
  readonly note?: string;
  readonly distance?: number;
  /** The overload that it is about. */
  readonly op?: string;
  /** Values agree, strides do not. */
  readonly strides?: string;
  /** Both raise: how alike the messages are, and ours where it is another. */
  readonly likeness?: number;
}

const number = (text: string): number => (text === "inf" ? Infinity : text === "-inf" ? -Infinity : text === "nan" ? NaN : Number(text));

/** Values of one sample; its tensors share storages as PyTorch's did. */
class Values {
  readonly #frame: Frame;
  readonly #storages = new Map<number, Storage>();

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  tensor(v: FrameTensor): Tensor {
    let storage = this.#storages.get(v.tensor);
    if (storage === undefined) {
      storage = Storage.wrap(new Uint8Array(this.#frame.storages[v.tensor] ?? new Uint8Array()), false);
      this.#storages.set(v.tensor, storage);
    }
    return new Tensor(storage, v.dtype, v.shape, v.strides, v.offset);
  }

  input(v: FrameValue): Input {
    if ("tensor" in v) return this.tensor(v);
    if ("int" in v) return { kind: "int", value: BigInt(v.int) };
    if ("float" in v) return { kind: "float", value: number(v.float) };
    if ("bool" in v) return { kind: "bool", value: v.bool };
    if ("complex" in v) return { kind: "complex", re: number(v.complex[0]), im: number(v.complex[1]) };
    if ("str" in v) return v.str;
    if ("list" in v) return v.list.map((x) => this.input(x));
    return null;
  }
}

/** Ops that a composite in Python has around what it is about. */
const AROUND = new Set([
  "size",
  "dim",
  "numel",
  "Int",
  "Float",
  "Bool",
  "ScalarImplicit",
  "detach",
  "to",
  "copy",
  "contiguous",
  "len",
  "__getitem__",
  "lift_fresh",
  "alias",
]);

/** The overload that a sample is about: the one that its entry is named after, or the only one; several that it is composed of are joined with `+`. */
export function overloadOf(model: Model, method: string, entry: string): string | undefined {
  const root = model.program.root?.kind === "object" ? model.program.root.class : undefined;
  const decl = root?.methods.get(method);
  const names = new Set<string>();
  if (decl !== undefined) walkNodes(decl.graph(), (node) => void (node.op.startsWith("prim::") || names.add(node.op)));
  const stem = (name: string): string =>
    name
      .replace(/^\w+::/, "")
      .replace(/\..*$/, "")
      .replace(/(?<!_)_$/, "");
  const bare = entry.replace(/^(?:nn\.functional|torch\.ops\.aten|_refs)\./, "");
  const candidates = new Set([bare.replace(/\./g, "_"), bare.split(".")[0] ?? bare]);
  const all = [...names];
  const own = all.filter((n) => candidates.has(stem(n)));
  if (own.length > 0) return own.at(-1);
  const main = all.filter((n) => !AROUND.has(stem(n)));
  return main.length > 1 ? main.slice(0, 4).join(" + ") : (main[0] ?? all.at(-1));
}

function reasonOf(error: OpwiseError): Reason {
  if (error.code === "unsupported-op") return "unsupported op";
  if (error.code === "unsupported-dtype") return "unsupported dtype";
  return error.code === "internal" ? "internal error" : error.code === "step-limit" || error.code === "out-of-memory" ? "time limit" : "error unexpected";
}

export function differenceOf(error: unknown): Difference & { readonly op?: string } {
  if (isOpwiseError(error)) {
    const op = error.code === "unsupported-op" ? (error.where.op ?? error.got) : error.where.op;
    return {
      reason: reasonOf(error),
      text: `[${error.code}] ${error.message}${error.got === undefined ? "" : ` (got ${error.got})`}`.slice(0, 300),
      ...(op === undefined ? {} : { op }),
    };
  }
  return {
    reason: "internal error",
    text: (error instanceof Error ? (error.stack ?? error.message) : String(error)).split("\n").slice(0, 3).join(" | ").slice(0, 300),
  };
}

class Comparer {
  readonly #values: Values;
  readonly #sample: Sample;
  #tensors = 0;
  strides: string | undefined;

  constructor(values: Values, sample: Sample) {
    this.#values = values;
    this.#sample = sample;
  }

  compare(got: Datum, want: FrameValue): Difference | undefined {
    const bare = typeof got === "object" && got !== null && "value" in got ? got.value : got;
    const structure = (): Difference => ({
      reason: "wrong structure",
      text: `got ${got === null ? "None" : got instanceof Tensor ? "a Tensor" : typeof got === "object" ? got.kind : typeof got}, wanted ${Object.keys(want)[0] ?? ""}`,
    });
    const scalar = (same: boolean): Difference | undefined =>
      same ? undefined : { reason: "wrong values", text: `${String(bare)}, wanted ${JSON.stringify(want)}` };
    if ("tensor" in want) return got instanceof Tensor ? this.#tensor(got, want) : structure();
    if ("list" in want) {
      const items = itemsOf(got);
      if (items === undefined) return structure();
      // Results of eager calls: absent parts of a tuple are left out.
      const present = items.length > want.list.length ? items.filter((x) => x !== null) : items;
      if (present.length !== want.list.length) return { reason: "wrong structure", text: `${present.length} items, wanted ${want.list.length}` };
      for (const [i, w] of want.list.entries()) {
        const difference = this.compare(present[i] ?? null, w);
        if (difference !== undefined) return { ...difference, text: `[${i}]: ${difference.text}` };
      }
      return undefined;
    }
    if ("none" in want) return got === null ? undefined : structure();
    if ("str" in want) return scalar(bare === want.str);
    if ("bool" in want) return scalar(bare === want.bool);
    if ("int" in want) return scalar((typeof bare === "number" || typeof bare === "bigint") && String(bare) === want.int);
    if ("float" in want) {
      const [a, b] = [Number(bare), number(want.float)];
      return scalar(Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-7 + 1e-7 * Math.abs(b));
    }
    if (typeof got !== "object" || got === null || !("kind" in got) || got.kind !== "complex") return structure();
    return scalar(
      Math.hypot(got.re - number(want.complex[0]), got.im - number(want.complex[1])) <=
        1e-7 * (1 + Math.hypot(number(want.complex[0]), number(want.complex[1]))),
    );
  }

  #tensor(got: Tensor, frame: FrameTensor, shapeOnly: boolean = this.#sample.shapeOnly === true): Difference | undefined {
    const want = this.#values.tensor(frame);
    const noise = this.#sample.noise?.[this.#tensors++] ?? 0;
    const difference = compareTensors(got, want, { shapeOnly, noise });
    if (difference === undefined && !sameStrides(got, want)) this.strides ??= `strides [${got.strides.join(", ")}], wanted [${want.strides.join(", ")}]`;
    return difference;
  }

  /** What the call left in its arguments. */
  after(args: readonly Input[]): Difference | undefined {
    for (const [at, want] of Object.entries(this.#sample.after ?? {})) {
      const arg = args[Number(at)];
      const difference = arg instanceof Tensor ? this.#tensor(arg, want, this.#sample.afterShapeOnly === true) : undefined;
      if (difference !== undefined)
        return {
          ...difference,
          reason: difference.reason === "rounding" ? "rounding" : "wrong argument after",
          text: `argument ${at} after the call: ${difference.text}`,
        };
    }
    return undefined;
  }
}

/** Runs a sample's method. */
export async function runSample(session: Session, frame: Frame, sample: Sample, about: string | undefined): Promise<SampleOutcome> {
  const { at, variant, note } = sample;
  const named = about === undefined ? {} : { op: about };
  const fails = (d: Difference & { readonly op?: string }): SampleOutcome => ({ at, variant, note, ...named, ...d });
  // Each use of a value makes its tensors anew: calls may write into their arguments.
  const given = new Values(frame);
  const args = (sample.args ?? []).map((v) => given.input(v));
  const kwargs = Object.fromEntries(Object.entries(sample.kwargs ?? {}).map(([k, v]) => [k, given.input(v)]));
  Object.assign(session.executor.generator, seedTwister(SEED));
  let value: Datum;
  try {
    ({ value } = await session.invoke(sample.method ?? "", args, kwargs, { maxSteps: 5_000_000, maxBytes: 2 ** 31 }));
  } catch (error) {
    const difference = differenceOf(error);
    if (sample.raises === undefined || difference.reason === "unsupported op" || difference.reason === "internal error" || difference.reason === "time limit")
      return fails(difference);
    const message = error instanceof Error ? error.message : String(error);
    const likeness = similarity(message, sample.raises.message);
    return { at, variant, ...named, likeness, ...(likeness < 1 ? { text: `${message.slice(0, 200)} || ${sample.raises.message.slice(0, 200)}`, note } : {}) };
  }
  if (sample.raises !== undefined)
    return fails({ reason: "error expected", text: `it ran; wanted ${sample.raises.type}: ${sample.raises.message.slice(0, 200)}` });
  const comparer = new Comparer(new Values(frame), sample);
  const difference = (sample.returns === undefined ? undefined : comparer.compare(value, sample.returns)) ?? comparer.after(args);
  if (difference !== undefined) return fails(difference);
  return { at, variant, ...named, ...(comparer.strides === undefined ? {} : { strides: comparer.strides, note }) };
}
