/**
 * Where numbers stop being finite (F9): each birth with its op, place and cause, how it spreads, where it is dropped, and whether it reaches an output.
 * Every non-finite element carries the number of its birth. Labels lie beside storages, so views carry them along; a call hands them from operands to results.
 */

import type { Datum } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import type { Call, Region } from "../prims/call.ts";
import type { Machine } from "../run/machine.ts";
import type { Session } from "../run/session.ts";
import { dtypeInfo, isComplex, isFloat, largestOf } from "../tensor/dtype.ts";
import { numelOf } from "../tensor/shape.ts";
import { Storage } from "../tensor/storage.ts";
import { forEachOffset, Tensor, type View } from "../tensor/tensor.ts";
import { elementAt, forEachNonFinite, indexOf, offsetOf } from "./element-at.ts";
import { type Cause, causeInContract, causeInProgram, causeInReduce, maskedRow } from "./non-finite-cause.ts";
import { placeOfNode, type Place } from "./place.ts";
import { numberingOf, type Numbering } from "./graph.ts";
import { healthOf } from "./health.ts";
import { outputsOf } from "./outputs.ts";
import type { RunInputs } from "./record.ts";
import { tensorsOf } from "./write-log.ts";

export interface NonFiniteOptions {
  readonly method?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Besides NaN and infinities: numbers that float16 or bfloat16 would not hold, subnormal numbers. */
  readonly overflow?: "float16" | "bfloat16" | undefined;
  readonly subnormal?: boolean | undefined;
}

/** One execution of a node. */
export interface NodeExecution {
  /** `#node`. */
  readonly node: number;
  /** Which execution of the node, from 0. */
  readonly nth: number;
  readonly time: number;
  readonly op: string;
  readonly place: Place;
}

/** Where something that is not finite came into being. */
export interface Birth {
  readonly id: number;
  readonly kind: "nan" | "inf";
  /** `data`: it was there already, in `name`: an input, a weight or a constant of the model. */
  readonly origin: "computed" | "input" | "weight" | "constant";
  readonly name: string | undefined;
  /** The op that made it, or that read it first. */
  readonly at: NodeExecution;
  /** The value that first shows it, without `%`. */
  readonly value: string | undefined;
  readonly shape: readonly number[];
  /** Elements of that value, and the first one's index. */
  readonly count: number;
  readonly first: readonly number[];
  readonly cause: Cause;
  /** Numbers of births whose infinities led to this NaN. */
  readonly from: readonly number[];
  /** An infinity that the model states: masks use it on purpose. */
  readonly intended: boolean;
  /** Ops whose results show it, in order of running; the first ones where there are many. */
  readonly spread: readonly NodeExecution[];
  readonly spreadCount: number;
  /** Ops that read it and whose results do not show it. */
  readonly dropped: readonly NodeExecution[];
  /** Outputs that show it. */
  readonly reaches: readonly string[];
}

/** Something close to going wrong. */
export interface Warning {
  readonly kind: "near overflow" | "overflow" | "subnormal" | "uninitialised";
  readonly at: NodeExecution;
  readonly value: string | undefined;
  readonly text: string;
}

export interface NonFiniteReport {
  readonly births: readonly Birth[];
  readonly warnings: readonly Warning[];
  /** Ops that ran. */
  readonly ops: number;
  /** The model's own error, where it ended the run. */
  readonly error: unknown;
}

/** Births and executions that are told one by one. */
const MAX_BIRTHS = 1000;
const MAX_SPREAD = 12;
/** Share of a small dtype's range from which numbers are told as close to overflow. */
const NEAR = 0.5;
/** Bytes of an operand that is written in place and kept for its cause. */
const MAX_KEPT = 64 * 2 ** 20;

interface Draft extends Omit<Birth, "spread" | "dropped" | "reaches" | "count" | "first" | "value" | "shape" | "spreadCount"> {
  value: string | undefined;
  shape: readonly number[];
  count: number;
  first: readonly number[];
  spread: NodeExecution[];
  spreadCount: number;
  dropped: NodeExecution[];
  reaches: Set<string>;
}

/** Numbers of births by element of a storage. 0: none. */
class Labels {
  readonly #of = new WeakMap<Storage, Uint16Array>();

