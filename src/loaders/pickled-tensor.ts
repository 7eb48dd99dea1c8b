/** Tensors as PyTorch pickles them: storages by persistent id, `torch._utils._rebuild_*` on top. Shared by every pickle-based format. */

import {
  boolOf,
  describePickle,
  globalOf,
  itemsOf,
  numberOf,
  type PicklePersistent,
  type PickleReduce,
  type PickleValue,
  safeIntOf,
  stringEntries,
  stringOf,
} from "../bytes/pickle-value.ts";
import type { QuantizerTemplate, StorageTemplate, TensorTemplate } from "../ir/template.ts";
import { type DType, isQuantized, itemsize } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { extentOf, isContiguous } from "../tensor/shape.ts";

const STORAGES: Readonly<Record<string, DType>> = {
  Double: "float64",
  Float: "float32",
  Half: "float16",
  BFloat16: "bfloat16",
  Long: "int64",
  Int: "int32",
  Short: "int16",
  Char: "int8",
  Byte: "uint8",
  Bool: "bool",
  ComplexDouble: "complex128",
  ComplexFloat: "complex64",
  ComplexHalf: "complex32",
  QInt8: "qint8",
  QUInt8: "quint8",
  QInt32: "qint32",
  QUInt4x2: "quint4x2",
  QUInt2x4: "quint2x4",
  UInt16: "uint16",
  UInt32: "uint32",
  UInt64: "uint64",
  Float8_e4m3fn: "float8_e4m3fn",
  Float8_e5m2: "float8_e5m2",
  Float8_e4m3fnuz: "float8_e4m3fnuz",
  Float8_e5m2fnuz: "float8_e5m2fnuz",
  Float8_e8m0fnu: "float8_e8m0fnu",
};

/** `torch.float16` and the like, by the name after `torch.`. */
const DTYPES: Readonly<Record<string, DType>> = {
  uint8: "uint8",
  int8: "int8",
  int16: "int16",
  short: "int16",
  int32: "int32",
  int: "int32",
  int64: "int64",
  long: "int64",
  float16: "float16",
  half: "float16",
  float32: "float32",
  float: "float32",
  float64: "float64",
  double: "float64",
  complex32: "complex32",
  chalf: "complex32",
  complex64: "complex64",
  cfloat: "complex64",
  complex128: "complex128",
  cdouble: "complex128",
  bool: "bool",
  bfloat16: "bfloat16",
  qint8: "qint8",
  quint8: "quint8",
  qint32: "qint32",
  quint4x2: "quint4x2",
  quint2x4: "quint2x4",
  uint16: "uint16",
  uint32: "uint32",
  uint64: "uint64",
  float8_e4m3fn: "float8_e4m3fn",
  float8_e5m2: "float8_e5m2",
  float8_e4m3fnuz: "float8_e4m3fnuz",
  float8_e5m2fnuz: "float8_e5m2fnuz",
  float8_e8m0fnu: "float8_e8m0fnu",
};

/** The dtype of a storage class `torch.FloatStorage`; `"untyped"` for raw bytes; undefined for another name. */
export function storageDType(global: string): DType | "untyped" | undefined {
  if (global === "torch.storage.UntypedStorage" || global === "torch.UntypedStorage") return "untyped";
  const name = /^torch\.(?:cuda\.)?(\w+)Storage$/.exec(global)?.[1];
  return name !== undefined && Object.hasOwn(STORAGES, name) ? STORAGES[name] : undefined;
}

/** The dtype of a global `torch.float16`, or undefined. */
export function dtypeOfGlobal(global: string): DType | undefined {
  const name = global.startsWith("torch.") ? global.slice("torch.".length) : "";
  return Object.hasOwn(DTYPES, name) ? DTYPES[name] : undefined;
}

/** Dtypes of PyTorch that no tensor here has: files may name them, and are told so where a tensor is of one. */
const FOREIGN_DTYPE = /^torch\.(?:u?int[1-7]|float4_e2m1fn_x2|quint4x2|quint2x4|bits\w+)$/;

