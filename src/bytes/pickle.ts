/**
 * Reads pickles (protocols 0 to 5) as data. Nothing is ever called or imported: GLOBAL names must be on the caller's
 * allow-list, and REDUCE, NEWOBJ and BUILD make nodes. The machine is a loop over a stack of its own, so nesting costs no
 * stack of ours. Reference: Python's `pickletools`.
 */

import { OpwiseError } from "../tensor/error.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { OP, opName } from "./pickle-ops.ts";
import {
  depthOf, describePickle, type PickleBool, type PickleBytes, type PickleEntry, type PickleFloat, type PickleGlobal, type PickleInt,
  type PickleNone, type PicklePersistent, type PickleString, type PickleTuple, type PickleValue,
} from "./pickle-value.ts";

export interface PickleOptions {
  /** Whether a global may occur, given as `module.name`. */
  readonly allow: (global: string) => boolean;
  readonly limits?: Limits | undefined;
  /** The record's name, for errors. */
  readonly record?: string | undefined;
  /** The file's name, for errors. */
  readonly file?: string | undefined;
  /** Where the pickle begins in `bytes`. */
  readonly offset?: number | undefined;
}

/** A pickle's value, and where its STOP ends: legacy files have several in a row. */
export interface PickleResult {
  readonly value: PickleValue;
  /** Its references to something outside, in order. */
  readonly persistent: readonly PicklePersistent[];
  readonly end: number;
}

// The nodes while they are being filled. Each is assignable to its readonly face in pickle-value.ts.
interface ListNode { kind: "list"; items: PickleValue[] }
interface SetNode { kind: "set"; frozen: boolean; items: PickleValue[] }
interface DictNode { kind: "dict"; entries: PickleEntry[] }
interface Filled { state: PickleValue | undefined; items: PickleValue[] | undefined; entries: PickleEntry[] | undefined }
interface ObjectNode extends Filled { kind: "object"; class: PickleGlobal; args: PickleValue; kwargs: PickleValue | undefined }
interface ReduceNode extends Filled { kind: "reduce"; callable: PickleGlobal; args: PickleValue }
type Node =
  | PickleNone | PickleBool | PickleInt | PickleFloat | PickleString | PickleBytes | PickleTuple | PickleGlobal | PicklePersistent
  | ListNode | SetNode | DictNode | ObjectNode | ReduceNode;

const NONE: PickleNone = { kind: "none" };
const TRUE: PickleBool = { kind: "bool", value: true };
const FALSE: PickleBool = { kind: "bool", value: false };
const EMPTY_TUPLE: PickleTuple = { kind: "tuple", items: [] };
const SMALL_INTS: readonly PickleInt[] = Array.from({ length: 256 }, (_, value) => ({ kind: "int", value }));

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads one pickle.
 * @throws unsafe-pickle for a global that is not allowed, bad-pickle, truncated, limit-exceeded
 */
