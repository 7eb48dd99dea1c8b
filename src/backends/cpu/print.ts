/** Prints programs as JavaScript kernels. One kernel per program, kind and rank; sizes, strides and pointers are arguments. */

import { type Expr, isBigType, operandsOf as operands, reachable } from "../../expr/expr.ts";
import { type Schedule, schedule } from "../../expr/schedule.ts";
import type { Combiner } from "../../prims/combiner.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, dtypeInfo, type TypedArray } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { codecBindings, loadText, storeText } from "./element.ts";
import { binaryText, castText, RUNTIME, UNARY } from "./scalar.ts";

/** Typed arrays of operands then results, their offsets and strides (in carrier elements), 32-bit views of 64-bit operands. */
export interface KernelArguments {
  readonly arrays: readonly TypedArray[];
  readonly halves: readonly (Int32Array | undefined)[];
  readonly offsets: readonly number[];
  readonly strides: readonly (readonly number[])[];
  readonly shape: readonly number[];
  readonly scalars: readonly (number | bigint | boolean)[];
  /** Scan: whether `index` on the scanned axis runs backwards. */
  readonly reverse?: boolean;
}
/** Runs a kernel; the result is 0, or 1 + the code of the check that failed. */
export type Kernel = (args: KernelArguments) => number;

class Printer {
  readonly lines: string[] = [];
  readonly #program: Program;
  /** Text of the pointer (carrier index) of operand k at the current position; undefined: loads only. */
  readonly #pointer: (operand: number) => string;
  readonly #index: (axis: number) => string;
  readonly #names = new Map<Expr, string>();
  /** Tells apart the temporaries of printers whose texts nest. */
  readonly #prefix: string;
  #temps = 0;

  constructor(program: Program, pointer: (operand: number) => string, index: (axis: number) => string, prefix = "") {
    this.#prefix = prefix;
    this.#program = program;
    this.#pointer = pointer;
    this.#index = index;
  }

  name(e: Expr): string {
    return this.#names.get(e) ?? unreachable(`expression ${e.op} before its value`);
  }
  bind(e: Expr, text: string): void {
    this.#names.set(e, text);
  }
  emit(text: string): void {
    this.lines.push(text);
  }

