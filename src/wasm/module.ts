/** A WebAssembly module in the making: one memory, imported or own, functions, exports. */

import { ByteWriter } from "./bytes.ts";
import { type Callable, Code, type Global, type Local, TYPE_CODES } from "./code.ts";
import type { ValueType } from "./instructions.ts";

/** Sizes in pages of 64 KiB. A shared memory has a maximum. */
export interface MemoryLimits {
  readonly initial: number;
  readonly maximum?: number;
  readonly shared?: boolean;
}

/** Locals for parameter types. */
export type LocalsOf<P extends readonly ValueType[]> = { readonly [K in keyof P]: Local<P[K]> };

interface FunctionEntry {
  readonly type: number;
  readonly code: Code | undefined;
  readonly exported: string | undefined;
}

const PAGE = 65_536;
export { PAGE as PAGE_BYTES };

export class ModuleBuilder {
  readonly #types: string[] = [];
  readonly #typeBytes: ByteWriter[] = [];
  readonly #imports: { readonly module: string; readonly name: string; readonly type: number }[] = [];
  readonly #globals: { readonly module: string; readonly name: string; readonly type: ValueType }[] = [];
  readonly #functions: FunctionEntry[] = [];
  #memory: { readonly limits: MemoryLimits; readonly from: readonly [string, string] | undefined } | undefined;
  #memoryExport: string | undefined;

  /** The memory that all loads and stores mean, imported under the two names. */
  importMemory(module: string, name: string, limits: MemoryLimits): void {
    this.#memory = { limits, from: [module, name] };
  }

  /** A memory of the module's own, exported under `name`. */
  memory(name: string, limits: MemoryLimits): void {
    this.#memory = { limits, from: undefined };
    this.#memoryExport = name;
  }

  /** A host function. All imports come before the first own function: indices count on. */
  importFunction<const P extends readonly ValueType[], const R extends ValueType | undefined>(
    module: string,
    name: string,
    params: P,
    result: R,
  ): Callable<P, R> {
    if (this.#functions.length > 0) throw new RangeError("imports come before functions");
    this.#imports.push({ module, name, type: this.#type(params, result) });
    return { index: this.#imports.length - 1, params, result };
  }

  /** A number that an instance is given, and that does not change. */
  importGlobal<const T extends ValueType>(module: string, name: string, type: T): Global<T> {
    this.#globals.push({ module, name, type });
    return { index: this.#globals.length - 1, type };
  }

  /** An own function; `emit` writes its body and, where it has a result, leaves that on the stack. Exported where it has a name. */
  func<const P extends readonly ValueType[], const R extends ValueType | undefined>(
    name: string | undefined,
    params: P,
    result: R,
    emit: (code: Code, ...params: LocalsOf<P>) => void,
  ): Callable<P, R> {
    const code = new Code(params);
    this.#functions.push({ type: this.#type(params, result), code, exported: name });
    const index = this.#imports.length + this.#functions.length - 1;
    const locals = params.map((type, i): Local => ({ index: i, type })) as unknown as LocalsOf<P>; // a mapped tuple: `map` forgets its length
    emit(code, ...locals);
    const left = code.left.map((value) => value.type).join(" ");
    if (left !== (result ?? "")) throw new RangeError(`the body of ${name ?? "a function"} leaves (${left}), not (${result ?? ""})`);
    return { index, params, result };
  }

  #type(params: readonly ValueType[], result: ValueType | undefined): number {
    const key = `${params.join(",")}>${result ?? ""}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    const bytes = new ByteWriter();
    bytes.byte(0x60);
    bytes.u32(params.length);
    for (const type of params) bytes.byte(TYPE_CODES[type]);
    bytes.u32(result === undefined ? 0 : 1);
    if (result !== undefined) bytes.byte(TYPE_CODES[result]);
    this.#types.push(key);
    this.#typeBytes.push(bytes);
    return this.#types.length - 1;
  }

  /** The module's bytes, for `WebAssembly.compile`. */
  encode(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    out.bytes([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    section(out, 1, this.#typeBytes.length, (s) => this.#typeBytes.forEach((bytes) => s.bytes(bytes.view())));
    const memory = this.#memory;
    section(out, 2, this.#imports.length + this.#globals.length + (memory?.from === undefined ? 0 : 1), (s) => {
      for (const { module, name, type } of this.#imports) {
        s.name(module);
        s.name(name);
        s.byte(0);
        s.u32(type);
      }
      if (memory?.from !== undefined) {
        s.name(memory.from[0]);
        s.name(memory.from[1]);
        s.byte(2);
        limits(s, memory.limits);
      }
      for (const { module, name, type } of this.#globals) {
        s.name(module);
        s.name(name);
        s.bytes([3, TYPE_CODES[type], 0]);
      }
    });
    section(out, 3, this.#functions.length, (s) => this.#functions.forEach((f) => s.u32(f.type)));
    if (memory !== undefined && memory.from === undefined) section(out, 5, 1, (s) => limits(s, memory.limits));
    const exported = this.#functions.filter((f) => f.exported !== undefined);
    section(out, 7, exported.length + (this.#memoryExport === undefined ? 0 : 1), (s) => {
      this.#functions.forEach((f, i) => {
        if (f.exported === undefined) return;
        s.name(f.exported);
        s.byte(0);
        s.u32(this.#imports.length + i);
      });
      if (this.#memoryExport !== undefined) {
        s.name(this.#memoryExport);
        s.byte(2);
        s.u32(0);
      }
    });
    section(out, 10, this.#functions.length, (s) => this.#functions.forEach((f) => f.code !== undefined && s.sized(f.code.encode())));
    return out.view().slice();
  }
}

function section(out: ByteWriter, id: number, count: number, write: (section: ByteWriter) => void): void {
  if (count === 0) return;
  const inner = new ByteWriter();
  inner.u32(count);
  write(inner);
  out.byte(id);
  out.sized(inner);
}

function limits(out: ByteWriter, { initial, maximum, shared = false }: MemoryLimits): void {
  if (shared && maximum === undefined) throw new RangeError("a shared memory states its maximum");
  out.byte((maximum === undefined ? 0 : 1) | (shared ? 2 : 0));
  out.u32(initial);
  if (maximum !== undefined) out.u32(maximum);
}
