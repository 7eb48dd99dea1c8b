/** Small models of what common networks are made of. */

import { Tensor } from "../src/tensor/tensor.ts";
import { type Attribute, type GraphNode, onnxGraph, scriptArchive } from "../test/support/archive.ts";

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A file and what it is run with. */
export interface Sample {
  readonly file: Uint8Array;
  readonly inputs: Shapes;
}

function script(inputs: Shapes, ...lines: readonly string[]): Sample {
  const params = Object.keys(inputs).map((name) => `${name}: Tensor`);
  const code = `class Net(Module):\n  def forward(self: __torch__.Net, ${params.join(", ")}) -> Tensor:\n${lines.map((line) => `    ${line}\n`).join("")}`;
  return { file: scriptArchive(code), inputs };
}
function graph(inputs: Shapes, ...nodes: readonly GraphNode[]): Sample {
  const out = nodes.at(-1)?.outputs ?? [];
  return { file: onnxGraph(nodes, Object.keys(inputs), out, new Map()), inputs };
}
const node = (op: string, inputs: string, output: string, attributes?: GraphNode["attributes"]): GraphNode => ({
  op,
  inputs: inputs.split(" "),
  outputs: [output],
  ...(attributes === undefined ? {} : { attributes }),
});

const PLANES: Shapes = { x: [1, 16, 14, 14], w: [16, 16, 3, 3] };
const NORM: Shapes = { g: [16], b: [16], m: [16], v: [16] };
const OTHER: Shapes = { r: [1, 16, 12, 12] };
const conv = "y = torch.conv2d(x, w, None, [1, 1], [0, 0], [1, 1], 1)";
const norm = "y = torch.batch_norm(y, g, b, m, v, False, 0.1, 1e-05, True)";
/** Lines that make `z` of `y`. */
const ACTIVATIONS: readonly string[] = [
  "z = torch.relu(y)",
  "z = torch.hardtanh(y, 0., 6.)",
  "z = torch.silu(y)",
  "z = torch.sigmoid(y)",
  "z = torch.tanh(y)",
  "z = torch.hardswish(y)",
  "z = torch.leaky_relu(y, 0.1)",
  "z = torch.gelu(y)",
  "z = torch.mul(y, torch.sigmoid(y))",
];
const end = "return z";

/** Layers of convolutional networks. */
export function convolutions(): Sample[] {
  const down = ["s = torch.conv2d(x, w, None, [1, 1], [0, 0], [1, 1], 1)", "s = torch.batch_norm(s, g, b, m, v, False, 0.1, 1e-05, True)"];
  return [
    ...ACTIVATIONS.flatMap((act) => [script(PLANES, conv, act, end), script({ ...PLANES, ...NORM }, conv, norm, act, end)]),
    script({ ...PLANES, ...NORM }, conv, norm, "return y"),
    script({ ...PLANES, ...NORM, ...OTHER }, conv, norm, "return torch.add(r, y)"),
    script({ ...PLANES, ...NORM, ...OTHER }, conv, norm, "return torch.relu(torch.add(y, r))"),
    script({ ...PLANES, ...OTHER }, conv, "return torch.relu(torch.add(y, r))"),
    script({ ...PLANES, ...NORM }, ...down, conv, norm, "return torch.relu(torch.add(y, s))"),
    script({ ...PLANES, ...NORM }, conv, norm, ...down, "return torch.relu(torch.add(y, s))"),
    script(PLANES, "z = torch.adaptive_avg_pool2d(x, [1, 1])", "return torch.flatten(z, 1, -1)"),
    script(PLANES, "z = torch.mean(x, [2, 3])", end),
    script(PLANES, "z = torch.cat([x, torch.relu(x)], 1)", end),
    script(PLANES, "z = torch.upsample_nearest2d(x, None, [2., 2.])", end),
    script(PLANES, "z = torch.upsample_bilinear2d(x, None, False, [2., 2.])", end),
    ...["Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSwish"].map((op) => graph(PLANES, node("Conv", "x w", "y"), node(op, "y", "z"))),
    graph(PLANES, node("Conv", "x w", "y"), node("Sigmoid", "y", "s"), node("Mul", "y s", "z")),
    graph({ ...PLANES, ...OTHER }, node("Conv", "x w", "y"), node("Add", "y r", "a"), node("Relu", "a", "z")),
    graph({ ...PLANES, ...OTHER }, node("Conv", "x w", "y"), node("Add", "r y", "a"), node("Relu", "a", "z")),
    graph({ ...PLANES, ...OTHER }, node("Conv", "x w", "y"), node("Add", "r y", "z")),
    graph({ ...PLANES, low: [], high: [] }, node("Conv", "x w", "y"), node("Clip", "y low high", "z")),
    graph(PLANES, node("GlobalAveragePool", "x", "z")),
    graph(PLANES, node("ReduceMean", "x", "z")),
    graph({ ...PLANES, ...NORM }, node("InstanceNormalization", "x g b", "z")),
  ];
}

