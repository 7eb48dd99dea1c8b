/**
 * Products, convolutions, pooling, some norms and softmax of float16 and bfloat16: of float32 copies of their operands, rounded once at the end (as PyTorch's kernels
 * for these dtypes do). Of a weight whose packed form is kept there is a copy only while it is packed.
 */

import { arg, type Expr } from "../../expr/expr.ts";
import { type Call, convolveOperands, type MapCall, type Region } from "../../prims/call.ts";
import type { Program } from "../../prims/program.ts";
import type { DType } from "../../tensor/dtype.ts";
import { contiguousStrides, extentOf, numelOf } from "../../tensor/shape.ts";
import { Storage } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import { FLOAT } from "./emit.ts";
import { isHalf } from "./halves.ts";
import type { Block, LinearMemory } from "./memory.ts";
import type { Packed } from "./products.ts";

type AddressOf = (view: View) => number;

/** Regions whose kernels compute what their bodies do for halves, and which are rounded once. (PyTorch's layer norm of halves has another formula, which shows where it cancels.) */
const ROUNDED_ONCE: ReadonlySet<string> = new Set(["softmax", "log_softmax", "rms_norm", "group_norm"]);

/** A view of float32 for one of halves. */
interface Copy {
  readonly half: View;
  readonly wide: View;
}

/** A call of halves on float32, and what goes before and after. */
export interface Widened {
  readonly call: Call | Region;
  readonly operands: readonly Copy[];
  readonly results: readonly Copy[];
  /** What makes the results of the wide ones and of the further operands of an epilogue. */
  readonly last: readonly MapCall[];
}

const casts = new Map<string, Program>();

/** The map that only changes the dtype. */
function castProgram(from: DType, to: DType): Program {
  const key = `${from}>${to}`;
  let program = casts.get(key);
  if (program === undefined) {
    const value: Expr = arg(0, "f32"); // what halves are computed in
    program = { name: "cast", operands: [from], scalars: [], outputs: [{ dtype: to, parts: [value] }], messages: [] };
    casts.set(key, program);
  }
  return program;
}

const castOf = (from: View, to: View): MapCall => ({ kind: "map", program: castProgram(from.dtype, to.dtype), operands: [from], results: [to], scalars: [] });

/** A copy that lies as the view does where that has all of a range of memory, else in the order of its axes. */
function copyOf(half: View): Copy {
  const size = numelOf(half.shape);
  const extent = extentOf(half.shape, half.strides);
  const isDense = extent !== undefined && extent.high - extent.low + 1 === size;
  const strides = isDense ? half.strides : contiguousStrides(half.shape);
  return { half, wide: { storage: Storage.allocate(size * FLOAT), dtype: "float32", shape: half.shape, strides, offset: isDense ? -extent.low : 0 } };
}

/** How many operands are the call's own, not its epilogue's; undefined where it is not rounded once. */
function ownOperands(call: Call | Region): number | undefined {
  switch (call.kind) {
    case "contract":
      return 2;
    case "convolve":
      return call.operands.length - convolveOperands(call).extra.length;
    case "window":
      return 1;
    case "region":
      return ROUNDED_ONCE.has(call.name) ? call.operands.length : undefined;
    default:
      return undefined;
  }
}

/** @returns undefined where nothing is of halves, or of other dtypes too, and where an epilogue wants the sums rounded before it */
export function widened(call: Call | Region): Widened | undefined {
  const own = ownOperands(call);
  if (own === undefined) return undefined;
  const operands = call.operands.slice(0, own);
  const views = [...operands, ...call.results];
  if (!views.some(({ dtype }) => isHalf(dtype)) || !views.every(({ dtype }) => isHalf(dtype) || dtype === "float32")) return undefined;
  const copies = [...new Set(operands)].filter(({ dtype }) => isHalf(dtype)).map(copyOf);
  const results = call.results
    .filter(({ dtype }) => isHalf(dtype))
    .map((half) => ({ half, wide: copyOf({ ...half, strides: contiguousStrides(half.shape), offset: 0 }).wide }));
  const wideOf = (view: View): View => [...copies, ...results].find(({ half }) => half === view)?.wide ?? view;
  const wide = { operands: operands.map(wideOf), results: call.results.map(wideOf) };
  if (call.kind === "region" || call.kind === "window") {
    return { call: { ...call, ...wide }, operands: copies, results, last: results.map(({ half, wide: from }) => castOf(from, half)) };
  }
  if (call.kind !== "contract" && call.kind !== "convolve") return undefined;
  const { epilogue } = call;
  const [result] = results;
  const extra = call.operands.slice(own);
  if (result === undefined) return { call: { ...call, ...wide, operands: [...wide.operands, ...extra] }, operands: copies, results, last: [] };
  if (epilogue !== undefined && epilogue.operands[0] !== "float32") return undefined;
  const { half, wide: from } = result;
  const last: MapCall =
    epilogue === undefined ? castOf(from, half) : { kind: "map", program: epilogue, operands: [from, ...extra], results: [half], scalars: call.scalars };
  return { call: { ...call, ...wide, epilogue: undefined, scalars: [] }, operands: copies, results, last: [last] };
}

/** Runs it: `run` the wide call, `map` what goes before and after. */
export function runWidened(
  { call, operands, results, last }: Widened,
  memory: LinearMemory,
  addressOf: AddressOf,
  packed: Packed,
  map: (call: MapCall, addressOf: AddressOf) => void,
  run: (call: Call | Region, addressOf: AddressOf, packed: Packed) => void,
): void {
  const copies = new Map([...operands, ...results].map((copy) => [copy.wide.storage, copy]));
  const places = new Map<Storage, number>();
  const blocks: Block[] = [];
  const original = (view: View): View => copies.get(view.storage)?.half ?? view;
  const decode = ({ half, wide }: Copy, to: number): void => map(castOf(half, wide), (view) => (view === wide ? to : addressOf(view)));
  const widePacked: Packed = Object.assign(
    (view: View, key: string, bytes: number, pack: (to: number) => void): Block =>
      packed(original(view), key, bytes, (to) => {
        const copy = copies.get(view.storage);
        if (copy === undefined || places.has(view.storage)) return pack(to);
        const block = memory.allocate(view.storage.nbytes);
        decode(copy, block.address);
        places.set(view.storage, block.address);
        try {
          pack(to);
        } finally {
          places.delete(view.storage);
          memory.free(block);
        }
      }),
    {
      keeps: (view: View) => packed.keeps(original(view)),
      lasts: (view: View) => packed.lasts(original(view)),
      fits: (view: View, key: string, bytes: number) => packed.fits(original(view), key, bytes),
    },
  );
  const wideAddressOf = (view: View): number => {
    const copy = copies.get(view.storage);
    if (copy === undefined) return addressOf(view);
    // A weight that is read as it is has a copy that is kept.
    return places.get(view.storage) ?? packed(copy.half, "float32", view.storage.nbytes, (to) => decode(copy, to)).address;
  };
  const scratch = ({ storage }: View): number => {
    const block = memory.allocate(storage.nbytes);
    blocks.push(block);
    places.set(storage, block.address);
    return block.address;
  };
  for (const copy of operands) if (!packed.lasts(copy.half)) decode(copy, scratch(copy.wide));
  for (const { wide } of results) scratch(wide);
  run(call, wideAddressOf, widePacked);
  for (const step of last) map(step, (view) => places.get(view.storage) ?? addressOf(view));
  for (const block of blocks) memory.free(block);
}
