/**
 * A tape: what a run did, flat. Every execution of an op in order, with the data that went in and came out, held as they were at that
 * moment. Comparing, judging, bisecting and reducing are replays of a tape (`replay.ts`): control flow stands as it was recorded.
 *
 * Tensors on a tape are frozen: their storages hold one version of one storage of the run, and are never written.
 */

import { type Datum, type Instance, makeDict, makeList, makeTuple } from "../../ir/datum.ts";
import type { Node, Program } from "../../ir/graph.ts";
import type { BoundOp } from "../../ops/registry.ts";
import type { Input } from "../../run/convert.ts";
import type { Frame, Machine } from "../../run/machine.ts";
import { walkData } from "../../run/reach.ts";
import type { Session } from "../../run/session.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { GeneratorState } from "../../tensor/generator.ts";
import { Storage } from "../../tensor/storage.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** One run of one op. */
export interface Execution {
  /** Its place on the tape. */
  readonly index: number;
  readonly node: Node;
  /** How often the node had run before: 0 at first. */
  readonly nth: number;
  /** Dotted path of the module whose code called it; empty for the root and for formats without modules. */
  readonly module: string;
  readonly bound: BoundOp;
  readonly args: readonly Datum[];
  readonly outs: readonly Datum[];
  /** Arguments that it wrote, as they were afterwards. */
  readonly writes: readonly Tensor[];
  /** The random generator before, where the op drew from it. */
  readonly generator: GeneratorState | undefined;
}

export interface Tape {
  readonly program: Program;
  readonly executions: readonly Execution[];
  /** Arguments of the run, the module itself apart. */
  readonly inputs: readonly Tensor[];
  /** Results of the run. */
  readonly outputs: readonly Datum[];
  /** Bytes of all storages held, each version once. */
  readonly bytes: number;
  /** Values recorded elsewhere: there is nothing that could run again. */
  readonly recorded?: boolean;
  /** Where each frozen tensor's memory comes from. */
  readonly origin: (tensor: Tensor) => Origin | undefined;
}

/** A frozen tensor's storage in the run. */
export interface Origin {
  /** Number of the storage: tensors that share memory have the same one. */
  readonly storage: number;
  /** Writes to it before. */
  readonly version: number;
  /** The execution that gave the tensor out, where one did: not so for weights and inputs. */
  readonly producer: number | undefined;
  /** The execution that made this version of the storage. */
  readonly writer: number | undefined;
}

export interface TapeOptions {
  readonly method?: string | undefined;
  /** Inputs by name, besides those by position. */
  readonly named?: Readonly<Record<string, Input>> | undefined;
  /** Bytes that a tape may hold, else `out-of-memory`; default 4 GiB. */
  readonly maxBytes?: number | undefined;
  readonly maxSteps?: number | undefined;
}

const MAX_BYTES = 4 * 2 ** 30;

/** Tensors that a datum holds, in order, each place once. */
export function tensorsIn(data: readonly Datum[]): Tensor[] {
  const out: Tensor[] = [];
  for (const value of data) {
    if (value instanceof Tensor) out.push(value);
    else if (typeof value === "object" && value !== null) {
      if (value.kind === "list" || value.kind === "tuple") out.push(...tensorsIn(value.items));
      else if (value.kind === "dict") out.push(...tensorsIn([...value.entries.values()].flat()));
    }
  }
  return out;
}

/** The datum with other tensors in their places; lists, tuples and dicts are new, everything else is shared. */
export function mapTensors(value: Datum, change: (tensor: Tensor) => Tensor): Datum {
  if (value instanceof Tensor) return change(value);
  if (typeof value !== "object" || value === null) return value;
  switch (value.kind) {
    case "list":
      return makeList(
        value.elem,
        value.items.map((item) => mapTensors(item, change)),
      );
    case "tuple":
      return makeTuple(
        value.items.map((item) => mapTensors(item, change)),
        value.type,
      );
    case "dict":
      return makeDict(
        value.key,
        value.value,
        [...value.entries.values()].map(([k, v]) => [mapTensors(k, change), mapTensors(v, change)] as const),
      );
    default:
      return value;
  }
}

/** A tensor's record over another storage. */
export function recordOver(tensor: Tensor, storage: Storage): Tensor {
  const out = new Tensor(storage, tensor.dtype, [...tensor.shape], [...tensor.strides], tensor.offset);
  out.conj = tensor.conj;
  out.neg = tensor.neg;
  out.requiresGrad = tensor.requiresGrad;
  out.wrappedNumber = tensor.wrappedNumber;
  out.quantizer = tensor.quantizer;
  out.lengths = tensor.lengths;
  return out;
}

