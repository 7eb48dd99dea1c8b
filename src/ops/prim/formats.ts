/** Text made of values: `str(x)`, `"{}".format(...)` and `"%d" % x`. Tensors among the values are read. */

import type { Datum } from "../../ir/datum.ts";
import type { Context } from "../../prims/context.ts";
import type { Op, Reads } from "../define.ts";
import { raised, scalarOf, textOf } from "./data.ts";
import { readableText, scientific, tensorsIn } from "./text.ts";

/** `{}` replaced by the values in turn; there is no other syntax, and values left over are dropped. */
function formatted(pattern: string, values: readonly Datum[]): string {
  let used = 0;
  let out = "";
  let from = 0;
  for (let at = pattern.indexOf("{}"); at >= 0; at = pattern.indexOf("{}", from)) {
    const value = values[used++];
    if (value === undefined) throw raised(`Too few arguments for format string: ${pattern}`);
    out += pattern.slice(from, at) + readableText(value);
    from = at + 2;
  }
  return out + pattern.slice(from);
}

const isNumber = (value: Datum): boolean => typeof value === "number" || typeof value === "bigint" || (typeof value === "object" && value !== null && "kind" in value && (value.kind === "int" || value.kind === "float"));

function kindName(value: Datum): string {
  if (typeof value === "string") return "String";
  if (value === null) return "None";
  if (typeof value === "boolean") return "Bool";
  if (typeof value === "object" && "kind" in value) return value.kind === "list" ? "GenericList" : value.kind === "dict" ? "GenericDict" : value.kind === "tuple" ? "Tuple" : value.kind === "bool" ? "Bool" : "Object";
  return "Tensor";
}

/** Six digits after the point; `toFixed` gives up at 1e21. */
function fixedText(x: number): string {
  return Math.abs(x) < 1e21 ? x.toFixed(6) : `${BigInt(x)}.000000`;
}

function converted(specifier: string, value: Datum): string {
  if ("dieEfF".includes(specifier)) {
    if (!isNumber(value)) throw raised(`%${specifier} requires a number for formatting, but got ${kindName(value)}`);
    const n = scalarOf(value);
    const x = n.kind === "complex" ? n.re : n.value;
    if (specifier === "d" || specifier === "i") return typeof x === "number" ? String(Math.trunc(x)) : String(x);
    // PyTorch formats a single precision number here.
    const single = Math.fround(Number(x));
    if (specifier === "f" || specifier === "F") return Number.isFinite(single) ? `${Object.is(single, -0) ? "-" : ""}${fixedText(single)}` : specifier === "F" ? readableText({ kind: "float", value: single }).toUpperCase() : readableText({ kind: "float", value: single });
    const text = scientific(single, 6);
    return specifier === "E" ? text.toUpperCase() : text;
  }
  if (specifier === "c") {
    if (typeof value === "string" && value.length === 1) return value;
    if (isNumber(value)) {
      const n = scalarOf(value);
      if (n.kind === "int") return String.fromCharCode(Number(BigInt.asUintN(8, BigInt(n.value))));
    }
    throw raised(`%${specifier} requires an int or char for formatting, but got ${isNumber(value) ? "Double" : kindName(value)}`);
  }
  if (specifier === "s") return readableText(value);
  throw raised(`The specifier %${specifier} is not supported in TorchScript format strings`);
}

function percentFormatted(pattern: string, values: readonly Datum[]): string {
  let used = 0;
  let out = "";
  for (let i = 0; i < pattern.length; i++) {
    if (pattern.charAt(i) !== "%") {
      out += pattern.charAt(i);
      continue;
    }
    i++;
    if (i >= pattern.length) throw raised("Incomplete format specifier");
    const specifier = pattern.charAt(i);
    if (specifier === "%") {
      out += "%";
      continue;
    }
    const value = values[used++];
    if (value === undefined) throw raised("Too few arguments for format string");
    out += converted(specifier, value);
  }
  if (used < values.length) throw raised("Too many arguments for format string");
  return out;
}

/** An op over values of any kind that reads the tensors among them. */
function textOp(name: string, schema: string, make: (args: readonly Datum[]) => string): Op {
  return {
    name, schema, quantised: "own", quantisedWrites: false,
    body: {
      kind: "reads",
      run: function* run(_ctx: Context, args: readonly unknown[]): Reads {
        const data = args as readonly Datum[]; // the arguments of an op whose schema converts none
        for (const value of data) yield* tensorsIn(value);
        return make(data);
      },
    },
  };
}

/** All of them. */
export const formats: readonly Op[] = [
  textOp("aten::str", "aten::str(t elem) -> str", ([value]) => readableText(value ?? null)),
  textOp("aten::format", "aten::format(str self, ...) -> str", ([pattern, ...values]) => formatted(textOf(pattern), values)),
  textOp("aten::percentFormat", "aten::percentFormat(str self, ...) -> str", ([pattern, ...values]) => {
    const [only] = values;
    // A tuple is the list of the values.
    const spread = values.length === 1 && typeof only === "object" && only !== null && "kind" in only && only.kind === "tuple" ? only.items : values;
    return percentFormatted(textOf(pattern), spread);
  }),
];

/** For `print`: the values' texts with blanks between. The tensors among them must be readable. */
export function printedLine(values: readonly Datum[]): string {
  return values.map((value) => readableText(value)).join(" ");
}
