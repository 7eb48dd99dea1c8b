/** What kernels find around them: the memory, decoding tables, host functions, and the block that arguments are passed in. */

import type { Program } from "../../prims/program.ts";
import type { ExprType, RoundFormat } from "../../expr/expr.ts";
import { codec, encoder } from "../../numeric/codec.ts";
import { unreachable } from "../../tensor/error.ts";
import type { Callable, Code, Value } from "../../wasm/code.ts";
import { ModuleBuilder } from "../../wasm/module.ts";
import type { ValueType } from "../../wasm/instructions.ts";
import { BINARY, castFn, type Scalar, UNARY } from "../cpu/scalar.ts";
import { roundTo } from "../cpu/element.ts";
import { ahead } from "./ahead.ts";
import type { Form } from "./dense.ts";
import { features } from "./features.ts";
import { type LinearMemory, limitsOf } from "./memory.ts";
import { type HostFunction, type Push, valueType } from "./scalar.ts";
import { type Invocation, type Parallel, type PlayItem, staged, type Tape } from "./tape.ts";
import { MAX_PARTS, type ThreadPool } from "./threads.ts";

/** Where a kernel that runs at once finds its arguments. */
const ARGUMENTS = 1024;

/** Multiply-adds of a part at least, about a microsecond of them: handing one out takes a fifth of that. */
const PART_WORK = 25_000;
/** Parts for each thread, which even out what takes longer. */
const PARTS_EACH = 4;

/** A kernel: takes the address of its arguments; returns 0, or 1 + the code of the check that failed. */
export type Kernel = (block: number) => number;

interface Signature {
  readonly params: readonly ExprType[];
  readonly result: ExprType;
  readonly run: (...args: Scalar[]) => Scalar;
}

function signatureOf(fn: HostFunction): Signature {
  switch (fn.kind) {
    case "unary": {
      const predicate = fn.fn === "signbit" || fn.fn === "isnan" || fn.fn === "isinf" || fn.fn === "isfinite" || fn.fn === "not";
      return { params: [fn.type], result: predicate ? "bool" : fn.type, run: UNARY[fn.fn].make(fn.type) };
    }
    case "binary":
      return { params: [fn.type, fn.type], result: fn.type, run: BINARY[fn.fn].make(fn.type) };
    case "cast":
      return { params: [fn.from], result: fn.to, run: castFn(fn.from, fn.to, fn.saturate) };
    case "round":
      return { params: [fn.type], result: fn.type, run: (x) => roundTo(fn.format, fn.saturate, Number(x)) };
    case "encode": {
      const encode = codec(fn.format)?.encode ?? encoder(fn.format, false);
      return { params: ["f32"], result: "i32", run: (x) => encode(Number(x)) };
    }
    default:
      return fn satisfies never;
  }
}

/** A value as wasm hands it over, as the expression language has it. */
function fromWasm(type: ExprType): ((x: number | bigint) => Scalar) | undefined {
  switch (type) {
    case "bool":
      return (x) => x !== 0;
    case "u32":
      return (x) => Number(x) >>> 0;
    case "u64":
      return (x) => BigInt.asUintN(64, BigInt(x));
    case "index":
      return Number;
    default:
      return undefined;
  }
}
function toWasm(type: ExprType): ((x: Scalar) => number | bigint) | undefined {
  if (type === "bool") return Number;
  return type === "index" ? (x) => BigInt(Math.trunc(Number(x))) : undefined;
}

/** The host function as wasm calls it. */
function adapted({ params, result, run }: Signature): (...args: (number | bigint)[]) => unknown {
  const [first, second] = params.map(fromWasm);
  const back = toWasm(result);
  if (first === undefined && second === undefined && back === undefined) return run;
  return (...args) => {
    const a = args[0] ?? 0;
    const x = first === undefined ? a : first(a);
    const b = args[1];
    const value = b === undefined ? run(x) : run(x, second === undefined ? b : second(b));
    return back === undefined ? value : back(value);
  };
}

function keyOf(fn: HostFunction): string {
  switch (fn.kind) {
    case "unary":
    case "binary":
      return `${fn.fn}.${fn.type}`;
    case "cast":
      return `cast.${fn.from}.${fn.to}.${fn.saturate}`;
    case "round":
      return `round.${fn.format}.${fn.saturate}.${fn.type}`;
    case "encode":
      return `encode.${fn.format}`;
    default:
      return fn satisfies never;
  }
}

