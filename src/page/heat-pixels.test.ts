import { expect, test } from "vitest";
import { defaultAxes, elementAt, indexOf, layoutOf, paint, scaleOf, sizeOf } from "./heat-pixels.ts";
import { NONFINITE, SEQUENTIAL_TABLE } from "./palette.ts";

test("a matrix shows the last two axes, at the index that the sliders choose", () => {
  const shape = [2, 3, 4];
  const axes = { ...defaultAxes(shape, "matrix"), index: [1, 0, 0] };
  const layout = layoutOf(shape, axes);
  expect(sizeOf(layout)).toEqual([4, 3]);
  expect(elementAt(layout, 2, 1)).toBe(12 + 4 + 2);
  expect(indexOf(shape, 18)).toEqual([1, 1, 2]);
});

test("channels are tiles with a gap between them", () => {
  const layout = layoutOf([1, 4, 2, 2], defaultAxes([1, 4, 2, 2], "channels"));
  expect([layout.across, layout.down]).toEqual([2, 2]);
  expect(sizeOf(layout)).toEqual([5, 5]);
  expect(elementAt(layout, 2, 0)).toBe(-1);
  expect(elementAt(layout, 4, 4)).toBe(15);
});

test("swapped axes show the transpose", () => {
  const layout = layoutOf([2, 3], { rowAxis: 1, columnAxis: 0, tileAxis: -1, index: [0, 0] });
  expect(sizeOf(layout)).toEqual([2, 3]);
  expect(elementAt(layout, 1, 2)).toBe(5);
});

test("a scalar is one pixel, a vector one row", () => {
  expect(sizeOf(layoutOf([], defaultAxes([], "matrix")))).toEqual([1, 1]);
  expect(sizeOf(layoutOf([7], defaultAxes([7], "matrix")))).toEqual([7, 1]);
});

test("a scale of both signs has zero in its middle, and passes over what is not finite", () => {
  expect(scaleOf([-1, Number.NaN, 3, Infinity])).toEqual({ low: -3, high: 3, isDiverging: true });
  expect(scaleOf([2, 5])).toEqual({ low: 2, high: 5, isDiverging: false });
  expect(scaleOf([])).toEqual({ low: 0, high: 1, isDiverging: false });
});

test("NaN and infinities have a colour of their own", () => {
  const layout = layoutOf([3], defaultAxes([3], "matrix"));
  const pixels = new Uint8ClampedArray(12);
  paint([0, Number.NaN, -Infinity], layout, { low: 0, high: 1, isDiverging: false }, pixels, 3, 1);
  expect([...pixels.subarray(4, 7)]).toEqual([...NONFINITE]);
  expect([...pixels.subarray(8, 11)]).toEqual([...NONFINITE]);
  expect([...pixels.subarray(0, 3)]).not.toEqual([...NONFINITE]);
});

test("every pixel of a picture shows the element that is under it, tiles and gaps alike", () => {
  for (const shape of [
    [3, 4],
    [5, 2, 3],
    [1, 7, 3, 2],
  ]) {
    const numel = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: numel }, (_, i) => i / (numel - 1));
    const layout = layoutOf(shape, defaultAxes(shape, "channels"));
    const [width, height] = sizeOf(layout);
    const pixels = new Uint8ClampedArray(4 * width * height);
    paint(data, layout, { low: 0, high: 1, isDiverging: false }, pixels, width, height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const element = elementAt(layout, x, y);
        const at = 4 * (y * width + x);
        const colour = 4 * Math.round((255 * element) / (numel - 1));
        expect([...pixels.subarray(at, at + 4)]).toEqual(element < 0 ? [0, 0, 0, 0] : [...SEQUENTIAL_TABLE.subarray(colour, colour + 4)]);
      }
    }
  }
});
