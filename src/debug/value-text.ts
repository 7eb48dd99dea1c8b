/** Tensors in more than one line: numbers, statistics, a histogram, a picture in characters, bits, bytes. */

import { dtypeInfo, itemsize } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { type Tensor, viewOf } from "../tensor/tensor.ts";
import { healthOf } from "./health.ts";
import { elementAt } from "./element-at.ts";
import { shortNumber } from "./tensor-line.ts";
import { histogramText } from "./trace-text.ts";

export type ValueFormat = "stats" | "hist" | "img" | "hex";
export const VALUE_FORMATS: readonly ValueFormat[] = ["stats", "hist", "img", "hex"];

/** Elements beyond which numbers are not printed: a part of the tensor has to be named. */
const MAX_PRINTED = 2 ** 22;
const PICTURE = { rows: 32, columns: 72 };
const RAMP = " .:-=+*#%@";
const MAX_HEX = 64;

/** The numbers as PyTorch prints them, edges only where there are many. */
export function numbersText(tensor: Tensor): readonly string[] {
  if (tensor.numel > MAX_PRINTED) return [`(${tensor.numel} elements: print a part, for example [0, :8])`];
  return tensor.toString().split("\n");
}

export function formattedText(tensor: Tensor, format: ValueFormat): readonly string[] {
  switch (format) {
    case "stats":
      return statsText(tensor);
    case "hist":
      return histogramText(healthOf(tensor, tensor.storage.bytes())).split("\n");
    case "img":
      return pictureText(tensor);
    case "hex":
      return hexText(tensor);
    default:
      return format satisfies never;
  }
}

function statsText(tensor: Tensor): readonly string[] {
  const health = healthOf(tensor, tensor.storage.bytes());
  const facts: (readonly [string, number | undefined])[] = [
    ["elements", health.n],
    ["min", health.min],
    ["max", health.max],
    ["mean", health.mean],
    ["std", health.std],
    ["absmax", health.absmax],
    ["nan", health.nan],
    ["+inf", health.posInf],
    ["-inf", health.negInf],
    ["zero", health.zero],
    ["subnormal", health.subnormal],
    ["negative", health.neg],
  ];
  return [
    `dtype ${tensor.dtype}  shape [${tensor.shape.join(", ")}]  strides [${tensor.strides.join(", ")}]  offset ${tensor.offset}  storage of ${tensor.storage.nbytes} bytes ~v${tensor.storage.version}`,
    facts.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${Number.isInteger(value) ? value : value.toPrecision(7)}`])).join("  "),
  ];
}

/** The last two axes, the others at 0, from the smallest number (blank) to the largest. */
function pictureText(tensor: Tensor): readonly string[] {
  if (tensor.rank < 1) throw new OpwiseError("bad-argument", "a single number is no picture");
  const [rows, columns] = tensor.rank === 1 ? [1, tensor.shape[0] ?? 0] : [tensor.shape.at(-2) ?? 0, tensor.shape.at(-1) ?? 0];
  const lead = new Array<number>(Math.max(tensor.rank - 2, 0)).fill(0);
  const [height, width] = [Math.min(rows, PICTURE.rows), Math.min(columns, PICTURE.columns)];
  const cells = Array.from({ length: height }, (_, r) =>
    Array.from({ length: width }, (_, c) => {
      const [y, x] = [Math.floor((r * rows) / height), Math.floor((c * columns) / width)];
      return elementAt(tensor, tensor.rank === 1 ? [x] : [...lead, y, x]);
    }),
  );
  const finite = cells.flat().filter((v) => Number.isFinite(v));
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const shade = (v: number): string =>
    Number.isNaN(v) ? "?" : !Number.isFinite(v) ? (v > 0 ? "^" : "_") : (RAMP[Math.round(((v - low) / (high - low || 1)) * (RAMP.length - 1))] ?? " ");
  return [
    ...cells.map((row) => row.map(shade).join("")),
    `' ' ${shortNumber(low)} … '@' ${shortNumber(high)}${finite.length < height * width ? ", ? nan, ^ inf, _ -inf" : ""}${height < rows || width < columns ? `, every ${(rows / height).toFixed(1)}th row and ${(columns / width).toFixed(1)}th column` : ""}`,
  ];
}

/** The bits of the first elements. */
function hexText(tensor: Tensor): readonly string[] {
  const size = itemsize(tensor.dtype);
  const count = Math.min(tensor.numel, MAX_HEX);
  const flat = tensor.isContiguous ? viewOf(tensor, [count], [1], tensor.offset) : tensor;
  const { data } = flat;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const words = Array.from({ length: count }, (_, i) =>
    [...bytes.subarray(i * size, (i + 1) * size)]
      .reverse()
      .map((b) => b.toString(16).padStart(2, "0"))
      .join(""),
  );
  const perLine = Math.max(1, Math.floor(64 / (2 * size + 1)));
  const lines: string[] = [];
  for (let i = 0; i < words.length; i += perLine) lines.push(words.slice(i, i + perLine).join(" "));
  return tensor.numel > count ? [...lines, `… ${tensor.numel} elements`] : lines;
}

/** Bytes of a storage as they lie in memory, from where the tensor begins. */
export function rawText(tensor: Tensor, count: number = 64): readonly string[] {
  const info = dtypeInfo(tensor.dtype);
  const from = tensor.offset * info.itemsize;
  const bytes = tensor.storage.bytes().subarray(from, from + count);
  const lines: string[] = [];
  for (let i = 0; i < bytes.length; i += 16) {
    const row = [...bytes.subarray(i, i + 16)];
    lines.push(`${(from + i).toString(16).padStart(8, "0")}  ${row.map((b) => b.toString(16).padStart(2, "0")).join(" ")}`);
  }
  return lines;
}
