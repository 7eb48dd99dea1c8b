/** Carries out one op on data of the graph: by its counterpart in ONNX, by its meaning on known values, or spelled out through its calls. */

import type { Datum } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import type { Schema } from "../ir/schema.ts";
import { type BoundOp, derive, type Derived } from "../ops/registry.ts";
import type { MapCall } from "../prims/call.ts";
import { usesIndex } from "../prims/program.ts";
import { reachable } from "../expr/expr.ts";
import { type DType, isComplex } from "../tensor/dtype.ts";
import { isOpwiseError } from "../tensor/error.ts";
import { broadcastShapes, sameShape } from "../tensor/shape.ts";
import { Storage } from "../tensor/storage.ts";
import { Tensor, type View } from "../tensor/tensor.ts";
import { type Exporter, leavesOf, mapDatum } from "./exporter.ts";
import { ExprEmitter } from "./expressions.ts";
import type { OnnxValue } from "./graph.ts";
import { HANDLERS } from "./handlers.ts";
import { dataOp, isDataOp } from "./data-ops.ts";
import { abstracted, addCheck, metaRun, runHost, tensorsOf } from "./meaning.ts";
import { type Layout, writeView } from "./strided.ts";
import { laneOf, realLayout, WaistContext } from "./waist.ts";
import { type DimSize, isSym, isSymTensor, joinRoots, metaTensor, NO_ROOTS, refuse, type Roots, Sym, SymList, SymTensor } from "./values.ts";

const derived = new WeakMap<Schema, Derived | undefined>();

/** Carries out the op; elements that hang on sizes alone are kept beside the graph's, for the sizes that are made of them. */
export function runOp(x: Exporter, node: Node, schema: Schema | undefined, bound: BoundOp | undefined, given: readonly Datum[]): readonly Datum[] {
  const shadows =
    bound === undefined || isRandom(node.op) || schema?.args.some((a) => a.alias?.write === true) === true ? undefined : shadowArguments(x, given);
  const results = runOpen(x, node, schema, bound, given);
  if (shadows === undefined || bound === undefined) return results;
  const open = results.flatMap((d) => leavesOf([d])).filter((l): l is SymTensor => l instanceof SymTensor && x.knownOf(l) === undefined);
  if (open.length === 0 || open.some((t) => t.meta.numel > MAX_SHADOW)) return results;
  let elements: readonly Tensor[];
  try {
    elements = runHost(x, bound, shadows.args).flatMap(tensorsOf);
  } catch (error) {
    if (isOpwiseError(error)) return results;
    throw error;
  }
  for (const [i, t] of open.entries()) {
    const own = elements[i];
    if (own !== undefined && elements.length === open.length && sameShape(own.shape, t.meta.shape))
      t.shadow = { version: t.storage.version, elements: own, roots: shadows.roots };
  }
  return results;
}
const MAX_SHADOW = 64;

/** The arguments with elements for the example inputs; undefined where some hang on data. */
function shadowArguments(x: Exporter, given: readonly Datum[]): { readonly args: Datum[]; readonly roots: Roots } | undefined {
  const leaves = leavesOf(given);
  if (leaves.length === 0) return undefined;
  const all: Roots[] = [];
  for (const leaf of leaves) {
    if (leaf instanceof Sym) {
      if (leaf.roots === undefined) return undefined;
      all.push(leaf.roots);
    } else if (leaf.shadow !== undefined && leaf.shadow.version === leaf.storage.version) all.push(leaf.shadow.roots);
    else if (x.knownOf(leaf) === undefined || leaf.meta.numel > MAX_SHADOW) return undefined;
  }
  if (all.length === 0) return undefined;
  const args = given.map((d) => mapDatum(d, (l) => (isSymTensor(l) ? (l.shadow?.elements ?? x.knownOf(l) ?? null) : isSym(l) ? l.hint : l)));
  return { args, roots: joinRoots(all) ?? NO_ROOTS };
}

