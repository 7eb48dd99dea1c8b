/** What an execution is made of: the calls and regions that its op makes, seen by running it again on the cpu. */

import type { Datum } from "../../ir/datum.ts";
import type { Backend } from "../../prims/backend.ts";
import type { Call, ConvolveCall, Region } from "../../prims/call.ts";
import type { Context } from "../../prims/context.ts";
import { dtypeInfo } from "../../tensor/dtype.ts";
import { numelOf } from "../../tensor/shape.ts";
import { Tensor, type View } from "../../tensor/tensor.ts";
import { Executor } from "../../run/executor.ts";
import { numbersOf } from "./numbers.ts";
import { Replay, runBound, type ReplayOptions } from "./replay.ts";
import { type Execution, mapTensors, type Tape, tensorsIn } from "./tape.ts";

/** A region as it was when its body had run. */
export interface SeenRegion {
  readonly name: string;
  readonly params: Region["params"];
  readonly operands: readonly { readonly shape: readonly number[]; readonly numbers: ArrayLike<number> }[];
}

export interface Facts {
  readonly regions: readonly SeenRegion[];
  /** Kinds of call it makes. */
  readonly kinds: ReadonlySet<Call["kind"]>;
  /** Terms that the largest of its sums has: 1 where it sums nothing. */
  readonly terms: number;
  /** A convolution that may be worked out in tiles (Winograd's transforms): an element's error comes from its whole tile. */
  readonly tiled: boolean;
}

/** A context that passes everything on and keeps what the budgets ask for. */
class Spy implements Context {
  readonly #inner: Executor;
  readonly regions: SeenRegion[] = [];
  readonly kinds = new Set<Call["kind"]>();
  terms = 1;
  tiled = false;
  constructor(inner: Executor) {
    this.#inner = inner;
  }
  get generator(): Context["generator"] {
    return this.#inner.generator;
  }
  get defaultDtype(): Context["defaultDtype"] {
    return this.#inner.defaultDtype;
  }
  allocate: Context["allocate"] = (nbytes) => this.#inner.allocate(nbytes);
  charge: Context["charge"] = (nbytes) => this.#inner.charge(nbytes);
  sync: Context["sync"] = (tensor) => this.#inner.sync(tensor);
  print: Context["print"] = () => undefined;

  run(call: Call): void {
    this.kinds.add(call.kind);
    this.terms = Math.max(this.terms, termsOf(call));
    if (call.kind === "convolve" && isTiled(call)) this.tiled = true;
    this.#inner.run(call);
  }

  region(region: Region, body: () => void): void {
    const operands = region.operands.map((view) => ({ shape: [...view.shape], numbers: region.name in KEPT ? numbersOfView(view) : [] }));
    this.regions.push({ name: region.name, params: region.params, operands });
    body();
  }
}

/** Regions whose operands the budgets look at. */
const KEPT: Readonly<Record<string, true>> = {
  layer_norm: true,
  group_norm: true,
  batch_norm: true,
  rms_norm: true,
  attention: true,
  softmax: true,
  log_softmax: true,
};

function numbersOfView(view: View): ArrayLike<number> {
  return numbersOf(new Tensor(view.storage, view.dtype, view.shape, view.strides, view.offset)).slice();
}

function isTiled(call: ConvolveCall): boolean {
  const filter = call.operands[1]?.shape.slice(2) ?? [];
  return !call.transposed && filter.length === 2 && filter.every((n) => n === 3) && [...call.stride, ...call.dilation].every((n) => n === 1);
}

