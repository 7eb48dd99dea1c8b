/** Type texts of the code language (`Dict[str, List[Tensor]]`) to types; class names are looked up by the caller. */

import { dictOf, listOf, optionalOf, T, tupleOf, type Type, unionOf } from "../../ir/type.ts";
import type { Expr, ExprOf } from "./ast.ts";
import { parseExpression } from "./parser.ts";
import { SourceText } from "./source-text.ts";

/** Finds a class, interface, enum or named tuple of the archive; undefined when there is none. */
export type TypeLookup = (qualifiedName: string) => Type | undefined;

const SIMPLE: Readonly<Record<string, Type>> = {
  Tensor: T.Tensor,
  int: T.int,
  float: T.float,
  bool: T.bool,
  str: T.str,
  complex: T.complex,
  number: T.number,
  Scalar: T.number,
  Device: T.Device,
  NoneType: T.None,
  None: T.None,
  Any: T.Any,
  Generator: T.Generator,
  Stream: T.Stream,
  Storage: T.Storage,
  Capsule: T.Capsule,
  Quantizer: T.Quantizer,
  AnyList: T.AnyList,
  AnyListType: T.AnyList,
  AnyTuple: T.AnyTuple,
  AnyTupleType: T.AnyTuple,
  AnyClassType: T.AnyClass,
  AnyEnumType: T.AnyEnum,
  list: T.AnyList,
  tuple: T.AnyTuple,
  Layout: T.int,
  ScalarType: T.int,
  MemoryFormat: T.int,
  QScheme: T.int,
  Dimname: T.str,
  SymInt: T.int,
  SymFloat: T.float,
  SymBool: T.bool,
};

/** `a.b.c` of nested attributes, or undefined for another expression. */
export function dottedName(expr: Expr): string | undefined {
  const parts: string[] = [];
  let at = expr;
  while (at.kind === "attr") {
    parts.push(at.name);
    at = at.base;
  }
  if (at.kind !== "name") return undefined;
  parts.push(at.name);
  return parts.reverse().join(".");
}

function fail(message: string, expr: Expr, source: SourceText): never {
  throw source.error("bad-code", message, expr);
}

/** `List[Tensor]` and its kin. */
function typeWithParts(expr: ExprOf<"subscript">, lookup: TypeLookup, source: SourceText): Type {
  const of = (inner: Expr): Type => typeOfExpr(inner, lookup, source);
  const head = dottedName(expr.base);
  const items = expr.indices.length === 1 && expr.indices[0]?.kind === "tuple" ? expr.indices[0].items : expr.indices;
  const only = (): Type => (items.length === 1 ? of(items[0] as Expr) : fail(`\`${head ?? "?"}\` takes one type`, expr, source));
  switch (head) {
    case "List":
      return listOf(only());
    case "Optional":
      return optionalOf(only());
    case "Future":
      return { kind: "Future", elem: only() };
    case "Await":
      return { kind: "Await", elem: only() };
    case "RRef":
      return { kind: "RRef", elem: only() };
    case "Final":
      return only();
    case "Tuple":
      return expr.indices.length === 1 && expr.indices[0]?.kind === "tuple" && expr.indices[0].items.length === 0 ? tupleOf([]) : tupleOf(items.map(of));
    case "Union":
      return unionOf(items.map(of));
    case "Dict": {
      const [key, value, ...more] = items;
      if (key === undefined || value === undefined || more.length > 0) return fail("`Dict` takes two types", expr, source);
      return dictOf(of(key), of(value));
    }
    default: {
      // Bytecode writes a named tuple out: `__torch__.P[NamedTuple, [[a, Tensor], [b, int]]]`.
      const [kind, list] = items;
      if (head === undefined || kind?.kind !== "name" || kind.name !== "NamedTuple" || list?.kind !== "list")
        return fail(`unknown type \`${head ?? "?"}[...]\``, expr, source);
      const fields = list.items.map((field) => {
        const [name, type] = field.kind === "list" ? field.items : [];
        return name?.kind === "name" && type !== undefined
          ? { name: name.name, type: of(type) }
          : fail("a named tuple's field is not [name, type]", expr, source);
      });
      return { kind: "NamedTuple", name: head, fields: fields.map((field) => field.name), elems: fields.map((field) => field.type) };
    }
  }
}

/** The type that `expr` writes. @throws bad-code for an unknown name or form */
export function typeOfExpr(expr: Expr, lookup: TypeLookup, source: SourceText): Type {
  switch (expr.kind) {
    case "none":
      return T.None;
    case "name": {
      const simple = Object.hasOwn(SIMPLE, expr.name) ? SIMPLE[expr.name] : undefined;
      return simple ?? lookup(expr.name) ?? fail(`unknown type \`${expr.name}\``, expr, source);
    }
    case "attr": {
      const name = dottedName(expr);
      if (name === undefined) return fail("this is no type", expr, source);
      const short = name.startsWith("torch.") ? name.slice("torch.".length) : undefined;
      if (short === "device") return T.Device;
      if (short !== undefined && Object.hasOwn(SIMPLE, short)) return SIMPLE[short] as Type; // just tested
      return lookup(name) ?? fail(`unknown type \`${name}\``, expr, source);
    }
    case "subscript":
      return typeWithParts(expr, lookup, source);
    default:
      return fail("this is no type", expr, source);
  }
}

/** Parses a type text, such as a container's tag in a pickle. @throws bad-code */
export function parseType(text: string, lookup: TypeLookup, record: string): Type {
  const source = new SourceText(record, text);
  return typeOfExpr(parseExpression(source), lookup, source);
}
