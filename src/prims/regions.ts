/**
 * The named regions: composites that a backend may claim whole. An operand in brackets is there only where the parameter of its
 * name says so; operands keep their order. Shapes are those of the views handed over.
 */

export interface RegionFacts {
  readonly operands: string;
  readonly results: string;
  /** Names and meanings of the parameters. */
  readonly params: Readonly<Record<string, string>>;
  readonly meaning: string;
}

const OPTIONAL = { weight: "whether there is a weight", bias: "whether there is a bias" } as const;
const EPS = "added to the variance before its root";
const recurrent = (states: string, results: string, meaning: string): RegionFacts => ({
  operands: `x [T*B, I], ${states}, input weights [G*H, I], hidden weights [G*H, P], [input bias, hidden bias [G*H]], [projection [P, H]]`,
  results,
  params: { steps: "T, all of one size B", reverse: "from the last step to the first", bias: "whether there are biases", projection: "whether there is a projection", order: "where in the weights' rows each gate's block lies; as named here where there is none" },
  meaning,
});

/** Every region by name. */
export const REGIONS: Readonly<Record<string, RegionFacts>> = {
  softmax: { operands: "x", results: "out, of x's shape", params: { axis: "the axis that sums to 1" }, meaning: "exp(x - max) / sum" },
  log_softmax: { operands: "x", results: "out, of x's shape", params: { axis: "the axis whose exponentials sum to 1" }, meaning: "x - max - log(sum of exp(x - max))" },
  layer_norm: {
    operands: "x, [weight], [bias], of the normalised shape", results: "out; mean and reciprocal deviation with sizes of 1 on the normalised axes",
    params: { axes: "how many trailing axes are normalised", eps: EPS, ...OPTIONAL }, meaning: "(x - mean) / sqrt(variance + eps) * weight + bias",
  },
  group_norm: {
    operands: "x [N, C, ...], [weight [C]], [bias [C]]", results: "out; mean and reciprocal deviation [N, groups]",
    params: { groups: "how many runs of channels are normalised each", eps: EPS, ...OPTIONAL }, meaning: "layer_norm of each group of channels",
  },
  rms_norm: {
    operands: "x, [weight of the normalised shape]", results: "out; reciprocal root mean square",
    params: { axes: "how many trailing axes are normalised", eps: "added to the mean square before its root", weight: OPTIONAL.weight }, meaning: "x / sqrt(mean of squares + eps) * weight",
  },
  batch_norm: {
    operands: "x [N, C, ...], mean [C], variance [C], [weight [C]], [bias [C]]", results: "out, of x's shape",
    params: { eps: EPS, ...OPTIONAL }, meaning: "(x - mean) / sqrt(variance + eps) * weight + bias, with given statistics",
  },
  attention: {
    operands: "queries [..., L, E], keys [..., S, E], values [..., S, D], [mask: bool, or added to the scores]", results: "out [..., L, D]",
    params: { scale: "factor of the scores", causal: "position l sees keys up to l", mask: "whether there is a mask" }, meaning: "softmax(queries keysᵀ * scale + mask) values; a row that sees nothing gives zeros",
  },
  lstm: recurrent("h0 [B, P], c0 [B, H]", "out [T*B, P], last h [B, P], last c [B, H]", "gates in the order input, forget, cell, output (G = 4)"),
  gru: recurrent("h0 [B, P]", "out [T*B, P], last h [B, P]", "gates in the order reset, update, new (G = 3)"),
  rnn_tanh: recurrent("h0 [B, P]", "out [T*B, P], last h [B, P]", "tanh of both products (G = 1)"),
  rnn_relu: recurrent("h0 [B, P]", "out [T*B, P], last h [B, P]", "max(0, both products) (G = 1)"),
  cat: { operands: "the pieces that have elements", results: "out", params: { axis: "the axis they follow each other on" }, meaning: "pieces one after another, converted to out's dtype" },
  pad: {
    operands: "x", results: "out",
    params: { mode: "constant, reflect, replicate or circular", before: "per axis, negative crops", after: "per axis", value: "of the border, where constant", imaginary: "its imaginary part" },
    meaning: "x with a border",
  },
  index_select: { operands: "x, positions [K]", results: "out, with K on the axis", params: { axis: "the axis selected on" }, meaning: "slices of x at the positions; outside is an error" },
  embedding: { operands: "weight [V, D], indices", results: "out [..., D]", params: {}, meaning: "rows of the weight" },
  gather: { operands: "x, positions", results: "out, of the positions' shape", params: { axis: "the axis picked from" }, meaning: "x at each position along the axis" },
  matmul_nbits: {
    operands: "x [..., K], codes of the weight [N, blocks, bytes], scales [N, blocks], [zero points, packed as codes are or floats], [each element's block [K]], [bias [N]]", results: "out [..., N]",
    params: { n: "N", k: "K", bits: "of one code, lowest first in a byte", block: "elements along K that share a scale", zeros: "whether there are zero points, else 2^(bits - 1)", groups: "whether a table says the blocks", bias: OPTIONAL.bias },
    meaning: "x times the transposed weight (code - zero point) * scale, plus the bias",
  },
};
