/** Every declared op has a recorded sample, or stands here with the reason why it has none. */

import { expect, it } from "vitest";
import { declaredOps, goldens } from "../support/golden.ts";
import type { Arg } from "../golden/sample-tensor.ts";

/** PyTorch's own runtime cannot be asked: by the op's name or its schema. */
const EXEMPT: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /\((?:.*[ (])?(?:t\d?|tVal)(?:\(|\[|\?| )/, reason: "generic in a type that torch.ops cannot bind" },
  { pattern: /\bDict\(|AnyEnumType|AnyClassType|\bGenerator (?:self|\w+)\b|Generator\(a!\)|-> Generator$|\.\.\./, reason: "takes a value that torch.ops cannot make" },
  { pattern: /^aten::(?:device\.with_index|Complex\.Tensor|as_tensor\.list|dict|_fw_primal_copy)\(|^prim::name\(/, reason: "torch.ops refuses every call, or has no such overload" },
  { pattern: /cudnn|_flash_attention\(|_efficient_attention|_overrideable|_depthwise[23]d|batch_norm_(?:stats|elemt)|_thnn_fused|^aten::cuda\(|_transformer_encoder_layer_fwd|_fused_sdp_choice/, reason: "for devices that the recording machine lacks, or the answer depends on the machine" },
  { pattern: /^aten::(?:_nnpack_available|_use_cudnn_rnn_flatten_weight|_get_cpu_capability|get_autocast_dtype|set_grad_enabled|manual_seed|warn|_print)\(|^prim::(?:AddStatValue|BailoutTemplate|TimePoint)\(|^profiler::/, reason: "about the process, not about values" },
  { pattern: /^prim::abs\(Tensor/, reason: "another name of aten::abs, whose samples hold it; the golden language_values calls it" },
  { pattern: /^quantized::(?:linear_tanh|linear_leaky_relu|conv2d_add|conv2d_add_relu)\(/, reason: "kernels of an engine that is not the default one" },
  { pattern: /^aten::dequantize\.(?:list|any)\(/, reason: "torch.ops has no such overload" },
  { pattern: /^torchvision::_cuda_version/, reason: "about the build of torchvision" },
  { pattern: /^aten::(?:_nested_tensor_from_mask|to_padded_tensor|nested_to_padded_tensor)\(/, reason: "of nested tensors, which a sample does not hold; the archive `padded_encoder` does" },
  { pattern: /^opwise::/, reason: "our own, made by lowering ONNX's Scan" },
  { pattern: /^aten::count\.Tensor\(|^aten::_version\(/, reason: "counts by identity and by writes, which a fresh recording does not have" },
];

/** ONNX ops without samples: ONNX's standard node tests and the contributed ones hold them (`npm run onnx-tests`). */
const ONNX_NODE_TESTS: readonly RegExp[] = [
  /^(?:com\.microsoft|ai\.onnx\.ml|ai\.onnx\.preview\.training)::/,
  /^onnx::(?:ImageScaler|Crop|Affine|Scale|ScaledTanh|ParametricSoftplus)$/, // withdrawn; held by the recorded cases of test/golden/onnx-cases.zip
  /^onnx::(?:Random|Bernoulli|Multinomial|Dropout)/, // random
  /^onnx::(?:Sequence|Optional|SplitToSequence|ConcatFromSequence|String|Regex|TfIdf)/, // sequences, optionals and strings, which samples do not hold
  /^onnx::ImageDecoder$/, // whole files of pictures
  /^onnx::(?:RNN|GRU|LSTM|Attention|RotaryEmbedding|LinearAttention|CausalConvWithState|Resize|Upsample|DFT|STFT|MelWeightMatrix|AffineGrid|RoiAlign|MaxRoiPool|NonMaxSuppression)$/,
  /^onnx::(?:DeformConv|Col2Im|MaxUnpool|GlobalLpPool|DynamicQuantizeLinear|QLinearMatMul|QLinearConv|ConvInteger|BitCast|CumProd|SwiGLU|TensorScatter|RMSNormalization|SimplifiedLayerNormalization)$/,
];

/** Ops that make arguments of a sample: what takes them holds them. */
function makers(args: readonly Arg[]): string[] {
  return args.flatMap((arg) => ("made" in arg ? [arg.made.op, ...makers(arg.made.args)] : "list" in arg ? makers(arg.list) : []));
}
const made = new Set([...goldens().values()].flat().filter((golden) => golden.raises === undefined).flatMap((golden) => makers(golden.sample.args)));

const sampled = new Set([...goldens().values()].flat().map((golden) => golden.sample.op.replace(/@\d+$/, "")));

it("every TorchScript op has a sample or a reason", () => {
  const missing = [...declaredOps().torch].filter(([name, schema]) => !sampled.has(name) && !made.has(name) && !EXEMPT.some(({ pattern }) => pattern.test(schema)));
  expect(missing.map(([name]) => name)).toEqual([]);
});

it("every ONNX op has a sample or is held by ONNX's node tests", () => {
  expect(declaredOps().onnx.filter((name) => !sampled.has(name) && !ONNX_NODE_TESTS.some((pattern) => pattern.test(name)))).toEqual([]);
});

it("some sample of every op gives a result", () => {
  const answered = new Set([...goldens().values()].flat().filter((golden) => golden.raises === undefined).map((golden) => golden.sample.op.replace(/@\d+$/, "")));
  expect([...sampled].filter((name) => !answered.has(name))).toEqual([]);
});
