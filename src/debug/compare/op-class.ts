/** Which class of error an op's results have: the rows of the table of budgets. Data by op name; in-place forms, overloads and versions share their op's class. */

export type OpClass =
  | "exact"
  | "rounded"
  | "elementary"
  | "bounded"
  | "gated"
  | "sums"
  | "products"
  | "softmax"
  | "log-softmax"
  | "norm"
  | "attention"
  | "resample"
  | "recurrent"
  | "quantised"
  | "transforms"
  | "factorisations"
  | "choices"
  | "random"
  | "general";

const words = (text: string): string[] => text.trim().split(/\s+/);

/** Names without namespace: TorchScript's in lower case, ONNX's in camel case. */
const ROWS: Readonly<Record<Exclude<OpClass, "general">, readonly string[]>> = {
  exact: words(`
    view reshape transpose t permute squeeze unsqueeze expand expand_as slice select narrow split split_with_sizes chunk unbind flatten unflatten view_as reshape_as contiguous clone
    detach copy alias as_strided unfold_copy cat concat concatenate stack hstack vstack dstack repeat repeat_interleave tile flip fliplr flipud roll rot90 movedim moveaxis swapaxes swapdims
    diagonal diag diag_embed tril triu gather index index_select take take_along_dim masked_select embedding masked_fill where index_fill index_copy scatter masked_scatter
    pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d pixel_shuffle pixel_unshuffle channel_shuffle
    eq ne lt le gt ge isnan isinf isfinite logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not __and__ __or__ __xor__
    relu relu6 hardtanh threshold abs neg sign floor ceil round trunc minimum maximum max min amax amin aminmax clamp clamp_min clamp_max max_pool1d max_pool2d max_pool3d max_pool1d_with_indices
    max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d max_unpool2d any all to type_as float double half int long bool zeros ones full empty
    zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty fill zero eye size numel dim item nonzero unfold im2col dropout feature_dropout alpha_dropout
    lift lift_fresh lift_fresh_copy one_hot cummax cummin real imag conj resolve_conj resolve_neg view_as_real view_as_complex complex bucketize searchsorted broadcast_tensors meshgrid
    atleast_1d atleast_2d atleast_3d nan_to_num index_put _index_put_impl_ native_channel_shuffle _shape_as_tensor _reshape_alias tensor_split hsplit vsplit dsplit numpy_T
    Reshape Transpose Squeeze Unsqueeze Expand Slice Split Concat Identity Flatten Tile Gather GatherElements GatherND Scatter ScatterElements Where Pad Shape Size Cast CastLike Constant ConstantOfShape
    DepthToSpace SpaceToDepth Equal Less LessOrEqual Greater GreaterOrEqual And Or Xor Not IsNaN IsInf Relu Abs Neg Sign Floor Ceil Round Min Max Clip MaxPool MaxUnpool GlobalMaxPool
    ReduceMax ReduceMin Range EyeLike OneHot Trilu Compress NonZero ReverseSequence Dropout BitShift BitwiseAnd BitwiseOr BitwiseXor BitwiseNot SequenceConstruct SequenceAt ConcatFromSequence
    SplitToSequence SequenceInsert SequenceEmpty SequenceLength SequenceErase Optional OptionalGetElement OptionalHasElement Im2Col Mod Shrink Hardmax ThresholdedRelu`),
  rounded: words(`
    add sub mul rsub square multiply subtract div true_divide divide sqrt rsqrt reciprocal remainder fmod floor_divide leaky_relu prelu hardsigmoid hardswish fix linspace arange
    deg2rad rad2deg frac hypot heaviside copysign ldexp softsign hardshrink softshrink rrelu
    Add Sub Mul Div Sqrt Reciprocal LeakyRelu PRelu HardSigmoid HardSwish Softsign`),
  elementary: words(`
    exp exp2 expm1 log log2 log10 log1p pow sigmoid log_sigmoid softplus elu selu celu logaddexp logaddexp2 float_power sigmoid_ logit sinh cosh asinh acosh atanh xlogy special_xlog1py lgamma digamma
    polygamma erfinv special_entr special_expit special_exp2 special_log1p igamma igammac i0 special_i0e
    Exp Log Pow Sigmoid Softplus Elu Selu Celu Sinh Cosh Asinh Acosh Atanh`),
  bounded: words("sin cos tan tanh erf erfc asin acos atan atan2 sinc Sin Cos Tan Tanh Erf Asin Acos Atan"),
  gated: words("gelu silu mish glu tanhshrink Gelu Mish Swish QuickGelu FastGelu BiasGelu"),
  sums: words(`
    sum mean cumsum nansum nanmean avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d norm linalg_vector_norm frobenius_norm linalg_norm linalg_matrix_norm
    prod cumprod var std var_mean std_mean trace index_add scatter_add scatter_reduce index_reduce embedding_bag lp_pool1d lp_pool2d dist cdist pairwise_distance cosine_similarity mse_loss l1_loss
    smooth_l1_loss huber_loss fold col2im bincount histc normalize
    ReduceSum ReduceMean ReduceL1 ReduceL2 ReduceSumSquare ReduceProd ReduceLogSum AveragePool GlobalAveragePool LpPool GlobalLpPool CumSum Sum Mean LpNormalization ScatterND Col2Im`),
  products: words(`
    mm matmul bmm addmm addmv addbmm baddbmm addr mv dot vdot inner outer ger linear conv1d conv2d conv3d convolution _convolution conv_transpose1d conv_transpose2d conv_transpose3d einsum bilinear
    tensordot kron chain_matmul linalg_multi_dot matrix_power linalg_matrix_power addcmul addcdiv lerp cross linalg_cross conv_tbc deform_conv2d
    MatMul Gemm Conv ConvTranspose Einsum FusedConv FusedMatMul FusedGemm DeformConv MatMulNBits`),
  softmax: words("softmax _softmax Softmax softmin sparse_softmax"),
  "log-softmax": words("log_softmax _log_softmax logsumexp logcumsumexp cross_entropy_loss nll_loss LogSoftmax ReduceLogSumExp"),
  norm: words(`
    batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training layer_norm native_layer_norm group_norm native_group_norm instance_norm rms_norm local_response_norm
    BatchNormalization LayerNormalization GroupNormalization InstanceNormalization RMSNormalization SimplifiedLayerNormalization SkipLayerNormalization SkipSimplifiedLayerNormalization MeanVarianceNormalization LRN`),
  attention: words(`
    scaled_dot_product_attention _scaled_dot_product_flash_attention_for_cpu _native_multi_head_attention multi_head_attention_forward _transformer_encoder_layer_fwd
    Attention MultiHeadAttention GroupQueryAttention`),
  resample: words(`
    upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa upsample_nearest1d upsample_nearest2d upsample_nearest3d
    grid_sampler grid_sampler_2d grid_sampler_3d interpolate affine_grid_generator roi_align ps_roi_align roi_pool
    Resize Upsample GridSample AffineGrid RoiAlign`),
  recurrent: words("lstm gru rnn_tanh rnn_relu quantized_lstm quantized_gru lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell LSTM GRU RNN"),
  quantised: words(`
    quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic fake_quantize_per_tensor_affine fake_quantize_per_channel_affine
    QuantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul QLinearAdd QLinearMul QLinearSigmoid QLinearAveragePool QLinearGlobalAveragePool QLinearLeakyRelu QLinearConcat QLinearSoftmax`),
  transforms: words(`
    fft_fft fft_ifft fft_rfft fft_irfft fft_hfft fft_ihfft fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fftn fft_ifftn fft_rfftn fft_irfftn _fft_c2c _fft_r2c _fft_c2r stft istft DFT STFT`),
  factorisations: words(`
    linalg_qr qr linalg_svd svd _linalg_svd linalg_svdvals linalg_eigh _linalg_eigh linalg_eigvalsh linalg_eig linalg_eigvals linalg_lu linalg_lu_factor linalg_lu_factor_ex lu_unpack linalg_cholesky
    linalg_cholesky_ex cholesky linalg_solve linalg_solve_ex _linalg_solve_ex linalg_inv linalg_inv_ex inverse linalg_pinv pinverse linalg_lstsq linalg_solve_triangular triangular_solve cholesky_solve cholesky_inverse
    linalg_det det _linalg_det slogdet linalg_slogdet _linalg_slogdet logdet linalg_matrix_exp matrix_exp linalg_ldl_factor geqrf ormqr Det`),
  choices: words(`
    sort argsort topk kthvalue msort argmax argmin median nanmedian mode unique _unique2 unique_consecutive unique_dim nms nonzero_static
    TopK ArgMax ArgMin NonMaxSuppression Unique`),
  random: words(`
    rand rand_like randn randn_like randint randint_like randperm normal normal_ uniform uniform_ bernoulli multinomial poisson exponential exponential_ geometric_ cauchy_ log_normal_ random_ gumbel_softmax
    RandomUniform RandomUniformLike RandomNormal RandomNormalLike Bernoulli Multinomial`),
};