/** Layers of transformers. */
export function products(): Sample[] {
  const rows: Shapes = { x: [6, 32], w: [32, 32], b: [32], r: [6, 32] };
  const linear = "y = torch.linear(x, w, b)";
  return [
    ...ACTIVATIONS.map((act) => script(rows, linear, act, end)),
    script(rows, linear, "return torch.add(y, r)"),
    script(rows, linear, "return torch.add(r, y)"),
    script(rows, "return torch.add(torch.mul(x, r), r)"),
    script(rows, "y = torch.layer_norm(torch.add(x, r), [32], b, b, 1e-05, True)", linear.replace("(x,", "(y,"), "return y"),
    script(rows, "y = torch.linear(x, w)", "return torch.mul(torch.silu(y), r)"),
    script({ x: [2, 4, 8, 8] }, "return torch.softmax(torch.div(torch.matmul(x, torch.transpose(x, 2, 3)), 2.8), -1)"),
    script({ x: [1, 6, 4, 8] }, "return torch.contiguous(torch.transpose(x, 1, 2))"),
    script({ x: [1, 6, 96] }, "a, b, c, = torch.split(x, 32, 2)", "return torch.contiguous(torch.add(torch.mul(a, b), c))"),
    script({ t: [12, 32] }, "i = torch.unsqueeze(torch.arange(6), 0)", "return torch.add(torch.embedding(t, i), torch.embedding(t, torch.add(i, 1)))"),
    script({ x: [6, 32], s: [6, 1] }, "return torch.mul(torch.mul(x, s), torch.div(x, s))"),
    script({ x: [6, 32], s: [6, 1] }, "return torch.mul(x, s)"),
    script(rows, "return torch.cat([x, torch.add(r, torch.zeros([6, 32]))], 1)"),
    script(rows, "return torch.contiguous(torch.transpose(x, 0, 1))"),
    script({ x: [6, 32] }, "i = torch.arange(6)", "n = torch.mul(torch.add(i, i), torch.clone(i))", "return torch.to(n, 6)"),
    script({ x: [1, 6, 32], w: [32] }, "y = torch.mean(torch.pow(x, 2), [-1], True)", "return torch.mul(w, torch.mul(x, torch.rsqrt(torch.add(y, 1e-06))))"),
    graph(rows, node("MatMul", "x w", "y"), node("Add", "b y", "a"), node("Relu", "a", "z")),
    graph(rows, node("MatMul", "x w", "y"), node("Add", "b y", "a"), node("Add", "a r", "z")),
    graph(rows, node("MatMul", "x w", "y"), node("Add", "b y", "a"), node("Add", "r a", "z")),
    graph(
      { ...rows, root: [], one: [], half: [] },
      ...[node("MatMul", "x w", "y"), node("Add", "b y", "a"), node("Div", "a root", "d"), node("Erf", "d", "e")],
      ...[node("Add", "e one", "f"), node("Mul", "a f", "g"), node("Mul", "g half", "z")],
    ),
    graph(rows, node("Add", "x r", "a"), node("LayerNormalization", "a b b", "z")),
    graph({ x: [1, 6, 4, 8] }, node("Softmax", "x", "z")),
    graph({ x: [1, 6, 4, 8] }, node("Transpose", "x", "z")),
  ];
}

/** `count` numbers that are none too large. */
export const numbers = (count: number): Float32Array<ArrayBuffer> => Float32Array.from({ length: count }, (_, i) => 1 + (i % 7));
const weight = (...shape: number[]): Tensor => {
  const values = numbers(shape.reduce((n, size) => n * size, 1));
  return Tensor.from(
    values.map((x) => x / 64),
    shape,
  );
};

const IMAGE: Shapes = { x: [1, 3, 64, 64] };
const norms = (channels: number): Readonly<Record<string, Tensor>> => ({ g: weight(channels), b: weight(channels), m: weight(channels), v: weight(channels) });
const block = (channels: number): Attribute => ({ module: "Block", attributes: { w: weight(channels, channels, 3, 3), training: false, ...norms(channels) } });

