/** All code of an archive: classes and functions by qualified name, declared when first named, lowered when first asked for. */

import { addAttribute, type ClassType, type EnumType, type InterfaceType, makeClass } from "../../ir/class-type.ts";
import type { Block, FunctionDecl, Location, Param } from "../../ir/graph.ts";
import type { SchemaTable } from "../../ir/schema-table.ts";
import type { Template } from "../../ir/template.ts";
import { isSubtype, type NamedTupleType, printType, T, type Type } from "../../ir/type.ts";
import { typeOfTemplate } from "../../ir/template-type.ts";
import { type OpwiseError, unreachable } from "../../tensor/error.ts";
import type { ClassDef, Expr, FileAst, FunctionDef, ParamDef, Stmt } from "./ast.ts";
import { graphFor, isCopyable, withoutOwnName } from "./copies.ts";
import { foreignClass } from "./foreign.ts";
import { lowerFunction } from "./lower.ts";
import { type Candidates, intTemplate, type Unit } from "./lowering.ts";
import { parseFile } from "./parser.ts";
import { sortOf } from "./sorting.ts";
import type { SourceText, Span } from "./source-text.ts";
import { dottedName, parseType, typeOfExpr } from "./type-expression.ts";

/** Deepest nest of named tuples inside each other. */
const MAX_TUPLE_DEPTH = 50;

type Named = ClassType | EnumType | InterfaceType | NamedTupleType;

/** A parsed record. What has been declared is taken out. */
interface OpenFile {
  readonly source: SourceText;
  readonly ast: FileAst;
}

/** The text of a constant expression, as a template. `wanted` is its declared type. @throws bad-code */
function constantOf(expr: Expr, wanted: Type | undefined, unit: CodeUnit, source: SourceText): Template {
  const type = wanted?.kind === "Optional" ? wanted.elem : wanted;
  const of = (inner: Expr, t?: Type): Template => constantOf(inner, t, unit, source);
  switch (expr.kind) {
    case "none":
      return { kind: "none" };
    case "bool":
      return { kind: "bool", value: expr.value };
    case "int":
      return type?.kind === "float" ? { kind: "float", value: Number(expr.value) } : intTemplate(expr.value);
    case "float":
      return { kind: "float", value: expr.value };
    case "imaginary":
      return { kind: "complex", re: 0, im: expr.value };
    case "str":
      return { kind: "str", value: expr.value };
    case "name":
      if (expr.name === "inf") return { kind: "float", value: Infinity };
      if (expr.name === "nan") return { kind: "float", value: NaN };
      if (expr.name === "infj") return { kind: "complex", re: 0, im: Infinity };
      if (expr.name === "nanj") return { kind: "complex", re: 0, im: NaN };
      break;
    case "unary": {
      const inner = expr.op === "-" ? of(expr.value, wanted) : undefined;
      if (inner?.kind === "float") return { kind: "float", value: -inner.value };
      if (inner?.kind === "complex") return { kind: "complex", re: -inner.re, im: -inner.im };
      if (inner?.kind === "int") return intTemplate(-BigInt(inner.value));
      break;
    }
    case "binary": {
      const left = of(expr.left);
      const right = of(expr.right);
      if ((left.kind === "float" || left.kind === "int") && right.kind === "complex" && (expr.op === "+" || expr.op === "-")) {
        return { kind: "complex", re: Number(left.value), im: expr.op === "+" ? right.im : -right.im };
      }
      break;
    }
    case "list": {
      const elem = type?.kind === "List" ? type.elem : undefined;
      const items = expr.items.map((item) => of(item, elem));
      return { kind: "list", elem: elem ?? (items[0] === undefined ? T.Tensor : typeOfTemplate(items[0])), items };
    }
    case "tuple": {
      const elems = type?.kind === "Tuple" || type?.kind === "NamedTuple" ? type.elems : [];
      return { kind: "tuple", items: expr.items.map((item, i) => of(item, elems[i])), ...(type?.kind === "NamedTuple" ? { type } : {}) };
    }
    case "dict": {
      const dict = type?.kind === "Dict" ? type : undefined;
      const entries = expr.keys.map((key, i) => [of(key, dict?.key), of(expr.values[i] as Expr, dict?.value)] as const);
      const [first] = entries;
      return {
        kind: "dict",
        key: dict?.key ?? (first === undefined ? T.str : typeOfTemplate(first[0])),
        value: dict?.value ?? (first === undefined ? T.Tensor : typeOfTemplate(first[1])),
        entries,
      };
    }
    case "call": {
      const name = dottedName(expr.callee);
      const [only] = expr.args;
      if (name === "torch.device" && only?.kind === "str") return { kind: "device", value: only.value };
      if (name === "annotate" && expr.args[1] !== undefined && only !== undefined) return of(expr.args[1], unit.typeOf(only, source));
      const named = name === undefined ? undefined : unit.typeNamed(name);
      if (named?.kind === "NamedTuple") return { kind: "tuple", items: expr.args.map((arg, i) => of(arg, named.elems[i])), type: named };
      break;
    }
    case "attr": {
      const name = dottedName(expr);
      const constant = name === undefined ? undefined : /^CONSTANTS\.c(\d{1,9})$/.exec(name)?.[1];
      if (constant !== undefined) {
        const value = unit.constants[Number(constant)];
        if (value !== undefined) return value;
        break;
      }
      const dot = name?.lastIndexOf(".") ?? -1;
      const owner = name === undefined ? undefined : unit.typeNamed(name.slice(0, dot));
      if (name !== undefined && owner?.kind === "Enum" && owner.members.some((m) => m.name === name.slice(dot + 1)))
        return { kind: "enum", type: owner, member: name.slice(dot + 1) };
      break;
    }
    default:
  }
  throw source.error("bad-code", "a default value or class constant must be a constant", expr);
}