  get(storage: Storage): Uint16Array | undefined {
    return this.#of.get(storage);
  }
  /** The labels of the storage, made where there are none. Elements are counted in the view's dtype. */
  make(view: View): Uint16Array {
    const elements = Math.ceil(view.storage.nbytes / dtypeInfo(view.dtype).itemsize);
    let labels = this.#of.get(view.storage);
    if (labels === undefined || labels.length < elements) {
      const grown = new Uint16Array(elements);
      if (labels !== undefined) grown.set(labels);
      this.#of.set(view.storage, (labels = grown));
    }
    return labels;
  }
  /** Births that elements of the view carry. */
  in(view: View): Set<number> {
    const found = new Set<number>();
    const labels = this.#of.get(view.storage);
    if (labels === undefined) return found;
    forEachOffset(view.shape, view.strides, view.offset, (offset) => {
      const label = labels[offset] ?? 0;
      if (label !== 0) found.add(label);
    });
    return found;
  }
  clear(view: View): void {
    const labels = this.#of.get(view.storage);
    if (labels !== undefined) forEachOffset(view.shape, view.strides, view.offset, (offset) => void (labels[offset] = 0));
  }
}

/** An operand as it was before the call, with its labels then. */
interface Read {
  readonly view: View;
  readonly labels: Uint16Array | undefined;
}

class Finder {
  readonly #session: Session;
  readonly #machine: Machine;
  readonly #numbering: Numbering;
  readonly #options: NonFiniteOptions;
  readonly #labels = new Labels();
  readonly #births: Draft[] = [];
  readonly #warnings: Warning[] = [];
  readonly #counts = new Map<Node, number>();
  /** Storages whose contents have been looked at, or were made by a call. */
  readonly #known = new WeakSet<Storage>();
  /** Where storages come from that no call made. */
  readonly #sources = new Map<Storage, { readonly origin: "input" | "weight" | "constant"; readonly name: string }>();
  /** Fresh memory of `aten::empty` and its like, with its version then. */
  readonly #blank = new Map<Storage, number>();
  readonly #flagged = new Map<string, WeakSet<Storage>>();
  readonly #regions: Region[] = [];
  /** Births that went on as another where they met: an infinity that was added to an infinity. */
  readonly #merged = new Map<number, Set<number>>();
  /** Births that the calls of the op at hand have read. */
  #seen = new Set<number>();
  #reads: Read[] = [];
  #ops = 0;

  constructor(session: Session, machine: Machine, options: NonFiniteOptions) {
    this.#session = session;
    this.#machine = machine;
    this.#options = options;
    this.#numbering = numberingOf(session.program);
  }

