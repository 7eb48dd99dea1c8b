/** Resizing of tensors [..., H, W] as torchvision's `resize` does it: uint8 in 16-bit fixed point (v2) or through float32 (v1), floats in float32. */

import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { antialiasTaps, int16Bits, plainTaps, type Taps, type TensorFilter, toFixed } from "./filters.ts";
import { pick } from "./pil-resize.ts";
import { alongColumns, alongRows, type Rounding } from "./resample.ts";

export type TensorInterpolation = TensorFilter | "nearest" | "nearest-exact";

export interface TensorResizeOptions {
  readonly interpolation: TensorInterpolation;
  readonly antialias: boolean;
  /** torchvision.transforms or torchvision.transforms.v2: they differ on uint8. */
  readonly api: "v1" | "v2";
}

const exact = (x: number): number => x;

function roundHalfEven(v: number): number {
  const low = Math.floor(v);
  const rest = v - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/** A uint8 or float32 tensor [..., H, W] at another height and width. @throws unsupported-dtype, bad-argument */
export function resizeTensor(tensor: Tensor, height: number, width: number, options: TensorResizeOptions): Tensor {
  const { interpolation, antialias, api } = options;
  const lead = tensor.shape.slice(0, -2);
  const [h = 0, w = 0] = tensor.shape.slice(-2);
  if (tensor.rank < 2)
    throw new OpwiseError("bad-argument", "a tensor that is resized has a height and a width", { got: `shape [${tensor.shape.join(", ")}]` });
  if (h === height && w === width) return tensor;
  const shape = [...lead, height, width];
  const planes = lead.reduce((a, b) => a * b, 1);
  const { data } = tensor;
  if (!(data instanceof Uint8Array || data instanceof Float32Array) || !["uint8", "float32"].includes(tensor.dtype)) {
    throw new OpwiseError("unsupported-dtype", `a ${tensor.dtype} tensor cannot be resized`, { wanted: "uint8 or float32" });
  }
  if (interpolation === "nearest" || interpolation === "nearest-exact") {
    return Tensor.from(nearest(data, planes, h, w, height, width, interpolation === "nearest-exact"), shape, tensor.dtype);
  }
  if (interpolation === "lanczos" && !antialias) throw new OpwiseError("bad-argument", "lanczos needs antialias");
  const isByte = tensor.dtype === "uint8";
  if (isByte && api === "v2") return Tensor.from(resizeBytes(data, planes, h, w, height, width, interpolation, antialias), shape, "uint8");
  const floats = resizeFloats(isByte ? Float32Array.from(data) : data, planes, h, w, height, width, interpolation, antialias);
  if (!isByte) return Tensor.from(floats, shape, "float32");
  return Tensor.from(
    Uint8Array.from(floats, (v) => roundHalfEven(Math.min(Math.max(v, 0), 255))),
    shape,
    "uint8",
  );
}

function nearest(
  data: Uint8Array | Float32Array,
  planes: number,
  h: number,
  w: number,
  height: number,
  width: number,
  centred: boolean,
): Uint8Array | Float32Array {
  const indices = (samples: number, length: number): Int32Array => {
    const scale = Math.fround(Math.fround(samples) / Math.fround(length));
    return Int32Array.from({ length }, (_, i) => Math.min(Math.floor(Math.fround((centred ? Math.fround(i + 0.5) : i) * scale)), samples - 1));
  };
  const [rows, columns] = [indices(h, height), indices(w, width)];
  const out = data instanceof Uint8Array ? new Uint8Array(planes * height * width) : new Float32Array(planes * height * width);
  for (let p = 0; p < planes; p++) {
    pick(data.subarray(p * h * w, (p + 1) * h * w), w, 1, columns, rows, out.subarray(p * height * width, (p + 1) * height * width));
  }
  return out;
}

function weightsFor(filter: TensorFilter, antialias: boolean, samples: number, length: number, round: (x: number) => number): Taps<Float64Array> {
  return antialias || filter === "lanczos" ? antialiasTaps(filter, samples, length, round) : plainTaps(filter, samples, length, round);
}

/** Horizontal pass first, always; a pass between equal sizes is left out. */
function twoPasses<A extends Uint8Array | Float32Array>(
  data: A,
  planes: number,
  h: number,
  w: number,
  height: number,
  width: number,
  make: (count: number) => A,
  tapsFor: (samples: number, length: number) => { readonly taps: Taps; readonly rounding: Rounding },
): A {
  let wide = data;
  if (w !== width) {
    wide = make(planes * h * width);
    const { taps, rounding } = tapsFor(w, width);
    alongRows(data, planes * h, w, 1, taps, wide, rounding);
  }
  if (h === height) return wide;
  const out = make(planes * height * width);
  const { taps, rounding } = tapsFor(h, height);
  for (let p = 0; p < planes; p++) {
    alongColumns(wide.subarray(p * h * width, (p + 1) * h * width), width, taps, out.subarray(p * height * width, (p + 1) * height * width), rounding);
  }
  return out;
}

function resizeBytes(
  data: Uint8Array | Float32Array,
  planes: number,
  h: number,
  w: number,
  height: number,
  width: number,
  filter: TensorFilter,
  antialias: boolean,
): Uint8Array {
  return twoPasses(
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    planes,
    h,
    w,
    height,
    width,
    (count) => new Uint8Array(count),
    (samples, length) => {
      const taps = weightsFor(filter, antialias, samples, length, exact);
      const bits = int16Bits(taps);
      return { taps: toFixed(taps, bits), rounding: { kind: "fixed", bits } };
    },
  );
}

function resizeFloats(
  data: Float32Array | Uint8Array,
  planes: number,
  h: number,
  w: number,
  height: number,
  width: number,
  filter: TensorFilter,
  antialias: boolean,
): Float32Array {
  return twoPasses(
    data instanceof Float32Array ? data : Float32Array.from(data),
    planes,
    h,
    w,
    height,
    width,
    (count) => new Float32Array(count),
    (samples, length) => ({ taps: weightsFor(filter, antialias, samples, length, Math.fround), rounding: { kind: "float", store: exact } }),
  );
}
