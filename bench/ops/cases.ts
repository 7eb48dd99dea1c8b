/** The ops that are timed: ours by name on the wasm backend, and the same on TensorFlow.js' wasm engine in the layout that it wants. */

import type * as TF from "@tensorflow/tfjs-core";
import type { Datum } from "../../src/ir/datum.ts";
import type { Node } from "../../src/ir/graph.ts";
import { bindOnnx, onnxTableOf } from "../../src/ops/onnx/define.ts";
import { blockQuantizedOps } from "../../src/ops/onnx/microsoft/block-quantized.ts";
import type { Executor } from "../../src/run/executor.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { call } from "../../test/support/eager.ts";

/** Both engines are given tensors once; a case runs on them again and again. */
export interface OpCase {
  readonly name: string;
  /** Operations in all (a multiply-add is two), of floats or of integers, where the op is bound by them; else the bytes that it has to read and write. */
  readonly work: { readonly flops: number } | { readonly operations: number } | { readonly bytes: number };
  /** PyTorch's by its name, or what runs it. */
  readonly op: string | ((context: Executor, args: readonly Datum[]) => readonly Datum[]);
  readonly args: () => readonly Datum[];
  /** Makes the same op of TensorFlow.js; undefined where it has no kernels to make it of. */
  readonly tfjs?: (tf: typeof TF) => () => TF.Tensor;
}

const FLOAT = 4;

/** Deterministic numbers in [-1, 1). */
function noise(...shape: number[]): Tensor {
  let state = 1;
  const size = shape.reduce((n, s) => n * s, 1);
  return Tensor.from(
    Float32Array.from({ length: size }, () => (state = (state * 48271) % 2147483647) / 1073741824 - 1),
    shape,
  );
}
/** Weights of a recurrent layer: larger ones make its steps chaotic, and rounding errors grow with them. */
const weights = (hidden: number, ...shape: number[]): Tensor => {
  const tensor = noise(...shape);
  const { data } = tensor;
  for (let i = 0; i < data.length; i++) data[i] = Number(data[i]) / Math.sqrt(hidden);
  return tensor;
};
const ints = (...items: number[]): Datum => ({ kind: "list", elem: { kind: "int" }, items });
const tensors = (...items: Tensor[]): Datum => ({ kind: "list", elem: { kind: "Tensor" }, items });

function matmul(m: number, k: number, n: number): OpCase {
  return {
    name: `matmul ${m} x ${k} x ${n}`,
    work: m > 1 ? { flops: 2 * m * k * n } : { bytes: FLOAT * (k * n + k + n) },
    op: "aten::mm",
    args: () => [noise(m, k), noise(k, n)],
    tfjs: (tf) => {
      const [a, b] = [tf.randomUniform<TF.Rank.R2>([m, k]), tf.randomUniform<TF.Rank.R2>([k, n])];
      return () => tf.matMul(a, b);
    },
  };
}

/** By a weight, as the products of most models are. */
function linear(m: number, k: number, n: number): OpCase {
  return {
    ...matmul(m, k, n),
    name: `linear ${m} x ${k} x ${n}`,
    op: "aten::linear",
    args: () => [
      noise(m, k),
      weight(new Uint8Array(Float32Array.from({ length: n * k }, (_, i) => ((i * 48271) % 251) / 251 - 0.5).buffer), [n, k], "float32"),
      null,
    ],
  };
}

function conv(kind: string, from: number, to: number, side: number, kernel: number, stride: number, groups = 1): OpCase {
  const out = Math.ceil(side / stride);
  const pad = (kernel - 1) / 2;
  return {
    name: `${kind} ${kernel}x${kernel}${stride > 1 ? `/${stride}` : ""}, ${from} -> ${to}, ${side}x${side}`,
    work: { flops: (2 * kernel * kernel * from * to * out * out) / groups },
    op: "aten::conv2d",
    args: () => [noise(1, from, side, side), noise(to, from / groups, kernel, kernel), noise(to), ints(stride, stride), ints(pad, pad), ints(1, 1), groups],
    tfjs: (tf) => {
      const x = tf.randomUniform<TF.Rank.R4>([1, side, side, from]);
      const w = tf.randomUniform<TF.Rank.R4>(groups === 1 ? [kernel, kernel, from, to] : [kernel, kernel, from, to / from]);
      return () => (groups === 1 ? tf.conv2d(x, w, stride, "same") : tf.depthwiseConv2d(x, w, stride, "same"));
    },
  };
}

