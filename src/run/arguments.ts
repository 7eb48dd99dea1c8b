/** The arguments of a call from outside, and PyTorch's words for those that a function of the model does not take. */

import type { Datum } from "../ir/datum.ts";
import type { FunctionDecl } from "../ir/graph.ts";
import type { Template } from "../ir/template.ts";
import { printType, type Type } from "../ir/type.ts";
import { readableText } from "../ops/prim/text.ts";
import { isOpwiseError, OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Borrowed, fromDatum, type Input, toDatum } from "./convert.ts";

/** A type as schemas write it: `int[]?`, `Dict(str, Tensor)`, `(int, str)`. */
function schemaType(type: Type): string {
  switch (type.kind) {
    case "Optional":
      return `${schemaType(type.elem)}?`;
    case "List":
      return `${schemaType(type.elem)}[]`;
    case "Dict":
      return `Dict(${schemaType(type.key)}, ${schemaType(type.value)})`;
    case "Tuple":
      return `(${type.elems.map(schemaType).join(", ")})`;
    case "Union":
      return `Union(${type.members.map(schemaType).join(", ")})`;
    case "Future":
    case "Await":
    case "RRef":
      return `${type.kind}(${schemaType(type.elem)})`;
    case "number":
      return "Scalar";
    default:
      return printType(type);
  }
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"']/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\t", "\\t").replaceAll("\r", "\\r")}"`;
}

/** `forward(__torch__.Net self, Tensor x, int n=3) -> Tensor`. `datum` makes the values of defaults. */
function declarationText(decl: FunctionDecl, datum: (template: Template) => Datum): string {
  const params = decl.params.map((p) => {
    if (p.default === undefined) return `${schemaType(p.type)} ${p.name}`;
    const value = datum(p.default);
    return `${schemaType(p.type)} ${p.name}=${typeof value === "string" ? quoted(value) : readableText(value)}`;
  });
  const returns = schemaType(decl.returns);
  return `${decl.name}(${params.join(", ")}) -> ${decl.returns.kind === "Tuple" ? `(${returns})` : returns}`;
}

/** The Python class of an argument; an array stands for a tuple where one is wanted. */
function pythonClass(value: Input, wanted: Type): string {
  if (value === null || value === undefined) return "NoneType";
  if (value instanceof Tensor) return "Tensor";
  if (typeof value === "string") return "str";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  if (Array.isArray(value)) return wanted.kind === "Tuple" || wanted.kind === "NamedTuple" ? "tuple" : "list";
  if (value instanceof Map || !("kind" in value) || typeof value.kind !== "string") return "dict";
  return value.kind;
}

/** What is called. */
export interface Callee {
  readonly decl: FunctionDecl;
  /** Parameters before those that a caller gives: the module itself. */
  readonly own: number;
  /** The value of a default. */
  readonly datum: (template: Template) => Datum;
  /** Optional parameters may be left out without a default (ONNX). */
  readonly optional: boolean;
}

function mismatch(callee: Callee, index: number, value: Input, cause: OpwiseError): OpwiseError {
  const { decl, own } = callee;
  const param = decl.params[index + own];
  if (param === undefined) return cause;
  const head = `${decl.name}() Expected a value of type '${printType(param.type)}' for argument '${param.name}' but instead found type '${pythonClass(value, param.type)}'.`;
  return new OpwiseError("type-mismatch", `${head}\nPosition: ${index + own}\nDeclaration: ${declarationText(decl, callee.datum)}`, {
    wanted: cause.wanted,
    got: cause.got,
    hint: cause.hint ?? cause.message,
    cause,
  });
}

/**
 * Arguments in parameter order: positional, then by name, then defaults.
 * @throws bad-argument, type-mismatch in PyTorch's words
 */
export function callArguments(callee: Callee, args: readonly Input[], kwargs: Readonly<Record<string, Input>>, borrowed: Borrowed): Datum[] {
  const { decl, own, datum } = callee;
  const params = decl.params.slice(own);
  const wanted = params.map((p) => p.name).join(", ");
  const refuse = (message: string, got?: string): OpwiseError => new OpwiseError("bad-argument", message, { wanted, got });
  const text = (): string => declarationText(decl, datum);
  if (args.length > params.length)
    throw refuse(
      `${decl.name}() expected at most ${decl.params.length} argument(s) but received ${args.length + own} argument(s). Declaration: ${text()}`,
      `${args.length}`,
    );
  const data = params.map((p, i) => {
    const given = i < args.length ? args[i] : kwargs[p.name];
    if (given !== undefined) {
      try {
        return toDatum(given, p.type, `argument \`${p.name}\` of \`${decl.name}\``, borrowed);
      } catch (error) {
        throw isOpwiseError(error) && error.code === "type-mismatch" ? mismatch(callee, i, given, error) : error;
      }
    }
    if (p.default !== undefined) return datum(p.default);
    if (i < args.length || (p.type.kind === "Optional" && callee.optional)) return null;
    throw refuse(`${decl.name}() is missing value for argument '${p.name}'. Declaration: ${text()}`);
  });
  for (const name of Object.keys(kwargs)) {
    const at = params.findIndex((p) => p.name === name);
    if (at < 0) throw refuse(`Unknown keyword argument '${name}' for operator '${decl.name}'. Schema: ${text()}`);
    if (at < args.length) throw refuse(`Argument '${name}' specified both as positional and keyword argument. Schema: ${text()}`);
  }
  return data;
}

/** Carries a list's changes back to the array it was made of. */
export function returnItems(array: readonly Input[], items: readonly Datum[]): void {
  if (!Array.isArray(array) || Object.isFrozen(array)) return;
  const target = array as Input[]; // the caller gave a plain, mutable array
  const changed = target.length !== items.length || items.some((item, i) => typeof item !== "object" && item !== target[i]);
  if (changed) target.splice(0, target.length, ...items.map((item): Input => fromDatum(item)));
}

/** A hook's view of a call: its inputs without the module, as a tuple. */
export function tupleOf(values: readonly Datum[]): Datum {
  return { kind: "tuple", type: undefined, items: values.slice(1) };
}

/** A pre-hook's new inputs behind the module itself. */
export function spread(values: readonly Datum[], hooked: readonly Datum[]): readonly Datum[] {
  const [given = null] = hooked;
  if (given === null) return values;
  const items = typeof given === "object" && "kind" in given && given.kind === "tuple" ? given.items : [given];
  return [values[0] ?? null, ...items];
}