const REBUILD = new Set([
  "torch._utils._rebuild_tensor",
  "torch._utils._rebuild_tensor_v2",
  "torch._utils._rebuild_tensor_v3",
  "torch._utils._rebuild_qtensor",
  "torch._utils._rebuild_parameter",
  "torch._utils._rebuild_parameter_with_state",
  "torch._tensor._rebuild_from_type_v2",
]);

/** Whether a global is one that tensors are pickled with: for allow-lists. */
export function isTensorGlobal(global: string): boolean {
  return (
    REBUILD.has(global) ||
    storageDType(global) !== undefined ||
    dtypeOfGlobal(global) !== undefined ||
    FOREIGN_DTYPE.test(global) ||
    QSCHEMES.has(global) ||
    global === "torch._utils._rebuild_sparse_tensor" ||
    global === "torch.nn.parameter.Parameter" ||
    global === "torch.Tensor" ||
    global === "collections.OrderedDict"
  );
}

/** Whether a REDUCE makes a tensor. */
export function isTensor(value: PickleValue): value is PickleReduce {
  return value.kind === "reduce" && (REBUILD.has(value.callable.fullName) || value.callable.fullName === "torch._utils._rebuild_sparse_tensor");
}

/** A storage as a persistent id names it: `("storage", torch.FloatStorage, "0", "cpu", 12)`, in legacy files with a view at the end. */
export interface StorageRef {
  readonly key: string;
  /** Undefined: raw bytes, `numel` counts them. */
  readonly dtype: DType | undefined;
  readonly location: string;
  readonly numel: number;
  /** Legacy: this storage is `[offset, offset + numel)` of another one, in elements. */
  readonly view: { readonly key: string; readonly offset: number } | undefined;
}

/** Bytes that a reference claims. */
export function refBytes(ref: StorageRef): number {
  return ref.numel * (ref.dtype === undefined ? 1 : itemsize(ref.dtype));
}

/** Reads a persistent id. @throws bad-pickle, bad-tensor */
function storageRef(id: PickleValue): StorageRef {
  const [kind, type, key, location, numel, view] = itemsOf(id);
  if (kind === undefined || type === undefined || key === undefined || location === undefined || numel === undefined || stringOf(kind) !== "storage") {
    throw new OpwiseError("bad-pickle", "a persistent id is not that of a storage", { wanted: '("storage", class, key, location, numel)' });
  }
  const dtype = storageDType(globalOf(type));
  if (dtype === undefined) throw new OpwiseError("bad-tensor", `there is no storage class \`${globalOf(type)}\``);
  const size = safeIntOf(numel);
  if (size < 0) throw new OpwiseError("bad-tensor", `a storage claims ${size} elements`);
  let part: StorageRef["view"];
  if (view !== undefined && view.kind !== "none") {
    const [root, offset] = itemsOf(view);
    if (root === undefined || offset === undefined) throw new OpwiseError("bad-pickle", "the view of a storage is not (key, offset, size)");
    part = { key: stringOf(root), offset: safeIntOf(offset) };
  }
  return { key: stringOf(key), dtype: dtype === "untyped" ? undefined : dtype, location: stringOf(location), numel: size, view: part };
}

/** The storages that a pickle refers to. @throws as storageRef */
export function storageRefs(persistent: readonly PicklePersistent[]): StorageRef[] {
  return persistent.map(({ id }) => storageRef(id));
}

/** A tensor, and whether it is an `nn.Parameter`. */
export interface PickledTensor {
  readonly tensor: TensorTemplate;
  readonly parameter: boolean;
}

/** How many wrappers (parameter of a subclass of …) are unwrapped. */
const MAX_WRAPPERS = 8;

/**
 * The tensor that a REDUCE of `torch._utils._rebuild_*` describes; sizes, strides and offset are checked against the storage.
 * @throws bad-tensor, bad-pickle, unsupported-format
 */
export function rebuildTensor(value: PickleReduce, storageOf: (ref: StorageRef) => StorageTemplate): PickledTensor {
  return rebuild(value.callable.fullName, itemsOf(value.args), storageOf, 0);
}

