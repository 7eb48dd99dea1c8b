/** Windows of convolutions and pools: kernel, strides, dilations and pads from a node's attributes, `auto_pad` carried out. */

import { OpwiseError } from "../../tensor/error.ts";
import type { OnnxCall } from "./define.ts";

export interface Windows {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padBegin: readonly number[];
  readonly padEnd: readonly number[];
  /** How many windows fit along each axis. */
  readonly out: readonly number[];
}

/** One number per axis; absent: `otherwise`. @throws bad-onnx */
export function perAxis(call: OnnxCall, name: string, axes: number, otherwise: number): readonly number[] {
  const given = call.attributes.ints(name);
  if (given === undefined) return Array.from({ length: axes }, () => otherwise);
  if (given.length !== axes)
    throw new OpwiseError("bad-onnx", `\`${name}\` does not fit ${axes} spatial axes`, { wanted: `${axes} ints`, got: `[${given.join(", ")}]` });
  return given;
}

/** `pads` as beginnings and ends: fresh lists. */
export function padsOf(call: OnnxCall, axes: number): readonly [number[], number[]] {
  const pads = call.attributes.ints("pads") ?? [];
  if (pads.length !== 0 && pads.length !== 2 * axes)
    throw new OpwiseError("bad-onnx", `\`pads\` does not fit ${axes} spatial axes`, { wanted: `${2 * axes} ints`, got: `[${pads.join(", ")}]` });
  const side = (from: number): number[] => Array.from({ length: axes }, (_, i) => pads[from + i] ?? 0);
  return [side(0), side(axes)];
}

/** A total padding split over both sides; an odd one has its larger half at the end, or at the beginning for `SAME_LOWER`. */
export function splitPad(total: number, mode: string): readonly [number, number] {
  const small = Math.floor(total / 2);
  return mode === "SAME_LOWER" ? [total - small, small] : [small, total - small];
}

/** The windows of a node over `spatial` sizes. @throws bad-onnx, shape-mismatch */
export function windowsOf(call: OnnxCall, spatial: readonly number[], kernel: readonly number[]): Windows {
  const axes = spatial.length;
  if (kernel.length !== axes) throw new OpwiseError("bad-onnx", `a kernel of ${kernel.length} axes on ${axes} spatial ones`);
  const stride = perAxis(call, "strides", axes, 1);
  const dilation = perAxis(call, "dilations", axes, 1);
  const [begin, end] = padsOf(call, axes);
  const mode = call.attributes.string("auto_pad", "NOTSET");
  const ceil = call.attributes.int("ceil_mode", 0) !== 0;
  if (!["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"].includes(mode))
    throw new OpwiseError("bad-onnx", "`auto_pad` is unknown", { wanted: "NOTSET, SAME_UPPER, SAME_LOWER or VALID", got: mode });
  if ([...stride, ...dilation, ...kernel].some((v) => v < 1)) throw new OpwiseError("bad-onnx", "kernel, strides and dilations must be positive");
  const out = spatial.map((size, i) => {
    const [s, k] = [stride[i] ?? 1, ((kernel[i] ?? 1) - 1) * (dilation[i] ?? 1) + 1];
    if (mode === "SAME_UPPER" || mode === "SAME_LOWER") {
      const count = Math.ceil(size / s);
      [begin[i], end[i]] = splitPad(Math.max((count - 1) * s + k - size, 0), mode);
      return count;
    }
    if (mode === "VALID") [begin[i], end[i]] = [0, 0];
    const span = size + (begin[i] ?? 0) + (end[i] ?? 0) - k;
    if (!ceil || mode === "VALID") return Math.floor(span / s) + 1;
    const count = Math.ceil(span / s) + 1;
    // A window that would start in the padding behind the input is left out.
    return (count - 1) * s >= size + (begin[i] ?? 0) ? count - 1 : count;
  });
  if (out.some((n) => n < 0))
    throw new OpwiseError("shape-mismatch", `no window of [${kernel.join(", ")}] fits into [${spatial.join(", ")}]`, { got: `${out.join(" x ")} windows` });
  return { kernel, stride, dilation, padBegin: begin, padEnd: end, out };
}