export function readPickle(bytes: Uint8Array, options: PickleOptions): PickleResult {
  return new Machine(bytes, options).run();
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: PickleOptions;
  readonly #limits: Limits;
  readonly #stack: Node[] = [];
  /** Stack heights at the MARKs. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, Node>();
  readonly #globals = new Map<string, PickleGlobal>();
  readonly #persistent: PicklePersistent[] = [];
  #at: number;
  /** Where the current opcode is, for errors. */
  #opAt = 0;

  constructor(bytes: Uint8Array, options: PickleOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#at = options.offset ?? 0;
  }

  run(): PickleResult {
    if (this.#at >= this.#bytes.length) throw this.#error("truncated", "the pickle is empty");
    for (let ops = 1; ; ops++) {
      if (ops > this.#limits.maxPickleOps) {
        throw this.#error("limit-exceeded", "the pickle is too long", { wanted: `at most ${this.#limits.maxPickleOps} opcodes`, hint: "raise `maxPickleOps`" });
      }
      this.#opAt = this.#at;
      const op = this.#bytes[this.#at++];
      if (op === undefined) throw this.#bad("the pickle ends without a STOP");
      if (op === OP.STOP) break;
      this.#step(op);
    }
    const value = this.#pop();
    const depth = depthOf(value);
    if (depth > this.#limits.maxPickleDepth) {
      throw this.#error("limit-exceeded", "the pickle's containers are nested too deep", {
        wanted: `at most ${this.#limits.maxPickleDepth} levels`,
        got: `${depth}`,
        hint: "raise `maxPickleDepth`",
      });
    }
    return { value, persistent: this.#persistent, end: this.#at };
  }

  // ---- errors

  #error(code: "bad-pickle" | "unsafe-pickle" | "truncated" | "limit-exceeded", message: string, facts: { wanted?: string; got?: string; hint?: string } = {}): OpwiseError {
    const { file, record } = this.#options;
    return new OpwiseError(code, `${message} (byte ${this.#opAt})`, { where: { file, record }, ...facts });
  }
  #bad(message: string, got?: string): OpwiseError {
    return this.#error("bad-pickle", message, got === undefined ? {} : { got });
  }

  // ---- operands

  /** The next `length` bytes, as a view; checked against what is left before anything is made. */
  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (!(length >= 0) || end > this.#bytes.length) {
      throw this.#error("truncated", "the pickle ends inside an operand", { wanted: `${length} bytes`, got: `${this.#bytes.length - this.#at}` });
    }
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
  #skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) this.#take(length);
    this.#at += length;
    return at;
  }
  #uint8(): number {
    return this.#view.getUint8(this.#skip(1));
  }
  #uint16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }
  #int32(): number {
    return this.#view.getInt32(this.#skip(4), true);
  }
  #uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }
  #uint64(): number {
    const at = this.#skip(8);
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }
  #lineBytes(): Uint8Array {
    const end = this.#bytes.indexOf(10, this.#at);
    if (end < 0) throw this.#error("truncated", "the pickle ends inside a line");
    const line = this.#take(end - this.#at);
    this.#at = end + 1;
    return line;
  }
  #line(): string {
    const line = this.#text(this.#lineBytes());
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }
  #text(bytes: Uint8Array): string {
    try {
      return utf8.decode(bytes);
    } catch {
      throw this.#bad("a string of the pickle is not UTF-8");
    }
  }

  // ---- stack and memo

  #push(node: Node): void {
    this.#stack.push(node);
  }
  #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }
  #pop(): Node {
    const node = this.#stack.length > this.#floor() ? this.#stack.pop() : undefined;
    if (node === undefined) throw this.#bad("the pickle takes more from the stack than it put there");
    return node;
  }
  #top(): Node {
    const node = this.#stack.length > this.#floor() ? this.#stack.at(-1) : undefined;
    if (node === undefined) throw this.#bad("the pickle takes more from the stack than it put there");
    return node;
  }
  #popMark(): Node[] {
    const height = this.#marks.pop();
    if (height === undefined) throw this.#bad("the pickle refers to a mark that it did not set");
    return this.#stack.splice(height);
  }
  #put(index: number): void {
    if (!Number.isSafeInteger(index) || index < 0) throw this.#bad("the memo index is no whole number", `${index}`);
    if (index > this.#limits.maxPickleMemo) {
      throw this.#error("limit-exceeded", "the memo index is too large", { wanted: `at most ${this.#limits.maxPickleMemo}`, got: `${index}`, hint: "raise `maxPickleMemo`" });
    }
    this.#memo.set(index, this.#top());
  }
  #get(index: number): void {
    const node = this.#memo.get(index);
    if (node === undefined) throw this.#bad("the pickle takes a memo slot that it never filled", `slot ${index}`);
    this.#push(node);
  }

  // ---- one opcode

  #step(op: number): void {
    switch (op) {
      // Cases are tried in turn: first what most of a model's pickle is.
      case OP.BINGET: return this.#get(this.#uint8());
      case OP.MARK: this.#marks.push(this.#stack.length); return;
      case OP.BININT1: return this.#push(SMALL_INTS[this.#uint8()] ?? NONE);
      case OP.TUPLE: return this.#push({ kind: "tuple", items: this.#popMark() });
      case OP.BINPUT: return this.#put(this.#uint8());
      case OP.LONG_BINPUT: return this.#put(this.#uint32());
      case OP.REDUCE: {
        const args = this.#pop();
        return this.#push(this.#reduce(this.#callable(), args));
      }
      case OP.EMPTY_TUPLE: return this.#push(EMPTY_TUPLE);
      case OP.NEWFALSE: return this.#push(FALSE);
      case OP.NEWTRUE: return this.#push(TRUE);
      case OP.BINUNICODE: return this.#push(this.#string(this.#uint32()));
      case OP.BINPERSID: return this.#refer(this.#pop());
      case OP.NONE: return this.#push(NONE);
      case OP.PROTO: {
        const version = this.#uint8();
        if (version > 5) throw this.#bad("the pickle's protocol is not known", `protocol ${version}`);
        return;
      }
      case OP.FRAME: {
        const length = this.#uint64();
        if (length > this.#bytes.length - this.#at) throw this.#error("truncated", "the pickle ends inside a frame");
        return;
      }
      case OP.POP:
        if (this.#stack.length === this.#floor()) this.#popMark();
        else this.#pop();
        return;
      case OP.POP_MARK: this.#popMark(); return;
      case OP.DUP: return this.#push(this.#top());
      case OP.BININT: return this.#push({ kind: "int", value: this.#int32() });
      case OP.BININT2: return this.#push({ kind: "int", value: this.#uint16() });
      case OP.LONG1: return this.#push(this.#long(this.#uint8()));
      case OP.LONG4: return this.#push(this.#long(this.#int32()));
      case OP.BINFLOAT: return this.#push({ kind: "float", value: this.#view.getFloat64(this.#skip(8)) });
      case OP.SHORT_BINUNICODE: return this.#push(this.#string(this.#uint8()));
      case OP.BINUNICODE8: return this.#push(this.#string(this.#uint64()));
      case OP.BINBYTES: return this.#push({ kind: "bytes", value: this.#take(this.#uint32()) });
      case OP.SHORT_BINBYTES: return this.#push({ kind: "bytes", value: this.#take(this.#uint8()) });
      case OP.BINBYTES8: case OP.BYTEARRAY8: return this.#push({ kind: "bytes", value: this.#take(this.#uint64()) });
      case OP.BINSTRING: return this.#push(this.#oldString(this.#take(this.#int32())));
      case OP.SHORT_BINSTRING: return this.#push(this.#oldString(this.#take(this.#uint8())));
      case OP.UNICODE: return this.#push({ kind: "string", value: unescapeRaw(this.#lineBytes()) });
      case OP.INT: case OP.LONG: case OP.FLOAT: case OP.STRING: return this.#push(this.#textValue(op, this.#line()));
      case OP.TUPLE1: return this.#push({ kind: "tuple", items: [this.#pop()] });
      case OP.TUPLE2: {
        const b = this.#pop();
        return this.#push({ kind: "tuple", items: [this.#pop(), b] });
      }
      case OP.TUPLE3: {
        const c = this.#pop();
        const b = this.#pop();
        return this.#push({ kind: "tuple", items: [this.#pop(), b, c] });
      }
      case OP.EMPTY_LIST: return this.#push({ kind: "list", items: [] });
      case OP.LIST: return this.#push({ kind: "list", items: this.#popMark() });
      case OP.APPEND: return this.#append([this.#pop()]);
      case OP.APPENDS: return this.#append(this.#popMark());
      case OP.EMPTY_DICT: return this.#push({ kind: "dict", entries: [] });
      case OP.DICT: return this.#push({ kind: "dict", entries: this.#pairs(this.#popMark()) });
      case OP.SETITEM: {
        const value = this.#pop();
        return this.#setItems([[this.#pop(), value]]);
      }
      case OP.SETITEMS: return this.#setItems(this.#pairs(this.#popMark()));
      case OP.EMPTY_SET: return this.#push({ kind: "set", frozen: false, items: [] });
      case OP.FROZENSET: return this.#push({ kind: "set", frozen: true, items: this.#popMark() });
      case OP.ADDITEMS: return this.#addItems(this.#popMark());
      case OP.PUT: return this.#put(this.#index(this.#line()));
      case OP.MEMOIZE: return this.#put(this.#memo.size);
      case OP.GET: return this.#get(this.#index(this.#line()));
      case OP.LONG_BINGET: return this.#get(this.#uint32());
      case OP.PERSID: return this.#refer({ kind: "string", value: this.#line() });
      case OP.GLOBAL: {
        const module = this.#line();
        return this.#push(this.#global(module, this.#line()));
      }
      case OP.STACK_GLOBAL: {
        const name = this.#pop();
        const module = this.#pop();
        if (name.kind !== "string" || module.kind !== "string") throw this.#bad("a global's name is not a string");
        return this.#push(this.#global(module.value, name.value));
      }
      case OP.NEWOBJ: {
        const args = this.#pop();
        return this.#push(this.#object(this.#callable(), args, undefined));
      }
      case OP.NEWOBJ_EX: {
        const kwargs = this.#pop();
        const args = this.#pop();
        return this.#push(this.#object(this.#callable(), args, kwargs));
      }
      case OP.OBJ: {
        const [head, ...args] = this.#popMark();
        if (head?.kind !== "global") throw this.#bad("the pickle makes an object of something that is no class");
        return this.#push(this.#object(head, { kind: "tuple", items: args }, undefined));
      }
      case OP.INST: {
        const module = this.#line();
        const class_ = this.#global(module, this.#line());
        return this.#push(this.#object(class_, { kind: "tuple", items: this.#popMark() }, undefined));
      }
      case OP.BUILD: return this.#build(this.#pop());
      default: throw this.#bad("the pickle has an opcode that files of tensors do not use", opName(op));
    }
  }

  #refer(id: PickleValue): void {
    const reference: PicklePersistent = { kind: "persistent", id };
    this.#persistent.push(reference);
    this.#push(reference);
  }
  #long(length: number): PickleInt {
    if (length > this.#limits.maxPickleIntBytes) {
      throw this.#error("limit-exceeded", "the pickle holds a huge int", { wanted: `at most ${this.#limits.maxPickleIntBytes} bytes`, got: `${length}`, hint: "raise `maxPickleIntBytes`" });
    }
    const bytes = this.#take(length);
    if (length === 0) return { kind: "int", value: 0 };
    let hex = "";
    for (let i = length - 1; i >= 0; i--) hex += (bytes[i] ?? 0).toString(16).padStart(2, "0");
    return this.#int(BigInt.asIntN(8 * length, BigInt(`0x${hex}`)));
  }
  #int(value: bigint): PickleInt {
    const number = Number(value);
    return { kind: "int", value: Number.isSafeInteger(number) ? number : value };
  }
  #string(length: number): PickleString {
    return { kind: "string", value: this.#text(this.#take(length)) };
  }
  /** A Python 2 `str`: text where it reads as UTF-8, else bytes. */
  #oldString(bytes: Uint8Array): PickleString | PickleBytes {
    try {
      return { kind: "string", value: utf8.decode(bytes) };
    } catch {
      return { kind: "bytes", value: bytes };
    }
  }
  #index(line: string): number {
    if (!/^\d{1,15}$/.test(line)) throw this.#bad("the memo index is no whole number", line.slice(0, 40));
    return Number(line);
  }

  /** The text forms of protocol 0. */
  #textValue(op: number, line: string): Node {
    if (op === OP.STRING) {
      const quoted = /^(['"])(.*)\1$/s.exec(line)?.[2];
      if (quoted === undefined) throw this.#bad("a string of the pickle is not quoted");
      return this.#oldString(unescapeString(quoted));
    }
    if (op === OP.FLOAT) {
      const value = line === "nan" ? Number.NaN : line === "inf" ? Infinity : line === "-inf" ? -Infinity : Number(line);
      if (line.trim() === "" || (Number.isNaN(value) && line !== "nan")) throw this.#bad("a float of the pickle cannot be read", line.slice(0, 40));
      return { kind: "float", value };
    }
    if (op === OP.INT && line === "00") return FALSE;
    if (op === OP.INT && line === "01") return TRUE;
    const digits = /^([+-]?\d+)L?$/.exec(line)?.[1];
    if (digits === undefined || digits.length > 2 * this.#limits.maxPickleIntBytes) throw this.#bad("an int of the pickle cannot be read", line.slice(0, 40));
    return this.#int(BigInt(digits.replace(/^\+/, "")));
  }

  #pairs(flat: readonly Node[]): PickleEntry[] {
    if (flat.length % 2 !== 0) throw this.#bad("a dict of the pickle has a key without a value");
    const pairs: PickleEntry[] = [];
    for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i] ?? NONE, flat[i + 1] ?? NONE]);
    return pairs;
  }
  #append(items: readonly Node[]): void {
    const target = this.#top();
    if (target.kind === "list") pushAll(target.items, items);
    else if (target.kind === "object" || target.kind === "reduce") pushAll((target.items ??= []), items);
    else throw this.#bad("the pickle appends to something that is no list", describePickle(target));
  }
  #setItems(pairs: readonly PickleEntry[]): void {
    const target = this.#top();
    if (target.kind === "dict") pushAll(target.entries, pairs);
    else if (target.kind === "object" || target.kind === "reduce") pushAll((target.entries ??= []), pairs);
    else throw this.#bad("the pickle sets an item of something that is no dict", describePickle(target));
  }
  #addItems(items: readonly Node[]): void {
    const target = this.#top();
    if (target.kind !== "set" || target.frozen) throw this.#bad("the pickle adds to something that is no set", describePickle(target));
    pushAll(target.items, items);
  }

  #global(module: string, name: string): PickleGlobal {
    const fullName = `${module}.${name}`;
    let global = this.#globals.get(fullName);
    if (global === undefined) {
      if (!this.#options.allow(fullName)) throw this.#unsafe(`the pickle refers to \`${fullName}\`, which is not on the list of known names`, fullName);
      global = { kind: "global", module, name, fullName };
      this.#globals.set(fullName, global);
    }
    return global;
  }
  #unsafe(message: string, got: string): OpwiseError {
    return this.#error("unsafe-pickle", message, { got, hint: "pickles are read as data: Python code of the file's author is never run" });
  }
  #callable(): PickleGlobal {
    const callable = this.#pop();
    if (callable.kind !== "global") throw this.#unsafe("the pickle calls something that is no known name", describePickle(callable));
    return callable;
  }
  #reduce(callable: PickleGlobal, args: PickleValue): ReduceNode {
    return { kind: "reduce", callable, args, state: undefined, items: undefined, entries: undefined };
  }
  #object(class_: PickleGlobal, args: PickleValue, kwargs: PickleValue | undefined): ObjectNode {
    return { kind: "object", class: class_, args, kwargs, state: undefined, items: undefined, entries: undefined };
  }
  #build(state: Node): void {
    const target = this.#top();
    if (target.kind !== "object" && target.kind !== "reduce") throw this.#bad("the pickle sets the state of something that is no object", describePickle(target));
    target.state = state;
  }
}