function rebuild(callable: string, args: readonly PickleValue[], storageOf: (ref: StorageRef) => StorageTemplate, depth: number): PickledTensor {
  if (depth > MAX_WRAPPERS) throw new OpwiseError("limit-exceeded", "a tensor is wrapped too often");
  const arg = (index: number): PickleValue => {
    const found = args[index];
    if (found === undefined) throw new OpwiseError("bad-pickle", `\`${callable}\` lacks its argument ${index + 1}`);
    return found;
  };
  const inner = (given: PickleValue): PickledTensor => {
    if (given.kind !== "reduce") throw new OpwiseError("bad-pickle", `\`${callable}\` is given ${describePickle(given)}`, { wanted: "a tensor" });
    return rebuild(given.callable.fullName, itemsOf(given.args), storageOf, depth + 1);
  };
  switch (callable) {
    case "torch._utils._rebuild_tensor":
      return { tensor: strided(args, false, undefined, undefined, storageOf), parameter: false };
    case "torch._utils._rebuild_tensor_v2":
      return { tensor: withBits(strided(args, boolOf(arg(4)), undefined, undefined, storageOf), args[6]), parameter: false };
    case "torch._utils._rebuild_tensor_v3": {
      const dtype = dtypeOfGlobal(globalOf(arg(6)));
      if (dtype === undefined) throw new OpwiseError("unsupported-dtype", `\`${globalOf(arg(6))}\` is no dtype known here`);
      return { tensor: withBits(strided(args, boolOf(arg(4)), dtype, undefined, storageOf), args[7]), parameter: false };
    }
    case "torch._utils._rebuild_qtensor":
      return {
        tensor: strided(
          args,
          boolOf(arg(5)),
          undefined,
          quantizer(arg(4), (v) => inner(v).tensor),
          storageOf,
        ),
        parameter: false,
      };
    case "torch._utils._rebuild_parameter":
    case "torch._utils._rebuild_parameter_with_state":
      return { tensor: { ...inner(arg(0)).tensor, requiresGrad: boolOf(arg(1)) }, parameter: true };
    // (function, class, arguments, state): attributes set on a tensor; its elements are what counts.
    case "torch._tensor._rebuild_from_type_v2":
      return rebuild(globalOf(arg(0)), itemsOf(arg(2)), storageOf, depth + 1);
    case "torch._utils._rebuild_sparse_tensor":
      throw new OpwiseError("unsupported-format", "the file holds a sparse tensor", { wanted: "strided tensors" });
    default:
      throw new OpwiseError("unsafe-pickle", `\`${callable}\` makes no tensor`);
  }
}

/** The tensor with what its metadata say: `{"conj": True}` and `{"neg": True}` are lazy bits. */
function withBits(tensor: TensorTemplate, metadata: PickleValue | undefined): TensorTemplate {
  if (metadata === undefined || metadata.kind === "none") return tensor;
  if (metadata.kind !== "dict") throw new OpwiseError("bad-pickle", "the metadata of a tensor are no dict", { got: describePickle(metadata) });
  const entries = stringEntries(metadata.entries);
  const bit = (name: string): boolean => {
    const value = entries.get(name);
    return value !== undefined && boolOf(value);
  };
  return { ...tensor, ...(bit("conj") ? { conj: true } : {}), ...(bit("neg") ? { neg: true } : {}) };
}

function strided(
  args: readonly PickleValue[],
  requiresGrad: boolean,
  given: DType | undefined,
  quant: QuantizerTemplate | undefined,
  storageOf: (ref: StorageRef) => StorageTemplate,
): TensorTemplate {
  const [persistent, offsetValue, size, stride] = args;
  if (persistent?.kind !== "persistent" || offsetValue === undefined || size === undefined || stride === undefined) {
    throw new OpwiseError("bad-pickle", "a tensor is not made of (storage, offset, size, stride)", {
      got: persistent === undefined ? "nothing" : describePickle(persistent),
    });
  }
  const ref = storageRef(persistent.id);
  const dtype = given ?? ref.dtype;
  if (dtype === undefined) throw new OpwiseError("bad-tensor", "a tensor over raw bytes has no dtype");
  const shape = itemsOf(size).map(safeIntOf);
  const strides = itemsOf(stride).map(safeIntOf);
  const offset = safeIntOf(offsetValue);
  const storage = storageOf(ref);
  return stridedTensor({ storage, dtype, shape, strides, offset, requiresGrad, ...(quant === undefined ? {} : { quantizer: quant }) }, refBytes(ref));
}