function runOpen(x: Exporter, node: Node, schema: Schema | undefined, bound: BoundOp | undefined, given: readonly Datum[]): readonly Datum[] {
  const args = given.map((d, i) => {
    const formal = schema?.args[i]?.name;
    return isSym(d) && formal !== undefined && OPTIONS.has(formal) ? x.fix(d) : abstracted(x, d);
  });
  const open = leavesOf(args);
  if (open.some((l) => l instanceof SymTensor && l.anyRank) && !RANKLESS.has(node.op)) return refuse("a tensor whose number of axes hangs on data is used");
  const lists =
    args.some((d) => d instanceof SymList) || args.some((d) => typeof d === "object" && d !== null && "kind" in d && d.kind === "host" && d.name === "text");
  if (isDataOp(node.op) || lists || (!open.some((l) => l instanceof SymTensor) && open.length > 0)) {
    const done = dataOp(x, node.op, args, bound, node);
    if (done !== undefined) return done;
  }
  if (bound === undefined) return refuse(`\`${node.op}\` is not in this build`);
  if (open.length === 0) return runHost(x, bound, args);
  const found = schema === undefined ? undefined : lookUp(x, schema);
  const declared = found?.op.name ?? node.op;
  // Ops that are declared in place alone have the functional one's counterpart.
  const isOut = found?.form === "out" || (writtenArguments(schema).length > 0 && /\.(\w+_)?out$/.test(declared));
  const name = HANDLERS[declared] !== undefined ? declared : isOut ? declared.replace(/\.(\w+_)?out$/, "") : declared.replace(/_(\.|$)/, "$1");
  const known = knownArguments(x, args);
  const writes = writtenArguments(schema);
  if (known !== undefined && !isRandom(node.op)) {
    const folded = fold(x, bound, args, known, writes);
    if (folded !== undefined) return folded;
  }
  if (open.some((d) => d instanceof SymTensor && d.meta.quantizer !== undefined)) {
    // Quantised meanings are what they are on codes; no counterpart says the same.
    return spellOut(x, node.op, bound, args);
  }
  const inplace = writes.length === 1 && writes[0] === 0 && (found?.form === "inplace" || name !== declared);
  const handlerArgs = isOut ? args.filter((_, i) => !writes.includes(i)) : args;
  const complex = open.some((l) => l instanceof SymTensor && isComplex(l.dtype));
  const handler = HANDLERS[name];
  if (handler !== undefined && (!complex || COMPLEX_READY.has(name))) {
    let metas: readonly Tensor[] | undefined;
    const meta = (): readonly Tensor[] => {
      if (metas !== undefined) return metas;
      const plainBound = bound;
      metas = metaRun(x, plainBound, args).results.flatMap((d) => tensorsOf(d));
      return metas;
    };
    const done = handler({ x, name, args: handlerArgs, meta, bound });
    if (done !== undefined) {
      const results = toList(done);
      if (isOut) return writeOuts(x, args, writes, results);
      if (inplace) {
        const [target] = args;
        const [value] = results;
        if (isSymTensor(target) && isSymTensor(value)) {
          if (node.op.match(VIEW_IN_PLACE) !== null) x.become(target, value);
          else x.write(target, broadcastTo(x, value, target));
          return [target];
        }
      }
      return results;
    }
  }
  const dynamic = complex ? undefined : mapsOnly(x, bound, args, found);
  if (dynamic !== undefined) return dynamic;
  return spellOut(x, node.op, bound, args);
}

const RANKLESS: ReadonlySet<string> = new Set([
  "aten::__is__",
  "aten::__isnot__",
  "aten::append.t",
  "prim::unchecked_unwrap_optional",
  "prim::dtype",
  "prim::device",
]);
/** Arguments that say what a result is like, not what is in it. */
const OPTIONS: ReadonlySet<string> = new Set(["dtype", "layout", "memory_format", "pin_memory", "reduction", "keepdim", "training", "train"]);
const VIEW_IN_PLACE = /^aten::(unsqueeze_|squeeze_|t_|transpose_|swapaxes_|swapdims_)/;
const COMPLEX_READY: ReadonlySet<string> = new Set([
  "aten::size.int",
  "aten::size",
  "aten::dim",
  "prim::dtype",
  "aten::is_complex",
  "aten::len.Tensor",
  "aten::numel",
  "aten::view_as_real",
]);
const isRandom = (name: string): boolean =>
  /::(rand|bernoulli|normal|dropout|feature_dropout|alpha_dropout|multinomial|poisson|uniform|exponential|geometric|cauchy|log_normal|random|rrelu|_fused_dropout|native_dropout|binomial)/.test(
    name,
  );

/** Places of the arguments that the op writes. */
function writtenArguments(schema: Schema | undefined): number[] {
  return schema?.args.map((a, i) => (a.alias?.write === true ? i : -1)).filter((i) => i >= 0) ?? [];
}
function lookUp(x: Exporter, schema: Schema): Derived | undefined {
  if (!derived.has(schema)) derived.set(schema, derive(schema, x.ops));
  return derived.get(schema);
}
const isList = (d: Datum | readonly Datum[]): d is readonly Datum[] => Array.isArray(d);
const toList = (d: Datum | readonly Datum[]): readonly Datum[] => (isList(d) ? d : [d]);

