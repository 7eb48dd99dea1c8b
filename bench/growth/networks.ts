/** ONNX networks made in memory, whose inputs may have any size: what growth is measured on. */

import { MessageWriter } from "../../src/bytes/protobuf-writer.ts";

const FLOAT = 1;
const INT64 = 7;

/** A graph in the making; values go by name. */
class Graph {
  readonly #writer = new MessageWriter();
  #next = 0;
  #state = 1;

  #fresh(): string {
    return `v${this.#next++}`;
  }
  /** An initialiser of noise, scaled by its fan-in so that values keep their size from layer to layer. */
  weight(shape: readonly number[], fanIn: number): string {
    const size = shape.reduce((n, s) => n * s, 1);
    const scale = Math.sqrt(3 / fanIn);
    const values = Float32Array.from({ length: size }, () => scale * ((this.#state = (this.#state * 48271) % 2147483647) / 1073741824 - 1));
    return this.#initializer(FLOAT, shape, new Uint8Array(values.buffer));
  }
  ints(...items: readonly number[]): string {
    return this.#initializer(INT64, [items.length], new Uint8Array(BigInt64Array.from(items, BigInt).buffer));
  }
  #initializer(type: number, shape: readonly number[], bytes: Uint8Array): string {
    const name = this.#fresh();
    this.#writer.message(5, (t) => {
      for (const dim of shape) t.int(1, dim);
      t.int(2, type).string(8, name).bytes(9, bytes);
    });
    return name;
  }
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, number | readonly number[]>> = {}): string {
    const name = this.#fresh();
    this.#writer.message(1, (node) => {
      for (const input of inputs) node.string(1, input);
      node.string(2, name).string(4, op);
      for (const [key, value] of Object.entries(attributes)) {
        node.message(5, (a) => {
          a.string(1, key);
          if (typeof value === "number") a.int(3, value).int(20, 2);
          else {
            for (const item of value) a.int(8, item);
            a.int(20, 7);
          }
        });
      }
    });
    return name;
  }
  /** The model's bytes: float input `x` of the given dims (text: a symbol), output the given value. */
  model(dims: readonly (number | string)[], output: string): Uint8Array {
    const value =
      (name: string, shape: readonly (number | string)[] | undefined) =>
      (v: MessageWriter): void =>
        void v.string(1, name).message(2, (type) =>
          type.message(1, (tensor) => {
            tensor.int(1, FLOAT);
            if (shape !== undefined)
              tensor.message(2, (s) => shape.forEach((d) => s.message(1, (dim) => (typeof d === "number" ? dim.int(1, d) : dim.string(2, d)))));
          }),
        );
    this.#writer.string(2, "growth").message(11, value("x", dims)).message(12, value(output, undefined));
    return new MessageWriter()
      .int(1, 8)
      .bytes(7, this.#writer.finish())
      .message(8, (o) => o.string(1, "").int(2, 17))
      .finish();
  }
}

/** Six 3 x 3 convolutions, each at half the side of the one before it and twice its channels at most, and a mean: x is [batch, 3, side, side]. */
export function pictures(): Uint8Array {
  const g = new Graph();
  let [x, from] = ["x", 3];
  for (const [to, stride] of [
    [32, 2],
    [32, 1],
    [64, 2],
    [64, 1],
    [128, 2],
    [128, 1],
  ] as const) {
    x = g.node("Conv", [x, g.weight([to, from, 3, 3], 9 * from), g.weight([to], 1)], { kernel_shape: [3, 3], strides: [stride, stride], pads: [1, 1, 1, 1] });
    x = g.node("Relu", [x]);
    from = to;
  }
  return g.model(["batch", 3, "side", "side"], g.node("GlobalAveragePool", [x]));
}

/** Two blocks of attention (4 heads) and a feed-forward layer of width 128: x is [1, length, 128]. */
export function sequence(): Uint8Array {
  const [width, heads] = [128, 4];
  const g = new Graph();
  const split = g.ints(0, 0, heads, width / heads);
  const joined = g.ints(0, 0, width);
  let x = "x";
  const dense = (input: string, from: number, to: number): string => g.node("Add", [g.node("MatMul", [input, g.weight([from, to], from)]), g.weight([to], 1)]);
  for (let layer = 0; layer < 2; layer++) {
    const part = (order: readonly number[]): string => g.node("Transpose", [g.node("Reshape", [dense(x, width, width), split])], { perm: order });
    const scores = g.node("Softmax", [g.node("MatMul", [part([0, 2, 1, 3]), part([0, 2, 3, 1])])], { axis: -1 });
    const mixed = g.node("Transpose", [g.node("MatMul", [scores, part([0, 2, 1, 3])])], { perm: [0, 2, 1, 3] });
    x = g.node("Add", [x, dense(g.node("Reshape", [mixed, joined]), width, width)]);
    x = g.node("Add", [x, dense(g.node("Relu", [dense(x, width, 4 * width)]), 4 * width, width)]);
  }
  return g.model([1, "length", width], x);
}

/** Layers of 512 x 512 that weigh about so many MB in all: x is [1, 512]. */
export function weighing(megabytes: number): Uint8Array {
  const width = 512;
  const g = new Graph();
  let x = "x";
  for (let layer = 0; layer < megabytes; layer++) x = g.node("Relu", [g.node("MatMul", [x, g.weight([width, width], width)])]);
  return g.model([1, width], x);
}