function lstm(steps: number, inputs: number, hidden: number): OpCase {
  return {
    name: `lstm, ${steps} steps, ${inputs} -> ${hidden}`,
    work: { flops: 2 * steps * 4 * hidden * (inputs + hidden) },
    op: "aten::lstm.input",
    args: () => [
      noise(1, steps, inputs),
      tensors(noise(1, 1, hidden), noise(1, 1, hidden)),
      tensors(...[[inputs], [hidden], [], []].map((columns) => weights(hidden, 4 * hidden, ...columns))),
      true,
      1,
      0,
      false,
      false,
      true,
    ],
  };
}

/** A weight: bytes that are a file's, whose packed form a backend keeps. */
function weight(bytes: Uint8Array<ArrayBuffer>, shape: readonly number[], dtype: DType): Tensor {
  return new Tensor(
    Storage.lazy(bytes.length, () => bytes),
    dtype,
    shape,
  );
}
/** Deterministic codes. */
const codes = (size: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: size }, (_, i) => (i * 48271) % 251);
const product = (shape: readonly number[]): number => shape.reduce((n, s) => n * s, 1);
function coded(t: Tensor, scale: number, zeroPoint: number): Tensor {
  t.quantizer = { scheme: "per_tensor_affine", scale, zeroPoint };
  return t;
}
const filtersOf = (...shape: number[]): Tensor => coded(weight(codes(product(shape)), shape, "qint8"), 0.01, 0);

/** Codes with channels innermost, as they lie between the layers of a network. */
function int8Conv(from: number, to: number, side: number, kernel: number, stride: number, groups = 1): OpCase {
  const out = Math.ceil(side / stride);
  const pad = (kernel - 1) / 2;
  return {
    name: `int8 ${groups > 1 ? "depthwise" : "conv2d"} ${kernel}x${kernel}${stride > 1 ? `/${stride}` : ""}, ${from} -> ${to}, ${side}x${side}`,
    work: { operations: (2 * kernel * kernel * from * to * out * out) / groups },
    op: "quantized::conv2d.new",
    args: () => {
      const flat = Tensor.from(codes(from * side * side), [from * side * side], "uint8");
      const x = coded(new Tensor(flat.storage, "quint8", [1, from, side, side], [from * side * side, 1, side * from, from]), 0.02, 120);
      const w = filtersOf(to, from / groups, kernel, kernel);
      const [packed = null] = call("quantized::conv2d_prepack", [w, noise(to), ints(stride, stride), ints(pad, pad), ints(1, 1), groups]);
      return [x, packed, 0.5, 128];
    },
  };
}

function int8Linear(rows: number, k: number, n: number): OpCase {
  return {
    name: `int8 linear ${rows} x ${k} x ${n}`,
    work: rows > 1 ? { operations: 2 * rows * k * n } : { bytes: k * n },
    op: "quantized::linear_dynamic",
    args: () => {
      const [packed = null] = call("quantized::linear_prepack", [filtersOf(n, k), noise(n)]);
      return [noise(rows, k), packed, false];
    },
  };
}

/** ONNX's `MatMulNBits`, in blocks of 32. */
function fewBits(bits: number, rows: number, k: number, n: number): OpCase {
  const [block, blocks] = [32, k / 32];
  const node = {
    op: "com.microsoft::MatMulNBits@1",
    operands: [],
    blocks: [],
    attributes: Object.fromEntries(Object.entries({ K: k, N: n, bits, block_size: block }).map(([name, value]) => [name, { kind: "int", value }])),
    results: [{ id: 0, type: { kind: "Tensor" } }],
  } as unknown as Node; // a node as far as binding looks at it
  return {
    name: `${bits} bits ${rows} x ${k} x ${n}`,
    work: rows > 1 ? { flops: 2 * rows * k * n } : { bytes: n * k * (bits / 8) + n * blocks * FLOAT },
    op: (context, args) => {
      const bound = bindOnnx(onnxTableOf([blockQuantizedOps]), node, () => null);
      if (bound === undefined || bound.reads) throw new TypeError("MatMulNBits runs at once");
      return bound.run(context, args);
    },
    args: () => [
      noise(rows, k),
      weight(codes((n * k * bits) / 8), [n, blocks, (block * bits) / 8], "uint8"),
      weight(new Uint8Array(Float32Array.from({ length: n * blocks }, (_, i) => 0.01 + (i % 7) / 1000).buffer), [n, blocks], "float32"),
    ],
  };
}