/** `target.push(...items)` without the limit that a call's arguments have. */
function pushAll<T>(target: T[], items: readonly T[]): void {
  for (const item of items) target.push(item);
}

/** Python's raw-unicode-escape: bytes are Latin-1, with `\uXXXX` and `\UXXXXXXXX` only. */
function unescapeRaw(bytes: Uint8Array): string {
  const chars: string[] = [];
  for (const byte of bytes) chars.push(String.fromCharCode(byte));
  const text = chars.join("");
  return text.replace(/\\u([0-9a-fA-F]{4})|\\U00([01][0-9a-fA-F]{5}|0[0-9a-fA-F]{5})/g, (whole, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long ?? "", 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

const ESCAPES: Readonly<Record<string, number>> = { "\\": 92, "'": 39, '"': 34, a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** The bytes of a Python 2 string literal's inside. */
function unescapeString(text: string): Uint8Array {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const [part, hex, octal, char] of text.matchAll(/\\x([0-9a-fA-F]{2})|\\([0-7]{1,3})|\\(.)|[^\\]+|\\/gs)) {
    const code = hex !== undefined ? Number.parseInt(hex, 16) : octal !== undefined ? Number.parseInt(octal, 8) & 0xff : char === undefined ? undefined : ESCAPES[char];
    if (code !== undefined) bytes.push(code);
    else for (const byte of encoder.encode(part)) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
