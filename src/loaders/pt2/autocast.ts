/** Regions under `torch.autocast`: which ops take their tensors in a lower precision, which in float32, which in the widest of theirs. */

import type { GraphBuilder } from "../../ir/builder.ts";
import type { Location } from "../../ir/graph.ts";
import type { Schema } from "../../ir/schema.ts";
import { T, type Type } from "../../ir/type.ts";
import { type DType, dtypeInfo, dtypeOfTorch, torchOfDtype } from "../../tensor/dtype.ts";
import { emit, type Given } from "./arguments.ts";

/** An enabled region: its lower precision, and the rules of its device. */
export interface Autocast {
  readonly dtype: DType;
  readonly rules: Rules;
}

interface Rules {
  readonly lower: ReadonlySet<string>;
  readonly float32: ReadonlySet<string>;
  readonly widest: ReadonlySet<string>;
}

const names = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

const PRODUCTS = `conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d _convolution convolution
  linear matmul mm bmm addmm addbmm baddbmm linalg_vecdot prelu scaled_dot_product_attention`;

/** aten/src/ATen/autocast_mode.h: AT_FORALL_LOWER_PRECISION_FP, AT_FORALL_FP32, AT_FORALL_PROMOTE of the CPU. */
const CPU: Rules = {
  // The second line is composites of them.
  lower: names(`${PRODUCTS} mkldnn_rnn_layer _native_multi_head_attention _addmm_activation
    einsum tensordot inner chain_matmul linalg_multi_dot`),
  float32: names(`
    adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d binary_cross_entropy binary_cross_entropy_with_logits cdist cholesky cholesky_inverse
    cholesky_solve cosine_embedding_loss cross_entropy_loss ctc_loss fake_quantize_per_tensor_affine fft_fft fft_fft2 fft_fftn fft_hfft fft_ifft
    fft_ifft2 fft_ifftn fft_ihfft fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn fractional_max_pool2d fractional_max_pool3d geqrf
    grid_sampler grid_sampler_2d grid_sampler_3d hinge_embedding_loss huber_loss inverse kl_div l1_loss linalg_cholesky linalg_cholesky_ex
    linalg_cond linalg_eig linalg_eigh linalg_eigvals linalg_eigvalsh linalg_householder_product linalg_inv linalg_inv_ex linalg_lstsq
    linalg_matrix_rank linalg_qr linalg_solve linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve lu_solve margin_ranking_loss
    max_pool3d max_unpool2d max_unpool3d mse_loss multi_margin_loss multilabel_margin_loss multilabel_margin_loss_forward nanquantile nll_loss
    nll_loss2d orgqr ormqr pinverse poisson_nll_loss polar prod qr quantile reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d
    replication_pad3d smooth_l1_loss soft_margin_loss stft svd trace triangular_solve triplet_margin_loss view_as_complex`),
  widest: names("cat stack index_copy"),
};

const CUDA: Rules = {
  lower: names(`${PRODUCTS} addmv addr mv einsum chain_matmul linalg_multi_dot gru_cell lstm_cell rnn_tanh_cell rnn_relu_cell`),
  float32: names(`
    acos asin binary_cross_entropy_with_logits cdist cosh cosine_embedding_loss cosine_similarity cumprod cumsum dist erfinv exp expm1
    frobenius_norm group_norm hinge_embedding_loss huber_loss kl_div l1_loss layer_norm linalg_matrix_norm linalg_vector_norm log log10 log1p log2
    log_softmax logsumexp margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss native_layer_norm nll_loss nll_loss2d norm nuclear_norm
    pdist poisson_nll_loss pow prod reciprocal renorm rms_norm rsqrt sinh smooth_l1_loss soft_margin_loss softmax softplus sum tan
    triplet_margin_loss upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d
    upsample_trilinear3d _upsample_bicubic2d_aa _upsample_bilinear2d_aa`),
  widest: names("addcdiv addcmul atan2 bilinear cross dot grid_sampler index_put scatter_add tensordot vdot"),
};

/** What `(device, dtype, enabled)` turns on; undefined for a region that is off or of a device without rules. */
export function autocastOf([device, dtype, enabled]: readonly Given[]): Autocast | undefined {
  const value = (given: Given | undefined): unknown => (given?.kind === "constant" && "value" in given.template ? given.template.value : undefined);
  const rules = value(device) === "cpu" ? CPU : value(device) === "cuda" ? CUDA : undefined;
  if (value(enabled) !== true || rules === undefined) return undefined;
  const lower = value(dtype);
  return { dtype: typeof lower === "number" ? dtypeOfTorch(lower) : value(device) === "cpu" ? "bfloat16" : "float16", rules };
}

const isFloat = (dtype: DType | undefined): dtype is DType => dtype !== undefined && dtypeInfo(dtype).class === "float";
const dtypeOf = (given: Given): DType | undefined =>
  given.kind === "value" && given.value.type.kind === "Tensor" && isFloat(given.value.type.dtype) ? given.value.type.dtype : undefined;

/** The arguments of a call as the region casts them: floating tensors but float64 ones, where their dtype is stated. */
export function castArguments(
  builder: GraphBuilder,
  { dtype, rules }: Autocast,
  schema: Schema,
  givens: readonly (Given | undefined)[],
  location: Location,
): (Given | undefined)[] {
  const name = schema.name.replace(/^aten::/, "");
  let target: DType | undefined;
  if (rules.lower.has(name)) target = dtype;
  else if (rules.float32.has(name)) target = "float32";
  else if (rules.widest.has(name)) target = widest(givens);
  if (target === undefined) return [...givens];
  const wanted = target;
  const cast = (given: Given): Given => {
    if (given.kind === "list") return { ...given, items: given.items.map(cast) };
    const from = dtypeOf(given);
    if (given.kind !== "value" || from === undefined || from === "float64" || from === wanted) return given;
    const no = builder.constant({ kind: "bool", value: false }, T.bool, location);
    const number = builder.constant({ kind: "int", value: torchOfDtype(wanted) }, T.int, location);
    const type: Type = { ...T.Tensor, ...given.value.type, kind: "Tensor", dtype: wanted };
    return { kind: "value", value: emit(builder, "aten::to.dtype", [given.value, number, no, no, undefined], type, location) };
  };
  return givens.map((given) => (given === undefined ? undefined : cast(given)));
}

/** The widest floating dtype among the tensors: float32 where lower ones differ; undefined where nothing is to be cast. */
function widest(givens: readonly (Given | undefined)[]): DType | undefined {
  const flat = (given: Given | undefined): Given[] => (given === undefined ? [] : given.kind === "list" ? given.items.flatMap(flat) : [given]);
  const dtypes = new Set(givens.flatMap(flat).flatMap((given) => dtypeOf(given) ?? []));
  return dtypes.size > 1 && !dtypes.has("float64") ? "float32" : undefined;
}
