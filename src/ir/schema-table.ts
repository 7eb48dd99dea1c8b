/** All TorchScript schemas by name, parsed on first use. Custom ones belong to one load: make a `SchemaTable` for it. */

import { fullName, parseSchema, type Schema } from "./schema.ts";
import { TORCH_SCHEMAS } from "./torch-schemas.generated.ts";

/** Schemas of torchvision's op libraries, which register them when they are imported. */
const TORCHVISION = `
torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
torchvision::roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor
torchvision::roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)
torchvision::ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio) -> (Tensor, Tensor)
torchvision::ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)
torchvision::deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor
torchvision::_cuda_version() -> int
torchvision::box_iou_rotated(Tensor boxes1, Tensor boxes2) -> Tensor
torchvision::qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
torchvision::qroi_align(Tensor input, Tensor rois, float input_scale, int input_zero_point, float rois_scale, int rois_zero_point, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor
image::_is_compiled_against_turbo() -> bool
image::_jpeg_version() -> int
image::decode_gif(Tensor data) -> Tensor
image::decode_image(Tensor data, int mode, bool apply_exif_orientation=False) -> Tensor
image::decode_jpeg(Tensor data, int mode, bool apply_exif_orientation=False) -> Tensor
image::decode_jpegs_cuda(Tensor[] encoded_images, int mode, Device device) -> Tensor[]
image::decode_png(Tensor data, int mode, bool apply_exif_orientation=False) -> Tensor
image::decode_webp(Tensor encoded_data, int mode) -> Tensor
image::encode_jpeg(Tensor data, int quality) -> Tensor
image::encode_jpegs_cuda(Tensor[] decoded_images, int quality) -> Tensor[]
image::encode_png(Tensor data, int compression_level) -> Tensor
image::read_file(str filename) -> Tensor
image::write_file(str filename, Tensor data) -> Tensor
`;

/** Schemas of `torch.ao.quantization.fx._decomposed`, which pt2e quantisation leaves in exported programs. */
const QUANTIZED_DECOMPOSED = `
quantized_decomposed::quantize_per_tensor(Tensor input, float scale, int zero_point, int quant_min, int quant_max, ScalarType dtype) -> Tensor
quantized_decomposed::quantize_per_tensor.tensor(Tensor input, Tensor scale, Tensor zero_point, int quant_min, int quant_max, ScalarType dtype) -> Tensor
quantized_decomposed::quantize_per_tensor.tensor2(Tensor input, Tensor scale, Tensor zero_point, Tensor quant_min, Tensor quant_max, ScalarType dtype) -> Tensor
quantized_decomposed::dequantize_per_tensor(Tensor input, float scale, int zero_point, int quant_min, int quant_max, ScalarType dtype, *, ScalarType? out_dtype=None) -> Tensor
quantized_decomposed::dequantize_per_tensor.tensor(Tensor input, Tensor scale, Tensor zero_point, int quant_min, int quant_max, ScalarType dtype, *, ScalarType? out_dtype=None) -> Tensor
quantized_decomposed::dequantize_per_tensor.tensor2(Tensor input, Tensor scale, Tensor zero_point, Tensor quant_min, Tensor quant_max, ScalarType dtype, *, ScalarType? out_dtype=None) -> Tensor
quantized_decomposed::choose_qparams.tensor(Tensor input, int quant_min, int quant_max, float eps, ScalarType dtype) -> (Tensor, Tensor)
quantized_decomposed::choose_qparams_symmetric.tensor(Tensor input, int quant_min, int quant_max, float eps, ScalarType dtype) -> (Tensor, Tensor)
quantized_decomposed::quantize_per_channel(Tensor input, Tensor scales, Tensor zero_points, int axis, int quant_min, int quant_max, ScalarType dtype) -> Tensor
quantized_decomposed::dequantize_per_channel(Tensor input, Tensor scales, Tensor? zero_points, int axis, int quant_min, int quant_max, ScalarType dtype, *, ScalarType? out_dtype=None) -> Tensor
quantized_decomposed::choose_qparams_per_token(Tensor input, ScalarType dtype) -> (Tensor, Tensor)
quantized_decomposed::choose_qparams_per_token_asymmetric(Tensor input, ScalarType dtype) -> (Tensor, Tensor)
quantized_decomposed::_choose_qparams_per_token_asymmetric_impl(Tensor input, ScalarType dtype) -> (Tensor, Tensor)
quantized_decomposed::quantize_per_token(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype) -> Tensor
quantized_decomposed::dequantize_per_token(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype, ScalarType output_dtype) -> Tensor
quantized_decomposed::quantize_per_channel_group(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype, int group_size) -> Tensor
quantized_decomposed::dequantize_per_channel_group(Tensor input, Tensor scales, Tensor? zero_points, int quant_min, int quant_max, ScalarType dtype, int group_size, ScalarType output_dtype) -> Tensor
quantized_decomposed::fake_quant_per_channel(Tensor input, Tensor scales, Tensor zero_points, int axis, int quant_min, int quant_max) -> Tensor
quantized_decomposed::convert_element_type.no_fuse(Tensor input, ScalarType dtype) -> Tensor
`;

