/** What a constant is, by its type. */

import type { Template } from "./template.ts";
import { dictOf, listOf, T, tupleOf, type Type } from "./type.ts";

/** The static type of a constant. */
export function typeOfTemplate(value: Template): Type {
  switch (value.kind) {
    case "none":
      return T.None;
    case "bool":
      return T.bool;
    case "int":
      return T.int;
    case "float":
      return T.float;
    case "complex":
      return T.complex;
    case "str":
      return T.str;
    case "device":
      return T.Device;
    case "tensor":
      return T.Tensor;
    case "list":
      return listOf(value.elem);
    case "tuple":
      return value.type ?? tupleOf(value.items.map(typeOfTemplate));
    case "dict":
      return dictOf(value.key, value.value);
    case "enum":
      return value.type;
    case "object":
      return value.class;
    default:
      return T.Any;
  }
}