/** Is told of each kernel that is printed and that another process could read: `ahead.ts` is made of them. */
let told: ((identity: string, bytes: Uint8Array<ArrayBuffer>) => void) | undefined;
export function tellKernels(to: typeof told): void {
  told = to;
}

/** Emits one kernel's body. */
export type Emit = (c: Code, host: (fn: HostFunction, args: readonly Push[]) => Value) => void;

export class KernelRuntime {
  readonly memory: LinearMemory;
  readonly #tables = new Map<RoundFormat, number>();
  readonly #functions = new Map<string, (...args: (number | bigint)[]) => unknown>();

  /** Where invocations go while a plan is compiled; otherwise they run at once. */
  tape: Tape | undefined;
  pool: ThreadPool | undefined;
  /** Kernels printed and compiled so far. */
  compiled = 0;
  /** Bytes of printed kernels that call nothing on the host. */
  readonly #printed = new WeakMap<Invocation["run"], Uint8Array>();
  readonly #calling = new WeakSet<Invocation["run"]>();
  /** Kernels that write at places which they read. */
  readonly placing: WeakSet<Invocation["run"]> = new WeakSet();
  /** Tables lie elsewhere in each process. */
  #hasAskedTables = false;

  /** What its kernels depend on besides what they are printed from. */
  readonly form: Form;

  constructor(memory: LinearMemory) {
    this.memory = memory;
    this.form = { shared: memory.isShared, fused: features().fusedMultiplyAdd };
  }

  /** Address of a block for the arguments of the next invocation; what is written there holds until it runs. */
  block(bytes: number): number {
    return this.tape === undefined ? ARGUMENTS : this.memory.allocatePinned(bytes).address;
  }

  /** Runs an invocation, or keeps it for the plan. `program` has the messages of its checks. @returns the code of a failed check, or nothing */
  invoke(run: Invocation["run"], args: readonly number[], program?: Program): number | void {
    if (this.tape === undefined) return run(...args);
    this.tape.add(run, args, program);
  }

  /** Parts that work should have for the threads there are; one where they would not pay, or none are. For what gives the same bits however it is divided. */
  partsFor(work: number): number {
    if (this.tape === undefined || this.tape.isInPart || this.pool === undefined) return 1;
    const { size } = this.pool;
    return Math.max(1, Math.min(PARTS_EACH, Math.floor(work / (PART_WORK * size))) * size);
  }

  /** How many threads a plan is compiled for. */
  get threads(): number {
    return this.pool?.size ?? 1;
  }

