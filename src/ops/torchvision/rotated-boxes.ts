/** Overlap of rotated boxes (torchvision: box_iou_rotated): one polygon is cut along the sides of another, on the host. */

import { cast_, contiguous, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { numbersOf } from "./boxes.ts";

type Point = readonly [x: number, y: number];

/** Below this a box counts as empty. */
const LEAST_AREA = 1e-14;
const RADIANS = Math.PI / 180;

/** The corners of a box (center, width, height, degrees) around another origin, in order along its outline. */
function corners(boxes: ArrayLike<number>, box: number, x0: number, y0: number): Point[] {
  const field = (k: number): number => boxes[5 * box + k] ?? NaN;
  const [x, y, w, h] = [field(0) - x0, field(1) - y0, field(2) / 2, field(3) / 2];
  const [c, s] = [Math.cos(field(4) * RADIANS), Math.sin(field(4) * RADIANS)];
  return [
    [1, 1],
    [1, -1],
    [-1, -1],
    [-1, 1],
  ].map(([a = 0, b = 0]): Point => [x + b * s * h + a * c * w, y + b * c * h - a * s * w]);
}

/** Twice the signed area of the triangle. */
const turn = (a: Point, b: Point, p: Point): number => (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);

/** The part of a convex polygon on the inner side of the line from `a` to `b`. */
function cut(polygon: readonly Point[], a: Point, b: Point): Point[] {
  return polygon.flatMap((p, i) => {
    const q = polygon[(i + 1) % polygon.length] ?? p;
    const [dp, dq] = [-turn(a, b, p), -turn(a, b, q)];
    const kept: Point[] = dp >= 0 ? [p] : [];
    if ((dp > 0 && dq < 0) || (dp < 0 && dq > 0)) kept.push([p[0] + (dp / (dp - dq)) * (q[0] - p[0]), p[1] + (dp / (dp - dq)) * (q[1] - p[1])]);
    return kept;
  });
}

function areaOf(polygon: readonly Point[]): number {
  const [origin] = polygon;
  if (origin === undefined) return 0;
  return Math.abs(polygon.reduce((sum, p, i) => sum + turn(origin, p, polygon[i + 1] ?? origin), 0)) / 2;
}

function overlap(first: ArrayLike<number>, i: number, second: ArrayLike<number>, j: number): number {
  const area = (boxes: ArrayLike<number>, box: number): number => (boxes[5 * box + 2] ?? NaN) * (boxes[5 * box + 3] ?? NaN);
  const [area1, area2] = [area(first, i), area(second, j)];
  if (area1 < LEAST_AREA || area2 < LEAST_AREA) return 0;
  // Around the middle of the two, far boxes lose no digits.
  const middle = (k: number): number => ((first[5 * i + k] ?? NaN) + (second[5 * j + k] ?? NaN)) / 2;
  const [x0, y0] = [middle(0), middle(1)];
  const frame = corners(second, j, x0, y0);
  const shared = areaOf(frame.reduce<Point[]>((polygon, a, k) => cut(polygon, a, frame[(k + 1) % 4] ?? a), corners(first, i, x0, y0)));
  return shared / (area1 + area2 - shared);
}

function rotatedOverlaps(ctx: Context, boxes1: Tensor, boxes2: Tensor): Tensor {
  for (const [name, t] of [
    ["boxes1", boxes1],
    ["boxes2", boxes2],
  ] as const) {
    if (t.rank !== 2) throw new OpwiseError("shape-mismatch", `${name} should be a 2d tensor, got ${t.rank}D`);
    if (t.shape[1] !== 5) throw new OpwiseError("shape-mismatch", `${name} should have 5 elements in dimension 1, got ${t.shape[1]}`);
  }
  if (boxes1.dtype !== boxes2.dtype)
    throw new OpwiseError("dtype-mismatch", "boxes1 and boxes2 must have the same dtype", { got: `${boxes1.dtype} and ${boxes2.dtype}` });
  if (boxes1.dtype !== "float32" && boxes1.dtype !== "float64")
    throw new OpwiseError("dtype-mismatch", `"box_iou_rotated_cpu" not implemented for ${boxes1.dtype}`, { wanted: "float32 or float64" });
  const [n = 0, m = 0] = [boxes1.shape[0], boxes2.shape[0]];
  const out = empty(ctx, [n, m], "float32");
  if (out.numel === 0) return out;
  const operands = [boxes1, boxes2].map((t) => contiguous(ctx, cast_(ctx, t, boxes1.dtype)));
  ctx.run({
    kind: "host",
    name: "box_iou_rotated",
    operands,
    results: [out],
    scalars: [],
    run: ([a, b], [target]) => {
      if (a === undefined || b === undefined || target === undefined) return;
      const [first, second] = [numbersOf(a, 5 * n), numbersOf(b, 5 * m)];
      const into = numbersOf(target, n * m);
      for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) into[i * m + j] = overlap(first, i, second, j);
    },
  });
  return out;
}

export const rotatedBoxes: readonly Op[] = [op("torchvision::box_iou_rotated(Tensor boxes1, Tensor boxes2) -> Tensor", { run: rotatedOverlaps })];
