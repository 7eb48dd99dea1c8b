/** State and basic moves of lowering one function: making nodes, packing values, calling ops by name. */

import { GraphBuilder } from "../../ir/builder.ts";
import type { ClassType } from "../../ir/class-type.ts";
import type { FunctionDecl, Location, Node, Param, Value } from "../../ir/graph.ts";
import { fullName, type Schema } from "../../ir/schema.ts";
import type { SchemaTable } from "../../ir/schema-table.ts";
import type { Template } from "../../ir/template.ts";
import { listOf, printType, T, tupleOf, type Type } from "../../ir/type.ts";
import { type ErrorCode, type ErrorFacts, OpwiseError } from "../../tensor/error.ts";
import type { Expr, FunctionDef, Stmt } from "./ast.ts";
import { builtinFunctionsOf, type SourceFunction, upgraderOf } from "./builtin-functions.ts";
import { plainSchema } from "./op-aliases.ts";
import { type CallArguments, type Callable, chooseOverload, type Given, type Plan } from "./overload.ts";
import { type Condition, type Exit, type Meaning, Scope } from "./scope.ts";
import type { SourceText, Span } from "./source-text.ts";

/** What a call of an op may mean, in the order in which it is tried: schemas, then definitions in the language. */
export interface Candidates {
  readonly schemas: readonly Schema[];
  readonly functions: readonly SourceFunction[];
  /** Both. */
  readonly all: readonly Callable[];
}

/** What lowering asks of the archive's code. */
export interface Unit {
  readonly schemas: SchemaTable;
  /** The archive's version: operators below their number keep their old meaning. */
  readonly version: number;
  readonly constants: readonly Template[];
  /** What ops may mean that have been called, by name. */
  readonly candidates: Map<string, Candidates>;
  typeNamed(name: string): Type | undefined;
  functionNamed(name: string): FunctionDecl | undefined;
  /** The function that sorts a list of `elem` in place, where that takes calls of the machine. */
  sortFunction(elem: Type): FunctionDecl | undefined;
  /** Notes that one function calls another, so that recursion is found. */
  noteCall(from: FunctionDecl, to: FunctionDecl): void;
  parameter(def: FunctionDef["params"][number], source: SourceText): Param;
  typeOf(expr: Expr, source: SourceText): Type;
}

/** The mutually recursive passes, handed in so that their files need not import each other. */
export interface Passes {
  meaning(lowering: Lowering, expr: Expr, hint: Type | undefined): Meaning;
  condition(lowering: Lowering, expr: Expr): Condition;
  block(lowering: Lowering, statements: readonly Stmt[], from?: number): Exit;
  call(lowering: Lowering, callee: Meaning, call: CallArguments<Value>, span: Span, hint: Type | undefined): Meaning;
}

/** Ops that sort a list, of whatever elements. */
const SORTS: ReadonlySet<string> = new Set(["aten::sort.any", "aten::sorted.any", "aten::sort.Tensor", "aten::sorted.Tensor"]);

/** An int64 as a template holds it. */
export function intTemplate(value: bigint): Template {
  const number = Number(value);
  return { kind: "int", value: Number.isSafeInteger(number) ? number : value };
}

export class Lowering {
  readonly unit: Unit;
  readonly passes: Passes;
  readonly builder: GraphBuilder = new GraphBuilder();
  /** The function being lowered, for the call graph. */
  readonly owner: FunctionDecl | undefined;
  scope: Scope = new Scope();
  source: SourceText;
  /** Return type of the function or closure at hand; undefined while it is to be inferred. */
  returnType: Type | undefined;
  /** Open branches, bounded because lowering and everything after it recurse along them. */
  nesting = 0;
  /** While the body of a definition of ours is inlined: the place of the call. */
  #inlined: Location | undefined;
  #inlining = 0;

  constructor(unit: Unit, passes: Passes, source: SourceText, owner: FunctionDecl | undefined) {
    this.unit = unit;
    this.passes = passes;
    this.source = source;
    this.owner = owner;
  }

  /** @throws always */
  fail(code: ErrorCode, message: string, span: Span, facts: ErrorFacts = {}): never {
    throw this.source.error(code, message, span, facts);
  }

  locate(span: Span): Location {
    return this.#inlined ?? this.source.place(span);
  }