/** Keeps data as they are now, each version of a storage once. */
export class Freezer {
  readonly #versions = new Map<Storage, { readonly id: number; readonly frozen: Map<number, Storage>; writer: Map<number, number> }>();
  readonly #records = new WeakMap<Tensor, Tensor[]>();
  readonly #origins = new WeakMap<Tensor, Origin>();
  readonly #limit: number;
  #next = 0;
  bytes = 0;

  constructor(limit: number = MAX_BYTES) {
    this.#limit = limit;
  }

  readonly origin = (tensor: Tensor): Origin | undefined => this.#origins.get(tensor);

  #entry(storage: Storage): { readonly id: number; readonly frozen: Map<number, Storage>; writer: Map<number, number> } {
    let entry = this.#versions.get(storage);
    if (entry === undefined) this.#versions.set(storage, (entry = { id: this.#next++, frozen: new Map(), writer: new Map() }));
    return entry;
  }

  /** The storage as it is now. Bytes are shared until the run writes them. */
  #storage(storage: Storage): Storage {
    const entry = this.#entry(storage);
    const known = entry.frozen.get(storage.version);
    if (known !== undefined) return known;
    this.bytes += storage.borrowed ? 0 : storage.nbytes; // a file's own bytes are no memory of the tape
    if (this.bytes > this.#limit) {
      throw new OpwiseError("out-of-memory", "the values of the run take more than the recording may hold", {
        wanted: `at most ${this.#limit} bytes`,
        hint: "raise `maxBytes`, or compare a part of the model (`--only`)",
      });
    }
    const frozen = Storage.wrap(storage.bytes().subarray(0, storage.nbytes), true);
    storage.saveBeforeWrite((bytes) => frozen.restore(bytes, 0));
    entry.frozen.set(storage.version, frozen);
    return frozen;
  }

  /** A tensor as it is now; the same object for an unchanged record and version. `producer`: the execution that has just given it out. */
  tensor(tensor: Tensor, producer?: number): Tensor {
    const storage = this.#storage(tensor.storage);
    const known = this.#records.get(tensor)?.find((t) => sameRecord(t, tensor, storage));
    if (known !== undefined && producer === undefined) return known;
    const frozen = recordOver(tensor, storage);
    const { id, writer } = this.#entry(tensor.storage);
    this.#origins.set(frozen, { storage: id, version: tensor.storage.version, producer, writer: writer.get(tensor.storage.version) });
    this.#records.set(tensor, [frozen, ...(this.#records.get(tensor) ?? [])]);
    return frozen;
  }

  /** Notes who made the storage's present version. */
  wrote(storage: Storage, execution: number): void {
    this.#entry(storage).writer.set(storage.version, execution);
  }

  datum(value: Datum, producer?: number): Datum {
    return mapTensors(value, (t) => this.tensor(t, producer));
  }
}

function sameRecord(a: Tensor, b: Tensor, storage: Storage): boolean {
  const same = (x: readonly number[], y: readonly number[]): boolean => x.length === y.length && x.every((n, i) => n === y[i]);
  return (
    a.storage === storage &&
    a.dtype === b.dtype &&
    a.offset === b.offset &&
    a.conj === b.conj &&
    a.neg === b.neg &&
    same(a.shape, b.shape) &&
    same(a.strides, b.strides)
  );
}

/** Dotted paths of the modules that a root holds; a shared one has its first. */
export function modulePaths(roots: readonly Datum[]): Map<Instance, string> {
  const paths = new Map<Instance, string>();
  const visit = (value: Datum | undefined, path: string): void => {
    if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "instance" || paths.has(value)) return;
    paths.set(value, path);
    value.class.attributes.forEach((a, i) => visit(value.slots[i], path === "" ? a.name : `${path}.${a.name}`));
  };
  for (const root of roots) visit(root, "");
  return paths;
}