/**
 * The tensor, once its sizes, strides and offset are known to stay inside its storage's first `limit` bytes.
 * @throws bad-tensor
 */
export function stridedTensor(tensor: TensorTemplate, claimed: number = tensor.storage.nbytes): TensorTemplate {
  const { storage, dtype, shape, strides, offset } = tensor;
  if (isQuantized(dtype) !== (tensor.quantizer !== undefined))
    throw new OpwiseError("bad-tensor", `a tensor of ${dtype} ${tensor.quantizer === undefined ? "lacks its" : "has a"} quantizer`);
  const facts = { got: `sizes [${shape.join(", ")}], strides [${strides.join(", ")}], offset ${offset}` };
  if (shape.length !== strides.length) throw new OpwiseError("bad-tensor", "a tensor's sizes and strides differ in number", facts);
  if (shape.some((n) => n < 0) || strides.some((n) => n < 0) || offset < 0)
    throw new OpwiseError("bad-tensor", "a tensor has a negative size, stride or offset", facts);
  if (!Number.isSafeInteger(shape.includes(0) ? 0 : shape.reduce((n, dim) => n * dim, 1)))
    throw new OpwiseError("bad-tensor", "a tensor's sizes multiply beyond 2^53", facts);
  const packed = PACKED_BITS[dtype];
  if (packed !== undefined) return packedTensor(tensor, packed, Math.min(storage.nbytes, claimed));
  const extent = extentOf(shape, strides);
  const limit = Math.min(storage.nbytes, claimed);
  if ((offset + (extent === undefined ? 0 : extent.high + 1)) * itemsize(dtype) > limit) {
    throw new OpwiseError("bad-tensor", "a tensor reaches beyond its storage", { ...facts, wanted: `at most ${limit} bytes, ${itemsize(dtype)} each` });
  }
  return tensor;
}

/** Dtypes that files hold several to the byte, each row from a new byte on. */
const PACKED_BITS: Partial<Record<DType, 2 | 4>> = { quint4x2: 4, quint2x4: 2 };

function packedTensor(tensor: TensorTemplate, bits: 2 | 4, limit: number): TensorTemplate {
  const { storage, dtype, shape, strides, offset } = tensor;
  const row = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((n, dim) => n * dim, 1);
  const bytes = rows * Math.ceil((row * bits) / 8);
  const facts = { got: `sizes [${shape.join(", ")}], strides [${strides.join(", ")}], offset ${offset}` };
  if (offset !== 0 || !isContiguous(shape, strides)) throw new OpwiseError("bad-tensor", `a tensor of ${dtype} is not contiguous`, facts);
  if (bytes > limit) throw new OpwiseError("bad-tensor", "a tensor reaches beyond its storage", { ...facts, wanted: `at most ${limit} bytes` });
  return { ...tensor, storage: { ...storage, nbytes: bytes, packedBits: bits, packedRow: row } };
}

const QSCHEMES: ReadonlySet<string> = new Set(["torch.per_tensor_affine", "torch.per_channel_affine", "torch.per_channel_affine_float_qparams"]);

function quantizer(value: PickleValue, tensorOf: (value: PickleValue) => TensorTemplate): QuantizerTemplate {
  const [scheme, a, b, axis] = itemsOf(value);
  if (scheme === undefined || a === undefined || b === undefined) throw new OpwiseError("bad-pickle", "a quantizer is not (scheme, scale, zero point)");
  switch (globalOf(scheme)) {
    case "torch.per_tensor_affine":
      return { scheme: "per_tensor_affine", scale: numberOf(a), zeroPoint: safeIntOf(b) };
    case "torch.per_channel_affine":
    case "torch.per_channel_affine_float_qparams": {
      if (axis === undefined) throw new OpwiseError("bad-pickle", "a per-channel quantizer lacks its axis");
      const name = globalOf(scheme) === "torch.per_channel_affine" ? "per_channel_affine" : "per_channel_affine_float_qparams";
      return { scheme: name, scales: tensorOf(a), zeroPoints: tensorOf(b), axis: safeIntOf(axis) };
    }
    default:
      throw new OpwiseError("bad-tensor", `there is no quantisation scheme \`${globalOf(scheme)}\``);
  }
}