/** A function whose body is lowered when it is first asked for; its syntax tree is let go then. */
class Lowered implements FunctionDecl {
  readonly name: string;
  readonly params: readonly Param[];
  readonly location: Location;
  readonly #source: SourceText;
  readonly #span: Span;
  readonly #declared: Type | undefined;
  #lower: ((owner: Lowered) => Block) | undefined;
  #lowering = false;
  #graph: Block | undefined;

  constructor(name: string, params: readonly Param[], declared: Type | undefined, source: SourceText, span: Span, lower: (owner: Lowered) => Block) {
    this.name = name;
    this.params = params;
    this.location = source.place(span);
    this.#source = source;
    this.#span = span;
    this.#declared = declared;
    this.#lower = lower;
  }

  get returns(): Type {
    return this.#declared ?? this.graph().outputs[0]?.type ?? T.None;
  }

  graph(): Block {
    if (this.#graph !== undefined) return this.#graph;
    if (this.#lowering || this.#lower === undefined) throw this.recursion();
    this.#lowering = true;
    try {
      this.#graph = this.#lower(this);
      this.#lower = undefined;
    } finally {
      this.#lowering = false;
    }
    return this.#graph;
  }

  recursion(): OpwiseError {
    return this.#source.error("bad-code", `\`${this.name}\` is called recursively`, this.#span, { hint: "TorchScript has no recursive functions" });
  }
}

/** What a load needs of the code: see `Unit`. */
export class CodeUnit implements Unit {
  readonly schemas: SchemaTable;
  readonly version: number;
  /** Set once `constants.pkl` is read; nothing is lowered before. */
  constants: readonly Template[] = [];
  readonly candidates: Map<string, Candidates> = new Map();
  readonly classes: Map<string, Type> = new Map();
  readonly functions: Map<string, FunctionDecl> = new Map();

  readonly #sourceOf: (record: string) => SourceText | undefined;
  readonly #files = new Map<string, OpenFile | undefined>();
  /** Trees of files by text, and graphs of methods of which there may be copies. */
  readonly #trees = new Map<string, FileAst>();
  readonly #graphs = new Map<FunctionDef, { readonly cls: ClassType; readonly graph: Block }>();
  /** Declared classes whose members are still to be read. */
  readonly #toFill: (() => void)[] = [];
  #filling = false;
  #tupleDepth = 0;
  /** Every function of every class and namespace named so far, and what each calls. */
  readonly #declared: Lowered[] = [];
  readonly #calls = new Map<FunctionDecl, Set<FunctionDecl>>();

  /** @param sourceOf the text of a record such as `code/__torch__/net.py` */
  constructor(schemas: SchemaTable, version: number, sourceOf: (record: string) => SourceText | undefined) {
    this.schemas = schemas;
    this.version = version;
    this.#sourceOf = sourceOf;
  }

  #file(qualifiedName: string): { readonly file: OpenFile; readonly name: string } | undefined {
    const dot = qualifiedName.lastIndexOf(".");
    if (dot < 0) return undefined;
    const record = `code/${qualifiedName.slice(0, dot).replaceAll(".", "/")}.py`;
    if (!this.#files.has(record)) {
      const source = this.#sourceOf(record);
      this.#files.set(record, source === undefined ? undefined : { source, ast: this.#parsed(source, qualifiedName.slice(0, dot)) });
    }
    const file = this.#files.get(record);
    return file === undefined ? undefined : { file, name: qualifiedName.slice(dot + 1) };
  }

  /** The definitions of a file. Copies of a file share one tree. */
  #parsed(source: SourceText, namespace: string): FileAst {
    const text = withoutOwnName(source.text, namespace);
    const ast = this.#trees.get(text) ?? parseFile(source, text);
    this.#trees.set(text, ast);
    return { classes: new Map(ast.classes), functions: new Map(ast.functions) };
  }

