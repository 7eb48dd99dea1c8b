/** The heavy call kinds on a TensorFlow.js engine: products, convolutions, windows, reductions. */

import { type ContractCall, type ConvolveCall, convolveOperands, type ReduceCall, type ScanCall, type WindowCall } from "../../prims/call.ts";
import { type BinaryOp, type Expr, operandsOf } from "../../expr/expr.ts";
import type { Combiner } from "../../prims/combiner.ts";
import type { View } from "../../tensor/tensor.ts";
import { unreachable } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { TfTensor } from "./tensorflow.ts";
import { type Engine, refusesExpr, refusesProgram, walkExprs, walkProgram } from "./walk.ts";

/** Reads an operand of a call as an engine tensor in its shape. */
export type Reader = (view: View, expand: boolean) => TfTensor;

/** Engines do arithmetic on at most so many axes; the WebAssembly one gives no answer, and no error, beyond. */
const MOST_AXES = 6;

/** An operand to be walked element by element: flat and expanded where it has more axes than an engine's arithmetic takes. */
export function readElements(engine: Engine, read: Reader, view: View, expand: boolean): TfTensor {
  return view.shape.length > MOST_AXES ? engine.tf.reshape(read(view, true), [numelOf(view.shape)]) : read(view, expand);
}

/** Kernels that fold by one function of the state and the incoming value. */
const FOLDS: Partial<Record<BinaryOp, string>> = { add: "Sum", mul: "Prod", max: "Max", min: "Min", or: "Any", and: "All" };

/** The engine's kernel for a combiner of one state that folds by a plain function, whatever it does at the end. */
function foldKernel(combiner: Combiner): string | undefined {
  const [step, ...more] = combiner.combine;
  if (step === undefined || more.length > 0 || step.op !== "binary" || step.a.op !== "acc" || step.b.op !== "val") return undefined;
  return FOLDS[step.fn];
}

function floats(views: readonly View[]): string | undefined {
  const odd = views.find((v) => v.dtype !== "float32");
  return odd === undefined ? undefined : `TensorFlow.js has no ${odd.dtype} kernel for this`;
}

export function refusesReduce(engine: Engine, call: ReduceCall): string | undefined {
  const kernel = call.combiner.name === "logsumexp" ? "Exp" : foldKernel(call.combiner);
  if (kernel === undefined) return `TensorFlow.js has no reduction ${call.combiner.name}`;
  if (!engine.has(kernel)) return `the engine has no kernel ${kernel}`;
  if (call.results.length !== 1) return "more than one result";
  if (kernel === "Exp" && call.shape.length > MOST_AXES) return `TensorFlow.js has arithmetic on at most ${MOST_AXES} axes`;
  const result = call.results[0]?.dtype;
  if (kernel === "Any" || kernel === "All" ? result !== "bool" : result !== "float32") return `TensorFlow.js has no ${call.combiner.name} to ${String(result)}`;
  const finish = call.combiner.finish[0];
  if (kernel !== "Exp" && finish !== undefined && finish.op !== "acc") {
    const reason = refusesTree(engine, finish);
    if (reason !== undefined) return reason;
  }
  if (call.operands.some((v, i) => v.dtype !== call.program.operands[i])) return "operands of other dtypes";
  // The element tuple is the accumulator's type: f64 sums of float32 data are float32 sums here.
  return refusesProgram(engine, elementProgram(call));
}

const elements = new WeakMap<ReduceCall["program"], ReduceCall["program"]>();
/** The program with its f64 accumulator outputs taken as float32. */
function elementProgram(call: ReduceCall | ScanCall): ReduceCall["program"] {
  let program = elements.get(call.program);
  if (program === undefined) {
    program = { ...call.program, outputs: call.program.outputs.map((o) => ({ ...o, dtype: o.dtype === "float64" && call.program.operands.every((d) => d === "float32" || d === "bool") ? "float32" : o.dtype })) };
    elements.set(call.program, program);
  }
  return program;
}