/** The name part of a schema text, `aten::add` of `aten::add.Tensor(...)`. */
function nameOf(text: string): string {
  const end = text.search(/[.(]/);
  return end < 0 ? text : text.slice(0, end).trim();
}

function index(texts: Iterable<string>): Map<string, string[]> {
  const byName = new Map<string, string[]>();
  for (const text of texts) {
    if (text === "") continue;
    const name = nameOf(text);
    const list = byName.get(name);
    if (list === undefined) byName.set(name, [text]);
    else list.push(text);
  }
  return byName;
}

/** All built-in texts, a line each. */
const BUILTIN: readonly string[] = [TORCH_SCHEMAS, TORCHVISION, QUANTIZED_DECOMPOSED];

function builtinTexts(): Map<string, string[]> {
  return index(BUILTIN.join("").split("\n"));
}

/** The lines of a name. They are searched for: a program asks for a few dozen of 2,200 names, and an index of all would take longer, and stay. */
function linesOf(name: string): string[] {
  const lines: string[] = [];
  if (name.includes(".") || name.includes("(")) return lines;
  const start = `\n${name}`;
  for (const table of BUILTIN) {
    const isItsLine = (at: number): boolean => {
      const next = table[at + start.length];
      return next === "." || next === "(";
    };
    let at = table.indexOf(start);
    while (at >= 0 && !isItsLine(at)) at = table.indexOf(start, at + 1);
    // Overloads of a name follow each other.
    while (at >= 0 && table.startsWith(start, at) && isItsLine(at)) {
      const end = table.indexOf("\n", at + 1);
      lines.push(table.slice(at + 1, end));
      at = end;
    }
    if (lines.length > 0) break;
  }
  return lines;
}

/** Parsed lists of the built-in table; pure data, so sharing them between loads is safe. */
const builtinLists = new Map<string, readonly Schema[]>();

/** @param given the lines of the name, where they are at hand */
function builtinSchemas(name: string, given?: readonly string[]): readonly Schema[] {
  const known = builtinLists.get(name);
  if (known !== undefined) return known;
  const list = (given ?? linesOf(name)).map(parseSchema);
  if (list.length > 0) builtinLists.set(name, list);
  return list;
}

/** The built-in schemas, and those of one load's custom ops. */
export class SchemaTable {
  readonly #extra: Map<string, string[]>;
  readonly #lists = new Map<string, readonly Schema[]>();

  /** @param extra schema texts of custom ops; they follow the built-in overloads of their name */
  constructor(extra: readonly string[] = []) {
    this.#extra = index(extra);
  }

  /** The complete list of overloads of `aten::add`, in registration order; empty for an unknown name. @throws bad-code for a custom text that cannot be parsed */
  schemasOf(name: string): readonly Schema[] {
    const extra = this.#extra.get(name);
    if (extra === undefined) return builtinSchemas(name);
    let list = this.#lists.get(name);
    if (list === undefined) {
      list = [...builtinSchemas(name), ...extra.map(parseSchema)];
      this.#lists.set(name, list);
    }
    return list;
  }

  /** The schema of `aten::add.Tensor`, or undefined. */
  schemaOf(full: string): Schema | undefined {
    return this.schemasOf(nameOf(full)).find((schema) => fullName(schema) === full);
  }

  /** Names of the namespace that resemble `name`, for hints. */
  similar(name: string): readonly string[] {
    const wanted = name.slice(name.indexOf("::") + 2).toLowerCase();
    const out: string[] = [];
    for (const names of [this.#extra.keys(), builtinTexts().keys()]) {
      for (const key of names) {
        const short = key.slice(key.indexOf("::") + 2).toLowerCase();
        if (
          short.replace(/_/g, "") === wanted.replace(/_/g, "") ||
          (wanted.length > 4 && Math.abs(short.length - wanted.length) < 3 && (short.startsWith(wanted) || wanted.startsWith(short)))
        )
          out.push(key);
        if (out.length >= 5) return out;
      }
    }
    return out;
  }
}

const builtin = new SchemaTable();

/** The complete ordered overload list of a built-in name. */
export function schemasOf(name: string): readonly Schema[] {
  return builtin.schemasOf(name);
}

/** All built-in schemas, overloads of a name in registration order. */
export function allSchemas(): readonly Schema[] {
  return [...builtinTexts()].flatMap(([name, lines]) => builtinSchemas(name, lines));
}

/** The built-in schema of a full name, or undefined. */
export function schemaOf(full: string): Schema | undefined {
  return builtin.schemaOf(full);
}
