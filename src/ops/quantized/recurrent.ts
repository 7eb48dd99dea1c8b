/** Recurrent layers and cells over packed parameters (PyTorch: quantized_lstm, quantized_gru, quantized_*_cell_dynamic): the gates stay numbers. */

import type { Datum } from "../../ir/datum.ts";
import type { Context } from "../../prims/context.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { type OuterLayers, packedLayers, paddedLayers, type Side, steppedCell } from "../aten/recurrent.ts";
import { cellParams, CELL, linearParams, packCell } from "./packed.ts";
import { dynamicLinear, halfLinear } from "./products.ts";

/** The products of one direction of one layer. */
function sideOf(packed: Datum): Side {
  const { kind, input, hidden, reduceRange } = cellParams(packed);
  const product = kind === "half" ? halfLinear : (ctx: Context, x: Tensor, p: typeof input): Tensor => dynamicLinear(ctx, x, p, reduceRange);
  return { input: (ctx, x) => product(ctx, x, input), hidden: (ctx, h) => product(ctx, h, hidden), projection: null, tensors: undefined };
}

function layersOf(params: readonly Datum[], numLayers: number, dropout: number, train: boolean, bidirectional: boolean): OuterLayers {
  const count = numLayers * (bidirectional ? 2 : 1);
  if (params.length !== count)
    throw new OpwiseError("bad-argument", "got an incorrect number of quantized RNN parameters", { wanted: String(count), got: String(params.length) });
  return { sides: params.map(sideOf), numLayers, dropout, train, bidirectional };
}

/** Both sides of a dynamic cell, and the step over them. */
function dynamicCell(name: Parameters<typeof steppedCell>[1]) {
  return (ctx: Context, x: Tensor, h: Tensor, c: Tensor | undefined, wx: Datum, wh: Datum): Tensor[] =>
    steppedCell(ctx, name, dynamicLinear(ctx, x, linearParams(wx), true), dynamicLinear(ctx, h, linearParams(wh), true), h, c);
}

const LINEAR = "__torch__.torch.classes.quantized.LinearPackedParamsBase";

export const quantizedRecurrent: readonly Op[] = [
  op(
    `aten::quantized_lstm.input(Tensor input, Tensor[] hx, ${CELL}[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first, *, ScalarType? dtype=None, bool use_dynamic=False) -> (Tensor, Tensor, Tensor)` as "aten::q(Tensor input, Tensor[] hx, P[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first, *, ScalarType? dtype=None, bool use_dynamic=False) -> (Tensor, Tensor, Tensor)",
    {
      run: (ctx, x, hx, params, _biases, numLayers, p, train, both, batchFirst) =>
        paddedLayers(ctx, "lstm", x, hx, layersOf(params, numLayers, p, train, both), batchFirst),
    },
  ),
  op(
    `aten::quantized_lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, ${CELL}[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, *, ScalarType? dtype=None, bool use_dynamic=False) -> (Tensor, Tensor, Tensor)` as "aten::q(Tensor data, Tensor batch_sizes, Tensor[] hx, P[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, *, ScalarType? dtype=None, bool use_dynamic=False) -> (Tensor, Tensor, Tensor)",
    {
      reads: (ctx, data, sizes, hx, params, _biases, numLayers, p, train, both) =>
        packedLayers(ctx, "lstm", data, sizes, hx, layersOf(params, numLayers, p, train, both)),
    },
  ),
  op(
    `aten::quantized_gru.input(Tensor input, Tensor hx, ${CELL}[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)` as "aten::q(Tensor input, Tensor hx, P[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
    {
      run: (ctx, x, hx, params, _biases, numLayers, p, train, both, batchFirst) =>
        paddedLayers(ctx, "gru", x, [hx], layersOf(params, numLayers, p, train, both), batchFirst),
    },
  ),
  op(
    `aten::quantized_gru.data(Tensor data, Tensor batch_sizes, Tensor hx, ${CELL}[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)` as "aten::q(Tensor data, Tensor batch_sizes, Tensor hx, P[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
    {
      reads: (ctx, data, sizes, hx, params, _biases, numLayers, p, train, both) =>
        packedLayers(ctx, "gru", data, sizes, [hx], layersOf(params, numLayers, p, train, both)),
    },
  ),
  op(
    `quantized::make_quantized_cell_params_dynamic(${LINEAR} w_ih, ${LINEAR} w_hh, Tensor bias_ih, Tensor bias_hh, bool reduce_range=False) -> ${CELL}` as "quantized::m(P w_ih, P w_hh, Tensor bias_ih, Tensor bias_hh, bool reduce_range=False) -> P",
    {
      run: (_ctx, wx, wh, bx, bh, reduce) => packCell("quantized_dynamic", wx, wh, [bx, bh], reduce),
    },
  ),
  op(`quantized::make_quantized_cell_params_fp16(${LINEAR} w_ih, ${LINEAR} w_hh) -> ${CELL}` as "quantized::m(P w_ih, P w_hh) -> P", {
    run: (_ctx, wx, wh) => packCell("quantized_fp16", wx, wh, [], false),
  }),
  op(
    `quantized::quantized_lstm_cell_dynamic(Tensor input, Tensor[] hx, ${LINEAR} w_ih, ${LINEAR} w_hh, Tensor bias_ih, Tensor bias_hh) -> (Tensor, Tensor)` as "quantized::c(Tensor input, Tensor[] hx, P w_ih, P w_hh, Tensor bias_ih, Tensor bias_hh) -> (Tensor, Tensor)",
    {
      run: (ctx, x, [h, c], wx, wh) => {
        if (h === undefined || c === undefined) throw new OpwiseError("bad-argument", "lstm_cell expects two hidden states");
        return dynamicCell("lstm")(ctx, x, h, c, wx, wh);
      },
    },
  ),
  ...(["gru", "rnn_tanh", "rnn_relu"] as const).map((name) =>
    op(
      `quantized::quantized_${name}_cell_dynamic(Tensor input, Tensor hx, ${LINEAR} w_ih, ${LINEAR} w_hh, Tensor b_ih, Tensor b_hh) -> Tensor` as "quantized::c(Tensor input, Tensor hx, P w_ih, P w_hh, Tensor b_ih, Tensor b_hh) -> Tensor",
      {
        run: (ctx, x, h, wx, wh) => dynamicCell(name)(ctx, x, h, undefined, wx, wh)[0],
      },
    ),
  ),
];