export function runReduce(engine: Engine, call: ReduceCall, read: Reader): TfTensor[] {
  const { tf } = engine;
  const [value = unreachable("element"), weight] = walkProgram(engine, elementProgram(call), call.operands.map((v) => readElements(engine, read, v, true)), call.scalars);
  const full = value.shape.length === call.shape.length ? value : tf.reshape(value, [...call.shape]);
  const axes = [...call.axes];
  if (call.combiner.name === "logsumexp") {
    const kept = call.results[0]?.shape ?? [];
    const top = tf.reshape(tf.max(full, axes), [...kept]);
    const shift = tf.where(tf.isInf(top), tf.scalar(0, "float32"), top);
    const terms = tf.exp(tf.sub(full, shift));
    const sum = tf.reshape(tf.sum(weight === undefined || weight.shape.length === 0 ? terms : tf.mul(terms, weight), axes), [...kept]);
    return [tf.add(tf.log(sum), tf.where(tf.isInf(top), tf.maximum(top, tf.scalar(0, "float32")), top))];
  }
  const fold = foldKernel(call.combiner);
  const folded = fold === "Sum" ? tf.sum(full, axes) : fold === "Prod" ? tf.prod(full, axes) : fold === "Max" ? tf.max(full, axes) : fold === "Min" ? tf.min(full, axes) : fold === "Any" ? tf.any(full, axes) : tf.all(full, axes);
  const finish = call.combiner.finish[0];
  if (finish === undefined || finish.op === "acc") return [folded];
  const known = new Map<Expr, TfTensor>();
  for (const e of leavesOf(finish)) if (e.op === "acc") known.set(e, folded);
  return walkExprs(engine, [finish], [], call.scalars, known);
}

function leavesOf(e: Expr): Expr[] {
  const inner = operandsOf(e);
  return inner.length === 0 ? [e] : inner.flatMap(leavesOf);
}
/** As `refusesExpr`, for all nodes below; states are given. */
function refusesTree(engine: Engine, e: Expr): string | undefined {
  if (e.op === "acc") return undefined;
  return refusesExpr(engine, e) ?? operandsOf(e).map((o) => refusesTree(engine, o)).find((r) => r !== undefined);
}

export function refusesScan(engine: Engine, call: ScanCall): string | undefined {
  if (call.operands[0]?.shape.length === 0) return "a scan of one number has no axis for TensorFlow.js";
  if (call.combiner.name !== "sum") return `TensorFlow.js has no scan ${call.combiner.name}`;
  return (engine.has("Cumsum") ? undefined : "the engine has no kernel Cumsum") ?? floats([...call.operands, ...call.results]) ?? refusesProgram(engine, elementProgram(call));
}
export function runScan(engine: Engine, call: ScanCall, read: Reader): TfTensor[] {
  const [value = unreachable("element")] = walkProgram(engine, elementProgram(call), call.operands.map((v) => readElements(engine, read, v, true)), call.scalars);
  return [engine.tf.cumsum(engine.tf.reshape(value, [...(call.operands[0]?.shape ?? [])]), call.axis, call.exclusive, call.reverse)];
}

export function refusesContract(engine: Engine, call: ContractCall): string | undefined {
  if (!engine.has("BatchMatMul")) return "the engine has no kernel BatchMatMul";
  return floats([...call.operands, ...call.results]) ?? (call.epilogue === undefined ? undefined : refusesProgram(engine, call.epilogue));
}
export function runContract(engine: Engine, call: ContractCall, read: Reader): TfTensor[] {
  const { tf } = engine;
  const [a = unreachable("a"), b = unreachable("b"), ...extra] = call.operands;
  // A matrix whose rows run along K already is the transpose of what lies in memory: no copy, a flag.
  const side = (v: View): { value: TfTensor; transposed: boolean } => {
    const [s0 = 0, s1 = 0, s2 = 0] = v.strides;
    if (s1 === 1 && s2 >= (v.shape[1] ?? 0) && (v.shape[2] ?? 0) > 1) {
      return { value: read({ ...viewOnly(v), shape: [v.shape[0] ?? 1, v.shape[2] ?? 1, v.shape[1] ?? 1], strides: [s0, s2, s1] }, false), transposed: true };
    }
    return { value: read(v, false), transposed: false };
  };
  const [x, y] = [side(a), side(b)];
  const fix = (v: { value: TfTensor; transposed: boolean }, view: View): TfTensor => {
    const [m, k] = v.transposed ? [view.shape[2] ?? 1, view.shape[1] ?? 1] : [view.shape[1] ?? 1, view.shape[2] ?? 1];
    const [, r = 1, c = 1] = v.value.shape;
    return r === m && c === k ? v.value : tf.tile(v.value, [1, m / r, k / c]); // strides of 0 inside the matrix
  };
  const product = tf.matMul(fix(x, a), fix(y, b), x.transposed, y.transposed);
  if (call.epilogue === undefined) return [product];
  return walkProgram(engine, call.epilogue, [product, ...extra.map((v) => read(v, false))], call.scalars);
}

function viewOnly(v: View): View {
  return { storage: v.storage, dtype: v.dtype, shape: v.shape, strides: v.strides, offset: v.offset };
}