export const CASES: readonly OpCase[] = [
  matmul(128, 128, 128),
  matmul(512, 512, 512),
  matmul(1024, 1024, 1024),
  linear(512, 512, 512),
  linear(1024, 1024, 1024),
  matmul(128, 384, 1536),
  matmul(1, 1024, 4096),
  conv("conv2d", 64, 64, 56, 3, 1),
  conv("conv2d", 256, 256, 14, 3, 1),
  conv("conv2d", 128, 256, 28, 3, 2),
  conv("conv2d", 96, 24, 56, 1, 1),
  conv("conv2d", 3, 64, 224, 7, 2),
  conv("depthwise", 144, 144, 56, 3, 1, 144),
  conv("depthwise", 96, 96, 112, 3, 2, 96),
  {
    name: "softmax 1536 x 128",
    work: { bytes: 2 * FLOAT * 1536 * 128 },
    op: "aten::softmax.int",
    args: () => [noise(1536, 128), -1, null],
    tfjs: (tf) => {
      const x = tf.randomUniform([1536, 128]);
      return () => tf.softmax(x);
    },
  },
  {
    name: "layer norm 128 x 384",
    work: { bytes: 2 * FLOAT * 128 * 384 },
    op: "aten::layer_norm",
    args: () => [noise(128, 384), ints(384), noise(384), noise(384), 1e-5, false],
    tfjs: (tf) => {
      const [x, scale, shift] = [tf.randomUniform([128, 384]), tf.randomUniform([384]), tf.randomUniform([384])];
      return () => {
        const { mean, variance } = tf.moments(x, -1, true);
        return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), scale), shift);
      };
    },
  },
  {
    name: "gelu 128 x 1536",
    work: { bytes: 2 * FLOAT * 128 * 1536 },
    op: "aten::gelu",
    args: () => [noise(128, 1536)],
    tfjs: (tf) => {
      const x = tf.randomUniform([128, 1536]);
      return () => tf.mul(tf.mul(x, tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)), 0.5);
    },
  },
  int8Conv(64, 64, 56, 3, 1),
  int8Conv(256, 256, 14, 3, 1),
  int8Conv(96, 24, 56, 1, 1),
  int8Conv(144, 144, 56, 3, 1, 144),
  int8Linear(1, 1024, 4096),
  int8Linear(128, 1024, 4096),
  fewBits(4, 1, 4096, 4096),
  fewBits(4, 128, 1024, 4096),
  lstm(64, 16, 64),
  lstm(64, 128, 128),
  {
    name: "add, 2^20",
    work: { bytes: 3 * FLOAT * 2 ** 20 },
    op: "aten::add.Tensor",
    args: () => [noise(2 ** 20), noise(2 ** 20)],
    tfjs: (tf) => {
      const [a, b] = [tf.randomUniform([2 ** 20]), tf.randomUniform([2 ** 20])];
      return () => tf.add(a, b);
    },
  },
  {
    name: "sum over rows, 1024 x 1024",
    work: { bytes: FLOAT * 1024 * 1024 },
    op: "aten::sum.dim_IntList",
    args: () => [noise(1024, 1024), ints(-1)],
    tfjs: (tf) => {
      const x = tf.randomUniform([1024, 1024]);
      return () => tf.sum(x, -1);
    },
  },
  {
    name: "sum over columns, 1024 x 1024",
    work: { bytes: FLOAT * 1024 * 1024 },
    op: "aten::sum.dim_IntList",
    args: () => [noise(1024, 1024), ints(0)],
    tfjs: (tf) => {
      const x = tf.randomUniform([1024, 1024]);
      return () => tf.sum(x, 0);
    },
  },
  {
    name: "gather 512 rows of 30522 x 384",
    work: { bytes: 2 * FLOAT * 512 * 384 },
    op: "aten::embedding",
    args: () => [
      noise(30522, 384),
      Tensor.from(
        BigInt64Array.from({ length: 512 }, (_, i) => BigInt((i * 7919) % 30522)),
        [512],
      ),
    ],
    tfjs: (tf) => {
      const x = tf.randomUniform([30522, 384]);
      const rows = tf.tensor1d(
        Int32Array.from({ length: 512 }, (_, i) => (i * 7919) % 30522),
        "int32",
      );
      return () => tf.gather(x, rows);
    },
  },
];
