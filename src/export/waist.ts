/** Calls of the waist as nodes, for tensors of known sizes: how an op is spelled out that has no counterpart in ONNX. */

import { cast, type Expr, operandsOf, reachable } from "../expr/expr.ts";
import type {
  Call,
  ComputeCall,
  ContractCall,
  ConvolveCall,
  FftCall,
  LinalgCall,
  MapCall,
  RandomCall,
  ReduceCall,
  Region,
  ScanCall,
  ScatterCall,
  SortCall,
  WindowCall,
} from "../prims/call.ts";
import type { Combiner } from "../prims/combiner.ts";
import type { Context } from "../prims/context.ts";
import { type Output, type Program } from "../prims/program.ts";
import { type DType, isComplex, itemsize, realOf } from "../tensor/dtype.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import { contiguousStrides, numelOf } from "../tensor/shape.ts";
import { Storage } from "../tensor/storage.ts";
import { Tensor, type View } from "../tensor/tensor.ts";
import { ExprEmitter, whereValue } from "./expressions.ts";
import { type GraphBuilder, loopNode, type OnnxValue } from "./graph.ts";
import { foldValue, fourierValue, plainFolds, randomValue, scatterElements, sortValue } from "./nodes.ts";
import { type Layout, readView, reshapeTo, writeView } from "./strided.ts";
import { refuse } from "./values.ts";
import { convolveValue } from "./convolutions.ts";
import { factorise } from "./factorisations.ts";

/** A storage's elements as a value of the graph. Complex numbers are pairs along a further last axis. */
interface Laid {
  readonly layout: Layout;
  readonly value: OnnxValue;
}

/** Most steps that a fold along an axis is unrolled to. */
const MAX_UNROLLED = 16;

export function realLayout(v: { readonly dtype: DType } & Layout): Layout {
  if (!isComplex(v.dtype)) return { shape: v.shape, strides: v.strides, offset: v.offset };
  return { shape: [...v.shape, 2], strides: [...v.strides.map((s) => 2 * s), 1], offset: 2 * v.offset };
}
/** What elements are in the graph: parts of complex numbers, codes of quantised ones. */
export function laneOf(dtype: DType): DType {
  return isComplex(dtype) ? realOf(dtype) : dtype === "quint8" ? "uint8" : dtype === "qint8" ? "int8" : dtype === "qint32" ? "int32" : dtype;
}

export class WaistContext implements Context {
  readonly defaultDtype: DType;
  readonly #g: GraphBuilder;
  readonly #host: Context;
  readonly #laid = new Map<Storage, Laid>();
  readonly written: Set<Storage> = new Set();
  readonly check: (cond: OnnxValue) => void;

  constructor(g: GraphBuilder, host: Context, check: (cond: OnnxValue) => void) {
    this.#g = g;
    this.#host = host;
    this.defaultDtype = host.defaultDtype;
    this.check = check;
  }

  allocate(nbytes: number): Storage {
    return Storage.allocate(nbytes);
  }
  charge(): void {}
  sync(): never {
    return refuse("the op reads values of a tensor, and goes on by them");
  }
  get generator(): GeneratorState {
    return this.#host.generator;
  }
  print(): void {}
  region(_region: Region, body: () => void): void {
    body();
  }

  /** Says what a tensor's storage holds. */
  lay(tensor: Tensor, value: OnnxValue): void {
    this.#laid.set(tensor.storage, { layout: realLayout(tensor), value });
  }