export function refusesConvolve(engine: Engine, call: ConvolveCall): string | undefined {
  const axes = call.stride.length;
  const { w } = convolveOperands(call);
  if (axes > 2) return "TensorFlow.js convolves over one or two axes here";
  const bad = floats([...call.operands, ...call.results]) ?? (call.epilogue === undefined ? undefined : refusesProgram(engine, call.epilogue));
  if (bad !== undefined) return bad;
  if (call.stride.some((s) => s > 1) && call.dilation.some((d) => d > 1)) return "TensorFlow.js has no stride with dilation";
  if (call.padBegin.some((p) => p < 0) || call.padEnd.some((p) => p < 0)) return "negative padding";
  if (call.transposed) {
    if (call.groups !== 1 || call.dilation.some((d) => d > 1)) return "TensorFlow.js has no grouped or dilated transposed convolution";
    return engine.has("Conv2DBackpropInput") ? undefined : "the engine has no kernel Conv2DBackpropInput";
  }
  const depthwise = call.groups > 1 && w.shape[1] === 1;
  const kernel = depthwise ? "DepthwiseConv2dNative" : "Conv2D";
  if (!engine.has(kernel)) return `the engine has no kernel ${kernel}`;
  return call.groups > 64 && !depthwise ? "too many groups to split" : undefined;
}

/** `[N, C, W]` as `[N, C, 1, W]`. */
function withHeight(tf: Engine["tf"], x: TfTensor): TfTensor {
  return x.shape.length === 3 ? tf.reshape(x, [x.shape[0] ?? 1, x.shape[1] ?? 1, 1, x.shape[2] ?? 1]) : x;
}
function pair(values: readonly number[], fill: number): [number, number] {
  return values.length === 1 ? [fill, values[0] ?? fill] : [values[0] ?? fill, values[1] ?? fill];
}

/** `packed(view, key, make)`: a form of a weight that is made once per buffer. */
export type Packer = (view: View, key: string, make: (x: TfTensor) => TfTensor) => TfTensor;

export function runConvolve(engine: Engine, call: ConvolveCall, read: Reader, packed: Packer): TfTensor[] {
  const { tf } = engine;
  const { x, w, bias, extra } = convolveOperands(call);
  const result = call.results[0] ?? unreachable("result");
  const stride = pair(call.stride, 1);
  const dilation = pair(call.dilation, 1);
  const [top, left] = pair(call.padBegin, 0);
  const [bottom, right] = pair(call.padEnd, 0);
  const nhwc = tf.transpose(withHeight(tf, read(x, true)), [0, 2, 3, 1]);
  const out = pair(result.shape.slice(2), 1);
  let y: TfTensor;
  if (call.transposed) {
    const filter = packed(w, "hwoi", (v) => tf.transpose(withHeight(tf, v), [2, 3, 1, 0])); // [C, O, kh, kw] -> [kh, kw, O, C]
    const full: [number, number, number, number] = [x.shape[0] ?? 1, out[0] + top + bottom, out[1] + left + right, result.shape[1] ?? 1];
    // The engine's output has no room for output padding: its size is asked for, and cropped.
    const [kh = 1, kw = 1] = filter.shape;
    const least: [number, number] = [((nhwc.shape[1] ?? 1) - 1) * stride[0] + kh, ((nhwc.shape[2] ?? 1) - 1) * stride[1] + kw];
    const made = tf.conv2dTranspose(nhwc, filter, [full[0], least[0], least[1], full[3]], stride, "valid");
    const grown = full[1] > least[0] || full[2] > least[1] ? tf.pad(made, [[0, 0], [0, Math.max(0, full[1] - least[0])], [0, Math.max(0, full[2] - least[1])], [0, 0]], 0) : made;
    y = tf.slice(grown, [0, top, left, 0], [full[0], out[0], out[1], full[3]]);
  } else {
    const padded = top + bottom + left + right === 0 ? nhwc : tf.pad(nhwc, [[0, 0], [top, bottom], [left, right], [0, 0]], 0);
    if (call.groups === 1) {
      y = tf.conv2d(padded, packed(w, "hwio", (v) => tf.transpose(withHeight(tf, v), [2, 3, 1, 0])), stride, "valid", "NHWC", dilation);
    } else if (w.shape[1] === 1) {
      const multiplier = (w.shape[0] ?? 1) / call.groups;
      const filter = packed(w, "hwcm", (v) => {
        const four = withHeight(tf, v);
        const [, , kh = 1, kw = 1] = four.shape;
        return tf.transpose(tf.reshape(four, [call.groups, multiplier, kh, kw]), [2, 3, 0, 1]);
      });
      y = tf.depthwiseConv2d(padded, filter, stride, "valid", "NHWC", dilation);
    } else {
      const [cpg, opg] = [(x.shape[1] ?? 1) / call.groups, (w.shape[0] ?? 1) / call.groups];
      const filter = packed(w, "hwio", (v) => tf.transpose(withHeight(tf, v), [2, 3, 1, 0]));
      const [n = 1, h = 1, wd = 1] = padded.shape;
      const [kh = 1, kw = 1] = filter.shape;
      const parts: TfTensor[] = [];
      for (let g = 0; g < call.groups; g++) {
        parts.push(tf.conv2d(tf.slice(padded, [0, 0, 0, g * cpg], [n, h, wd, cpg]), tf.slice(filter, [0, 0, 0, g * opg], [kh, kw, cpg, opg]), stride, "valid", "NHWC", dilation));
      }
      y = tf.concat(parts, 3);
    }
  }
  if (bias !== undefined) y = tf.add(y, read(bias, true));
  const sums = tf.reshape(tf.transpose(y, [0, 3, 1, 2]), [...result.shape]);
  if (call.epilogue === undefined) return [sums];
  return walkProgram(engine, call.epilogue, [sums, ...extra.map((v) => read(v, false))], call.scalars);
}

