/** Strings recorded from PyTorch 2.13's `str(tensor)`. */

import { expect, it } from "vitest";
import { Tensor } from "./tensor.ts";

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

const RECORDED: readonly (readonly [name: string, tensor: Tensor, text: string])[] = [
  ["whole numbers", Tensor.from([1, 2, 3], [3], "float32"), `tensor([1., 2., 3.])`],
  [
    "fractions in columns",
    Tensor.from([1.5, -2.25, 1000.125, 0], [2, 2], "float32"),
    `tensor([[   1.5000,   -2.2500],
        [1000.1250,    0.0000]])`,
  ],
  ["a wide range", Tensor.from([1e-5, 1], [2], "float32"), `tensor([1.0000e-05, 1.0000e+00])`],
  ["large whole numbers", Tensor.from([1, 2e9, -0], [3], "float32"), `tensor([1.0000e+00, 2.0000e+09, -0.0000e+00])`],
  ["infinities and nan", Tensor.from([Infinity, -Infinity, NaN, 1], [4], "float32"), `tensor([inf, -inf, nan, 1.])`],
  ["nan among fractions", Tensor.from([NaN, -1.5, 0], [3], "float32"), `tensor([    nan, -1.5000,  0.0000])`],
  ["ties, which go to the even digit", Tensor.from([0.03125, 0.09375, -0], [3], "float32"), `tensor([0.0312, 0.0938, -0.0000])`],
  ["ties with an exponent", Tensor.from([100005, 100015, 0.5], [3], "float32"), `tensor([1.0000e+05, 1.0002e+05, 5.0000e-01])`],
  ["another dtype", Tensor.from([0.1, 123.5], [2], "float64"), `tensor([1.0000e-01, 1.2350e+02], dtype=torch.float64)`],
  ["half floats by their value", Tensor.from([0x3c00, 0x3800], [2], "float16"), `tensor([1.0000, 0.5000], dtype=torch.float16)`],
  ["booleans", Tensor.from([true, false]), `tensor([ True, False])`],
  [
    "integers",
    Tensor.from([1, -200, 3, 4], [2, 2], "int64"),
    `tensor([[   1, -200],
        [   3,    4]])`,
  ],
  ["int64 exactly", Tensor.from([2n ** 62n + 1n, -1n]), `tensor([4611686018427387905,                  -1])`],
  ["int8", Tensor.from([1, 2], [2], "int8"), `tensor([1, 2], dtype=torch.int8)`],
  ["complex numbers", Tensor.from([1, 2, -0.5, -1.25], [2], "complex64"), `tensor([ 1.0000+2.0000j, -0.5000-1.2500j])`],
  [
    "complex numbers that wrap",
    Tensor.from([-929966, -1102692, 675697, -1242097, -883294, 1742808], [3], "complex128"),
    `tensor([-929966.-1102692.j,  675697.-1242097.j, -883294.+1742808.j],
       dtype=torch.complex128)`,
  ],
  ["a number", Tensor.from([2.5], [], "float32"), `tensor(2.5000)`],
  ["a complex number", Tensor.from([1, -1], [], "complex64"), `tensor(1.-1.j)`],
  ["nothing", Tensor.zeros([0]), `tensor([])`],
  ["nothing of a shape and dtype", Tensor.zeros([2, 0, 3], "int64"), `tensor([], size=(2, 0, 3), dtype=torch.int64)`],
  [
    "three axes",
    Tensor.from(range(8), [2, 2, 2], "float32"),
    `tensor([[[0., 1.],
         [2., 3.]],

        [[4., 5.],
         [6., 7.]]])`,
  ],
  [
    "a long row",
    Tensor.from(range(30), [1, 30], "float32"),
    `tensor([[ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,
         14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,
         28., 29.]])`,
  ],
  ["the edges of a long tensor", Tensor.from(range(1001), [1001], "int64"), `tensor([   0,    1,    2,  ...,  998,  999, 1000])`],
  [
    "the edges of every axis",
    Tensor.from(
      range(2400).map((i) => i / 7),
      [2, 30, 40],
      "float32",
    ),
    `tensor([[[0.0000e+00, 1.4286e-01, 2.8571e-01,  ..., 5.2857e+00,
          5.4286e+00, 5.5714e+00],
         [5.7143e+00, 5.8571e+00, 6.0000e+00,  ..., 1.1000e+01,
          1.1143e+01, 1.1286e+01],
         [1.1429e+01, 1.1571e+01, 1.1714e+01,  ..., 1.6714e+01,
          1.6857e+01, 1.7000e+01],
         ...,
         [1.5429e+02, 1.5443e+02, 1.5457e+02,  ..., 1.5957e+02,
          1.5971e+02, 1.5986e+02],
         [1.6000e+02, 1.6014e+02, 1.6029e+02,  ..., 1.6529e+02,
          1.6543e+02, 1.6557e+02],
         [1.6571e+02, 1.6586e+02, 1.6600e+02,  ..., 1.7100e+02,
          1.7114e+02, 1.7129e+02]],

        [[1.7143e+02, 1.7157e+02, 1.7171e+02,  ..., 1.7671e+02,
          1.7686e+02, 1.7700e+02],
         [1.7714e+02, 1.7729e+02, 1.7743e+02,  ..., 1.8243e+02,
          1.8257e+02, 1.8271e+02],
         [1.8286e+02, 1.8300e+02, 1.8314e+02,  ..., 1.8814e+02,
          1.8829e+02, 1.8843e+02],
         ...,
         [3.2571e+02, 3.2586e+02, 3.2600e+02,  ..., 3.3100e+02,
          3.3114e+02, 3.3129e+02],
         [3.3143e+02, 3.3157e+02, 3.3171e+02,  ..., 3.3671e+02,
          3.3686e+02, 3.3700e+02],
         [3.3714e+02, 3.3729e+02, 3.3743e+02,  ..., 3.4243e+02,
          3.4257e+02, 3.4271e+02]]])`,
  ],
];

it.each(RECORDED)("prints %s as PyTorch does", (_name, tensor, text) => {
  expect(String(tensor)).toBe(text);
});

it("prints a view's own elements, and the texts of a string tensor", () => {
  const base = Tensor.from([1, 2, 3, 4, 5, 6], [2, 3], "float32");
  expect(String(new Tensor(base.storage, "float32", [3, 2], [1, 3], 0))).toBe("tensor([[1., 4.],\n        [2., 5.],\n        [3., 6.]])");
  expect(String(Tensor.from(["a", "bc"]))).toBe("tensor([ 'a', 'bc'], dtype=torch.string)");
});
