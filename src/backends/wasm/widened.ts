/**
 * Products, convolutions and pooling of float16 and bfloat16: of float32 copies of their operands, rounded once at the end (as PyTorch's kernels for these
 * dtypes do). Of a weight whose packed form is kept there is a copy only while it is packed.
 */

import { arg, type Expr } from "../../expr/expr.ts";
import { type Call, type ContractCall, type ConvolveCall, convolveOperands, type MapCall, type Region, type WindowCall } from "../../prims/call.ts";
import type { Program } from "../../prims/program.ts";
import type { DType } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { contiguousStrides, extentOf, numelOf } from "../../tensor/shape.ts";
import { Storage } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import { FLOAT } from "./emit.ts";
import { isHalf } from "./halves.ts";
import type { Block, LinearMemory } from "./memory.ts";
import type { Packed } from "./products.ts";

export type WidenedCall = ContractCall | ConvolveCall | WindowCall;
type AddressOf = (view: View) => number;

/** A view of float32 for one of halves. */
interface Copy {
  readonly half: View;
  readonly wide: View;
}

/** The same call on float32, with what stands for what; undefined where it is not one of halves. */
export interface Widened<C extends WidenedCall = WidenedCall> {
  readonly call: C;
  readonly operands: readonly Copy[];
  readonly result: Copy;
  /** What makes the result of the wide one and of the further operands of an epilogue. */
  readonly last: MapCall;
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

/** A copy that lies as the view does where that has all of a range of memory, else in the order of its axes. */
function copyOf(half: View): Copy {
  const size = numelOf(half.shape);
  const extent = extentOf(half.shape, half.strides);
  const isDense = extent !== undefined && extent.high - extent.low + 1 === size;
  const strides = isDense ? half.strides : contiguousStrides(half.shape);
  const wide: View = { storage: Storage.allocate(size * FLOAT), dtype: "float32", shape: half.shape, strides, offset: isDense ? -extent.low : 0 };
  return { half, wide };
}

/** @returns undefined for other dtypes, and where an epilogue wants the sums rounded before it */
export function widened(call: Call | Region): Widened | undefined {
  if (call.kind !== "contract" && call.kind !== "convolve" && call.kind !== "window") return undefined;
  const [result] = call.results;
  const epilogue = call.kind === "window" ? undefined : call.epilogue;
  const own = call.kind === "convolve" ? call.operands.length - convolveOperands(call).extra.length : call.kind === "contract" ? 2 : 1;
  const operands = call.operands.slice(0, own);
  if (result === undefined || call.results.length > 1 || !isHalf(result.dtype) || operands.some((view) => !isHalf(view.dtype))) return undefined;
  if (epilogue !== undefined && epilogue.operands[0] !== "float32") return undefined;
  const copies = operands.map(copyOf);
  const to = copyOf({ ...result, strides: contiguousStrides(result.shape), offset: 0 });
  const views = { operands: copies.map((copy) => copy.wide), results: [to.wide] };
  const last: MapCall = {
    kind: "map",
    program: epilogue ?? castProgram("float32", result.dtype),
    operands: [to.wide, ...call.operands.slice(own)],
    results: [result],
    scalars: epilogue === undefined ? [] : call.scalars,
  };
  const wide = call.kind === "window" ? { ...call, ...views } : { ...call, ...views, epilogue: undefined, scalars: [] };
  return { call: wide, operands: copies, result: { half: result, wide: to.wide }, last };
}

/** Runs it: `run` the wide call, `map` what goes before and after. */
export function runWidened(
  { call, operands, result, last }: Widened,
  memory: LinearMemory,
  addressOf: AddressOf,
  packed: Packed,
  map: (call: MapCall, addressOf: AddressOf) => void,
  run: (call: WidenedCall, addressOf: AddressOf, packed: Packed) => void,
): void {
  const halves = new Map<Storage, View>(operands.map(({ half, wide }) => [wide.storage, half]));
  const places = new Map<Storage, number>();
  const blocks: Block[] = [];
  const place = ({ storage }: View): number => places.get(storage) ?? unreachable("a copy that was not made");
  const decode = ({ half, wide }: Copy, to: number): void =>
    map({ kind: "map", program: castProgram(half.dtype, "float32"), operands: [half], results: [wide], scalars: [] }, (view) =>
      view === wide ? to : addressOf(view),
    );
  const copyAt = (view: View): Copy => operands.find(({ wide }) => wide.storage === view.storage) ?? unreachable("a copy");
  const original = (view: View): View => halves.get(view.storage) ?? view;
  const widePacked: Packed = Object.assign(
    (view: View, key: string, bytes: number, pack: (to: number) => void): Block =>
      packed(original(view), key, bytes, (to) => {
        if (places.has(view.storage)) return pack(to);
        const block = memory.allocate(view.storage.nbytes);
        decode(copyAt(view), block.address);
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
    if (view.storage === result.wide.storage || places.has(view.storage)) return place(view);
    // A weight that is read as it is has a copy that is kept.
    return packed(original(view), "float32", view.storage.nbytes, (to) => decode(copyAt(view), to)).address;
  };
  const scratch = ({ storage }: View): void => {
    const block = memory.allocate(storage.nbytes);
    blocks.push(block);
    places.set(storage, block.address);
  };
  for (const copy of operands) {
    if (packed.lasts(copy.half)) continue;
    scratch(copy.wide);
    decode(copy, place(copy.wide));
  }
  scratch(result.wide);
  run(call, wideAddressOf, widePacked);
  map(last, (view) => (view.storage === result.wide.storage ? place(view) : addressOf(view)));
  for (const block of blocks) memory.free(block);
}