/** Runs a method of the session and records it. @throws out-of-memory beyond `maxBytes`; what the model raises */
export async function record(session: Session, inputs: readonly Input[], options: TapeOptions = {}): Promise<Tape> {
  const machine = session.machine(options.method ?? "forward", inputs, { maxSteps: options.maxSteps }, options.named);
  const freezer = new Freezer(options.maxBytes);
  const paths = modulePaths(session.roots);
  const modules = new WeakMap<Frame, string>();
  const counts = new Map<Node, number>();
  const executions: Execution[] = [];
  const args0 = machine.tasks[0]?.frames[0]?.registers ?? [];
  await syncAll([...args0]);
  const given = tensorsIn([...args0]).map((t) => freezer.tensor(t));
  let pending:
    | {
        readonly execution: Omit<Execution, "outs" | "writes">;
        readonly live: readonly Datum[];
        readonly versions: readonly number[];
        readonly tensors: readonly Tensor[];
      }
    | undefined;
  machine.listener = (event) => {
    if (event.kind !== "op" || pending === undefined || event.node !== pending.execution.node) return;
    done = event.outputs;
  };
  let done: readonly Datum[] | undefined;
  for (;;) {
    if (pending === undefined) {
      const next = peek(machine, paths, modules);
      if (next !== undefined) {
        const { node } = next.instruction;
        const nth = counts.get(node) ?? 0;
        counts.set(node, nth + 1);
        await syncAll(next.args);
        const tensors = reachableTensors(next.args);
        pending = {
          execution: {
            index: executions.length,
            node,
            nth,
            module: node.location?.module?.() ?? next.module,
            bound: next.instruction.bound,
            args: next.args.map((a) => freezer.datum(a)),
            generator: copyOfGenerator(machine.executor.generator),
          },
          live: next.args,
          versions: tensors.map((t) => t.storage.version),
          tensors,
        };
      }
    }
    const status = machine.advance();
    if (status === "waiting") {
      await machine.waiting;
      continue;
    }
    if (pending !== undefined && done !== undefined) {
      const { execution, tensors, versions } = pending;
      const outs: readonly Datum[] = done;
      await syncAll([...outs, ...tensors]);
      const written = tensors.filter((t, i) => t.storage.version !== versions[i]);
      for (const t of written) freezer.wrote(t.storage, execution.index);
      const fresh = tensorsIn(outs).filter((t) => !tensors.some((a) => a.storage === t.storage));
      for (const t of fresh) freezer.wrote(t.storage, execution.index);
      const drew = !sameGenerator(execution.generator, machine.executor.generator);
      executions.push({
        ...execution,
        generator: drew ? execution.generator : undefined,
        outs: outs.map((o) => freezer.datum(o, execution.index)),
        writes: written.filter((t) => !tensorsIn(outs).includes(t)).map((t) => freezer.tensor(t)),
      });
      pending = undefined;
      done = undefined;
    }
    if (status === "done") break;
  }
  const result = machine.result ?? [];
  await syncAll(result);
  return {
    program: session.program,
    executions,
    inputs: given,
    outputs: result.map((value) => freezer.datum(value)),
    bytes: freezer.bytes,
    origin: freezer.origin,
  };
}

/** The next instruction where it is an op: what it will get, and whose code it is. */
function peek(
  machine: Machine,
  paths: ReadonlyMap<Instance, string>,
  modules: WeakMap<Frame, string>,
): { readonly instruction: Extract<Frame["block"]["instructions"][number], { kind: "op" }>; readonly args: Datum[]; readonly module: string } | undefined {
  const frames = machine.tasks.at(-1)?.frames ?? [];
  const frame = frames.at(-1);
  if (frame === undefined) return undefined;
  if (!modules.has(frame)) {
    const self = frame.role.kind === "function" ? frame.registers[frame.block.inputs[0] ?? -1] : undefined;
    const path = typeof self === "object" && self !== null && "kind" in self && self.kind === "instance" ? paths.get(self) : undefined;
    const outer = frames.at(-2);
    modules.set(frame, path ?? (outer === undefined ? "" : (modules.get(outer) ?? "")));
  }
  const instruction = frame.block.instructions[frame.position];
  if (instruction?.kind !== "op") return undefined;
  const args = instruction.operands.map((o) => {
    const value = o.register < 0 ? o.constant : (frame.registers[o.register] ?? null);
    return o.adapt === undefined ? value : o.adapt(value);
  });
  return { instruction, args, module: modules.get(frame) ?? "" };
}

function reachableTensors(data: readonly Datum[]): Tensor[] {
  const out: Tensor[] = [];
  walkData(data, (value) => void (value instanceof Tensor && out.push(value)));
  return out;
}

async function syncAll(data: readonly Datum[]): Promise<void> {
  for (const t of reachableTensors(data)) {
    const wait = t.storage.sync();
    if (wait instanceof Promise) await wait;
  }
}

export function copyOfGenerator(state: GeneratorState): GeneratorState {
  return { ...state, words: state.words.slice() };
}
function sameGenerator(a: GeneratorState | undefined, b: GeneratorState): boolean {
  return (
    a !== undefined &&
    a.seed === b.seed &&
    a.position === b.position &&
    a.nextFloat === b.nextFloat &&
    a.nextDouble === b.nextDouble &&
    a.words.every((w, i) => w === b.words[i])
  );
}
