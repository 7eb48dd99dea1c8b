/** Builds a `Run` in the order of its execution. */

import { KIND, type MemoryPoint, type Run, type Step, type ValueFact } from "./run.ts";

type Mutable<X> = { -readonly [K in keyof X]: X[K] };
type Draft = Mutable<Omit<ValueFact, "users">> & { users: number[] };

/** What `open` may say of an entry besides its kind and label. */
export interface Opening {
  readonly kind: number;
  readonly label: string;
  readonly detail?: string;
  readonly path?: string;
  readonly node?: number;
  readonly nth?: number;
  readonly t: number;
  readonly ins?: readonly number[];
}

/** The facts of a value that its maker knows. */
export type NewValue = Partial<Omit<ValueFact, "index" | "users" | "maker" | "isOutput">> & { readonly name: string; readonly t: number };

export class RunBuilder {
  readonly #kind: number[] = [];
  readonly #parent: number[] = [];
  readonly #depth: number[] = [];
  readonly #end: number[] = [];
  readonly #node: number[] = [];
  readonly #nth: number[] = [];
  readonly #t0: number[] = [];
  readonly #t1: number[] = [];
  readonly #ms: number[] = [];
  readonly #flags: number[] = [];
  readonly #label: string[] = [];
  readonly #detail: string[] = [];
  readonly #path: string[] = [];
  readonly #ins: number[][] = [];
  readonly #outs: number[][] = [];
  readonly values: Draft[] = [];
  readonly notes: Map<number, string> = new Map();
  /** Bytes held, where allocations and frees were recorded. */
  readonly memory: MemoryPoint[] = [];
  hasFrees = false;
  readonly log: Step[] = [];
  readonly #open: number[] = [];
  #t = 0;

  constructor(label: string) {
    this.open({ kind: KIND.root, label, t: 0 });
  }

  /** The innermost open entry. */
  get top(): number {
    return this.#open[this.#open.length - 1] ?? 0;
  }
  get count(): number {
    return this.#kind.length;
  }
  pathOf(entry: number): string {
    return this.#path[entry] ?? "";
  }
  kindOf(entry: number): number {
    return this.#kind[entry] ?? KIND.root;
  }

  open(what: Opening): number {
    const entry = this.#kind.length;
    const parent = entry === 0 ? -1 : this.top;
    this.#kind.push(what.kind);
    this.#parent.push(parent);
    this.#depth.push(parent < 0 ? 0 : (this.#depth[parent] ?? 0) + 1);
    this.#end.push(entry + 1);
    this.#node.push(what.node ?? -1);
    this.#nth.push(what.nth ?? 0);
    this.#t0.push(what.t);
    this.#t1.push(what.t);
    this.#ms.push(Number.NaN);
    this.#flags.push(0);
    this.#label.push(what.label);
    this.#detail.push(what.detail ?? "");
    this.#path.push(what.path ?? (parent < 0 ? "" : (this.#path[parent] ?? "")));
    this.#ins.push([]);
    this.#outs.push([]);
    this.#open.push(entry);
    this.#t = Math.max(this.#t, what.t);
    for (const value of what.ins ?? []) this.use(entry, value);
    return entry;
  }

  /** Ends the innermost open entry. */
  close(t: number, ms: number = Number.NaN): void {
    const entry = this.#open.length > 1 ? (this.#open.pop() ?? 0) : 0;
    this.#end[entry] = this.#kind.length;
    this.#t1[entry] = Math.max(t, this.#t0[entry] ?? 0);
    this.#ms[entry] = ms;
    this.#t = Math.max(this.#t, t);
  }

  /** Says that an entry is a module call and not an op: a call's node is known before its body is. */
  becomeModule(entry: number, label: string, detail: string, path: string): void {
    if (entry > 0) this.#kind[entry] = KIND.module;
    this.#label[entry] = label;
    this.#detail[entry] = detail;
    this.#path[entry] = path;
  }

  /** Says that an op made no tensor: sizes, lists and their like are data. */
  becomeData(entry: number): void {
    this.#kind[entry] = KIND.data;
  }

  flag(entry: number, bit: number, note?: string): void {
    this.#flags[entry] = (this.#flags[entry] ?? 0) | bit;
    if (note !== undefined) this.notes.set(entry, note);
  }

  /** Says that an entry is given a value, without being its user: the run and its inputs. */
  given(entry: number, value: number): void {
    this.#ins[entry]?.push(value);
  }

