/**
 * A function body. Every method emits at once and returns a token of the value's type, so that kernels nest as formulas do:
 * JavaScript evaluates arguments from left to right, which is the order of a stack machine.
 * `c.set(sum, c.op("f32.add", c.get(sum), c.load("f32.load", c.get(at))))`.
 * A token is a place on the stack: it may be used once, as the next operand. A value that is made early or used twice goes through
 * a local (`hold`). Operands out of order would compute something else without a word; `Code` throws at once.
 */

import { ByteWriter } from "./bytes.ts";
import {
  encodingOf,
  EXTRACTS,
  INSTRUCTIONS,
  type InstructionName,
  LOADS,
  type MovedBy,
  type ParamsOf,
  REPLACES,
  type ResultOf,
  STORES,
  type ValueType,
} from "./instructions.ts";

/** A value on the stack. */
export interface Value<T extends ValueType = ValueType> {
  readonly type: T;
}

/** A parameter or local variable. */
export interface Local<T extends ValueType = ValueType> {
  readonly index: number;
  readonly type: T;
}

/** An array of `N` times `T`. */
type Tuple<T, N extends number, Made extends readonly T[] = []> = Made["length"] extends N ? Made : Tuple<T, N, readonly [...Made, T]>;

/** An imported number. */
export interface Global<T extends ValueType = ValueType> {
  readonly index: number;
  readonly type: T;
}

/** A block that `br` can leave, or a loop that it can go on with. */
export interface Label {
  readonly depth: number;
}

/** A function that can be called: its place in the index space, and its types. */
export interface Callable<P extends readonly ValueType[] = readonly ValueType[], R extends ValueType | undefined = ValueType | undefined> {
  readonly index: number;
  readonly params: P;
  readonly result: R;
}

/** Arguments for parameter types. */
export type ValuesOf<P extends readonly ValueType[]> = { readonly [K in keyof P]: Value<P[K]> };

export const TYPE_CODES: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const EMPTY = 0x40;
const ATOMIC = 0xfe;
/** Alignment of 32 bits, as a power of two. */
const WORD = 2;

export class Code {
  readonly #out = new ByteWriter();
  readonly #params: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  #depth = 0;
  readonly #stack: Value[] = [];

  constructor(params: readonly ValueType[]) {
    this.#params = params;
  }

