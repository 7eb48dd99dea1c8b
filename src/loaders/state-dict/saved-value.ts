/** What a checkpoint holds, as plain data. */

import type { TensorTemplate } from "../../ir/template.ts";
import type { DType } from "../../tensor/dtype.ts";

/** A value of a checkpoint. Containers that the file shares are one object here too. */
export type SavedValue =
  | { readonly kind: "none" }
  | { readonly kind: "bool"; readonly value: boolean }
  /** A safe number, else a bigint; of any size. */
  | { readonly kind: "int"; readonly value: number | bigint }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "complex"; readonly re: number; readonly im: number }
  | { readonly kind: "str"; readonly value: string }
  | { readonly kind: "bytes"; readonly value: Uint8Array }
  | { readonly kind: "tensor"; readonly tensor: TensorTemplate; readonly parameter: boolean }
  /** A sparse tensor by its parts: `indices` and `values` of a COO one, `crow_indices`, `col_indices` and `values` of a CSR one. */
  | { readonly kind: "sparse"; readonly layout: string; readonly shape: readonly number[]; readonly parts: ReadonlyMap<string, TensorTemplate> }
  | { readonly kind: "list" | "tuple" | "set"; readonly items: SavedValue[] }
  | SavedDict
  /** `torch.Size`. */
  | { readonly kind: "size"; readonly dims: readonly number[] }
  | { readonly kind: "dtype"; readonly dtype: DType }
  | { readonly kind: "device"; readonly value: string };

export interface SavedDict {
  readonly kind: "dict";
  /** A `collections.OrderedDict`. */
  readonly ordered: boolean;
  readonly entries: (readonly [SavedValue, SavedValue])[];
}
