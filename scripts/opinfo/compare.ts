/** `torch.testing.assert_close` with its defaults, as data: what differs, and by how much. */

import type { Datum } from "../../src/ir/datum.ts";
import { type DType, dtypeInfo } from "../../src/tensor/dtype.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { elements } from "../runner/value.ts";

/** Default tolerances by dtype; integers and bools are equal. */
const TOLERANCES: Partial<Readonly<Record<DType, { readonly rtol: number; readonly atol: number }>>> = {
  float16: { rtol: 1e-3, atol: 1e-5 },
  bfloat16: { rtol: 1.6e-2, atol: 1e-5 },
  float32: { rtol: 1.3e-6, atol: 1e-5 },
  float64: { rtol: 1e-7, atol: 1e-7 },
  complex32: { rtol: 1e-3, atol: 1e-5 },
  complex64: { rtol: 1.3e-6, atol: 1e-5 },
  complex128: { rtol: 1e-7, atol: 1e-7 },
};
const EXACT = { rtol: 0, atol: 0 };

/** Why a sample disagrees. */
export type Reason =
  | "wrong values"
  | "rounding"
  | "wrong dtype"
  | "wrong shape"
  | "wrong structure"
  | "wrong strides"
  | "wrong argument after"
  | "unsupported op"
  | "unsupported dtype"
  | "error unexpected"
  | "error expected"
  | "internal error"
  | "cannot be loaded"
  | "time limit"
  | "not strided"
  | "no archive";

export interface Difference {
  readonly reason: Reason;
  readonly text: string;
  /** The largest distance between elements, where values differ. */
  readonly distance?: number;
}

const tupleOrList = (d: Datum): readonly Datum[] | undefined =>
  typeof d === "object" && d !== null && "kind" in d && (d.kind === "tuple" || d.kind === "list") ? d.items : undefined;
export { tupleOrList as itemsOf };

/** PyTorch's `isclose` with `equal_nan`, of complex numbers by their modulus. */
function isClose(a: readonly [number, number], b: readonly [number, number], rtol: number, atol: number): boolean {
  if (a[0] === b[0] && a[1] === b[1]) return true;
  const [na, nb] = [Number.isNaN(a[0]) || Number.isNaN(a[1]), Number.isNaN(b[0]) || Number.isNaN(b[1])];
  if (na || nb) return na && nb;
  const error = a[1] === 0 && b[1] === 0 ? Math.abs(a[0] - b[0]) : Math.hypot(a[0] - b[0], a[1] - b[1]);
  return Number.isFinite(error) && error <= atol + rtol * (b[1] === 0 ? Math.abs(b[0]) : Math.hypot(b[0], b[1]));
}

export interface Comparison {
  /** Only dtype and shape count. */
  readonly shapeOnly: boolean;
  /** How far PyTorch's own result is from the exact one: within a few times of it a difference is called rounding. */
  readonly noise: number;
}

/** Compares two tensors; undefined where they agree. */
export function compareTensors(got: Tensor, want: Tensor, { shapeOnly, noise }: Comparison): Difference | undefined {
  if (got.dtype !== want.dtype) return { reason: "wrong dtype", text: `dtype ${got.dtype}, wanted ${want.dtype}` };
  if (got.shape.length !== want.shape.length || got.shape.some((s, i) => s !== want.shape[i]))
    return { reason: "wrong shape", text: `shape [${got.shape.join(", ")}], wanted [${want.shape.join(", ")}]` };
  if (shapeOnly) return undefined;
  const [a, b] = [elements(got), elements(want)];
  const info = dtypeInfo(want.dtype);
  const { rtol, atol } = TOLERANCES[want.dtype] ?? EXACT;
  const { lanes } = info;
  const inexact = info.class === "float" || info.class === "complex";
  let [bad, worst, at] = [0, 0, -1];
  for (let i = 0; i < b.length; i += lanes) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    const [xi, yi] = lanes === 2 ? [Number(a[i + 1]), Number(b[i + 1])] : [0, 0];
    if (inexact ? isClose([Number(x), xi], [Number(y), yi], rtol, atol) : x === y) continue;
    bad++;
    const error = Math.hypot(Number(x) - Number(y), xi - yi);
    const measured = Number.isNaN(error) ? Infinity : error;
    if (at < 0 || measured > worst) [worst, at] = [measured, i];
  }
  if (bad === 0) return undefined;
  const show = (v: ArrayLike<number | bigint>): string => (lanes === 2 ? `${String(v[at])}+${String(v[at + 1])}j` : String(v[at]));
  const text = `${bad} of ${b.length / lanes} elements differ, most at ${at / lanes}: ${show(a)}, wanted ${show(b)}`;
  return { reason: inexact && worst <= 4 * noise ? "rounding" : "wrong values", text, distance: worst };
}

/** Strides of axes longer than 1, where there are elements. */
export function sameStrides(got: Tensor, want: Tensor): boolean {
  return want.shape.includes(0) || want.shape.every((size, axis) => size === 1 || got.strides[axis] === want.strides[axis]);
}

/** How alike two texts are, 0 to 1: words in common. */
export function similarity(a: string, b: string): number {
  const words = (text: string): Set<string> => new Set(text.toLowerCase().match(/[a-z0-9_.]+/g) ?? []);
  const [x, y] = [words(a), words(b)];
  const common = [...x].filter((w) => y.has(w)).length;
  const all = x.size + y.size - common;
  return all === 0 ? 1 : common / all;
}