  /** The value of a view. With `compact`, broadcast axes keep size 1. */
  read(view: View, compact = false): OnnxValue {
    const laid = this.#laid.get(view.storage);
    if (laid !== undefined && laid.value.dtype === laneOf(view.dtype)) return readView(this.#g, laid.value, laid.layout, realLayout(view), compact);
    if (laid !== undefined) return refuse("the op takes the bytes of one dtype for another's");
    // Host memory: a constant of the op's own, or zeros.
    const v = realLayout(view);
    const host = new Tensor(view.storage, laneOf(view.dtype), v.shape, v.strides, v.offset);
    return this.#g.constant(Tensor.from(host.data, v.shape, laneOf(view.dtype)));
  }

  #write(view: View, value: OnnxValue): void {
    const layout = realLayout(view);
    const dtype = laneOf(view.dtype);
    const given = this.#g.cast(value, dtype);
    this.written.add(view.storage);
    if (numelOf(layout.shape) * itemsize(dtype) >= view.storage.nbytes && isDense(layout)) {
      this.#laid.set(view.storage, { layout, value: given });
      return;
    }
    let base = this.#laid.get(view.storage);
    if (base === undefined) {
      const n = Math.floor(view.storage.nbytes / itemsize(dtype));
      const zeros = new Tensor(view.storage, dtype, [n]);
      base = { layout: { shape: [n], strides: [1], offset: 0 }, value: this.#g.constant(Tensor.from(zeros.data, [n], dtype)) };
    }
    if (base.value.dtype !== dtype) return refuse("the op takes the bytes of one dtype for another's");
    this.#laid.set(view.storage, { layout: base.layout, value: writeView(this.#g, base.value, base.layout, layout, given) });
  }

  run(call: Call): void {
    switch (call.kind) {
      case "map":
        return this.#map(call);
      case "compute":
        return this.#compute(call);
      case "reduce":
        return this.#reduce(call);
      case "scan":
        return this.#scan(call);
      case "contract":
        return this.#contract(call);
      case "convolve":
        return this.#convolve(call);
      case "window":
        return this.#window(call);
      case "scatter":
        return this.#scatter(call);
      case "sort":
        return this.#sort(call);
      case "random":
        return this.#random(call);
      case "fft":
        return this.#fft(call);
      case "linalg":
        return this.#linalg(call);
      case "host":
        return refuse(`\`${call.name}\` runs on the host alone and has no counterpart in ONNX`);
      default:
        return call satisfies never;
    }
  }

  /** An emitter over elements at the same position of all operands. */
  #elements(
    call: MapCall | ReduceCall | ScanCall | ScatterCall | ComputeCall,
    shape: readonly number[],
    positions?: ReadonlyMap<Expr, OnnxValue>,
  ): ExprEmitter {
    const g = this.#g;
    const values = new Map<number, OnnxValue>();
    const rank = shape.length;
    const flats = new Map<number, OnnxValue>();
    const partOf = (value: OnnxValue, dtype: DType, part: 0 | 1): OnnxValue =>
      isComplex(dtype) ? g.op("Gather", [value, g.scalar(part, "int64")], { axis: -1 }) : value;
    const operand = (i: number): View => call.operands[i] ?? refuse("an operand is missing");
    return new ExprEmitter(g, {
      arg: (i, part) => {
        const view = operand(i);
        let value = values.get(i);
        if (value === undefined || !g.visible(value)) values.set(i, (value = this.read(view, true)));
        return partOf(value, view.dtype, part);
      },
      scalar: (slot) => call.scalars[slot] ?? 0,
      index: (axis) => {
        const n = shape[axis] ?? 1;
        const iota = BigInt64Array.from({ length: n }, (_, i) => BigInt(i));
        return g.constant(
          Tensor.from(
            iota,
            shape.map((_, i) => (i === axis ? n : 1)),
          ),
        );
      },
      load: (i, part, at, inside) => {
        const view = operand(i);
        let flat = flats.get(i);
        if (flat === undefined || !g.visible(flat)) {
          const full = this.read(view);
          flats.set(i, (flat = reshapeTo(g, full, isComplex(view.dtype) ? [-1, 2] : [-1])));
        }
        const strides = contiguousStrides(view.shape);
        let position: OnnxValue = g.scalar(0, "int64");
        at.forEach((x, axis) => {
          const step = strides[axis] ?? 1;
          if ((view.shape[axis] ?? 1) === 1 && step >= 0 && at.length > 1 && numelOf(view.shape) > 0) return;
          const term = step === 1 ? x : g.op("Mul", [x, g.scalar(step, "int64")]);
          position = position === g.scalar(0, "int64") ? term : g.op("Add", [position, term]);
        });
        const safe = this.#inBounds(inside === undefined ? position : whereValue(g, inside, position, g.scalar(0, "int64")), numelOf(view.shape));
        if (numelOf(view.shape) === 0) return g.scalar(0, laneOf(view.dtype));
        const source = isComplex(view.dtype) ? partOf(flat, view.dtype, part) : flat;
        return g.op("Gather", [source, rank === 0 && safe === g.scalar(0, "int64") ? g.scalar(0, "int64") : safe], { axis: 0 });
      },
      check: this.check,
      given: (e) => positions?.get(e),
    });
  }

