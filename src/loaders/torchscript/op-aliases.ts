/** Ops that are another name of one: as PyTorch does when it loads code, the graph has the plain name. */

import type { Schema } from "../../ir/schema.ts";
import type { SchemaTable } from "../../ir/schema-table.ts";
import { sameType } from "../../ir/type.ts";

/** The plain names, without `aten::`. */
export const PLAIN: Readonly<Record<string, string>> = {
  absolute: "abs",
  adjoint: "mH",
  arccos: "acos",
  arccosh: "acosh",
  arcsin: "asin",
  arcsinh: "asinh",
  arctan: "atan",
  arctan2: "atan2",
  arctanh: "atanh",
  clip: "clamp",
  concat: "cat",
  concatenate: "cat",
  det: "linalg_det",
  divide: "div",
  fix: "trunc",
  ger: "outer",
  greater: "gt",
  greater_equal: "ge",
  inverse: "linalg_inv",
  less: "lt",
  less_equal: "le",
  matrix_exp: "linalg_matrix_exp",
  matrix_power: "linalg_matrix_power",
  moveaxis: "movedim",
  multiply: "mul",
  negative: "neg",
  not_equal: "ne",
  orgqr: "linalg_householder_product",
  row_stack: "vstack",
  subtract: "sub",
  swapaxes: "transpose",
  swapdims: "transpose",
  true_divide: "div",
};

/** The schema under the plain name with the same arguments, or `schema` itself. */
export function plainSchema(schema: Schema, table: SchemaTable): Schema {
  const short = schema.name.startsWith("aten::") ? schema.name.slice("aten::".length) : "";
  const inPlace = short.endsWith("_");
  const base = inPlace ? short.slice(0, -1) : short;
  const plain = Object.hasOwn(PLAIN, base) ? PLAIN[base] : undefined;
  if (plain === undefined) return schema;
  const same = (other: Schema): boolean =>
    other.args.length === schema.args.length &&
    other.args.every((arg, i) => {
      const own = schema.args[i];
      return own !== undefined && sameType(arg.type, own.type) && arg.kwargOnly === own.kwargOnly;
    });
  return table.schemasOf(`aten::${plain}${inPlace ? "_" : ""}`).find(same) ?? schema;
}