  // Nodes

  node(
    op: string,
    operands: readonly (Value | undefined)[],
    types: readonly Type[],
    span: Span,
    facts: { attributes?: Node["attributes"]; schema?: Schema | undefined; blocks?: Node["blocks"] } = {},
  ): Value[] {
    return this.builder.node(
      op,
      operands,
      types.map((type) => ({ type })),
      { ...facts, location: this.locate(span) },
    );
  }

  /** A node with one result. */
  one(op: string, operands: readonly (Value | undefined)[], type: Type, span: Span, attributes?: Node["attributes"]): Value {
    return this.builder.one(op, operands, type, { attributes, location: this.locate(span) });
  }

  constant(value: Template, type: Type, span: Span): Value {
    return this.builder.constant(value, type, this.locate(span));
  }

  none(span: Span, type: Type = T.None): Value {
    return this.constant({ kind: "none" }, type, span);
  }

  int(value: number | bigint, span: Span): Value {
    return this.constant(intTemplate(BigInt(value)), T.int, span);
  }

  bool(value: boolean, span: Span): Value {
    return this.constant({ kind: "bool", value }, T.bool, span);
  }

  /** A value that no live path reads. */
  uninitialized(type: Type, span: Span): Value {
    return this.one("prim::Uninitialized", [], type, span);
  }

  /** The same value under another static type. */
  cast(value: Value, type: Type, span: Span): Value {
    return this.one("prim::unchecked_cast", [value], type, span);
  }

  unpackTuple(value: Value, span: Span): readonly Value[] {
    const { type } = value;
    if (type.kind !== "Tuple" && type.kind !== "NamedTuple") return this.fail("bad-code", `\`${printType(type)}\` is no tuple`, span);
    return this.node("prim::TupleUnpack", [value], type.elems, span);
  }

  /** A node of an op by its full name, for conversions that lowering itself inserts. */
  op(name: string, operands: readonly (Value | undefined)[], span: Span): Value {
    const schema = this.unit.schemas.schemaOf(name);
    if (schema === undefined) return this.fail("internal", `no schema \`${name}\``, span);
    const all = schema.args.map((_, i) => operands[i]);
    return this.node(
      name,
      all,
      schema.returns.map((r) => r.type),
      span,
      { schema },
    )[0] as Value; // ops called so return one value
  }

  // Meanings and values

  meaning(expr: Expr, hint?: Type): Meaning {
    return this.passes.meaning(this, expr, hint);
  }

  value(expr: Expr, hint?: Type): Value {
    return this.asValue(this.meaning(expr, hint), expr);
  }

  given(expr: Expr): Given<Value> {
    const meaning = this.meaning(expr);
    const value = this.asValue(meaning, expr);
    return { type: value.type, value, emptyList: meaning.kind === "value" && meaning.emptyList === true };
  }

  asValue(meaning: Meaning, span: Span): Value {
    switch (meaning.kind) {
      case "value":
        return meaning.value;
      case "tuple":
        return this.one("prim::TupleConstruct", meaning.items, tupleOf(meaning.items.map((item) => item.type)), span);
      case "void":
        return this.none(span);
      case "function":
      case "method":
      case "static":
      case "builtin":
        return this.fail("bad-code", `the function \`${meaning.name}\` cannot be used as a value`, span);
      case "path":
        return this.fail("bad-code", `undefined name \`${meaning.path}\``, span, { hint: "the archive has no code for it" });
      case "type":
        return this.fail("bad-code", `the type \`${printType(meaning.type)}\` cannot be used as a value`, span);
      default:
        return this.fail("bad-code", "this cannot be used as a value", span);
    }
  }

  /** Makes nodes of a plan of conversions. */
  realise(plan: Plan<Value>, span: Span): Value {
    switch (plan.kind) {
      case "given":
        return plan.value;
      case "convert":
        return this.op(plan.op, [this.realise(plan.from, span)], span);
      case "list": {
        const items = plan.items.map((item) => this.realise(item, span));
        return this.one("prim::ListConstruct", items, plan.type, span);
      }
      case "unpacked": {
        const elements = this.unpackTuple(this.realise(plan.from, span), span);
        const parts = plan.parts.map((part, i) => this.realise(part.plan(elements[i] as Value), span));
        return this.one(plan.type.kind === "List" ? "prim::ListConstruct" : "prim::TupleConstruct", parts, plan.type, span);
      }
      default:
        return plan satisfies never;
    }
  }