  async run(inputs: readonly (readonly [string, Datum])[]): Promise<NonFiniteReport> {
    const { executor } = this.#session;
    for (const { name, tensor } of this.#session.tensors()) this.#sources.set(tensor.storage, { origin: "weight", name });
    for (const [name, value] of inputs) for (const tensor of tensorsOf([value])) this.#sources.set(tensor.storage, { origin: "input", name });
    executor.inspector = {
      before: (what) => this.#before(what),
      after: (what) => this.#after(what),
      body: (region, phase) => void (phase === "enter" ? this.#regions.push(region) : this.#regions.pop()),
    };
    const machine = this.#machine;
    machine.listener = (event) => {
      if (event.kind === "op") this.#op(event.node, event.time, event.outputs);
    };
    let error: unknown;
    try {
      for (;;) {
        const status = machine.advance();
        if (status === "done") break;
        if (status === "waiting") await machine.waiting;
        if ((machine.time & 63) === 0 && this.#options.signal?.aborted === true) break;
      }
      for (const { name, value } of outputsOf(this.#session.program, machine.result ?? [])) {
        for (const tensor of tensorsOf([value])) for (const label of this.#withMerged(this.#labels.in(tensor))) this.#births[label - 1]?.reaches.add(name);
      }
    } catch (raised) {
      error = raised;
    } finally {
      machine.listener = undefined;
      executor.inspector = undefined;
    }
    return { births: this.#births.map((b): Birth => ({ ...b, reaches: [...b.reaches] })), warnings: this.#warnings, ops: this.#ops, error };
  }

  /** The node that runs. */
  #running(): Node | undefined {
    const frame = this.#machine.tasks.at(-1)?.frames.at(-1);
    return frame?.block.instructions[frame.position - 1]?.node;
  }

  #execution(node: Node, time: number): NodeExecution {
    return { node: this.#numbering.nodeId(node), nth: this.#counts.get(node) ?? 0, time, op: node.op, place: placeOfNode(node) };
  }

  #host(view: View): boolean {
    const wait = view.storage.sync();
    if (wait instanceof Promise) wait.catch(() => undefined); // what has to be waited for is not looked at
    return view.storage.onHost;
  }

  #before(what: Call | Region): void {
    const written = new Set(what.results.map((view) => view.storage));
    this.#reads = what.operands.map((view): Read => {
      if (!this.#host(view)) return { view, labels: undefined };
      this.#meet(view);
      const labels = this.#labels.get(view.storage);
      if (labels !== undefined) for (const label of this.#labels.in(view)) this.#seen.add(label);
      const blank = this.#blank.get(view.storage);
      if (blank !== undefined) this.#warnBlank(view, blank, written);
      if (!written.has(view.storage)) return { view, labels };
      // Written in place: the cause needs what was read.
      const old = view.storage.nbytes > MAX_KEPT ? undefined : Storage.wrap(view.storage.bytes().slice(0, view.storage.nbytes), false);
      return {
        view: old === undefined ? view : { storage: old, dtype: view.dtype, shape: view.shape, strides: view.strides, offset: view.offset },
        labels: labels?.slice(),
      };
    });
  }

  #warnBlank(view: View, version: number, written: ReadonlySet<Storage>): void {
    this.#blank.delete(view.storage);
    const node = this.#running();
    if (view.storage.version !== version || written.has(view.storage) || node === undefined || numelOf(view.shape) === 0) return;
    this.#warnings.push({
      kind: "uninitialised",
      at: this.#execution(node, this.#machine.time),
      value: undefined,
      text: "reads memory that nothing has written (aten::empty): zeros here, anything in PyTorch",
    });
  }