  /**
   * Runs parts that do not depend on each other: where a plan is compiled for threads, they will run at the same time.
   * @param work of all of them, in multiply-adds of a product
   */
  fork(work: number, parts: readonly (() => void)[]): void {
    const { tape, pool } = this;
    if (tape === undefined || tape.isInPart || pool === undefined || parts.length < 2 || work < 2 * PART_WORK) {
      for (const part of parts) part();
      return;
    }
    // A few bundles for each thread even out what takes longer; scratch of each bundle is its own.
    const bundles = Math.min(parts.length, PARTS_EACH * pool.size);
    const recorded = this.memory.apart(() =>
      Array.from({ length: bundles }, (_, b) => {
        const [from, to] = [Math.floor((b * parts.length) / bundles), Math.floor(((b + 1) * parts.length) / bundles)];
        return () => tape.part(() => parts.slice(from, to).forEach((part) => part()));
      }),
    );
    if (recorded.flat().every((invocation) => this.#isShared(pool, invocation))) tape.items.push({ parts: recorded });
    else for (const part of recorded) for (const { run, args, program } of part) tape.add(run, args, program);
  }

  /** What plays a tape, on the threads that there are. */
  staged({ items }: Tape): readonly PlayItem[] {
    const { pool } = this;
    if (pool === undefined) return items.flatMap((item) => ("parts" in item ? item.parts.flat() : [item]));
    const isShared = (invocation: Invocation): boolean => this.#isShared(pool, invocation);
    const group = (stages: readonly Parallel["parts"][]): (() => void) => {
      for (const { run } of stages.flat(2)) this.#publish(pool, run);
      const shared = pool.group(stages);
      return () => pool.run(shared);
    };
    return staged(items, isShared, group, MAX_PARTS);
  }

  /** Whether it is a printed kernel that calls functions of the host. */
  callsHost(run: Invocation["run"]): boolean {
    return this.#calling.has(run);
  }

  /** Whether threads can run it: it has no check whose failure has to be told, and calls nothing on the host. */
  #isShared(pool: ThreadPool, { run, program }: Invocation): boolean {
    return (program?.messages.length ?? 0) === 0 && (pool.knows(run) || this.#printed.has(run));
  }

  #publish(pool: ThreadPool, run: Invocation["run"]): void {
    const bytes = this.#printed.get(run);
    if (bytes !== undefined && !pool.knows(run)) pool.publish([run], bytes);
  }

  /** The kernels as they are called by name: each call is run or kept. */
  invocable<Kernels extends Readonly<Record<string, (...args: number[]) => void>>>(kernels: Kernels): Kernels {
    const entries = Object.entries(kernels).map(([name, run]) => [name, (...args: number[]): void => void this.invoke(run, args)] as const);
    return Object.fromEntries(entries) as Kernels; // the same names
  }

  /** Address of the table of a format's values by their bits. */
  readonly table = (format: RoundFormat): number => {
    this.#hasAskedTables = true;
    let at = this.#tables.get(format);
    if (at === undefined) {
      const { table } = codec(format) ?? unreachable(`no codec for ${format}`);
      at = this.memory.allocateLasting(table.byteLength).address; // it outlives the plan that asks first
      this.memory.bytes.set(new Uint8Array(table.buffer, table.byteOffset, table.byteLength), at);
      this.#tables.set(format, at);
    }
    return at;
  };

  /** Compiles a kernel. Its body leaves an i32 on the stack. @param identity what it is printed from, where that can be told: it may have been printed ahead */
  kernel(emit: () => Emit, identity?: () => string | undefined): Kernel {
    const named = ahead === undefined && told === undefined ? undefined : identity?.();
    const functions = new Map<string, HostFunction>();
    const bytes = (named === undefined ? undefined : ahead?.kernel(named, this.form)) ?? this.#encode(emit, functions, named);
    const imports: Record<string, WebAssembly.ImportValue> = { memory: this.memory.memory };
    for (const [key, fn] of functions) {
      let known = this.#functions.get(key);
      if (known === undefined) this.#functions.set(key, (known = adapted(signatureOf(fn))));
      imports[key] = known;
    }
    this.compiled++;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: imports });
    const kernel = exports["kernel"] as Kernel; // the function built above
    if (functions.size > 0) this.#calling.add(kernel);
    else if (this.pool !== undefined) this.#printed.set(kernel, bytes);
    return kernel;
  }

  #encode(emit: () => Emit, functions: Map<string, HostFunction>, named: string | undefined): Uint8Array<ArrayBuffer> {
    this.#hasAskedTables = false;
    // Imports come before the function that uses them, and are known after its body: where it calls anything, it is printed once more.
    const body = emit();
    let module = this.#print(body, functions);
    if (functions.size > 0) module = this.#print(body, functions);
    const bytes = module.encode();
    if (named !== undefined && functions.size === 0 && !this.#hasAskedTables) told?.(named, bytes);
    return bytes;
  }

  /** A module that imports `functions`. What the kernel calls besides is added to them: the module is a draft then. */
  #print(emit: Emit, functions: Map<string, HostFunction>): ModuleBuilder {
    const module = new ModuleBuilder();
    module.importMemory("env", "memory", limitsOf(this.form.shared));
    const callables = new Map<string, Callable<readonly ValueType[], ValueType>>();
    for (const [key, fn] of functions) {
      const { params, result } = signatureOf(fn);
      callables.set(key, module.importFunction("env", key, params.map(valueType), valueType(result)));
    }
    module.func("kernel", ["i32"], "i32", (c) => {
      emit(c, (fn, args) => {
        const callee = callables.get(keyOf(fn));
        if (callee !== undefined) return c.call(callee, ...args.map((push) => push()));
        for (const push of args) c.drop(push());
        functions.set(keyOf(fn), fn);
        return c.zero(valueType(signatureOf(fn).result));
      });
    });
    return module;
  }
}