  #push<T extends ValueType>(type: T): Value<T> {
    const value: Value<T> = { type };
    this.#stack.push(value);
    return value;
  }

  /** Takes operands off the stack. @throws RangeError where they are not the last ones, in this order */
  #pop(operands: readonly Value[]): void {
    // Kernels are emitted when a backend is made, by code that no engine has made fast yet: loops, and no closures.
    const stack = this.#stack;
    const from = stack.length - operands.length;
    for (let i = 0; i < operands.length; i++) {
      if (stack[from + i] !== operands[i]) throw new RangeError(`operand ${i + 1} of ${operands.length} was not made here: hold it in a local`);
    }
    stack.length = from;
  }

  /** A new local variable; zero at the start of the function (not of a loop's trip). */
  local<T extends ValueType>(type: T): Local<T> {
    this.#locals.push(type);
    return { index: this.#params.length + this.#locals.length - 1, type };
  }

  /** So many new local variables: `const [i, j] = c.locals("i32", 2)`. */
  locals<T extends ValueType, N extends number>(type: T, count: N): Tuple<Local<T>, N> {
    return Array.from({ length: count }, () => this.local(type)) as Tuple<Local<T>, N>; // as many as the type says
  }

  get<T extends ValueType>(local: Local<T>): Value<T> {
    this.#out.byte(0x20);
    this.#out.u32(local.index);
    return this.#push(local.type);
  }

  set<T extends ValueType>(local: Local<T>, value: Value<T>): void {
    this.#pop([value]);
    this.#out.byte(0x21);
    this.#out.u32(local.index);
  }

  /** Sets a local and leaves the value on the stack. */
  tee<T extends ValueType>(local: Local<T>, value: Value<T>): Value<T> {
    this.#pop([value]);
    this.#out.byte(0x22);
    this.#out.u32(local.index);
    return this.#push(local.type);
  }

  /** A new local that holds the value. */
  hold<T extends ValueType>(value: Value<T>): Local<T> {
    const local = this.local(value.type);
    this.set(local, value);
    return local;
  }

  i32(value: number): Value<"i32"> {
    this.#out.byte(0x41);
    this.#out.i32(value);
    return this.#push("i32");
  }
  i64(value: bigint): Value<"i64"> {
    this.#out.byte(0x42);
    this.#out.i64(value);
    return this.#push("i64");
  }
  f32(value: number): Value<"f32"> {
    this.#out.byte(0x43);
    this.#out.f32(value);
    return this.#push("f32");
  }
  f64(value: number): Value<"f64"> {
    this.#out.byte(0x44);
    this.#out.f64(value);
    return this.#push("f64");
  }
  /** Sixteen bytes, lowest first. */
  v128(bytes: ArrayLike<number>): Value<"v128"> {
    if (bytes.length !== 16) throw new RangeError(`a v128 constant has 16 bytes, not ${bytes.length}`);
    this.#out.bytes([0xfd, 12]);
    this.#out.bytes(bytes);
    return this.#push("v128");
  }
  /** Four equal floats. */
  f32x4(value: number): Value<"v128"> {
    return this.v128(new Uint8Array(Float32Array.of(value, value, value, value).buffer));
  }
  /** Two equal doubles. */
  f64x2(value: number): Value<"v128"> {
    return this.v128(new Uint8Array(Float64Array.of(value, value).buffer));
  }
  /** Four equal integers. */
  i32x4(value: number): Value<"v128"> {
    return this.v128(new Uint8Array(Int32Array.of(value, value, value, value).buffer));
  }

  global<T extends ValueType>(global: Global<T>): Value<T> {
    this.#out.byte(0x23);
    this.#out.u32(global.index);
    return this.#push(global.type);
  }

  /** Any instruction without immediates. */
  op<N extends InstructionName>(name: N, ...args: ValuesOf<ParamsOf<N>>): Value<ResultOf<N>> {
    this.#pop(args);
    const { opcode, result } = encodingOf(INSTRUCTIONS[name]);
    this.#out.bytes(opcode);
    return this.#push(result as ResultOf<N>); // the row's text is the type
  }

  /** What lies `base + offset` bytes into memory, at any alignment: weights lie at any byte. */
  load<N extends keyof typeof LOADS>(name: N, base: Value<"i32">, offset = 0): Value<MovedBy<(typeof LOADS)[N]>> {
    this.#pop([base]);
    return this.#access(LOADS[name], offset);
  }

  store<N extends keyof typeof STORES>(name: N, base: Value<"i32">, value: Value<MovedBy<(typeof STORES)[N]>>, offset = 0): void {
    this.#pop([base, value]);
    this.#access(STORES[name], offset);
    this.#stack.pop(); // a store leaves nothing
  }

  #access<S extends string>(row: S, offset: number): Value<MovedBy<S>> {
    const { opcode, result } = encodingOf(row);
    this.#out.bytes(opcode);
    this.#out.u32(opcode[0] === ATOMIC ? WORD : 0); // only atomics have to state an alignment
    this.#out.u32(offset);
    return this.#push(result as MovedBy<S>); // the row's text is the type
  }

  extract<N extends keyof typeof EXTRACTS>(name: N, vector: Value<"v128">, at: number): Value<MovedBy<(typeof EXTRACTS)[N]>> {
    this.#pop([vector]);
    return this.#lane(EXTRACTS[name], at);
  }

  replace<N extends keyof typeof REPLACES>(name: N, vector: Value<"v128">, at: number, value: Value<MovedBy<(typeof REPLACES)[N]>>): Value<"v128"> {
    this.#pop([vector, value]);
    this.#lane(REPLACES[name], at);
    this.#stack.pop(); // the lane\'s type; the result is the vector
    return this.#push("v128");
  }

  #lane<S extends string>(row: S, at: number): Value<MovedBy<S>> {
    const { opcode, result } = encodingOf(row);
    this.#out.bytes(opcode);
    this.#out.byte(at);
    return this.#push(result as MovedBy<S>); // the row's text is the type
  }

  /** Sixteen bytes picked out of the thirty-two of both. */
  shuffle(a: Value<"v128">, b: Value<"v128">, lanes: ArrayLike<number>): Value<"v128"> {
    this.#pop([a, b]);
    if (lanes.length !== 16) throw new RangeError(`a shuffle picks 16 bytes, not ${lanes.length}`);
    this.#out.bytes([0xfd, 13]);
    this.#out.bytes(lanes);
    return this.#push("v128");
  }

  /** As `shuffle`, of four lanes of 32 bits out of eight. */
  shuffle32(a: Value<"v128">, b: Value<"v128">, lanes: readonly [number, number, number, number]): Value<"v128"> {
    return this.shuffle(
      a,
      b,
      lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte)),
    );
  }

  /** `condition ? a : b`, both evaluated. Arguments in the order of the stack. */
  select<T extends ValueType>(a: Value<T>, b: Value<T>, condition: Value<"i32">): Value<T> {
    this.#pop([a, b, condition]);
    if (a.type === "v128") this.#out.bytes([0x1c, 1, TYPE_CODES.v128]);
    else this.#out.byte(0x1b);
    return this.#push(a.type);
  }

  call<P extends readonly ValueType[], R extends ValueType>(callee: Callable<P, R>, ...args: ValuesOf<P>): Value<R> {
    this.#pop(args);
    this.#out.byte(0x10);
    this.#out.u32(callee.index);
    return this.#push(callee.result);
  }

  /** As `call`, of a function without a result. */
  run<P extends readonly ValueType[]>(callee: Callable<P, undefined>, ...args: ValuesOf<P>): void {
    this.#pop(args);
    this.#out.byte(0x10);
    this.#out.u32(callee.index);
  }

  drop(value: Value): void {
    this.#pop([value]);
    this.#out.byte(0x1a);
  }

  /** Code that `br` to its label leaves. */
  block(body: (leave: Label) => void): void {
    this.#nest(0x02, body);
  }

  /** Code that `br` to its label starts again; it ends where it is not. */
  loop(body: (again: Label) => void): void {
    this.#nest(0x03, body);
  }

  #nest(code: number, body: (label: Label) => void): void {
    this.#out.bytes([code, EMPTY]);
    this.#depth++;
    body({ depth: this.#depth });
    this.#depth--;
    this.#out.byte(0x0b);
  }

  br(label: Label): void {
    this.#out.byte(0x0c);
    this.#out.u32(this.#depth - label.depth);
  }
  brIf(label: Label, condition: Value<"i32">): void {
    this.#pop([condition]);
    this.#out.byte(0x0d);
    this.#out.u32(this.#depth - label.depth);
  }

  if(condition: Value<"i32">, then: () => void, otherwise?: () => void): void {
    this.#pop([condition]);
    this.#out.bytes([0x04, EMPTY]);
    this.#depth++;
    then();
    if (otherwise !== undefined) {
      this.#out.byte(0x05);
      otherwise();
    }
    this.#depth--;
    this.#out.byte(0x0b);
  }

  /** `for (i = from; i < to; i += step) body()`; signed, tested before the first trip. `to` is read on every trip. */
  for(i: Local<"i32">, from: number | Local<"i32">, to: number | Local<"i32">, step: number | Local<"i32">, body: () => void): void {
    const value = (of: number | Local<"i32">): Value<"i32"> => (typeof of === "number" ? this.i32(of) : this.get(of));
    this.set(i, value(from));
    this.block((leave) => {
      this.loop((again) => {
        this.brIf(leave, this.op("i32.ge_s", this.get(i), value(to)));
        body();
        this.set(i, this.op("i32.add", this.get(i), value(step)));
        this.br(again);
      });
    });
  }

  /** Ends the function; with its result where it has one. */
  return(value?: Value): void {
    if (value !== undefined) this.#pop([value]);
    this.#out.byte(0x0f);
  }

  /** Moves bytes within memory; ranges may overlap. */
  memoryCopy(to: Value<"i32">, from: Value<"i32">, count: Value<"i32">): void {
    this.#pop([to, from, count]);
    this.#out.bytes([0xfc, 10, 0, 0]);
  }
  memoryFill(at: Value<"i32">, byte: Value<"i32">, count: Value<"i32">): void {
    this.#pop([at, byte, count]);
    this.#out.bytes([0xfc, 11, 0]);
  }

  /** The old value at an address of shared memory, after adding to it. */
  atomicAdd(base: Value<"i32">, value: Value<"i32">, offset = 0): Value<"i32"> {
    this.#pop([base, value]);
    this.#out.bytes([ATOMIC, 0x1e, WORD]);
    this.#out.u32(offset);
    return this.#push("i32");
  }

  /** A zero of any type. */
  zero<T extends ValueType>(type: T): Value<T> {
    if (type === "i32") this.i32(0);
    else if (type === "i64") this.i64(0n);
    else if (type === "f32") this.f32(0);
    else if (type === "f64") this.f64(0);
    else this.f32x4(0);
    this.#stack.pop();
    return this.#push(type);
  }

  /** Values left on the stack: the result's, at the end. */
  get left(): readonly Value[] {
    return this.#stack;
  }

  /** The body as the code section has it: locals, then instructions. */
  encode(): ByteWriter {
    const body = new ByteWriter();
    const runs: { type: ValueType; count: number }[] = [];
    for (const type of this.#locals) {
      const last = runs[runs.length - 1];
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    body.u32(runs.length);
    for (const run of runs) {
      body.u32(run.count);
      body.byte(TYPE_CODES[run.type]);
    }
    body.bytes(this.#out.view());
    body.byte(0x0b);
    return body;
  }
}