  use(entry: number, value: number): void {
    this.#ins[entry]?.push(value);
    const users = this.values[value]?.users;
    if (users !== undefined && users[users.length - 1] !== entry) users.push(entry);
  }

  /** A value made by `entry`; its index. */
  value(entry: number, fact: NewValue): number {
    const index = this.values.length;
    this.values.push({ role: "value", ...fact, index, maker: entry, users: [], isOutput: false });
    if (fact.role === undefined || fact.role === "value") this.#outs[entry]?.push(index);
    return index;
  }

  /** Lets an entry give a value that another one below it made: what a module returns. */
  gives(entry: number, value: number): void {
    const outs = this.#outs[entry];
    if (outs !== undefined && !outs.includes(value)) outs.push(value);
  }

  finish(rest: Pick<Run, "name" | "graph" | "nodeFact" | "backend" | "facts" | "dropped" | "sources" | "bytes">): Run {
    while (this.#open.length > 1) this.close(this.#t);
    this.#end[0] = this.#kind.length;
    this.#t1[0] = this.#t;
    this.#sumTimes();
    return {
      ...rest,
      count: this.#kind.length,
      kind: Uint8Array.from(this.#kind),
      parent: Int32Array.from(this.#parent),
      depth: Uint16Array.from(this.#depth),
      end: Int32Array.from(this.#end),
      node: Int32Array.from(this.#node),
      nth: Int32Array.from(this.#nth),
      t0: Float64Array.from(this.#t0),
      t1: Float64Array.from(this.#t1),
      ms: Float64Array.from(this.#ms),
      flags: Uint8Array.from(this.#flags),
      label: this.#label,
      detail: this.#detail,
      path: this.#path,
      ins: this.#ins,
      outs: this.#outs,
      values: this.values,
      notes: this.notes,
      memory: this.hasFrees ? this.memory : this.#heldBytes(),
      log: this.log,
    };
  }

  /** Modules and trips that were not timed themselves take the sum of what is below. */
  #sumTimes(): void {
    for (let entry = this.#kind.length - 1; entry >= 0; entry--) {
      if (!Number.isNaN(this.#ms[entry] ?? Number.NaN) || (this.#end[entry] ?? 0) === entry + 1) continue;
      let sum = 0;
      let known = false;
      for (let child = entry + 1; child < (this.#end[entry] ?? 0); child = this.#end[child] ?? child + 1) {
        const ms = this.#ms[child] ?? Number.NaN;
        if (Number.isNaN(ms)) continue;
        sum += ms;
        known = true;
      }
      if (known) this.#ms[entry] = sum;
    }
  }

  /** Bytes of the values' storages from the step that made them to their last use: what a trace without allocations still tells. */
  #heldBytes(): MemoryPoint[] {
    const storages = new Map<number, { bytes: number; from: number; to: number }>();
    for (const value of this.values) {
      if (value.storage === undefined || value.shape === undefined || value.role !== "value") continue;
      const last = value.users[value.users.length - 1];
      const to = value.isOutput ? this.#t : last === undefined ? value.t : (this.#t1[last] ?? value.t);
      const bytes = value.shape.reduce((a, b) => a * b, 1) * itemBytes(value.dtype);
      const known = storages.get(value.storage);
      if (known === undefined) storages.set(value.storage, { bytes, from: value.t, to });
      else {
        known.bytes = Math.max(known.bytes, bytes);
        known.to = Math.max(known.to, to);
      }
    }
    const changes = [...storages.values()].flatMap(({ bytes, from, to }) => [
      { t: from, by: bytes },
      { t: to + 1, by: -bytes },
    ]);
    changes.sort((a, b) => a.t - b.t || a.by - b.by);
    const points: MemoryPoint[] = [{ t: 0, bytes: 0 }];
    let bytes = 0;
    for (const { t, by } of changes) {
      bytes += by;
      if (points[points.length - 1]?.t === t) points.pop();
      points.push({ t, bytes });
    }
    return points;
  }
}

const NARROW: Readonly<Record<string, number>> = {
  bool: 1,
  float16: 2,
  bfloat16: 2,
  int16: 2,
  uint16: 2,
  float64: 8,
  int64: 8,
  uint64: 8,
  complex64: 8,
  complex128: 16,
};
export function itemBytes(dtype: string | undefined): number {
  if (dtype === undefined) return 4;
  return NARROW[dtype] ?? (/8|4_|int4|int2/.test(dtype) ? 1 : 4);
}
