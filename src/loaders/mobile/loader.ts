/**
 * Loads a module of the lite interpreter: the flatbuffer form, and the zip form where it has bytecode and no code. Its functions become typed
 * graphs as those of TorchScript do. Nothing of it is run.
 */

import { SNIFF_BYTES, sniffFormat } from "../../bytes/format.ts";
import { FlatBuffer } from "../../bytes/flatbuffer.ts";
import { DEFAULT_LIMITS, type Limits } from "../../bytes/limits.ts";
import { readAll } from "../../bytes/source.ts";
import { openZip, type Zip } from "../../bytes/zip.ts";
import type { Block, FunctionDecl, Param, Program } from "../../ir/graph.ts";
import { SchemaTable } from "../../ir/schema-table.ts";
import type { Template } from "../../ir/template.ts";
import { printType, T } from "../../ir/type.ts";
import { verifyProgram } from "../../ir/verifier.ts";
import { isOpwiseError, OpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { Archive, checkByteOrder, extraOf, readObjects, versionOf } from "../torchscript/archive.ts";
import { upgraderOf } from "../torchscript/builtin-functions.ts";
import { CodeUnit } from "../torchscript/code-unit.ts";
import { lowerFunction } from "../torchscript/lower.ts";
import { type BytecodeFunction, NEWEST_BYTECODE, OLDEST_BYTECODE } from "./bytecode.ts";
import { bytecodeFunctionsOf, bytecodeVersionOf } from "./bytecode-pickle.ts";
import { FlatModule } from "./flatbuffer-module.ts";
import { step } from "./instructions.ts";
import { BytecodeLowering, type Context } from "./lowering.ts";
import { holds, MobileUnit } from "./unit.ts";

export interface MobileOptions {
  /** The archive, where it is one and open already. */
  readonly zip?: Zip | undefined;
  readonly limits?: Limits | undefined;
  /** Schemas of custom ops, `my::op(Tensor x) -> Tensor`. */
  readonly schemas?: readonly string[] | undefined;
  /** Told when the model is found to have an op that is not common. */
  readonly uncommon?: (() => void) | undefined;
  /** The device on which what was saved on `device` (`cuda:0`) is put. Left out: the name is kept. */
  readonly mapLocation?: ((device: string) => string) | undefined;
}

/** Newest version of the operators: no old meanings. */
const CURRENT_OPERATORS = 10;
/** Rounds in which attributes' types may grow; each gives at least one attribute a wider type, and a type widens a few times at most. */
const MAX_ROUNDS = 64;
/** Simulated instructions per instruction of the file, for what is simulated again because types grew. */
const WORK_PER_INSTRUCTION = 64;

/** What both forms of a module give. */
export interface MobileModule {
  readonly unit: MobileUnit;
  readonly root: Template;
  readonly functions: readonly BytecodeFunction[];
  readonly bytecodeVersion: number;
  readonly operatorVersion: number;
  readonly extra: ReadonlyMap<string, string>;
}

/** Functions that are old meanings of operators, made when first used. */
class Upgraders {
  readonly used: Map<string, FunctionDecl> = new Map();
  readonly #version: number;
  readonly #unit: CodeUnit;

  constructor(schemas: SchemaTable, version: number) {
    this.#version = version;
    this.#unit = new CodeUnit(schemas, CURRENT_OPERATORS, () => undefined);
  }

  of(fullName: string): FunctionDecl | undefined {
    const found = this.#version >= CURRENT_OPERATORS ? undefined : upgraderOf(fullName, this.#version);
    if (found === undefined) return undefined;
    const name = `old meaning of ${fullName}`;
    const known = this.used.get(name);
    if (known !== undefined) return known;
    const { def, source } = found;
    const params = def.params.map((param) => this.#unit.parameter(param, source));
    const returns = def.returns === undefined ? T.None : this.#unit.typeOf(def.returns, source);
    let graph: Block | undefined;
    const decl: FunctionDecl = { name, params, returns, graph: () => (graph ??= lowerFunction(this.#unit, def, { params }, returns, source, decl)) };
    this.used.set(name, decl);
    return decl;
  }
}

/** `__torch__.net.Net` and `forward`. */
function splitName(name: string): readonly [cls: string, method: string] {
  const dot = name.lastIndexOf(".");
  if (dot <= 0) throw new OpwiseError("bad-model", `the function \`${name.slice(0, 200)}\` belongs to no class`);
  return [name.slice(0, dot), name.slice(dot + 1)];
}

/** The program of a module. @throws bad-model, unsupported-version, unsupported-op, limit-exceeded, verify-failed */
function mobileProgram(module: MobileModule, name: string, schemas: SchemaTable, limits: Limits): Program {
  const { unit, root, functions, bytecodeVersion } = module;
  if (bytecodeVersion < OLDEST_BYTECODE || bytecodeVersion > NEWEST_BYTECODE) {
    throw new OpwiseError("unsupported-version", "the bytecode is of a version that cannot be read", {
      wanted: `${OLDEST_BYTECODE} to ${NEWEST_BYTECODE}`,
      got: String(bytecodeVersion),
    });
  }
  if (root.kind !== "object") throw new OpwiseError("bad-model", "the module's state is no object", { got: root.kind });
  // All are asked for before anything is made: see `SchemaTable.complete`.
  for (const fn of functions) for (const operator of fn.operators) schemas.schemasOf(operator.name);
  const upgraders = new Upgraders(schemas, module.operatorVersion);
  const size = functions.reduce((n, fn) => n + fn.instructions.length, 0);
  if (size > limits.maxNodes)
    throw new OpwiseError("limit-exceeded", "the module has too many instructions", { wanted: `at most ${limits.maxNodes}`, got: `${size}` });
  let work = 1_000_000 + size * WORK_PER_INSTRUCTION;
  const context: Context = {
    unit,
    schemas,
    operatorVersion: module.operatorVersion,
    limits,
    upgrader: (fullName) => upgraders.of(fullName),
    spend: (steps) => {
      work -= steps;
      if (work < 0) throw new OpwiseError("limit-exceeded", "the types of the bytecode cannot be found in reasonable time");
    },
  };
  // Named tuples are written out where they are made, and only named elsewhere.
  for (const fn of functions) for (const text of fn.types) if (text.includes("[NamedTuple")) unit.typeOfText(text, fn.name);
  const byName = new Map<string, BytecodeFunction>();
  /** Bodies of the round at hand. */
  const bodies = new Map<FunctionDecl, Block>();
  for (const fn of functions) {
    if (byName.has(fn.name)) throw new OpwiseError("bad-model", `the function \`${fn.name}\` is there twice`);
    byName.set(fn.name, fn);
    const [owner, method] = splitName(fn.name);
    const cls = unit.classNamed(owner);
    const decl = declare(fn, cls, method, module, context, bodies);
    cls.methods.set(method, decl);
  }
  checkStates(root);
  for (let round = 0; ; round++) {
    if (round >= MAX_ROUNDS) throw new OpwiseError("limit-exceeded", "the types of the attributes cannot be found");
    unit.grown = false;
    bodies.clear();
    for (const cls of unit.classes.values())
      if (cls.kind === "Class" && !cls.name.startsWith("__torch__.torch.classes.")) for (const decl of cls.methods.values()) decl.graph();
    if (!unit.grown) break;
  }
  const program: Program = {
    format: "mobile",
    version: `bytecode ${bytecodeVersion}, operators ${module.operatorVersion}`,
    name,
    classes: unit.classes,
    functions: upgraders.used,
    root,
    extra: module.extra,
    sourceText: (record) => {
      const fn = byName.get(record);
      return fn === undefined ? undefined : listing(fn);
    },
  };
  verifyProgram(program);
  return program;
}

/** What objects restore themselves from is what their `__setstate__` takes. Walks with a stack of its own. @throws bad-model */
function checkStates(root: Template): void {
  const seen = new Set<Template>([root]);
  const pending: Template[] = [root];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    const inner: Template[] = [];
    if (value.kind === "list" || value.kind === "tuple") inner.push(...value.items);
    else if (value.kind === "dict") for (const [key, item] of value.entries) inner.push(key, item);
    else if (value.kind === "object") {
      inner.push(...value.fields);
      const wanted = value.class.methods.get("__setstate__")?.params[1]?.type;
      if (value.state !== undefined) {
        if (wanted === undefined || !holds(wanted, value.state)) {
          throw new OpwiseError("bad-model", `the state of a \`${value.class.name}\` is not what its \`__setstate__\` takes`, {
            wanted: wanted === undefined ? undefined : printType(wanted),
          });
        }
        inner.push(value.state);
      }
    }
    for (const item of inner) {
      if (seen.has(item)) continue;
      seen.add(item);
      pending.push(item);
    }
  }
}

function declare(
  fn: BytecodeFunction,
  cls: Param["type"],
  name: string,
  module: MobileModule,
  context: Context,
  bodies: Map<FunctionDecl, Block>,
): FunctionDecl {
  const { unit } = module;
  const params = (fn.params ?? unknownParams(fn)).map((param, i): Param => ({
    name: param.name,
    type: i === 0 ? cls : unit.typeOfText(param.type, fn.name),
    ...(param.default === undefined ? {} : { default: param.default }),
  }));
  if (params.length === 0) throw new OpwiseError("bad-model", `\`${fn.name}\` has no \`self\``);
  const decl: FunctionDecl = {
    name,
    params,
    returns: fn.returns === undefined ? T.Any : unit.typeOfText(fn.returns, fn.name),
    graph: () => {
      let body = bodies.get(decl);
      if (body === undefined) {
        body = new BytecodeLowering(context, fn, step).run(decl);
        bodies.set(decl, body);
      }
      return body;
    },
    location: { record: fn.name, line: 1 },
  };
  return decl;
}

/** Bytecode before version 4 has no schemas: the first instruction stores the arguments. */
function unknownParams(fn: BytecodeFunction): { readonly name: string; readonly type: string; readonly default: undefined }[] {
  const [first] = fn.instructions;
  const count = first?.op === "STOREN" ? first.n : first?.op === "STORE" ? 1 : 0;
  return Array.from({ length: count }, (_, i) => ({ name: i === 0 ? "self" : `arg${i}`, type: "Any", default: undefined }));
}

/** The instructions as text, one a line: what errors point into. */
function listing(fn: BytecodeFunction): string {
  return fn.instructions
    .map(({ op, x, n }) => {
      const operator = op === "OP" || op === "OPN" ? fn.operators[x] : undefined;
      const called = operator === undefined ? "" : `  ${operator.name}${operator.overload === "" ? "" : `.${operator.overload}`}`;
      return `${op} ${x} ${n}${called}`;
    })
    .join("\n");
}

async function flatbufferModule(source: Source, options: MobileOptions, limits: Limits): Promise<MobileModule> {
  const buffer = new FlatBuffer(await readAll(source, limits.maxFileBytes));
  const unit = new MobileUnit();
  const module = new FlatModule(buffer, source, unit, limits, options.mapLocation ?? ((device) => device));
  const root = module.root();
  return { unit, root, functions: module.functions(), bytecodeVersion: module.bytecodeVersion, operatorVersion: module.operatorVersion, extra: module.extra() };
}

async function zipModule(source: Source, options: MobileOptions, limits: Limits): Promise<MobileModule> {
  const archive = new Archive(options.zip ?? (await openZip(source, limits)));
  for (const name of ["bytecode.pkl", "data.pkl"])
    if (!archive.has(name)) throw new OpwiseError("missing-record", `the archive has no record \`${name}\``, { where: { record: name } });
  const operatorVersion = await versionOf(archive);
  await checkByteOrder(archive);
  const unit = new MobileUnit();
  // Until bytecode 5 its tensors had a folder of their own.
  const folder = archive.names.some((name) => name.startsWith("bytecode/")) ? "bytecode" : "constants";
  const code = await readObjects(archive, unit, "bytecode.pkl", folder, options, limits);
  const functions = bytecodeFunctionsOf(code.value, (value) => code.reader.read(value));
  const restored = functions.filter((fn) => fn.name.endsWith(".__setstate__")).map((fn) => fn.name);
  for (const name of restored) unit.restores(name.slice(0, name.lastIndexOf(".")));
  const { reader, value } = await readObjects(archive, unit, "data.pkl", "data", options, limits);
  return { unit, root: reader.read(value), functions, bytecodeVersion: bytecodeVersionOf(code.value), operatorVersion, extra: await extraOf(archive) };
}

/**
 * Reads a module of the lite interpreter in either form. Tensors stay ranges of `source`.
 * @throws bad-zip, truncated, missing-record, unsafe-pickle, bad-pickle, bad-model, bad-tensor, bad-code, unsupported-version,
 *   unsupported-op, unsupported-dtype, verify-failed, limit-exceeded
 */
export async function loadMobile(source: Source, options: MobileOptions = {}): Promise<Program> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  try {
    const head = await source.read({ offset: 0, length: Math.min(SNIFF_BYTES, source.size) });
    const flat = sniffFormat(head, source.size) === "torch-mobile";
    const module = await (flat ? flatbufferModule : zipModule)(source, options, limits);
    const schemas = new SchemaTable(options.schemas, options.uncommon);
    return await schemas.complete(() => mobileProgram(module, source.name, schemas, limits));
  } catch (error) {
    throw isOpwiseError(error) ? error.at({ file: source.name }) : error;
  }
}