export function refusesWindow(engine: Engine, call: WindowCall): string | undefined {
  if (call.kernel.length > 2) return "TensorFlow.js has windows over one or two axes here";
  if (call.results.length > 1) return "TensorFlow.js's pooling gives no flat indices";
  if (call.dilation.some((d) => d !== 1)) return "TensorFlow.js has no dilated pooling";
  const kernel = call.reduction === "max" ? "MaxPool" : "AvgPool";
  const missing = [kernel, "MaxPool", "IsNan", "Greater", "Select"].find((name) => !engine.has(name));
  if (missing !== undefined) return `the engine has no kernel ${missing}`;
  if (call.reduction === "sum") {
    const padding = [...call.padBegin, ...call.padEnd].some((p) => p > 0);
    if (padding && call.divisor === "inside") return "TensorFlow.js counts a padded window its own way";
    if (typeof call.divisor !== "number" && overflows(call)) return "windows that reach past the padding";
  }
  return floats([...call.operands, ...call.results]);
}

/** Whether ceil mode makes a window reach beyond the padded input. */
function overflows(call: WindowCall): boolean {
  const [x, y] = [call.operands[0]?.shape ?? [], call.results[0]?.shape ?? []];
  return call.kernel.some((k, i) => {
    const axis = i - call.kernel.length;
    return ((y.at(axis) ?? 1) - 1) * (call.stride[i] ?? 1) + k > (x.at(axis) ?? 1) + (call.padBegin[i] ?? 0) + (call.padEnd[i] ?? 0);
  });
}

export function runWindow(engine: Engine, call: WindowCall, read: Reader): TfTensor[] {
  const { tf } = engine;
  const x = call.operands[0] ?? unreachable("x");
  const result = call.results[0] ?? unreachable("result");
  const axes = call.kernel.length;
  const spatial = pair(x.shape.slice(-axes), 1);
  const lead = x.shape.slice(0, x.shape.length - axes).reduce((n, s) => n * s, 1);
  const kernel = pair(call.kernel, 1);
  const stride = pair(call.stride, 1);
  const begin = pair(call.padBegin, 0);
  const out = pair(result.shape.slice(-axes), 1);
  // What the windows cover: padding, and for ceil mode a tail beyond it.
  const tail = [0, 1].map((i) => Math.max(0, ((out[i] ?? 1) - 1) * (stride[i] ?? 1) + (kernel[i] ?? 1) - (spatial[i] ?? 1) - (begin[i] ?? 0)));
  const planes = tf.reshape(read(x, true), [lead, spatial[0], spatial[1], 1]);
  const needsPad = begin.some((p) => p > 0) || tail.some((p) => p > 0);
  const fill = call.reduction === "max" ? -3.4028234663852886e38 : 0;
  const padded = needsPad ? tf.pad(planes, [[0, 0], [begin[0], tail[0] ?? 0], [begin[1], tail[1] ?? 0], [0, 0]], fill) : planes;
  // The wasm engine clamps what it pools, and so loses NaN: windows that hold one are found by a pooling of their own.
  const odd = tf.maxPool(tf.cast(tf.isNaN(padded), "float32"), kernel, stride, "valid");
  const restored = (pooled: TfTensor): TfTensor => tf.where(tf.greater(odd, tf.scalar(0, "float32")), tf.mul(odd, tf.scalar(NaN, "float32")), pooled);
  if (call.reduction === "max") return [tf.reshape(restored(tf.maxPool(padded, kernel, stride, "valid")), [...result.shape])];
  const mean = restored(tf.avgPool(padded, kernel, stride, "valid"));
  const size = kernel[0] * kernel[1];
  const scaled = typeof call.divisor === "number" && call.divisor !== size ? tf.mul(mean, tf.scalar(size / call.divisor, "float32")) : mean;
  return [tf.reshape(tf.slice(scaled, [0, 0, 0, 0], [lead, out[0], out[1], 1]), [...result.shape])];
}