  /** Looks at an operand that no call made: an input, a weight, a constant. */
  #meet(view: View): void {
    if (this.#known.has(view.storage)) return;
    this.#known.add(view.storage);
    const node = this.#running();
    if (node === undefined) return;
    const source = this.#sources.get(view.storage) ?? { origin: "constant" as const, name: undefined };
    const births = new Map<string, Draft>();
    forEachNonFinite(view, (offset, flat, value) => {
      const kind = Number.isNaN(value) ? "nan" : "inf";
      let birth = births.get(kind);
      if (birth === undefined) {
        const intended = kind === "inf" && source.origin === "constant";
        birth = this.#birth({
          kind,
          origin: source.origin,
          name: source.name,
          at: this.#execution(node, this.#machine.time),
          cause: { kind: intended ? "constant" : "unknown", text: `already in ${source.name ?? "a constant"}` },
          from: [],
          intended,
        });
        if (birth === undefined) return;
        birth.shape = view.shape;
        birth.first = indexOf(view.shape, flat);
        births.set(kind, birth);
      }
      birth.count++;
      this.#labels.make(view)[offset] = birth.id;
    });
  }

  #birth(facts: Pick<Draft, "kind" | "origin" | "name" | "at" | "cause" | "from" | "intended">): Draft | undefined {
    if (this.#births.length >= MAX_BIRTHS) return undefined;
    const birth: Draft = {
      ...facts,
      id: this.#births.length + 1,
      value: undefined,
      shape: [],
      count: 0,
      first: [],
      spread: [],
      spreadCount: 0,
      dropped: [],
      reaches: new Set(),
    };
    this.#births.push(birth);
    return birth;
  }

  #after(what: Call | Region): void {
    const reads = this.#reads;
    this.#reads = [];
    const labelled = reads.filter((read) => read.labels !== undefined);
    what.results.forEach((view, output) => {
      this.#known.add(view.storage);
      if (!this.#host(view) || !(isFloat(view.dtype) || isComplex(view.dtype))) return;
      const bad: (readonly [number, number, number])[] = [];
      forEachNonFinite(view, (offset, flat, value) => bad.push([offset, flat, value]));
      this.#labels.clear(view);
      if (bad.length === 0) return;
      const labels = this.#labels.make(view);
      const born = new Map<string, Draft | undefined>();
      const overall = labelled.map((read) => this.#whole(read));
      for (const [offset, flat, value] of bad) {
        const index = indexOf(view.shape, flat);
        const { nan, inf, alike } = this.#inherited(what, labelled, overall, index, Number.isNaN(value));
        const isNan = Number.isNaN(value);
        const given = isNan ? nan : inf; // no arithmetic makes an infinity of a NaN
        if (given !== 0) {
          labels[offset] = given;
          for (const other of alike) if (other !== given) this.#merge(given, other);
          continue;
        }
        const key = `${isNan}/${inf}`;
        if (!born.has(key)) born.set(key, this.#born(what, reads, output, index, isNan, inf));
        const birth = born.get(key);
        if (birth !== undefined) labels[offset] = birth.id;
      }
    });
  }

  #merge(into: number, from: number): void {
    const known = this.#merged.get(into);
    if (known === undefined) this.#merged.set(into, new Set([from]));
    else known.add(from);
  }
  /** The births, and those that have become them. */
  #withMerged(labels: ReadonlySet<number>): Set<number> {
    const out = new Set<number>(labels);
    for (const label of out) for (const other of this.#merged.get(label) ?? []) out.add(other); // what is added is gone over too
    return out;
  }

  /** Births in the whole of an operand: one of NaN, one of infinities. */
  #whole({ view, labels }: Read): { readonly nan: number; readonly inf: number } {
    let [nan, inf] = [0, 0];
    forEachNonFinite(view, (offset, _flat, value) => {
      const label = labels?.[offset] ?? 0;
      if (label === 0) return;
      if (Number.isNaN(value)) nan ||= label;
      else inf ||= label;
    });
    return { nan, inf };
  }

  /** What the element at `index` of a result has from the operands: a birth of a NaN, one of an infinity (0 for none), and all of its own kind. */
  #inherited(
    what: Call | Region,
    labelled: readonly Read[],
    overall: readonly { readonly nan: number; readonly inf: number }[],
    index: readonly number[],
    isNan: boolean,
  ): { nan: number; inf: number; alike: ReadonlySet<number> } {
    let [nan, inf] = [0, 0];
    const alike = new Set<number>();
    const found = { nan: false, inf: false };
    const see = (view: View, labels: Uint16Array | undefined, at: readonly number[]): void => {
      const label = labels?.[offsetOf(view, at)] ?? 0;
      if (label === 0) return;
      const value = elementAt(view, at);
      if (Number.isNaN(value) === isNan) alike.add(label);
      if (Number.isNaN(value)) nan ||= label;
      else if (!Number.isFinite(value)) inf ||= label;
      found.nan = nan !== 0;
      found.inf = inf !== 0;
    };
    labelled.forEach(({ view, labels }, i) => {
      if (what.kind === "map") return see(view, labels, index);
      if (what.kind === "reduce" && view.shape.length === what.shape.length) {
        const sizes = what.axes.map((axis) => what.shape[axis] ?? 1);
        for (let k = 0, n = numelOf(sizes); k < n && !(found.nan && found.inf); k++) {
          const inside = indexOf(sizes, k);
          see(
            view,
            labels,
            index.map((at, axis) => inside[what.axes.indexOf(axis)] ?? at),
          );
        }
        return;
      }
      if (what.kind === "contract" && view.shape.length === 3) {
        const isLeft = view === what.operands[0] || (view.shape[1] === what.results[0]?.shape[1] && i === 0);
        const depth = (isLeft ? view.shape[2] : view.shape[1]) ?? 0;
        const [batch = 0, m = 0, n = 0] = index;
        for (let k = 0; k < depth && !(found.nan && found.inf); k++) see(view, labels, isLeft ? [batch, m, k] : [batch, k, n]);
        return;
      }
      nan ||= overall[i]?.nan ?? 0;
      inf ||= overall[i]?.inf ?? 0;
    });
    return { nan, inf, alike };
  }

  /** A new birth at `index` of a result. `inf`: the birth of an infinity that the call read there. */
  #born(what: Call | Region, reads: readonly Read[], output: number, index: readonly number[], isNan: boolean, inf: number): Draft | undefined {
    const node = this.#running();
    if (node === undefined) return undefined;
    const cause = this.#cause(what, reads, output, index, isNan);
    return this.#birth({
      kind: isNan ? "nan" : "inf",
      origin: "computed",
      name: undefined,
      at: this.#execution(node, this.#machine.time),
      cause,
      from: inf === 0 ? [] : [inf],
      intended: !isNan && cause.kind === "constant",
    });
  }

  #cause(what: Call | Region, reads: readonly Read[], output: number, index: readonly number[], isNan: boolean): Cause {
    if (isNan) {
      for (const region of [...this.#regions, ...(what.kind === "region" ? [what] : [])]) {
        const [x] = region.operands;
        const { axis } = region.params;
        if ((region.name !== "softmax" && region.name !== "log_softmax") || x === undefined || typeof axis !== "number" || !this.#host(x)) continue;
        const cause = x.shape.length === index.length ? maskedRow(x, axis, index) : undefined;
        if (cause !== undefined) return cause;
      }
    }
    const operands = reads.map((read) => read.view);
    if (!operands.every((view) => view.storage.onHost)) return { kind: "unknown", text: "its operands are on a device" };
    const host = this.#session.executor.host;
    switch (what.kind) {
      case "map":
      case "compute":
        return (
          causeInProgram(host, { ...what, operands }, output, index, what.results[output]?.dtype ?? "float32") ?? { kind: "unknown", text: what.program.name }
        );
      case "reduce": {
        const sizes = what.axes.map((axis) => what.shape[axis] ?? 1);
        for (let k = 0, n = Math.min(numelOf(sizes), 4096); k < n; k++) {
          const inside = indexOf(sizes, k);
          const cause = causeInProgram(
            host,
            { ...what, operands },
            0,
            index.map((at, axis) => inside[what.axes.indexOf(axis)] ?? at),
            "float64",
          );
          if (cause !== undefined) return cause;
        }
        return isNan && reads.some((r) => r.labels !== undefined) ? { kind: "inf-inf", text: `${what.combiner.name} of infinities` } : causeInReduce(what);
      }
      case "contract":
        return causeInContract({ ...what, operands }, index, isNan);
      case "convolve":
        return isNan ? { kind: "0*inf", text: "a sum of products with infinities" } : { kind: "overflow", text: "a sum of products overflows" };
      default:
        return {
          kind: "unknown",
          text: what.kind === "region" || what.kind === "host" || what.kind === "linalg" ? `inside ${what.name}` : `inside ${what.kind}`,
        };
    }
  }

  /** An op has run: its results show what was born in it, what it handed on, and what it dropped. */
  #op(node: Node, time: number, outputs: readonly Datum[]): void {
    const at = this.#execution(node, time);
    const seen = this.#seen;
    this.#seen = new Set();
    const isConstant = node.op === "prim::Constant";
    const results = tensorsOf(outputs);
    if (isConstant) for (const { storage } of results) this.#sources.set(storage, { origin: "constant", name: this.#nameOf(node, 0) ?? "a constant" });
    if (/^aten::(?:new_)?empty/.test(node.op)) for (const { storage } of results) this.#blank.set(storage, storage.version);
    if (isConstant || node.op === "prim::GetAttr" || node.op === "prim::SetAttr") return;
    this.#ops++;
    this.#counts.set(node, at.nth + 1);
    const shown = new Set<number>();
    results.forEach((tensor, i) => {
      if (this.#options.overflow !== undefined || this.#options.subnormal === true || tensor.dtype === "float16" || tensor.dtype === "bfloat16")
        this.#watch(tensor, at, this.#nameOf(node, i));
      if (this.#labels.get(tensor.storage) === undefined) return;
      const counts = new Map<number, { count: number; first: number }>();
      const labels = this.#labels.make(tensor);
      let flat = 0;
      forEachOffset(tensor.shape, tensor.strides, tensor.offset, (offset) => {
        const label = labels[offset] ?? 0;
        if (label !== 0) {
          const known = counts.get(label);
          if (known === undefined) counts.set(label, { count: 1, first: flat });
          else known.count++;
        }
        flat++;
      });
      for (const [label, { count, first }] of counts) {
        shown.add(label);
        const birth = this.#births[label - 1];
        if (birth === undefined || birth.value !== undefined) continue;
        birth.value = this.#nameOf(node, i);
        if (birth.origin !== "computed") continue;
        Object.assign(birth, { shape: tensor.shape, count, first: indexOf(tensor.shape, first) });
      }
    });
    for (const label of shown) {
      const birth = this.#births[label - 1];
      if (birth === undefined || birth.at.time === time) continue;
      birth.spreadCount++;
      if (birth.spread.length < MAX_SPREAD) birth.spread.push(at);
    }
    const read = this.#withMerged(seen);
    const carried = this.#withMerged(shown);
    for (const label of read) {
      const birth = this.#births[label - 1];
      if (birth === undefined || carried.has(label)) continue;
      // A NaN that its infinities led to is how they go on.
      if (this.#births.some((b) => b.at.time === time && b.from.includes(label))) continue;
      birth.dropped.push(at);
    }
  }

  #nameOf(node: Node, result: number): string | undefined {
    const value = node.results[result];
    return value === undefined ? undefined : this.#numbering.graph.values[this.#numbering.valueId(value)]?.name;
  }

  /** Numbers that come close to the end of a small dtype's range, that another dtype would not hold, or that are subnormal. */
  #watch(tensor: Tensor, at: NodeExecution, value: string | undefined): void {
    if (!isFloat(tensor.dtype) || !this.#host(tensor)) return;
    const health = healthOf(tensor, tensor.storage.bytes());
    const absmax = health.absmax ?? 0;
    const tell = (kind: Warning["kind"], text: string): void => {
      let seen = this.#flagged.get(kind);
      if (seen === undefined) this.#flagged.set(kind, (seen = new WeakSet()));
      if (seen.has(tensor.storage)) return; // views of it would tell it again
      seen.add(tensor.storage);
      this.#warnings.push({ kind, at, value, text });
    };
    const own = largestOf(tensor.dtype);
    if ((tensor.dtype === "float16" || tensor.dtype === "bfloat16") && own !== undefined && absmax >= NEAR * own)
      tell("near overflow", `absmax ${Math.round(absmax)} of ${Math.round(own)} (${tensor.dtype})`);
    const { overflow } = this.#options;
    const other = overflow === undefined ? undefined : largestOf(overflow);
    if (other !== undefined && absmax > other) tell("overflow", `absmax ${absmax.toPrecision(4)} does not fit ${overflow ?? ""} (largest ${other})`);
    if (this.#options.subnormal === true && health.subnormal > 0) tell("subnormal", `${health.subnormal} of ${health.n} subnormal`);
  }
}

/**
 * Runs the model once and tells where NaN and infinities are born, why, and what becomes of them.
 * The run's own error is in the report; @throws what making the call throws (bad-argument, shape-mismatch…)
 */
export async function findNonFinite(session: Session, inputs: RunInputs = {}, options: NonFiniteOptions = {}): Promise<NonFiniteReport> {
  const { machine } = session.begin(options.method ?? "forward", inputs.args ?? [], inputs.named ?? {});
  return new Finder(session, machine, options).run(argumentsOf(session, machine));
}

/** The call's arguments by name, the module itself left out. */
function argumentsOf(session: Session, machine: Machine): (readonly [string, Datum])[] {
  const frame = machine.tasks[0]?.frames[0];
  if (frame?.role.kind !== "function") return [];
  const { decl } = frame.role;
  return frame.block.inputs
    .map((register, i): readonly [string, Datum] => [decl.params[i]?.name ?? `input ${i}`, frame.registers[register] ?? null])
    .filter(([name, value]) => {
      if (session.program.format === "pt2" && session.tensors().some((t) => t.tensor === value)) return false;
      return name !== "self" || value instanceof Tensor;
    });
}