  /** Evaluates `roots` here. Returns their texts. */
  evaluate(roots: readonly Expr[]): string[] {
    this.run(schedule(roots, new Set(this.#names.keys())), roots);
    return roots.map((e) => this.name(e));
  }

  run(steps: Schedule, roots: readonly Expr[]): void {
    const exact = exactUses(steps, roots);
    for (const step of steps.steps) {
      if (step.kind === "loop") {
        const { loop } = step;
        const state = loop.init.map((init) => {
          const name = `${this.#prefix}v${this.#temps++}`;
          this.emit(`let ${name}=${this.name(init)};`);
          return name;
        });
        const trip = `${this.#prefix}k${this.#temps++}`;
        this.emit(`for(let ${trip}=0;${trip}<${this.name(loop.count)};${trip}++){`);
        const outer = new Map(this.#names);
        for (const e of reachable([...loop.body, ...(loop.until === undefined ? [] : [loop.until])])) {
          if (e.op === "state" && e.level === loop.level) this.bind(e, state[e.part] ?? unreachable("loop state"));
          if (e.op === "trip" && e.level === loop.level) this.bind(e, trip);
        }
        if (loop.until !== undefined) {
          this.run(step.untilBody, [loop.until]);
          this.emit(`if(${this.name(loop.until)})break;`);
        }
        this.run(step.body, loop.body);
        const next = loop.body.map((e) => this.name(e));
        const temps = next.map((text) => {
          const name = `${this.#prefix}t${this.#temps++}`;
          this.emit(`const ${name}=${text};`);
          return name;
        });
        state.forEach((name, i) => this.emit(`${name}=${temps[i]};`));
        this.emit("}");
        this.#names.clear();
        for (const [e, text] of outer) this.#names.set(e, text);
        loop.init.forEach((_, part) => this.#names.set(foldKey(loop.id, part), state[part] ?? ""));
        continue;
      }
      const e = step.expr;
      if (this.#names.has(e)) continue;
      if (e.op === "fold") {
        this.bind(e, this.#names.get(foldKey(e.loop.id, e.part)) ?? unreachable("fold before its loop"));
        continue;
      }
      if ((e.op === "arg" || e.op === "load") && isBigType(e.type) && !exact.has(e)) continue; // only read by halves
      const text = this.text(e);
      if (e.op === "const" || e.op === "scalar" || e.op === "index") this.bind(e, text);
      else {
        const name = `${this.#prefix}t${this.#temps++}`;
        this.emit(`const ${name}=${text};`);
        this.bind(e, name);
      }
    }
  }

  #loadAt(operand: number, part: number, at: readonly Expr[]): string {
    const terms = at.map((e, axis) => `${this.name(e)}*s${operand}_${axis}`);
    return [`o${operand}`, ...terms, ...(part === 1 ? ["1"] : [])].join("+");
  }

  text(e: Expr): string {
    switch (e.op) {
      case "const":
        return constantText(e.value);
      case "scalar":
        return `c${e.slot}`;
      case "index":
        return this.#index(e.axis);
      case "arg": {
        const p = this.#pointer(e.operand);
        return loadText(this.#program.operands[e.operand] ?? "float32", `b${e.operand}`, e.part === 1 ? `${p}+1` : p);
      }
      case "load": {
        const read = loadText(this.#program.operands[e.operand] ?? "float32", `b${e.operand}`, this.#loadAt(e.operand, e.part, e.at));
        return e.inside === undefined || e.outside === undefined ? read : `(${this.name(e.inside)}?${read}:${this.name(e.outside)})`;
      }
      case "unary":
        return UNARY[e.fn].text(e.a.type, this.name(e.a));
      case "binary":
        return binaryText(e.fn, e.a.type, this.name(e.a), this.name(e.b));
      case "select":
        return `(${this.name(e.cond)}?${this.name(e.a)}:${this.name(e.b)})`;
      case "cast": {
        const from = e.a;
        if ((from.op === "arg" || from.op === "load") && isBigType(from.type) && byHalves(e.type) && !this.#names.has(from)) {
          const p = from.op === "arg" ? this.#pointer(from.operand) : `(${this.#loadAt(from.operand, 0, from.at)})`;
          const high = from.type === "i64" ? `h${from.operand}[2*${p}+1]` : `(h${from.operand}[2*${p}+1]>>>0)`;
          const value = `${high}*4294967296+(h${from.operand}[2*${p}]>>>0)`;
          const guarded = from.op === "load" && from.inside !== undefined && from.outside !== undefined ? `(${this.name(from.inside)}?${value}:Number(${this.name(from.outside)}))` : `(${value})`;
          return e.type === "f32" ? `$f(${guarded})` : guarded;
        }
        return castText(from.type, e.type, this.name(from), e.saturate);
      }
      case "round":
        return `$round("${e.format}",${e.saturate},${this.name(e.a)})`;
      case "bitcast":
        return `$bits("${e.a.type}","${e.type}",${this.name(e.a)})`;
      case "check":
        return `${this.name(e.a)};if(!${this.name(e.cond)})return ${e.code + 1}`;
      default:
        return unreachable(`printing ${e.op}`);
    }
  }
}

const foldKeys = new Map<string, Expr>();
/** A stand-in key under which a finished loop's state is kept in the name table. */
function foldKey(loop: number, part: number): Expr {
  const key = `${loop}.${part}`;
  let e = foldKeys.get(key);
  if (e === undefined) {
    e = { op: "acc", id: -1, type: "index", part };
    foldKeys.set(key, e);
  }
  return e;
}

function byHalves(type: string): boolean {
  return type === "index" || type === "f64" || type === "f32";
}

function constantText(value: number | bigint | boolean): string {
  if (typeof value === "bigint") return value < 0n ? `(${value}n)` : `${value}n`;
  if (typeof value === "boolean") return String(value);
  const text = Object.is(value, -0) ? "-0" : String(value);
  return text.startsWith("-") ? `(${text})` : text;
}

/** 64-bit elements that some node needs exactly (not only as a number). */
function exactUses(steps: Schedule, roots: readonly Expr[]): Set<Expr> {
  const used = new Set<Expr>(roots);
  for (const step of steps.steps) {
    if (step.kind === "loop") {
      for (const e of reachable([step.loop.count, ...step.loop.init])) used.add(e);
      for (const inner of [step.body, step.untilBody]) for (const e of exactUses(inner, [])) used.add(e);
      for (const e of [...step.loop.body, ...(step.loop.until === undefined ? [] : [step.loop.until])]) used.add(e);
      continue;
    }
    const e = step.expr;
    for (const o of operands(e)) if (!(e.op === "cast" && byHalves(e.type) && o === e.a)) used.add(o);
  }
  return used;
}

/** 32-bit halves are wanted of 64-bit operands; others have none. */
export function wantsHalves(dtype: DType): boolean {
  const carrier = dtypeInfo(dtype).carrier;
  return carrier === "i64" || carrier === "u64";
}

function compile(program: Program, body: string, extra: readonly DType[] = []): Kernel {
  const bindings: Record<string, unknown> = { ...RUNTIME, ...codecBindings([...program.operands, ...program.outputs.map((o) => o.dtype), ...extra]) };
  const names = Object.keys(bindings).filter((name) => body.includes(`$${name}`));
  // The text is made of our own operators and of numbers; nothing of the model's gets into it.
  const make = new Function("R", `"use strict";${names.map((n) => `const $${n}=R.${n};`).join("")}\nreturn function kernel(A){${body}};`) as (r: Record<string, unknown>) => Kernel;
  return make(bindings);
}

function prologue(program: Program, results: number, rankOf: (k: number) => number): string[] {
  const lines = ["const B=A.arrays,H=A.halves,O=A.offsets,S=A.strides,N=A.shape,C=A.scalars;"];
  const total = program.operands.length + results;
  for (let k = 0; k < total; k++) {
    lines.push(`const b${k}=B[${k}],o${k}=O[${k}];`);
    const dtype = program.operands[k];
    if (dtype !== undefined && wantsHalves(dtype)) lines.push(`const h${k}=H[${k}];`);
    for (let d = 0; d < rankOf(k); d++) lines.push(`const s${k}_${d}=S[${k}][${d}];`);
  }
  program.scalars.forEach((_, i) => lines.push(`const c${i}=C[${i}];`));
  return lines;
}

/** Nested loops `from..to` over axes, carrying pointers of buffers `ks`; `p{k}` at depth d is `p{k}_{d}`. */
function openLoops(lines: string[], from: number, to: number, ks: readonly number[]): void {
  for (let d = from; d < to; d++) {
    for (const k of ks) lines.push(`let p${k}_${d + 1}=${d === 0 ? `o${k}` : `p${k}_${d}`};`);
    lines.push(`for(let i${d}=0;i${d}<N[${d}];i${d}++){`);
  }
}
function closeLoops(lines: string[], from: number, to: number, ks: readonly number[]): void {
  for (let d = to - 1; d >= from; d--) lines.push(`${ks.map((k) => `p${k}_${d + 1}+=s${k}_${d};`).join("")}}`);
}

function storeOutputs(p: Printer, program: Program, first: number, at: (k: number) => string): void {
  program.outputs.forEach((output, j) => {
    const texts = p.evaluate(output.parts);
    texts.forEach((text, part) => p.emit(storeText(output.dtype, `b${first + j}`, part === 1 ? `${at(first + j)}+1` : at(first + j), text)));
  });
}

/** Kernel of a map call of loop rank `rank` (at least 1). */
export function printMap(program: Program, rank: number): Kernel {
  const count = program.operands.length;
  const all = Array.from({ length: count + program.outputs.length }, (_, k) => k);
  const lines = prologue(program, program.outputs.length, () => rank);
  openLoops(lines, 0, rank, all);
  const at = (k: number): string => `p${k}_${rank}`;
  const p = new Printer(program, at, () => unreachable("index in a map"));
  const parts = program.outputs.flatMap((o) => o.parts);
  p.evaluate(parts); // all values first: a result may be an operand's memory
  storeOutputs(p, program, count, at);
  lines.push(...p.lines);
  closeLoops(lines, 0, rank, all);
  return compile(program, `${lines.join("\n")}\nreturn 0;`);
}

/** Kernel of a compute call over results of rank `rank`; operands have their own ranks. */
export function printCompute(program: Program, rank: number, operandRanks: readonly number[]): Kernel {
  const count = program.operands.length;
  const results = Array.from({ length: program.outputs.length }, (_, j) => count + j);
  const lines = prologue(program, program.outputs.length, (k) => (k < count ? (operandRanks[k] ?? 0) : rank));
  openLoops(lines, 0, rank, results);
  const at = (k: number): string => (rank === 0 ? `o${k}` : `p${k}_${rank}`);
  const p = new Printer(program, (k) => `o${k}`, (axis) => `i${axis}`);
  storeOutputs(p, program, count, at);
  lines.push(...p.lines);
  closeLoops(lines, 0, rank, results);
  return compile(program, `${lines.join("\n")}\nreturn 0;`);
}

/** Kernel of a reduction: `kept` outer axes, then `reduced` inner ones. `axisOf` maps an axis of the call's shape to its loop. */
export function printReduce(program: Program, combiner: Combiner, dtypes: readonly DType[], kept: number, reduced: number, loopOf: readonly number[]): Kernel {
  const count = program.operands.length;
  const rank = kept + reduced;
  const ops = Array.from({ length: count }, (_, k) => k);
  const results = dtypes.map((_, j) => count + j);
  const lines = prologue(program, dtypes.length, (k) => (k < count ? rank : kept));
  openLoops(lines, 0, kept, [...ops, ...results]);
  combiner.init.forEach((e, i) => lines.push(`let acc${i}=${e.op === "const" ? constantText(e.value) : unreachable("init")};`));
  if (kept === 0) for (const k of ops) lines.push(`const p${k}_0=o${k};`);
  openLoops(lines, kept, rank, ops);
  const p = new Printer(program, (k) => `p${k}_${rank}`, (axis) => `i${loopOf[axis] ?? axis}`);
  const element = p.evaluate(program.outputs.flatMap((o) => o.parts));
  bindStates(p, combiner, element);
  const next = p.evaluate(combiner.combine);
  const temps = next.map((text, i) => `const n${i}=${text};`);
  lines.push(...p.lines, ...temps, ...next.map((_, i) => `acc${i}=n${i};`));
  closeLoops(lines, kept, rank, ops);
  const end = new Printer(program, () => unreachable("operand in a finish"), () => unreachable("index in a finish"), "f");
  bindStates(end, combiner, element);
  finishStores(end, combiner, dtypes, count, (k) => (kept === 0 ? `o${k}` : `p${k}_${kept}`));
  lines.push(...end.lines);
  closeLoops(lines, 0, kept, [...ops, ...results]);
  return compile(program, `${lines.join("\n")}\nreturn 0;`, dtypes);
}

function bindStates(p: Printer, combiner: Combiner, element: readonly string[]): void {
  for (const e of reachable([...combiner.combine, ...combiner.finish])) {
    if (e.op === "acc") p.bind(e, `acc${e.part}`);
    if (e.op === "val") p.bind(e, element[e.part] ?? unreachable("combiner takes more than the program gives"));
  }
}

/** Stores the finished state, converted to the results' dtypes. Complex results take two states. */
function finishStores(p: Printer, combiner: Combiner, dtypes: readonly DType[], first: number, at: (k: number) => string): void {
  const values = p.evaluate(combiner.finish);
  let slot = 0;
  dtypes.forEach((dtype, j) => {
    for (let part = 0; part < dtypeInfo(dtype).lanes; part++, slot++) {
      const from = combiner.finish[slot] ?? unreachable("more results than states");
      p.emit(storeText(dtype, `b${first + j}`, part === 1 ? `${at(first + j)}+1` : at(first + j), castText(from.type, computeType(dtype), values[slot] ?? "", false)));
    }
  });
}

/** Kernel of a scan: `outer` axes, then the scanned one. */
export function printScan(program: Program, combiner: Combiner, dtypes: readonly DType[], outer: number, exclusive: boolean, loopOf: readonly number[]): Kernel {
  const count = program.operands.length;
  const rank = outer + 1;
  const all = Array.from({ length: count + dtypes.length }, (_, k) => k);
  const lines = prologue(program, dtypes.length, () => rank);
  openLoops(lines, 0, outer, all);
  combiner.init.forEach((e, i) => lines.push(`let acc${i}=${e.op === "const" ? constantText(e.value) : unreachable("init")};`));
  if (outer === 0) for (const k of all) lines.push(`const p${k}_0=o${k};`);
  openLoops(lines, outer, rank, all);
  const at = (k: number): string => `p${k}_${rank}`;
  const p = new Printer(program, at, (axis) => (loopOf[axis] === outer ? `(A.reverse?N[${outer}]-1-i${outer}:i${outer})` : `i${loopOf[axis] ?? axis}`));
  const element = p.evaluate(program.outputs.flatMap((o) => o.parts));
  lines.push(...p.lines);
  const store = (): void => {
    const end = new Printer(program, () => unreachable("operand"), () => unreachable("index"), "f");
    bindStates(end, combiner, element);
    finishStores(end, combiner, dtypes, count, at);
    lines.push("{", ...end.lines, "}");
  };
  const step = new Printer(program, () => unreachable("operand"), () => unreachable("index"), "j");
  bindStates(step, combiner, element);
  const next = step.evaluate(combiner.combine);
  if (exclusive) store();
  lines.push("{", ...step.lines, ...next.map((text, i) => `const n${i}=${text};`), ...next.map((_, i) => `acc${i}=n${i};`), "}");
  if (!exclusive) store();
  closeLoops(lines, 0, rank, all);
  return compile(program, `${lines.join("\n")}\nreturn 0;`, dtypes);
}

/** Kernel of a scatter over a space of rank `rank` into one result of rank `target`. */
export function printScatter(program: Program, combine: "set" | "add" | "mul" | "min" | "max", dtype: DType, rank: number, target: number, operandRanks: readonly number[]): Kernel {
  const count = program.operands.length;
  const lines = prologue(program, 1, (k) => (k < count ? (operandRanks[k] ?? 0) : target));
  openLoops(lines, 0, rank, []);
  const p = new Printer(program, (k) => `o${k}`, (axis) => `i${axis}`);
  const texts = p.evaluate(program.outputs.flatMap((o) => o.parts));
  const types = program.outputs.flatMap((o) => o.parts.map((e) => e.type));
  const at = texts.slice(0, target).map((text, d) => `${castText(types[d] ?? "index", "index", text, false)}*s${count}_${d}`);
  p.emit(`const at=${[`o${count}`, ...at].join("+")};`);
  const type = computeType(dtype);
  texts.slice(target).forEach((text, part) => {
    const where = part === 1 ? "at+1" : "at";
    if (combine === "set") p.emit(storeText(dtype, `b${count}`, where, text));
    else {
      p.emit(`const old${part}=${loadText(dtype, `b${count}`, where)};`);
      p.emit(storeText(dtype, `b${count}`, where, binaryText(combine, type, `old${part}`, text)));
    }
  });
  lines.push(...p.lines);
  closeLoops(lines, 0, rank, []);
  return compile(program, `${lines.join("\n")}\nreturn 0;`, [dtype]);
}