const BY_NAME = new Map<string, OpClass>();
for (const [name, ops] of Object.entries(ROWS)) for (const op of ops) BY_NAME.set(op, name as OpClass); // the record's keys are its type

/** `aten::add_.Tensor` and `onnx::Add@14` without what does not matter: `add`, `Add`. */
export function plainName(op: string): string {
  const name = (op.split("::").at(-1) ?? op).split(/[.@]/)[0] ?? op;
  return BY_NAME.has(name) || !/[^_]_$/.test(name) ? name : name.slice(0, -1);
}

/** The class of an op's results; `general` where the table has none. */
export function classOf(op: string): OpClass {
  if (op.startsWith("quantized::")) return "quantised";
  return BY_NAME.get(plainName(op)) ?? "general";
}

/** Ops that are rounded once more than add and multiply: one unit in the last place. */
export const DIVIDES: ReadonlySet<string> = new Set(
  words(`
  div true_divide divide sqrt rsqrt reciprocal remainder fmod leaky_relu prelu hardsigmoid hardswish linspace deg2rad rad2deg frac hypot softsign rsub lerp ldexp arange rrelu
  Div Sqrt Reciprocal LeakyRelu PRelu HardSigmoid HardSwish Softsign`),
);
/** What the portable column gives more to. */
export const SIGMOIDS: ReadonlySet<string> = new Set(words("sigmoid sigmoid_ log_sigmoid Sigmoid special_expit"));
export const LOGARITHMS: ReadonlySet<string> = new Set(words("log log2 log10 log1p logit lgamma Log"));
export const SOFT: ReadonlySet<string> = new Set(words("softplus elu selu celu Softplus Elu Selu Celu"));
/** Logarithms of 1 + exp(x), of either sign of x. */
export const LOG1P: ReadonlySet<string> = new Set(words("softplus log_sigmoid Softplus logaddexp logaddexp2"));
/** Sums of terms of one sign, whose result is its own measure of them. */
export const POSITIVE_SUMS: ReadonlySet<string> = new Set(
  words(`
  norm linalg_vector_norm frobenius_norm linalg_norm linalg_matrix_norm prod cumprod var std lp_pool1d lp_pool2d dist cdist pairwise_distance mse_loss l1_loss smooth_l1_loss huber_loss
  ReduceL1 ReduceL2 ReduceSumSquare ReduceProd LpPool GlobalLpPool LpNormalization`),
);
/** Classes whose terms cancel: in half precision they may be off by two units of the output. */
export const CANCELS: ReadonlySet<OpClass> = new Set<OpClass>(["sums", "products", "norm", "attention", "resample", "recurrent", "general"]);
