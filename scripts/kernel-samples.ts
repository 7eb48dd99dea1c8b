/** Layers of common networks, run small: the kernels that are printed for them are those that most models begin with. `build-node.ts` puts them into its bundles. */

import { tellKernels } from "../src/backends/wasm/runtime.ts";
import { wasm } from "../src/backends/wasm/wasm.ts";
import { load, Tensor } from "../src/index.ts";
import { type GraphNode, onnxGraph, scriptArchive } from "../test/support/archive.ts";

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A file and what it is run with. */
interface Sample {
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

function convolutions(): Sample[] {
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

function products(): Sample[] {
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

const tensorOf = (shape: readonly number[]): Tensor => {
  const count = shape.reduce((n, size) => n * size, 1);
  return Tensor.from(
    Float32Array.from({ length: count }, (_, i) => 1 + (i % 7)),
    shape,
  );
};

/** Kernels by what they are printed from, in the form of a process's first backend. */
export async function sampleKernels(): Promise<ReadonlyMap<string, Uint8Array>> {
  const kernels = new Map<string, Uint8Array>();
  for (const { file, inputs } of [...convolutions(), ...products()]) {
    const backend = wasm({ threads: 2 });
    tellKernels((identity, bytes) => kernels.set(identity, bytes));
    try {
      const tensors = Object.entries(inputs).map(([name, shape]) => [name, tensorOf(shape)] as const);
      const model = await load(file);
      using session = await model.session({ backend });
      await (model.format === "onnx" ? session.run(Object.fromEntries(tensors)) : session.forward(...tensors.map(([, tensor]) => tensor)));
    } finally {
      tellKernels(undefined);
      backend.dispose();
    }
  }
  return kernels;
}