/** The arguments as data that is all known, or undefined. */
function knownArguments(x: Exporter, args: readonly Datum[]): Datum[] | undefined {
  for (const leaf of leavesOf(args)) {
    if (leaf instanceof SymTensor ? x.knownOf(leaf) === undefined : !x.isFixed(leaf.roots)) return undefined;
  }
  return args.map((d) => mapDatum(d, (l) => (isSymTensor(l) ? (x.knownOf(l) ?? null) : isSym(l) ? l.hint : l)));
}

/** Runs an op whose operands are all known. */
function fold(x: Exporter, bound: BoundOp, args: readonly Datum[], known: readonly Datum[], writes: readonly number[]): readonly Datum[] | undefined {
  const targets = writes.map((i) => args[i]);
  if (targets.some((t) => !isSymTensor(t) || t.meta.quantizer !== undefined)) return undefined;
  // What is written gets memory of its own first: the model's own stays as it is.
  const copies = new Map<Datum, Tensor>();
  const roots = new Map<SymTensor, Tensor>();
  for (const t of targets) {
    if (!isSymTensor(t)) continue;
    const root = x.rootOf(t);
    if (!roots.has(root)) {
      const value = x.knownOf(root);
      if (value === undefined) return undefined;
      const own = new Tensor(Storage.wrap(new Uint8Array(value.storage.bytes()), false), value.dtype, value.shape, value.strides, value.offset);
      roots.set(root, own);
    }
    const base = roots.get(root);
    if (base === undefined) return undefined;
    const copy = new Tensor(base.storage, t.dtype, [...t.meta.shape], [...t.meta.strides], t.meta.offset);
    copy.conj = t.meta.conj;
    copy.neg = t.meta.neg;
    copies.set(t, copy);
  }
  const inputs = known.map((d, i) => copies.get(args[i] ?? null) ?? d);
  const results = runHost(x, bound, inputs);
  for (const [t, copy] of copies) {
    if (!isSymTensor(t)) continue;
    const same = sameShape(copy.shape, t.meta.shape) && sameShape(copy.strides, t.meta.strides) && copy.offset === t.meta.offset;
    if (!same || ![...roots.values()].some((r) => r.storage === copy.storage)) {
      x.become(t, x.knownTensor(copy));
      continue;
    }
    const root = x.rootOf(t);
    const own = roots.get(root);
    if (own !== undefined) x.writeKnown(root, own);
  }
  const sources = leavesOf(args).filter((l): l is SymTensor => l instanceof SymTensor);
  return results.map((d) =>
    mapDatum(d, (leaf) => {
      if (!(leaf instanceof Tensor)) return leaf;
      for (const [t, copy] of copies) if (copy === leaf) return t;
      const source = sources.find((s) => x.knownOf(s)?.storage === leaf.storage);
      if (source === undefined) return leaf.quantizer === undefined ? x.knownTensor(leaf) : x.wrap(leaf);
      if (x.knownOf(source) === leaf) return source;
      const meta = new Tensor(source.meta.storage, leaf.dtype, [...leaf.shape], [...leaf.strides], leaf.offset);
      meta.conj = leaf.conj;
      meta.neg = leaf.neg;
      meta.quantizer = leaf.quantizer;
      const root = x.rootOf(source);
      return new SymTensor(meta, [...leaf.shape], NO_ROOTS, source.storage, x.stridedView(root, meta));
    }),
  );
}

/** The value expanded to the target's sizes where it has others. */
export function broadcastTo(x: Exporter, value: SymTensor, target: SymTensor): OnnxValue {
  const v = x.g.cast(x.valueOf(value), target.dtype);
  const same = value.rank === target.rank && value.dims.every((d, i) => d !== undefined && d === target.dims[i]);
  return same ? v : x.op("Expand", [v, x.shapeValue(target)]);
}

