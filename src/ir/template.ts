/**
 * Constants and stored objects as inert data: what an archive holds, before a session makes values of it.
 * Identity matters: two references to one list, object or storage are the same JavaScript object here.
 */

import type { DType } from "../tensor/dtype.ts";
import type { Source } from "../tensor/source.ts";
import type { ClassType, EnumType } from "./class-type.ts";
import type { Type } from "./type.ts";

/** A storage in a file. `source` is exactly the storage's bytes, little-endian. */
export interface StorageTemplate {
  readonly source: Source;
  readonly nbytes: number;
  /** Where the archive says it lived: `cpu`, `cuda:0`. */
  readonly device: string;
  /** How the file packs sub-byte elements; memory has one per byte. Absent: as in memory. */
  readonly packedBits?: 2 | 4;
  /** Elements after which a new byte begins, where rows are packed one by one. */
  readonly packedRow?: number;
  /** ONNX string data, in place of bytes. */
  readonly strings?: readonly string[];
  /** All elements are this one (ConstantOfShape-like); the bytes are one element's. */
  readonly splat?: boolean;
}

export type QuantizerTemplate =
  | { readonly scheme: "per_tensor_affine"; readonly scale: number; readonly zeroPoint: number }
  | { readonly scheme: "per_channel_affine" | "per_channel_affine_float_qparams"; readonly scales: TensorTemplate; readonly zeroPoints: TensorTemplate; readonly axis: number };

export interface TensorTemplate {
  readonly storage: StorageTemplate;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** In elements, as is `offset`. */
  readonly strides: readonly number[];
  readonly offset: number;
  readonly requiresGrad: boolean;
  readonly quantizer?: QuantizerTemplate;
  /** The storage holds the conjugates, or the negatives, of the elements. */
  readonly conj?: boolean;
  readonly neg?: boolean;
}

export type Template =
  | { readonly kind: "none" }
  | { readonly kind: "bool"; readonly value: boolean }
  /** Canonical int64: a safe number, else a bigint. */
  | { readonly kind: "int"; readonly value: number | bigint }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "complex"; readonly re: number; readonly im: number }
  | { readonly kind: "str"; readonly value: string }
  | { readonly kind: "device"; readonly value: string }
  | { readonly kind: "tensor"; readonly tensor: TensorTemplate }
  | { readonly kind: "list"; elem: Type; readonly items: Template[] }
  | { readonly kind: "tuple"; readonly items: Template[]; readonly type?: Type }
  | { readonly kind: "dict"; key: Type; value: Type; readonly entries: (readonly [Template, Template])[] }
  | { readonly kind: "enum"; readonly type: EnumType; readonly member: string }
  /** `fields` in slot order, or `state` for a class whose `__setstate__` runs when a session is made. */
  | ObjectTemplate
  /** An instance of a class without code in the archive (`__torch__.torch.classes.quantized...`). */
  | { readonly kind: "foreign"; readonly className: string; readonly state: Template }
  /** ONNX attributes: a type (SequenceEmpty, Optional) and a sparse tensor. */
  | { readonly kind: "type"; readonly type: Type }
  | { readonly kind: "sparse"; readonly values: TensorTemplate; readonly indices: TensorTemplate; readonly shape: readonly number[] };

export interface ObjectTemplate {
  readonly kind: "object";
  readonly class: ClassType;
  /** Filled after creation, because objects may refer to themselves. */
  fields: Template[];
  state: Template | undefined;
}