  // Types

  typeNamed(name: string): Type | undefined {
    const known = this.classes.get(name);
    if (known !== undefined) return known;
    if (!name.startsWith("__torch__.")) return undefined;
    if (name.startsWith("__torch__.torch.classes.")) {
      const cls = foreignClass(name);
      this.classes.set(name, cls);
      return cls;
    }
    const found = this.#file(name);
    const def = found?.file.ast.classes.get(found.name);
    if (found === undefined || def === undefined) return undefined;
    const made = this.#declare(name, def, found.file.source);
    found.file.ast.classes.delete(found.name);
    this.#drain();
    return made;
  }

  #drain(): void {
    if (this.#filling) return;
    this.#filling = true;
    try {
      for (let next = this.#toFill.pop(); next !== undefined; next = this.#toFill.pop()) next();
    } finally {
      this.#filling = false;
    }
  }

  #declare(name: string, def: ClassDef, source: SourceText): Named {
    switch (def.base) {
      case "NamedTuple":
        return this.#namedTuple(name, def, source);
      case "Enum":
        return this.#enum(name, def, source);
      case "Interface":
      case "ModuleInterface": {
        const type: InterfaceType = { kind: "Interface", name, isModule: def.base === "ModuleInterface", methods: [] };
        this.classes.set(name, type);
        this.#toFill.push(() => this.#fillInterface(type, def, source));
        return type;
      }
      case undefined:
      case "Module": {
        const type = makeClass(name, def.base === "Module");
        this.classes.set(name, type);
        this.#toFill.push(() => this.#fillClass(type, def, source));
        return type;
      }
      default:
        throw source.error("bad-code", `a class cannot extend \`${def.base}\``, def, { wanted: "Module, NamedTuple, Enum, Interface or ModuleInterface" });
    }
  }

  #namedTuple(name: string, def: ClassDef, source: SourceText): NamedTupleType {
    if (++this.#tupleDepth > MAX_TUPLE_DEPTH) throw source.error("bad-code", `the named tuple \`${name}\` holds itself, or too deep a nest`, def);
    const fields: string[] = [];
    const elems: Type[] = [];
    for (const member of def.members) {
      const field = declaration(member);
      if (field === undefined) continue;
      fields.push(field.name);
      elems.push(this.typeOf(field.type, source));
    }
    this.#tupleDepth--;
    const type: NamedTupleType = { kind: "NamedTuple", name, fields, elems };
    this.classes.set(name, type);
    return type;
  }