  // Calls of ops

  /**
   * Calls the op `name` (`aten::add`) by overload choice. @throws unsupported-op for an unknown name, bad-code where no overload fits
   */
  builtin(name: string, call: CallArguments<Value>, span: Span): Meaning {
    const candidates = this.#candidates(name);
    const { schemas, functions } = candidates;
    if (candidates.all.length === 0) {
      const similar = this.unit.schemas.similar(name);
      return this.fail("unsupported-op", `unknown op \`${name}\``, span, {
        where: { op: name },
        hint:
          similar.length > 0
            ? `similar names: ${similar.map((s) => `\`${s}\``).join(", ")}`
            : "an op of a custom library needs its schema when the model is loaded",
      });
    }
    const choice = chooseOverload(candidates.all, call);
    if (!("match" in choice)) {
      const texts = [...schemas.map((schema) => schema.text), ...functions.map((f) => `${f.def.name} (defined in the language)`)];
      return this.fail("bad-code", `no overload of \`${name}\` fits its arguments`, span, {
        where: { op: name },
        got: `(${[...(call.self === undefined ? [] : [call.self.type]), ...call.args.map((a) => a.type)]
          .map(printType)
          .concat(call.kwargs.map((k) => `${k.name}=${printType(k.value.type)}`))
          .join(", ")})`,
        wanted: texts
          .slice(0, 8)
          .map((text, i) => `${text}\n              ${choice[i] ?? ""}`)
          .join("\n            "),
      });
    }
    const { match } = choice;
    const chosen = schemas[choice.index];
    const operands = match.operands.map((plan) => (plan === undefined ? undefined : this.realise(plan, span)));
    if (chosen === undefined) {
      const fn = functions[choice.index - schemas.length];
      if (fn === undefined) return this.fail("internal", "the chosen overload has no definition", span);
      return { kind: "value", value: this.#inline(fn, operands, span) };
    }
    const sorting = this.#sort(fullName(chosen), operands, span);
    if (sorting !== undefined) return sorting;
    const schema = plainSchema(chosen, this.unit.schemas);
    const all = [...operands, ...match.rest.map((given) => given.value)];
    const results = this.node(fullName(schema), all, match.returns, span, { schema });
    const [first] = results;
    if (first === undefined) return { kind: "void" };
    if (results.length === 1) return { kind: "value", value: first };
    const fields = schema.returns.map((r) => r.name);
    return { kind: "tuple", items: results, fields: fields.every((field) => field !== "") ? fields : undefined };
  }

  /** What `name` may mean: once for all calls, but for those in definitions of ours, where operators have today's meaning. */
  #candidates(name: string): Candidates {
    const inlining = this.#inlining > 0;
    const known = inlining ? undefined : this.unit.candidates.get(name);
    if (known !== undefined) return known;
    const schemas: Schema[] = [];
    const functions: SourceFunction[] = [];
    for (const schema of this.unit.schemas.schemasOf(name)) {
      // A dtype is an int here, so this overload would take every `view(x, -1)`; PyTorch leaves it out as well.
      if (schema.overload === "dtype" && name === "aten::view") continue;
      const upgrader = upgraderOf(fullName(schema), inlining ? Infinity : this.unit.version);
      if (upgrader === undefined) schemas.push(schema);
      else functions.push(upgrader);
    }
    functions.push(...builtinFunctionsOf(name));
    const candidates = { schemas, functions, all: [...schemas, ...functions.map((fn) => this.#callableOf(fn))] };
    if (!inlining) this.unit.candidates.set(name, candidates);
    return candidates;
  }

  /** `sort` and `sorted` of elements whose order is a method or a tensor's values: a call of a function, no op. */
  #sort(name: string, operands: readonly (Value | undefined)[], span: Span): Meaning | undefined {
    if (!SORTS.has(name)) return undefined;
    const [list, reverse] = operands;
    const sort = list?.type.kind === "List" ? this.unit.sortFunction(list.type.elem) : undefined;
    if (list === undefined || sort === undefined) return undefined;
    const copies = name.startsWith("aten::sorted");
    const target = copies ? this.callOpValue("aten::list", [list], span) : list;
    if (this.owner !== undefined) this.unit.noteCall(this.owner, sort);
    this.one("prim::CallFunction", [target, reverse ?? this.bool(false, span)], T.None, span, { name: { kind: "str", value: sort.name } });
    return copies ? { kind: "value", value: target } : { kind: "void" };
  }

  /** `builtin` of plain values. */
  callOp(name: string, args: readonly Value[], span: Span, kwargs: Readonly<Record<string, Value>> = {}): Meaning {
    return this.builtin(
      name,
      {
        args: args.map((value) => ({ type: value.type, value })),
        kwargs: Object.entries(kwargs).map(([key, value]) => ({ name: key, value: { type: value.type, value } })),
      },
      span,
    );
  }

  callOpValue(name: string, args: readonly Value[], span: Span, kwargs: Readonly<Record<string, Value>> = {}): Value {
    return this.asValue(this.callOp(name, args, span, kwargs), span);
  }

  #callableOf(fn: SourceFunction): Callable {
    const args = fn.def.params.map((param) => ({ ...this.unit.parameter(param, fn.source), kwargOnly: param.kwargOnly }));
    return { args, returns: fn.def.returns === undefined ? [] : [{ type: this.unit.typeOf(fn.def.returns, fn.source) }], vararg: false };
  }