function writeOuts(x: Exporter, args: readonly Datum[], writes: readonly number[], results: readonly Datum[]): readonly Datum[] {
  const out: Datum[] = [];
  for (const [i, at] of writes.entries()) {
    const [target, value] = [args[at] ?? null, results[i] ?? null];
    if (!isSymTensor(target) || !isSymTensor(value)) return refuse("an `out` that is no tensor");
    // Whether `out` is resized hangs on the sizes.
    if (!value.dims.every((d, k) => d !== undefined && d === target.dims[k])) for (const t of [value, target]) x.fixSizes(t);
    if (sameShape(target.meta.shape, value.meta.shape)) x.write(target, x.g.cast(x.valueOf(value), target.dtype));
    else x.become(target, x.tensor(x.g.cast(x.valueOf(value), target.dtype), metaTensor(value.meta.shape, target.dtype), value.dims, value.roots));
    out.push(target);
  }
  return out;
}

/** Expressions over whole tensors go for any sizes: an op that is nothing else keeps open sizes open. */
function mapsOnly(x: Exporter, bound: BoundOp, args: readonly Datum[], found: Derived | undefined): readonly Datum[] | undefined {
  if (bound.reads) return undefined;
  // A number of the graph goes in as a 0-dim tensor that promotes like a number.
  const numbers = new Map<Sym, SymTensor>();
  const pointwise = found?.op.body.kind === "pointwise";
  const operands = args.map((d) => {
    if (!isSym(d) || !pointwise) return d;
    const meta = metaTensor([], d.onnx.dtype);
    meta.wrappedNumber = true;
    const t = x.tensor(d.onnx, meta, [], NO_ROOTS);
    numbers.set(d, t);
    return t;
  });
  if (!pointwise && operands.some(isSym)) return undefined;
  const { results, calls, metas } = metaRun(x, bound, operands, true);
  // A shape that was changed in place is more than a value.
  for (const [t, meta] of metas) if (!sameShape(meta.shape, t.meta.shape) || !sameShape(meta.strides, t.meta.strides) || meta.offset !== 0) return undefined;
  if (!calls.every((c): c is MapCall => c.kind === "map" && !usesIndex(c.program))) return undefined;
  // Numbers of the calls must be the op's own arguments: others may be made of sizes.
  const numbersOf = args.flatMap((d) =>
    isSym(d) || typeof d === "string" || d === null || (typeof d === "object" && !("value" in d && "kind" in d && d.kind !== "host"))
      ? []
      : [Number(typeof d === "object" && "value" in d ? d.value : d)],
  );
  const own = new Set(numbersOf.flatMap((n) => [n, Math.fround(n)]));
  if (!pointwise && calls.some((c) => c.scalars.some((n) => !own.has(Number(n))))) return undefined;
  const values = new Map<
    Storage,
    {
      readonly tensor: { readonly shape: readonly number[]; readonly strides: readonly number[]; readonly offset: number };
      readonly dims: readonly DimSize[];
      readonly value: OnnxValue;
    }
  >();
  for (const [t, meta] of metas) values.set(meta.storage, { tensor: meta, dims: t.dims, value: x.valueOf(t) });
  // Every view must be the whole of a tensor, broadcast at most.
  const wholeOf = (view: View): { readonly dims: readonly DimSize[]; readonly value: OnnxValue } | undefined => {
    const at = values.get(view.storage);
    if (at === undefined || view.offset !== at.tensor.offset) return undefined;
    const lead = view.shape.length - at.tensor.shape.length;
    if (lead < 0) return undefined;
    for (let i = 0; i < view.shape.length; i++) {
      const [size, stride] = [at.tensor.shape[i - lead], at.tensor.strides[i - lead]];
      if (i < lead ? view.strides[i] !== 0 && view.shape[i] !== 1 : size !== view.shape[i] ? size !== 1 : stride !== view.strides[i] && size !== 1)
        return undefined;
    }
    return at;
  };
  const before = new Map([...values].map(([k, v]) => [k, v.value]));
  for (const call of calls) {
    const reads = call.operands.map(wholeOf);
    if (reads.some((r) => r === undefined)) return undefined;
    const used = new Set([...reachable(call.program.outputs.flatMap((o) => o.parts))].flatMap((e) => (e.op === "arg" ? [e.operand] : [])));
    const natural = call.operands.reduce((shape: readonly number[], o) => broadcastShapes(shape, values.get(o.storage)?.tensor.shape ?? []), []);
    const emitter = new ExprEmitter(x.g, {
      arg: (i) => reads[i]?.value ?? refuse("an operand is missing"),
      scalar: (slot) => call.scalars[slot] ?? 0,
      check: (c) => addCheck(x, c),
    });
    for (const [i, output] of call.program.outputs.entries()) {
      const view = call.results[i];
      const [part] = output.parts;
      if (view === undefined || part === undefined || output.parts.length > 1) return undefined;
      let value = x.g.cast(emitter.emit(part), laneOf(output.dtype));
      const target = values.get(view.storage);
      let dims = broadcastOf(
        reads.map((r) => r?.dims ?? []),
        view.shape.length,
      );
      if (target !== undefined) {
        // Written in place: the target's own sizes.
        if (wholeOf(view) === undefined || target.value.dtype !== laneOf(output.dtype)) return undefined;
        dims = [...target.dims];
        const owner = [...metas].find(([, m]) => m.storage === view.storage)?.[0];
        if (owner !== undefined && !call.operands.some((o, k) => o.storage === view.storage && used.has(k)))
          value = x.op("Expand", [value, x.shapeValue(owner)]);
        else if (owner === undefined) return undefined;
      } else {
        if (!sameShape(natural, view.shape) || (call.operands.length > 1 && used.size < call.operands.length)) return undefined;
        if (view.shape.length > 0 && used.size === 0) return undefined;
      }
      values.set(view.storage, { tensor: view, dims, value });
    }
  }
  const roots = joinRoots([...metas.keys()].map((t) => (t.isStatic ? NO_ROOTS : t.roots)));
  for (const [t, meta] of metas) {
    const now = values.get(meta.storage);
    if (now !== undefined && now.value !== before.get(meta.storage)) x.write(t, now.value);
  }
  let failed = false;
  const out = results.map((d) =>
    mapDatum(d, (leaf) => {
      if (!(leaf instanceof Tensor)) return leaf;
      for (const [t, meta] of metas) if (meta === leaf) return t;
      const made = values.get(leaf.storage);
      if (made === undefined || before.has(leaf.storage) || !sameShape(made.tensor.shape, leaf.shape) || leaf.offset !== 0) {
        failed = true;
        return leaf;
      }
      const own = metaTensor(leaf.shape, leaf.dtype, leaf.strides);
      own.quantizer = leaf.quantizer;
      return x.tensor(made.value, own, made.dims, roots);
    }),
  );
  return failed ? undefined : out;
}
function broadcastOf(all: readonly (readonly DimSize[])[], rank: number): DimSize[] {
  return Array.from({ length: rank }, (_, i): DimSize => {
    let open = false;
    let size: DimSize = 1;
    for (const dims of all) {
      const at = i - (rank - dims.length);
      if (at < 0) continue;
      const d = dims[at];
      if (d === undefined) open = true;
      else if (d !== 1) size = d;
    }
    return size !== 1 ? size : open ? undefined : 1;
  });
}