  #enum(name: string, def: ClassDef, source: SourceText): EnumType {
    const members: { name: string; value: Template }[] = [];
    for (const member of def.members) {
      if (member.kind !== "assign") continue;
      const [target] = member.targets;
      if (target?.kind === "name" && !target.name.startsWith("__"))
        members.push({ name: target.name, value: constantOf(member.value, undefined, this, source) });
    }
    const [first] = members;
    const type: EnumType = { kind: "Enum", name, value: first === undefined ? T.int : typeOfTemplate(first.value), members };
    if (members.some((m) => m.value.kind !== first?.value.kind))
      throw source.error("bad-code", `the members of the enum \`${name}\` have values of several types`, def);
    this.classes.set(name, type);
    return type;
  }

  #fillInterface(type: InterfaceType, def: ClassDef, source: SourceText): void {
    for (const member of def.members) {
      if (member.kind !== "def") continue;
      const params = member.def.params.slice(1).map((param) => ({ name: param.name, type: this.parameter(param, source).type }));
      type.methods.push({ name: member.def.name, params, returns: member.def.returns === undefined ? T.Tensor : this.typeOf(member.def.returns, source) });
    }
  }

  #fillClass(type: ClassType, def: ClassDef, source: SourceText): void {
    for (const member of def.members) {
      if (member.kind === "def") {
        const decl = this.#function(member.def, member.def.name, source, type);
        if (!type.methods.has(member.def.name)) type.methods.set(member.def.name, decl);
        continue;
      }
      const field = declaration(member);
      if (field !== undefined) {
        const declared = this.typeOf(field.type, source);
        if (field.value !== undefined) type.constants.set(field.name, { type: declared, value: constantOf(field.value, declared, this, source) });
        else if (type.slots.has(field.name)) throw source.error("bad-code", `the attribute \`${field.name}\` is declared twice`, member);
        else addAttribute(type, field.name, declared);
        continue;
      }
      if (member.kind === "pass") continue;
      const names = nameList(member);
      if (names === undefined) throw source.error("bad-code", "this cannot stand in a class", member);
      switch (names.list) {
        case "__parameters__":
          for (const name of names.items) type.parameters.add(name);
          break;
        case "__buffers__":
          for (const name of names.items) type.buffers.add(name);
          break;
        case "__forward_pre_hooks__":
          type.forwardPreHooks.push(...names.items);
          break;
        case "__forward_hooks__":
          type.forwardHooks.push(...names.items);
          break;
        default:
      }
    }
  }

  typeOf(expr: Expr, source: SourceText): Type {
    return typeOfExpr(expr, (name) => this.#lookup(name), source);
  }

  /** A type text of a pickle. @throws bad-code */
  typeOfText(text: string, record: string): Type {
    return parseType(text, (name) => this.#lookup(name), record);
  }

  #lookup(name: string): Type | undefined {
    return this.typeNamed(name);
  }

  // Functions

  functionNamed(name: string): FunctionDecl | undefined {
    const known = this.functions.get(name);
    if (known !== undefined) return known;
    if (!name.startsWith("__torch__.")) return undefined;
    const found = this.#file(name);
    const def = found?.file.ast.functions.get(found.name);
    if (found === undefined || def === undefined) return undefined;
    const decl = this.#function(def, name, found.file.source, undefined);
    found.file.ast.functions.delete(found.name);
    this.functions.set(name, decl);
    return decl;
  }

  parameter(def: ParamDef, source: SourceText): Param {
    const type = def.type === undefined ? T.Tensor : this.typeOf(def.type, source);
    if (def.value === undefined) return { name: def.name, type };
    const value = constantOf(def.value, type, this, source);
    if (!isSubtype(typeOfTemplate(value), type) && value.kind !== "none" && value.kind !== "list" && value.kind !== "dict") {
      throw source.error("bad-code", `the default of \`${def.name}\` does not fit \`${printType(type)}\``, def);
    }
    return { name: def.name, type, default: value };
  }

  #function(def: FunctionDef, name: string, source: SourceText, cls: ClassType | undefined): FunctionDecl {
    const params = def.params.map((param, i): Param =>
      i === 0 && cls !== undefined && param.type === undefined ? { name: param.name, type: cls } : this.parameter(param, source),
    );
    const returns = def.returns === undefined ? undefined : this.typeOf(def.returns, source);
    const lower = (owner: Lowered): Block => lowerFunction(this, def, { params }, returns, source, owner);
    return this.#lowered(def, name, params, returns, source, cls === undefined ? lower : (owner) => this.#methodGraph(def, source, cls, owner, lower));
  }

  /** The graph of a method, made of that of a copy where there is one. Those that call others are not copied: who calls whom is noted while they are lowered. */
  #methodGraph(def: FunctionDef, source: SourceText, cls: ClassType, owner: Lowered, lower: (owner: Lowered) => Block): Block {
    const known = this.#graphs.get(def);
    if (known !== undefined) return graphFor(cls, source, known.cls, known.graph);
    const graph = lower(owner);
    if (!this.#calls.has(owner) && isCopyable(cls, graph)) this.#graphs.set(def, { cls, graph });
    return graph;
  }

  #lowered(
    def: FunctionDef,
    name: string,
    params: readonly Param[],
    declared: Type | undefined,
    source: SourceText,
    lower: (owner: Lowered) => Block,
  ): FunctionDecl {
    const decl = new Lowered(name, params, declared, source, { start: def.start, end: def.end }, lower);
    this.#declared.push(decl);
    return decl;
  }

  sortFunction(elem: Type): FunctionDecl | undefined {
    const key = `sort of ${printType(elem)}`;
    const known = this.functions.get(key);
    if (known !== undefined) return known;
    const named = new Map<string, FunctionDecl>();
    for (const { def, source, params, returns } of sortOf(elem) ?? []) {
      const name = def.name === "sort" ? key : `${def.name} in ${key}`;
      const typed = def.params.map((param, i): Param => ({ name: param.name, type: params[i] ?? T.Any }));
      const before = new Map(named);
      const decl = this.#lowered(def, name, typed, returns, source, (owner) => lowerFunction(this, def, { params: typed }, returns, source, owner, before));
      named.set(def.name, decl);
      this.functions.set(name, decl);
    }
    return named.get("sort");
  }

  noteCall(from: FunctionDecl, to: FunctionDecl): void {
    const known = this.#calls.get(from);
    if (known === undefined) this.#calls.set(from, new Set([to]));
    else known.add(to);
  }

  /** Lowers everything that has been named, and what that names in turn; called again, it goes on where it was stopped. @throws bad-code, unsupported-op, limit-exceeded */
  lowerAll(): void {
    for (let i = 0; i < this.#declared.length; i++) (this.#declared[i] as FunctionDecl).graph();
    this.#refuseRecursion();
  }

  #refuseRecursion(): void {
    const done = new Set<FunctionDecl>();
    for (const start of this.#declared) {
      if (done.has(start)) continue;
      const path: { readonly decl: FunctionDecl; readonly rest: Iterator<FunctionDecl> }[] = [];
      const onPath = new Set<FunctionDecl>();
      const enter = (decl: FunctionDecl): void => {
        path.push({ decl, rest: (this.#calls.get(decl) ?? new Set()).values() });
        onPath.add(decl);
      };
      enter(start);
      for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
        const next = top.rest.next();
        if (next.done === true) {
          path.pop();
          onPath.delete(top.decl);
          done.add(top.decl);
        } else if (onPath.has(next.value)) {
          throw next.value instanceof Lowered ? next.value.recursion() : unreachable(`a function that is not of the archive calls \`${next.value.name}\``);
        } else if (!done.has(next.value)) enter(next.value);
      }
    }
  }
}

/** `name : type`, `name : Final[type] = value` and `__annotations__["name"] = type` as one. */
function declaration(member: Stmt): { readonly name: string; readonly type: Expr; readonly value?: Expr } | undefined {
  if (member.kind === "declare") return member;
  if (member.kind !== "assign") return undefined;
  const [target] = member.targets;
  if (target?.kind === "name" && member.type !== undefined) return { name: target.name, type: member.type, value: member.value };
  if (target?.kind === "subscript" && target.base.kind === "name" && target.base.name === "__annotations__" && target.indices[0]?.kind === "str") {
    return { name: target.indices[0].value, type: member.value };
  }
  return undefined;
}

/** `__parameters__ = ["weight", ]` and its kin. */
function nameList(member: Stmt): { readonly list: string; readonly items: readonly string[] } | undefined {
  if (member.kind !== "assign" || member.value.kind !== "list") return undefined;
  const [target] = member.targets;
  if (target?.kind !== "name" || !target.name.startsWith("__")) return undefined;
  return { list: target.name, items: member.value.items.flatMap((item) => (item.kind === "str" ? [item.value] : [])) };
}