/** Terms of the sums that a call makes. */
function termsOf(call: Call): number {
  switch (call.kind) {
    case "contract":
      return call.operands[0]?.shape[2] ?? 1;
    case "convolve": {
      const [, w] = call.operands;
      if (w === undefined) return 1;
      return call.transposed ? numelOf(w.shape) / Math.max(1, w.shape[1] ?? 1) / Math.max(1, call.groups) : numelOf(w.shape) / Math.max(1, w.shape[0] ?? 1);
    }
    case "reduce":
      return numelOf(call.shape) / Math.max(1, numelOf(call.results[0]?.shape ?? []));
    case "scan":
      return call.results[0]?.shape[call.axis] ?? 1;
    case "window":
      return numelOf(call.kernel);
    case "scatter":
      return numelOf(call.shape) / Math.max(1, numelOf(call.results[0]?.shape ?? []));
    case "fft":
      return call.operands[0]?.shape[call.axis] ?? 1;
    default:
      return 1;
  }
}

/** Runs the execution on the cpu as it was recorded and says what it did. */
export async function factsOf(tape: Tape, execution: Execution, cpu: Backend): Promise<Facts> {
  const spies: Spy[] = [];
  const options: ReplayOptions = {
    backend: cpu,
    cpu,
    contextOf: (_, ctx) => {
      if (!(ctx instanceof Executor)) return ctx;
      const spy = new Spy(ctx);
      spies.push(spy);
      return spy;
    },
  };
  await new Replay(tape, options).run(execution);
  const [spy] = spies;
  return { regions: spy?.regions ?? [], kinds: spy?.kinds ?? new Set(), terms: Math.max(1, Math.round(spy?.terms ?? 1)), tiled: spy?.tiled ?? false };
}

/** Scalars of a product or sum that scale terms: without their signs, the sum of the terms' sizes is asked for. */
const FACTORS: ReadonlySet<string> = new Set(["alpha", "beta", "value", "weight"]);

/** The results of the op on the absolute values of its operands: for sums and products, the sum of what was summed up, whatever its sign. */
export async function magnitudesOf(execution: Execution, cpu: Backend): Promise<readonly ArrayLike<number>[]> {
  const executor = new Executor({
    backend: cpu,
    cpu,
    generator: { seed: 0n, words: new Uint32Array(624), position: 0, nextFloat: undefined, nextDouble: undefined },
  });
  const args = execution.args.map((arg, i): Datum => {
    const name = execution.node.schema?.args[i]?.name;
    const positive = name !== undefined && FACTORS.has(name) ? withoutSign(arg) : arg;
    return mapTensors(positive, absolute);
  });
  const outs = await runBound(execution.bound, executor, args);
  return tensorsIn(outs).map((t) => numbersOf(t));
}

function withoutSign(value: Datum): Datum {
  if (typeof value === "number") return Math.abs(value);
  if (typeof value === "object" && value !== null && "kind" in value && (value.kind === "int" || value.kind === "float") && typeof value.value === "number")
    return { ...value, value: Math.abs(value.value) };
  return value;
}

/** Row-major absolute values, in the tensor's own dtype; the wide floats' signs are dropped, everything else is copied. */
function absolute(t: Tensor): Tensor {
  if (dtypeInfo(t.dtype).class !== "float" || t.quantizer !== undefined) return withOwnMemory(t);
  const numbers = numbersOf(t);
  const wide = new Float32Array(numbers.length);
  for (let i = 0; i < wide.length; i++) wide[i] = Math.abs(numbers[i] ?? 0);
  if (t.dtype === "float64") return Tensor.from(Float64Array.from(numbers, Math.abs), t.shape);
  if (t.dtype === "float32") return Tensor.from(wide, t.shape);
  return withOwnMemory(t, (target) => {
    // The highest bit of a half is its sign.
    const { data } = target;
    if (data instanceof Uint16Array) for (let i = 0; i < data.length; i++) data[i] = (data[i] ?? 0) & 0x7fff;
  });
}

function withOwnMemory(t: Tensor, change?: (target: Tensor) => void): Tensor {
  const out = Tensor.zeros(t.shape, t.dtype);
  const bytes = t.data;
  out.storage.bytes().set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  out.quantizer = t.quantizer;
  out.wrappedNumber = t.wrappedNumber;
  change?.(out);
  return out;
}