/** The op's meaning, its calls as nodes: sizes are fixed at the example's. */
function spellOut(x: Exporter, name: string, bound: BoundOp, args: readonly Datum[]): readonly Datum[] {
  const tensors = [...new Set(leavesOf(args).filter((l): l is SymTensor => l instanceof SymTensor))];
  for (const leaf of leavesOf(args)) {
    if (leaf instanceof SymTensor) x.fixSizes(leaf);
    else x.fix(leaf);
  }
  const context = new WaistContext(x.g, x.context, (cond) => addCheck(x, cond));
  const stands = new Map<SymTensor, Stand>();
  for (const t of tensors) {
    const meta = metaTensor(t.meta.shape, t.dtype, denseLike(t.meta));
    meta.wrappedNumber = t.meta.wrappedNumber;
    meta.quantizer = t.meta.quantizer;
    context.lay(meta, x.valueOf(t));
    stands.set(t, { tensor: meta, layout: { dtype: t.dtype, shape: [...meta.shape], strides: [...meta.strides], offset: 0 } });
  }
  const inputs = args.map((d) => mapDatum(d, (leaf) => (isSymTensor(leaf) ? (stands.get(leaf)?.tensor ?? null) : isSym(leaf) ? leaf.hint : leaf)));
  if (bound.reads) return spellReading(x, name, bound, inputs, context, stands);
  const results = bound.run(context, inputs);
  x.note(name);
  return settle(x, results, context, stands);
}
/** Ops that read a factorisation's state only to raise where it failed. */
const CHECKED = /^aten::(linalg_(inv|solve|solve_ex|cholesky|lu_factor|tensorsolve|tensorinv|ldl_factor)|cholesky|inverse|cholesky_solve)$/;
/** An op that reads known tensors only may go on. */
function spellReading(
  x: Exporter,
  name: string,
  bound: BoundOp & { reads: true },
  inputs: readonly Datum[],
  context: WaistContext,
  stands: ReadonlyMap<SymTensor, Stand>,
): readonly Datum[] {
  const steps = bound.run(context, inputs);
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) {
      x.note(name);
      return settle(x, step.value, context, stands);
    }
    const wanted = step.value;
    if (wanted instanceof Promise) return refuse("the op waits for a file");
    const source = [...stands].find(([, m]) => m.tensor.storage === wanted.storage)?.[0];
    const known = source === undefined ? undefined : x.knownOf(source);
    if (known === undefined && source === undefined && CHECKED.test(name) && wanted.dtype === "int32") {
      // What tells whether the factorisation failed: that is checked where the graph runs, and zeros are gone on with.
      addCheck(x, x.op("Equal", [context.read(wanted), x.g.scalar(0, "int32")], {}, "bool"));
      continue;
    }
    if (known === undefined) return refuse(`\`${name}\` goes on by the values of a tensor`);
    const plain = Tensor.from(known.data, known.shape, known.dtype);
    wanted.storage.beginHostWrite();
    wanted.storage.bytes().set(plain.storage.bytes().subarray(0, wanted.storage.nbytes));
  }
}