  #inline(fn: SourceFunction, operands: readonly (Value | undefined)[], span: Span): Value {
    const saved = { scope: this.scope, source: this.source, returnType: this.returnType, inlined: this.#inlined };
    this.#inlined = this.locate(span);
    this.#inlining++;
    const scope = new Scope();
    for (const [i, param] of fn.def.params.entries()) {
      const { type, default: fallback } = this.unit.parameter(param, fn.source);
      const given = operands[i] ?? this.constant(fallback ?? { kind: "none" }, type, span);
      scope.set(param.name, { kind: "value", value: given.type === type ? given : this.cast(given, type, span) });
    }
    this.scope = scope;
    this.source = fn.source;
    this.returnType = fn.def.returns === undefined ? T.None : this.unit.typeOf(fn.def.returns, fn.source);
    const exit = this.passes.block(this, fn.def.body);
    const value = exit.value ?? this.none(span);
    this.scope = saved.scope;
    this.source = saved.source;
    this.returnType = saved.returnType;
    this.#inlined = saved.inlined;
    this.#inlining--;
    return value;
  }

  // Calls of the archive's functions

  /** Operands for a function of the archive, all parameters filled in. @throws bad-code */
  fillParams(name: string, decl: { readonly params: FunctionDecl["params"] }, call: CallArguments<Value>, span: Span): readonly Value[] {
    const choice = chooseOverload([{ args: decl.params, returns: [], vararg: false }], call);
    if (!("match" in choice)) return this.fail("bad-code", `call of \`${name}\` does not fit: ${choice.join("; ")}`, span);
    return choice.match.operands.map((plan, i) => {
      const param = decl.params[i];
      if (plan !== undefined) return this.realise(plan, span);
      return this.constant(param?.default ?? { kind: "none" }, param?.type ?? T.Any, span);
    });
  }

  /** The slot `name` of an object. */
  attribute(object: Value, cls: ClassType, name: string, span: Span): Value | undefined {
    const slot = cls.slots.get(name);
    const attribute = slot === undefined ? undefined : cls.attributes[slot];
    if (attribute === undefined) {
      const constant = cls.constants.get(name);
      return constant === undefined ? undefined : this.constant(constant.value, constant.type, span);
    }
    const value = this.one("prim::GetAttr", [object], attribute.type, span, { name: { kind: "str", value: name } });
    value.name = name;
    return value;
  }

  listOfValues(items: readonly Value[], elem: Type, span: Span): Value {
    return this.one("prim::ListConstruct", items, listOf(elem), span);
  }

  /** An error that came from below, with the place filled in where it has none. */
  within<At extends Span, R>(span: At, work: (lowering: Lowering, at: At) => R): R {
    try {
      return work(this, span);
    } catch (error) {
      if (error instanceof OpwiseError && error.where.record === undefined) throw error.at(this.source.where(span));
      throw error;
    }
  }
}