  /** A position that may be out of bounds where its element is not used. */
  #inBounds(at: OnnxValue, size: number): OnnxValue {
    const g = this.#g;
    const known = g.initializers.get(at.name)?.tensor;
    if (known?.data.every((n: number | bigint) => Number(n) >= 0 && Number(n) < size) === true) return at;
    return g.op("Min", [g.op("Max", [at, g.scalar(0, "int64")]), g.scalar(Math.max(0, size - 1), "int64")]);
  }

  /** What an output stores, expanded to `shape`. */
  #output(emitter: ExprEmitter, output: Output, shape: readonly number[]): OnnxValue {
    const g = this.#g;
    const lane = laneOf(output.dtype);
    const full = (e: Expr): OnnxValue => {
      const value = g.cast(emitter.emit(e), lane);
      return g.op("Expand", [value, g.ints(shape)]);
    };
    const [re, im] = output.parts;
    if (re === undefined) return refuse("an output without an expression");
    if (im === undefined) return full(re);
    const axis = g.ints([shape.length]);
    return g.op("Concat", [g.op("Unsqueeze", [full(re), axis]), g.op("Unsqueeze", [full(im), axis])], { axis: shape.length });
  }

  #map(call: MapCall): void {
    const shape = call.results[0]?.shape ?? [];
    const emitter = this.#elements(call, shape);
    const values = call.program.outputs.map((o) => this.#output(emitter, o, shape));
    call.results.forEach((view, i) => this.#write(view, values[i] ?? refuse("a result is missing")));
  }

  #compute(call: ComputeCall): void {
    const shape = call.results[0]?.shape ?? [];
    const emitter = this.#elements(call, shape, this.#positions(call, shape));
    const values = call.program.outputs.map((o) => this.#output(emitter, o, shape));
    call.results.forEach((view, i) => this.#write(view, values[i] ?? refuse("a result is missing")));
  }

  /** Expressions of positions alone are computed now: each becomes a constant operand. */
  #positions(call: ComputeCall, shape: readonly number[]): ReadonlyMap<Expr, OnnxValue> | undefined {
    const isOpen = new Map<Expr, boolean>();
    const open = (e: Expr): boolean => {
      const known = isOpen.get(e);
      if (known !== undefined) return known;
      const is =
        e.op === "arg" ||
        e.op === "load" ||
        e.op === "state" ||
        e.op === "trip" ||
        e.op === "check" ||
        e.op === "acc" ||
        e.op === "val" ||
        operandsOf(e).some(open);
      isOpen.set(e, is);
      return is;
    };
    const wanted = new Set<Expr>();
    const collect = (e: Expr): void => {
      if (!open(e)) {
        if (e.op !== "const" && e.op !== "scalar" && e.op !== "index" && reaches(e, "index")) wanted.add(e);
        return;
      }
      for (const o of operandsOf(e)) collect(o);
    };
    const roots = call.program.outputs.flatMap((o) => o.parts);
    roots.forEach(collect);
    if (wanted.size === 0) return undefined;
    const exprs = [...wanted];
    const dtypes = exprs.map((e): DType => (e.type === "bool" ? "bool" : e.type === "f64" ? "float64" : e.type === "f32" ? "float32" : "int64"));
    const program: Program = {
      name: "positions",
      operands: [],
      scalars: call.program.scalars,
      messages: [],
      outputs: exprs.map((e, i) => ({ dtype: dtypes[i] ?? "int64", parts: [dtypes[i] === "int64" ? cast(e, "i64") : e] })),
    };
    const results = dtypes.map((d) => Tensor.zeros(shape, d));
    if (numelOf(shape) > 0) this.#host.run({ kind: "compute", program, operands: [], results, scalars: call.scalars });
    return new Map(exprs.map((e, i) => [e, this.#g.constant(shrunk(results[i] ?? Tensor.zeros(shape)))]));
  }

  #reduce(call: ReduceCall): void {
    const g = this.#g;
    const emitter = this.#elements(call, call.shape);
    const elements = call.program.outputs.map((o) => this.#output(emitter, o, call.shape));
    const kept = call.results[0]?.shape ?? [];
    const values = this.#foldAxes(call, elements);
    call.results.forEach((view, i) => this.#write(view, reshapeTo(g, values[i] ?? refuse("a result is missing"), isComplex(view.dtype) ? [...kept, 2] : kept)));
  }

  #foldAxes(call: ReduceCall, elements: readonly OnnxValue[]): OnnxValue[] {
    const g = this.#g;
    const { combiner, axes, shape } = call;
    const kept = shape.map((n, i) => (axes.includes(i) ? 1 : n));
    const parts = plainFolds(combiner);
    if (parts !== undefined) {
      const state = elements.map((v, i) => foldValue(g, parts[i] ?? "add", v, axes));
      return this.#finish(call, state);
    }
    // Any other goes over the reduced positions, which come first.
    const count = axes.reduce((n, axis) => n * (shape[axis] ?? 1), 1);
    const rest = shape.map((_, i) => i).filter((i) => !axes.includes(i));
    const flat = elements.map((v) => reshapeTo(g, g.op("Transpose", [v], { perm: [...axes, ...rest] }), [count, ...rest.map((i) => shape[i] ?? 1)]));
    const extreme = EXTREMES[combiner.name];
    const [values, places] = flat;
    if (extreme !== undefined && values !== undefined && places !== undefined && count > 0) {
      const wide = values.dtype === "float32" || values.dtype === "float64" || values.dtype === "int64" || values.dtype === "int32" ? values.dtype : "int64";
      const keys = g.cast(values, wide);
      const worst = g.scalar(extreme === "ArgMax" ? Infinity : -Infinity, "float32");
      const clean = wide === "float32" || wide === "float64" ? whereValue(g, g.op("IsNaN", [keys], {}, "bool"), g.cast(worst, wide), keys) : keys;
      const at = g.op(extreme, [clean], { axis: 0, keepdims: 1, select_last_index: combiner.name.endsWith("Last") ? 1 : 0 }, "int64");
      return this.#finish(
        call,
        [values, places].map((v) => g.op("GatherElements", [v, at], { axis: 0 })),
      ).map((v) => reshapeTo(g, v, kept));
    }
    const state =
      count <= MAX_UNROLLED
        ? this.#steps(call, count, (i) => flat.map((v) => g.op("Gather", [v, g.scalar(i, "int64")], { axis: 0 }))).state
        : loopNode(g, g.scalar(count, "int64"), this.#start(combiner), (trip, before) => ({
            go: undefined,
            state: this.#step(
              call,
              before,
              flat.map((v) => g.op("Gather", [v, trip], { axis: 0 })),
            ),
            stacked: [],
          })).state;
    return this.#finish(call, state).map((v) => reshapeTo(g, v, kept));
  }

  #start(combiner: Combiner): OnnxValue[] {
    const start = new ExprEmitter(this.#g, { arg: () => refuse("an operand in a fold"), scalar: () => 0 });
    return combiner.init.map((e) => start.emit(e));
  }
  #step(call: ReduceCall | ScanCall, before: readonly OnnxValue[], elements: readonly OnnxValue[]): OnnxValue[] {
    const step = new ExprEmitter(this.#g, {
      arg: () => refuse("an operand in a fold"),
      scalar: (slot) => call.scalars[slot] ?? 0,
      acc: (p) => before[p] ?? refuse("a state"),
      val: (p) => elements[p] ?? refuse("an element"),
    });
    return call.combiner.combine.map((e) => step.emit(e));
  }
  #finish(call: ReduceCall | ScanCall, state: readonly OnnxValue[]): OnnxValue[] {
    const end = new ExprEmitter(this.#g, {
      arg: () => refuse("an operand in a fold"),
      scalar: (slot) => call.scalars[slot] ?? 0,
      acc: (p) => state[p] ?? refuse("a state"),
    });
    return call.combiner.finish.map((e) => end.emit(e));
  }
  /** The fold's states, one after another. */
  #steps(
    call: ReduceCall | ScanCall,
    count: number,
    elementsAt: (i: number) => readonly OnnxValue[],
  ): { readonly finished: readonly OnnxValue[][]; readonly state: readonly OnnxValue[] } {
    let state = this.#start(call.combiner);
    const finished: OnnxValue[][] = [];
    for (let i = 0; i < count; i++) {
      state = this.#step(call, state, elementsAt(i));
      finished.push(this.#finish(call, state));
    }
    return { finished, state };
  }

  #scan(call: ScanCall): void {
    const g = this.#g;
    const shape = call.results[0]?.shape ?? [];
    const emitter = this.#elements(call, shape);
    const elements = call.program.outputs.map((o) => this.#output(emitter, o, shape));
    const [first] = elements;
    if (first === undefined) return refuse("a scan of nothing");
    const [result] = call.results;
    if (
      shape.length > 0 &&
      plainFolds(call.combiner)?.every((f) => f === "add") === true &&
      call.combiner.name === "sum" &&
      result !== undefined &&
      !isComplex(result.dtype)
    ) {
      this.#write(result, g.op("CumSum", [first, g.scalar(call.axis, "int64")], { exclusive: call.exclusive ? 1 : 0, reverse: call.reverse ? 1 : 0 }));
      return;
    }
    const count = shape[call.axis] ?? 1;
    if (call.exclusive || shape.length === 0) return refuse(`a scan by \`${call.combiner.name}\``);
    const at = (i: number): number => (call.reverse ? count - 1 - i : i);
    const one = shape.map((n, i) => (i === call.axis ? 1 : n));
    if (count <= MAX_UNROLLED) {
      const { finished } = this.#steps(call, count, (i) => elements.map((v) => g.op("Gather", [v, g.ints([at(i)])], { axis: call.axis })));
      call.results.forEach((view, k) => {
        const parts = finished.map((_, i) => g.op("Expand", [finished[at(i)]?.[k] ?? refuse("a state"), g.ints(one)]));
        this.#write(view, g.op("Concat", parts, { axis: call.axis }));
      });
      return;
    }
    const perm = [call.axis, ...shape.map((_, i) => i).filter((i) => i !== call.axis)];
    const back = perm.map((_, i) => perm.indexOf(i));
    const first0 = elements.map((v) => g.op("Transpose", [v], { perm }));
    const rest = g.ints(perm.slice(1).map((i) => shape[i] ?? 1));
    const { stacked } = loopNode(
      g,
      g.scalar(count, "int64"),
      this.#start(call.combiner).map((v) => g.op("Expand", [v, rest])),
      (trip, before) => {
        const place = call.reverse ? g.op("Sub", [g.scalar(count - 1, "int64"), trip]) : trip;
        const state = this.#step(
          call,
          before,
          first0.map((v) => g.op("Gather", [v, place], { axis: 0 })),
        );
        return { go: undefined, state, stacked: this.#finish(call, state).map((v) => g.op("Expand", [v, rest])) };
      },
    );
    call.results.forEach((view, k) => {
      const all = stacked[k] ?? refuse("a state");
      const ordered = call.reverse ? g.op("Slice", [all, g.ints([-1]), g.ints([-9223372036854775807n]), g.ints([0]), g.ints([-1])]) : all;
      this.#write(view, g.op("Transpose", [ordered], { perm: back }));
    });
  }

  #contract(call: ContractCall): void {
    const g = this.#g;
    const [a, b] = call.operands;
    const [out] = call.results;
    if (a === undefined || b === undefined || out === undefined) return refuse("a product of nothing");
    const type = ({ f32: "float32", f64: "float64", i32: "int32", i64: "int64" } as const)[call.accumulate];
    const product = g.op("MatMul", [g.cast(this.read(a), type), g.cast(this.read(b), type)]);
    if (call.epilogue === undefined) return this.#write(out, product);
    const epilogue = call.epilogue;
    const rounded = g.cast(product, epilogue.operands[0] ?? out.dtype);
    const emitter = new ExprEmitter(g, {
      arg: (i) => (i === 0 ? rounded : this.read(call.operands[i + 1] ?? refuse("an operand"), true)),
      scalar: (slot) => call.scalars[slot] ?? 0,
    });
    const [output] = epilogue.outputs;
    if (output !== undefined) this.#write(out, this.#output(emitter, output, out.shape));
  }

  #convolve(call: ConvolveCall): void {
    const [out] = call.results;
    if (out !== undefined)
      this.#write(
        out,
        convolveValue(this.#g, call, (view) => this.read(view)),
      );
  }

  #window(call: WindowCall): void {
    const g = this.#g;
    const [x] = call.operands;
    const [out, indices] = call.results;
    if (x === undefined || out === undefined) return refuse("a window over nothing");
    const n = call.kernel.length;
    const lead = x.shape.slice(0, x.shape.length - n);
    const spatial = x.shape.slice(x.shape.length - n);
    const as = (v: OnnxValue): OnnxValue => reshapeTo(g, v, [1, numelOf(lead), ...spatial]);
    // A last window may reach beyond the padding.
    const padEnd = call.kernel.map((k, i) => {
      const size = out.shape[out.shape.length - n + i] ?? 1;
      const reach = (size - 1) * (call.stride[i] ?? 1) + (call.dilation[i] ?? 1) * (k - 1) + 1 - (spatial[i] ?? 1) - (call.padBegin[i] ?? 0);
      return Math.max(call.padEnd[i] ?? 0, reach);
    });
    if (call.reduction === "sum" && padEnd.some((p, i) => p !== call.padEnd[i])) return refuse("average pooling whose windows leave the padded input");
    const attributes = { kernel_shape: call.kernel, strides: call.stride, pads: [...call.padBegin, ...padEnd] };
    const value = this.read(x);
    if (call.reduction === "sum") {
      if (x.dtype === "float64") return refuse("pooling in double precision has no kernel in onnxruntime");
      const f = as(g.cast(value, "float32"));
      const size = numelOf(call.kernel);
      const pooled = g.op("AveragePool", [f], { ...attributes, count_include_pad: call.divisor === "inside" ? 0 : 1 });
      if (call.divisor === "window" || call.dilation.some((d) => d !== 1)) return refuse("average pooling whose windows leave the padded input");
      const scaled = call.divisor === "inside" ? pooled : g.op("Mul", [pooled, g.scalar(size / call.divisor, "float32")]);
      return this.#write(out, reshapeTo(g, scaled, out.shape));
    }
    const wide =
      x.dtype === "float32" || x.dtype === "float64"
        ? x.dtype
        : x.dtype === "float16" || x.dtype === "bfloat16"
          ? "float32"
          : refuse(`max pooling of ${x.dtype} has no kernel in onnxruntime`);
    const results = g.node("MaxPool", [as(g.cast(value, wide))], {
      dtypes: indices === undefined ? [wide] : [wide, "int64"],
      attributes: { ...attributes, dilations: call.dilation },
    });
    const [pooled, places] = results;
    if (pooled !== undefined) this.#write(out, reshapeTo(g, pooled, out.shape));
    if (indices !== undefined && places !== undefined)
      this.#write(indices, reshapeTo(g, g.op("Mod", [places, g.scalar(Math.max(1, numelOf(spatial)), "int64")]), indices.shape));
  }

  #scatter(call: ScatterCall): void {
    const g = this.#g;
    const [out] = call.results;
    if (out === undefined) return refuse("a scatter into nothing");
    if (isComplex(out.dtype)) return refuse("complex numbers cannot be scattered");
    const emitter = this.#elements(call, call.shape);
    const values = call.program.outputs.map((o) => this.#output(emitter, o, call.shape));
    const value = values[values.length - 1] ?? refuse("a scatter of nothing");
    const strides = contiguousStrides(out.shape);
    let at: OnnxValue = g.scalar(0, "int64");
    values.slice(0, -1).forEach((v, i) => (at = g.op("Add", [at, g.op("Mul", [g.cast(v, "int64"), g.scalar(strides[i] ?? 1, "int64")])])));
    const flat = g.op("Reshape", [g.op("Expand", [at, g.ints(call.shape)]), g.ints([-1])]);
    const base = reshapeTo(g, this.read(out), [-1]);
    this.#write(out, reshapeTo(g, scatterElements(g, base, flat, g.op("Reshape", [g.cast(value, out.dtype), g.ints([-1])]), 0, call.combine), out.shape));
  }

  #sort(call: SortCall): void {
    const g = this.#g;
    const [x] = call.operands;
    const [values, indices] = call.results;
    if (x === undefined || call.rows) return refuse("sorting of rows has no counterpart in ONNX");
    const value = this.read(x);
    const n = x.shape[call.axis] ?? 1;
    const k = call.method.kind === "first" ? call.method.length : n;
    const [sorted, places] = sortValue(g, value, call.axis, call.descending, g.ints([k]));
    const pick = (v: OnnxValue): OnnxValue => (call.method.kind === "kth" ? g.op("Gather", [v, g.ints([call.method.place])], { axis: call.axis }) : v);
    if (values !== undefined) this.#write(values, reshapeTo(g, pick(sorted), values.shape));
    if (indices !== undefined) this.#write(indices, reshapeTo(g, pick(places), indices.shape));
  }

  #random(call: RandomCall): void {
    const [out] = call.results;
    if (out === undefined) return;
    this.#write(
      out,
      randomValue(this.#g, call, this.#g.ints(out.shape), (v) => this.read(v)),
    );
  }

  #linalg(call: LinalgCall): void {
    if ([...call.operands, ...call.results].some((v) => isComplex(v.dtype))) return refuse(`a factorisation of complex matrices (${call.name})`);
    const values = factorise(this.#g, call, (i) => this.read(call.operands[i] ?? refuse("an operand is missing")));
    call.results.forEach((view, i) => this.#write(view, reshapeTo(this.#g, values[i] ?? refuse("a result is missing"), view.shape)));
  }

  #fft(call: FftCall): void {
    const [x] = call.operands;
    const [out] = call.results;
    if (x === undefined || out === undefined || !isComplex(x.dtype)) return refuse("a transform of nothing");
    this.#write(out, fourierValue(this.#g, this.read(x), x.shape, call));
  }
}