function denseLike(t: Tensor): readonly number[] {
  const order = t.shape.map((_, i) => i).sort((a, b) => (t.strides[b] ?? 0) - (t.strides[a] ?? 0) || a - b);
  const out = new Array<number>(t.rank).fill(1);
  let step = 1;
  for (const axis of order.reverse()) {
    out[axis] = step;
    step *= Math.max(1, t.shape[axis] ?? 1);
  }
  return out;
}
function settle(x: Exporter, results: readonly Datum[], context: WaistContext, stands: ReadonlyMap<SymTensor, Stand>): readonly Datum[] {
  for (const [t, { tensor: meta, layout }] of stands) {
    const moved = !sameShape(meta.shape, layout.shape) || !sameShape(meta.strides, layout.strides) || meta.offset !== 0;
    if (context.written.has(meta.storage)) {
      const value = context.read(meta);
      if (moved) x.become(t, x.tensor(value, metaTensor(meta.shape, t.dtype), [...meta.shape], NO_ROOTS));
      else x.write(t, value);
    } else if (moved) x.become(t, viewOfStand(x, t, layout, meta, context));
  }
  return results.map((d) =>
    mapDatum(d, (leaf) => {
      if (!(leaf instanceof Tensor)) return leaf;
      for (const [t, stand] of stands) if (stand.tensor === leaf) return t;
      const source = [...stands].find(([, s]) => s.tensor.storage === leaf.storage);
      if (leaf.conj || leaf.neg) return refuse("a lazily conjugated result");
      if (source !== undefined) return viewOfStand(x, source[0], source[1].layout, leaf, context);
      const meta = metaTensor(leaf.shape, leaf.dtype, leaf.strides.some((s, i) => s === 0 && (leaf.shape[i] ?? 1) > 1) ? undefined : leaf.strides);
      meta.quantizer = leaf.quantizer;
      return x.tensor(context.read(leaf), meta, [...leaf.shape], NO_ROOTS);
    }),
  );
}

/** What stands for a tensor of the graph while an op is spelled out, and how it lay before. */
interface Stand {
  readonly tensor: Tensor;
  readonly layout: Layout & { readonly dtype: DType };
}

/** A view of a tensor's stand-in as a view of the tensor. */
function viewOfStand(x: Exporter, t: SymTensor, layout: Stand["layout"], leaf: Tensor, context: WaistContext): SymTensor {
  if (t.meta.offset !== 0 || !sameShape(t.meta.strides, layout.strides)) return refuse("a view of a view that no op of ONNX expresses");
  const meta = new Tensor(t.meta.storage, leaf.dtype, [...leaf.shape], [...leaf.strides], leaf.offset);
  meta.quantizer = leaf.quantizer;
  const place = { dtype: leaf.dtype, shape: [...leaf.shape], strides: [...leaf.strides], offset: leaf.offset };
  const stand = new Tensor(leaf.storage, layout.dtype, layout.shape, layout.strides, layout.offset);
  const made = new SymTensor(meta, [...leaf.shape], NO_ROOTS, t.storage, {
    parent: t,
    overlaps: true,
    read: (value) => {
      const again = new WaistContext(x.g, x.context, context.check);
      again.lay(stand, value);
      return again.read({ storage: leaf.storage, ...place });
    },
    write: (value, update) => writeView(x.g, value, realLayout(layout), realLayout(place), update),
  });
  x.trail.born(made);
  return made;
}
