/**
 * A function body. Every method emits at once and returns a token of the value's type, so that kernels nest as formulas do:
 * JavaScript evaluates arguments from left to right, which is the order of a stack machine.
 * `c.set(sum, c.op("f32.add", c.get(sum), c.load("f32.load", c.get(at))))`.
 * A token may be used once, at the place where it was made; the compiler checks types, the engine's validator the rest.
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

const TOKENS: { readonly [T in ValueType]: Value<T> } = {
  i32: { type: "i32" },
  i64: { type: "i64" },
  f32: { type: "f32" },
  f64: { type: "f64" },
  v128: { type: "v128" },
};
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

  constructor(params: readonly ValueType[]) {
    this.#params = params;
  }

  /** A new local variable; zero at the start of the function (not of a loop's trip). */
  local<T extends ValueType>(type: T): Local<T> {
    this.#locals.push(type);
    return { index: this.#params.length + this.#locals.length - 1, type };
  }

  get<T extends ValueType>(local: Local<T>): Value<T> {
    this.#out.byte(0x20);
    this.#out.u32(local.index);
    return TOKENS[local.type];
  }

  set<T extends ValueType>(local: Local<T>, _value: Value<T>): void {
    this.#out.byte(0x21);
    this.#out.u32(local.index);
  }

  /** Sets a local and leaves the value on the stack. */
  tee<T extends ValueType>(local: Local<T>, _value: Value<T>): Value<T> {
    this.#out.byte(0x22);
    this.#out.u32(local.index);
    return TOKENS[local.type];
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
    return TOKENS.i32;
  }
  i64(value: bigint): Value<"i64"> {
    this.#out.byte(0x42);
    this.#out.i64(value);
    return TOKENS.i64;
  }
  f32(value: number): Value<"f32"> {
    this.#out.byte(0x43);
    this.#out.f32(value);
    return TOKENS.f32;
  }
  f64(value: number): Value<"f64"> {
    this.#out.byte(0x44);
    this.#out.f64(value);
    return TOKENS.f64;
  }
  /** Sixteen bytes, lowest first. */
  v128(bytes: ArrayLike<number>): Value<"v128"> {
    if (bytes.length !== 16) throw new RangeError(`a v128 constant has 16 bytes, not ${bytes.length}`);
    this.#out.bytes([0xfd, 12]);
    this.#out.bytes(bytes);
    return TOKENS.v128;
  }
  /** Four equal floats. */
  f32x4(value: number): Value<"v128"> {
    return this.v128(new Uint8Array(Float32Array.of(value, value, value, value).buffer));
  }
  /** Four equal integers. */
  i32x4(value: number): Value<"v128"> {
    return this.v128(new Uint8Array(Int32Array.of(value, value, value, value).buffer));
  }

  /** Any instruction without immediates. */
  op<N extends InstructionName>(name: N, ..._args: ValuesOf<ParamsOf<N>>): Value<ResultOf<N>> {
    const { opcode, result } = encodingOf(INSTRUCTIONS[name]);
    this.#out.bytes(opcode);
    return TOKENS[result as ResultOf<N>]; // the row's text is the type
  }

  /** What lies `base + offset` bytes into memory, at any alignment: weights lie at any byte. */
  load<N extends keyof typeof LOADS>(name: N, _base: Value<"i32">, offset = 0): Value<MovedBy<(typeof LOADS)[N]>> {
    return this.#access(LOADS[name], offset);
  }

  store<N extends keyof typeof STORES>(name: N, _base: Value<"i32">, _value: Value<MovedBy<(typeof STORES)[N]>>, offset = 0): void {
    this.#access(STORES[name], offset);
  }

  #access<S extends string>(row: S, offset: number): Value<MovedBy<S>> {
    const { opcode, result } = encodingOf(row);
    this.#out.bytes(opcode);
    this.#out.u32(opcode[0] === ATOMIC ? WORD : 0); // only atomics have to state an alignment
    this.#out.u32(offset);
    return TOKENS[result as MovedBy<S>]; // the row's text is the type
  }

  extract<N extends keyof typeof EXTRACTS>(name: N, _vector: Value<"v128">, at: number): Value<MovedBy<(typeof EXTRACTS)[N]>> {
    return this.#lane(EXTRACTS[name], at);
  }

  replace<N extends keyof typeof REPLACES>(name: N, _vector: Value<"v128">, at: number, _value: Value<MovedBy<(typeof REPLACES)[N]>>): Value<"v128"> {
    this.#lane(REPLACES[name], at);
    return TOKENS.v128;
  }

  #lane<S extends string>(row: S, at: number): Value<MovedBy<S>> {
    const { opcode, result } = encodingOf(row);
    this.#out.bytes(opcode);
    this.#out.byte(at);
    return TOKENS[result as MovedBy<S>]; // the row's text is the type
  }

  /** Sixteen bytes picked out of the thirty-two of both. */
  shuffle(_a: Value<"v128">, _b: Value<"v128">, lanes: ArrayLike<number>): Value<"v128"> {
    if (lanes.length !== 16) throw new RangeError(`a shuffle picks 16 bytes, not ${lanes.length}`);
    this.#out.bytes([0xfd, 13]);
    this.#out.bytes(lanes);
    return TOKENS.v128;
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
  select<T extends ValueType>(a: Value<T>, _b: Value<T>, _condition: Value<"i32">): Value<T> {
    if (a.type === "v128") this.#out.bytes([0x1c, 1, TYPE_CODES.v128]);
    else this.#out.byte(0x1b);
    return a;
  }

  call<P extends readonly ValueType[], R extends ValueType>(callee: Callable<P, R>, ..._args: ValuesOf<P>): Value<R> {
    this.#out.byte(0x10);
    this.#out.u32(callee.index);
    return TOKENS[callee.result];
  }

  /** As `call`, of a function without a result. */
  run<P extends readonly ValueType[]>(callee: Callable<P, undefined>, ..._args: ValuesOf<P>): void {
    this.#out.byte(0x10);
    this.#out.u32(callee.index);
  }

  drop(_value: Value): void {
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
  brIf(label: Label, _condition: Value<"i32">): void {
    this.#out.byte(0x0d);
    this.#out.u32(this.#depth - label.depth);
  }

  if(_condition: Value<"i32">, then: () => void, otherwise?: () => void): void {
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
  return(_value?: Value): void {
    this.#out.byte(0x0f);
  }

  /** Moves bytes within memory; ranges may overlap. */
  memoryCopy(_to: Value<"i32">, _from: Value<"i32">, _count: Value<"i32">): void {
    this.#out.bytes([0xfc, 10, 0, 0]);
  }
  memoryFill(_at: Value<"i32">, _byte: Value<"i32">, _count: Value<"i32">): void {
    this.#out.bytes([0xfc, 11, 0]);
  }

  /** The old value at an address of shared memory, after adding to it. */
  atomicAdd(_base: Value<"i32">, _value: Value<"i32">, offset = 0): Value<"i32"> {
    this.#out.bytes([ATOMIC, 0x1e, WORD]);
    this.#out.u32(offset);
    return TOKENS.i32;
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