/** Whole networks with weights of their own, modules within modules. */
export function networks(): Sample[] {
  const classes = `class Block(Module):
  __parameters__ = ["w", "g", "b", ]
  __buffers__ = ["m", "v", ]
  w : Tensor
  g : Tensor
  b : Tensor
  m : Tensor
  v : Tensor
  training : bool
  def forward(self: __torch__.Block, x: Tensor) -> Tensor:
    y = torch._convolution(x, self.w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, False, False, True, True)
    z = torch.batch_norm(y, self.g, self.b, self.m, self.v, False, 0.1, 1e-05, True)
    return torch.add(torch.relu_(z), x, alpha=1)
`;
  const net = `class Net(Module):
  __parameters__ = ["stem", "deep", "thin", "wide", "bias", ]
  stem : Tensor
  deep : Tensor
  thin : Tensor
  wide : Tensor
  bias : Tensor
  first : __torch__.Block
  second : __torch__.Block
  third : __torch__.Block
  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    y = torch.max_pool2d(torch.relu(torch.conv2d(x, self.stem, None, [2, 2], [3, 3], [1, 1], 1)), [3, 3], [2, 2], [1, 1], [1, 1], False)
    a = (self.second).forward((self.first).forward(y, ), )
    s = torch.conv2d(torch.hardtanh(torch.conv2d(a, self.thin, None, [1, 1], [1, 1], [1, 1], 64), 0., 6.), self.deep, None, [2, 2], [0, 0], [1, 1], 1)
    c = (self.third).forward(s, )
    p = torch.flatten(torch.adaptive_avg_pool2d(c, [1, 1]), 1, -1)
    return torch.linear(p, self.wide, self.bias)
`;
  const weights: Readonly<Record<string, Tensor>> = {
    stem: weight(64, 3, 7, 7),
    thin: weight(64, 1, 3, 3),
    deep: weight(128, 64, 1, 1),
    wide: weight(1000, 128),
    bias: weight(1000),
  };
  const traced = scriptArchive(classes + net, { ...weights, first: block(64), second: block(64), third: block(128) });

  const encoder = `class Net(Module):
  __parameters__ = ["table", "w", "g", "b", "up", "down", "ub", "w_ih", "w_hh", "b_ih", "b_hh", ]
  table : Tensor
  w : Tensor
  g : Tensor
  b : Tensor
  up : Tensor
  ub : Tensor
  down : Tensor
  w_ih : Tensor
  w_hh : Tensor
  b_ih : Tensor
  b_hh : Tensor
  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    ids = torch.unsqueeze(torch.arange(32, dtype=4, layout=0, device=torch.device("cpu"), pin_memory=False), 0)
    h = torch.add(torch.embedding(self.table, ids), x)
    n = torch.layer_norm(h, [64], self.g, self.b, 1e-05, True)
    q, k, v, = torch.chunk(torch.linear(n, self.w, None), 3, -1)
    size = ops.prim.NumToTensor(torch.size(x, 1))
    rows = int(size)
    q0 = torch.transpose(torch.view(q, [1, rows, 4, 16]), 1, 2)
    k0 = torch.transpose(torch.view(k, [1, rows, 4, 16]), 1, 2)
    v0 = torch.transpose(torch.view(v, [1, rows, 4, 16]), 1, 2)
    a = torch.scaled_dot_product_attention(q0, k0, v0)
    o = torch.reshape(torch.transpose(a, 1, 2), [1, rows, 64])
    u = torch.gelu(torch.linear(torch.add(o, h), self.up, self.ub))
    d = torch.linear(u, self.down, self.b)
    zeros = torch.zeros([1, 1, 64], dtype=6, layout=0, device=torch.device("cpu"), pin_memory=False)
    y, hn, cn, = torch.lstm(d, [zeros, zeros], [self.w_ih, self.w_hh, self.b_ih, self.b_hh], True, 1, 0., False, False, True)
    return torch.softmax(torch.select(y, 1, -1), -1)
`;
  const inner: Readonly<Record<string, Tensor>> = {
    table: weight(32, 64),
    w: weight(192, 64),
    g: weight(64),
    b: weight(64),
    up: weight(256, 64),
    ub: weight(256),
    down: weight(64, 256),
    w_ih: weight(256, 64),
    w_hh: weight(256, 64),
    b_ih: weight(256),
    b_hh: weight(256),
  };
  const sequence: Shapes = { x: [1, 32, 64] };

  const conv = (inputs: string, output: string, attributes: GraphNode["attributes"] = {}): GraphNode => node("Conv", inputs, output, attributes);
  const graphed = onnxGraph(
    [
      conv("x stem stemBias", "a", { auto_pad: "SAME_UPPER" }),
      node("Relu", "a", "r"),
      node("GlobalMaxPool", "r", "top"),
      conv("r first firstBias", "c", { auto_pad: "SAME_UPPER" }),
      node("Add", "c r", "s"),
      node("Relu", "s", "t"),
      conv("t thin", "d", { auto_pad: "SAME_UPPER", group: 64 }),
      conv("d deep", "e"),
      node("GlobalAveragePool", "e", "p"),
      node("Flatten", "p", "f"),
      node("Gemm", "f wide bias", "y", { transB: 1 }),
    ],
    ["x"],
    ["y"],
    new Map(Object.entries({ ...weights, stemBias: weight(64), first: weight(64, 64, 3, 3), firstBias: weight(64) })),
  );
  return [
    { file: traced, inputs: IMAGE },
    { file: scriptArchive(encoder, inner), inputs: sequence },
    { file: graphed, inputs: IMAGE },
  ];
}
