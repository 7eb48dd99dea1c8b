/** Sorting and selecting along an axis, and sorting of whole slices. */

import { introSelect, introSort, type Less, partialSort, quickSelect } from "../../numeric/selection.ts";
import type { SortCall, SortMethod } from "../../prims/call.ts";
import { dtypeInfo, type TypedArray } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { forEachOffset, type View } from "../../tensor/tensor.ts";
import { codingOf, decodeTable } from "./element.ts";

type Key = number | bigint;

function reader(view: View): (at: number) => Key {
  const array: TypedArray = view.storage.array(dtypeInfo(view.dtype).carrier);
  const coding = codingOf(view.dtype);
  if (coding === undefined) return (at) => array[at] ?? NaN;
  const table = decodeTable(coding);
  return (at) => table[Number(array[at])] ?? NaN;
}

/** Ascending order with NaN last. */
function order(a: Key, b: Key): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return (a === a ? 0 : 1) - (b === b ? 0 : 1);
}

/** Puts positions `0 .. n - 1` in order as far as the method wants it; where what is wanted begins. */
function arrange(positions: number[], keys: readonly Key[], method: SortMethod, descending: boolean): number {
  const n = positions.length;
  const sign = descending ? -1 : 1;
  const less: Less = (a, b) => sign * order(keys[a] ?? 0, keys[b] ?? 0) < 0;
  switch (method.kind) {
    case "stable":
      positions.sort((a, b) => sign * order(keys[a] ?? 0, keys[b] ?? 0) || a - b);
      return 0;
    case "intro":
      introSort(positions, 0, n, less);
      return 0;
    case "first": {
      const { length, sorted } = method;
      // PyTorch sorts a small share by a heap and selects a larger one; the last one selected is in its place already.
      if (length * 64 <= n) partialSort(positions, 0, length, n, less);
      else {
        introSelect(positions, 0, length - 1, n, less);
        if (sorted) introSort(positions, 0, length - 1, less);
      }
      return 0;
    }
    case "kth":
      break;
  }
  quickSelect(positions, 0, method.place, n, less);
  return method.place;
}

/** Runs a sort call. */
export function sort(call: SortCall): void {
  const x = call.operands[0] ?? unreachable("operand");
  const read = reader(x);
  const n = x.shape[call.axis] ?? 1;
  const step = x.strides[call.axis] ?? 0;
  const others = x.shape.map((_, i) => i).filter((i) => i !== call.axis);
  const sign = call.descending ? -1 : 1;
  const outerShape = others.map((i) => x.shape[i] ?? 1);
  const stridesOf = (v: View): number[] => others.map((i) => v.strides[i] ?? 0);
  if (call.rows) {
    const offsets: number[] = [];
    forEachOffset(outerShape, stridesOf(x), x.offset, (at) => offsets.push(at));
    const positions = Array.from({ length: n }, (_, i) => i);
    positions.sort((a, b) => {
      for (const at of offsets) {
        const c = order(read(at + a * step), read(at + b * step));
        if (c !== 0) return sign * c;
      }
      return a - b;
    });
    const out = call.results[0] ?? unreachable("result");
    const target = out.storage.array("i64");
    positions.forEach((p, i) => {
      if (target instanceof BigInt64Array) target[out.offset + i * (out.strides[0] ?? 1)] = BigInt(p);
    });
    return;
  }
  const [values = unreachable("values"), indices = unreachable("indices")] = call.results;
  const source = x.storage.array(dtypeInfo(x.dtype).carrier);
  const valueArray = values.storage.array(dtypeInfo(values.dtype).carrier);
  const indexArray = indices.storage.array("i64");
  const starts: number[][] = [[], [], []];
  [x, values, indices].forEach((v, k) => forEachOffset(outerShape, stridesOf(v), v.offset, (at) => starts[k]?.push(at)));
  const [sv, si] = [values.strides[call.axis] ?? 0, indices.strides[call.axis] ?? 0];
  const keys: Key[] = new Array<Key>(n);
  const positions = new Array<number>(n);
  const wanted = values.shape[call.axis] ?? 1;
  for (let line = 0; line < (starts[0]?.length ?? 0); line++) {
    const [from, toV, toI] = [starts[0]?.[line] ?? 0, starts[1]?.[line] ?? 0, starts[2]?.[line] ?? 0];
    for (let i = 0; i < n; i++) {
      keys[i] = read(from + i * step);
      positions[i] = i;
    }
    const begin = arrange(positions, keys, call.method, call.descending);
    const codes = positions.slice(begin, begin + wanted).map((p) => source[from + p * step] ?? 0);
    for (let i = 0; i < wanted; i++) {
      const code = codes[i] ?? 0;
      if (valueArray instanceof BigInt64Array || valueArray instanceof BigUint64Array) valueArray[toV + i * sv] = BigInt(code);
      else valueArray[toV + i * sv] = Number(code);
      if (indexArray instanceof BigInt64Array) indexArray[toI + i * si] = BigInt(positions[begin + i] ?? 0);
    }
  }
}