const EXTREMES: Readonly<Record<string, "ArgMax" | "ArgMin">> = { argmax: "ArgMax", argmaxLast: "ArgMax", argmin: "ArgMin", argminLast: "ArgMin" };

function isDense(v: Layout): boolean {
  const axes = v.shape.map((_, i) => i).filter((i) => v.shape[i] !== 1);
  axes.sort((a, b) => (v.strides[a] ?? 0) - (v.strides[b] ?? 0));
  let step = 1;
  for (const axis of axes) {
    if (v.strides[axis] !== step) return false;
    step *= v.shape[axis] ?? 1;
  }
  return true;
}
function reaches(e: Expr, op: Expr["op"]): boolean {
  return [...reachable([e])].some((x) => x.op === op);
}
/** The tensor with axes along which nothing changes cut to one. */
function shrunk(t: Tensor): Tensor {
  let out = t;
  for (let axis = 0; axis < t.rank; axis++) {
    const n = out.shape[axis] ?? 1;
    if (n <= 1) continue;
    const { data } = out;
    const inner = numelOf(out.shape.slice(axis + 1));
    const outer = numelOf(out.shape.slice(0, axis));
    let same = true;
    for (let o = 0; o < outer && same; o++)
      for (let i = 1; i < n && same; i++) for (let k = 0; k < inner && same; k++) same = Object.is(data[(o * n + i) * inner + k], data[o * n * inner + k]);
    if (!same) continue;
    const shape = out.shape.map((s, i) => (i === axis ? 1 : s));
    const cut = new Tensor(out.storage, out.dtype, shape, out.strides, out.offset);
    out = Tensor.from(cut.data, shape, t.dtype);
  }
  return out;
}
