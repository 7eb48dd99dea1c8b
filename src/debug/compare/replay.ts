/**
 * Replays of a tape: executions run again on some context, with memory of their own. What a replayed execution reads is what earlier ones
 * of the same replay gave; all else is as recorded, or as a substitution says.
 */

import type { Datum } from "../../ir/datum.ts";
import type { Node, Program } from "../../ir/graph.ts";
import type { BoundOp } from "../../ops/registry.ts";
import type { Backend } from "../../prims/backend.ts";
import type { Context } from "../../prims/context.ts";
import { Executor } from "../../run/executor.ts";
import { sweep } from "../../run/reach.ts";
import { type DType, dtypeInfo, itemsize } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { GeneratorState } from "../../tensor/generator.ts";
import { Storage } from "../../tensor/storage.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { numbersOf, sameBits, writeNumbers } from "./numbers.ts";
import { copyOfGenerator, type Execution, Freezer, mapTensors, type Origin, recordOver, type Tape, tensorsIn } from "./tape.ts";

/** Runs an op, whatever it waits for. */
export async function runBound(bound: BoundOp, ctx: Context, args: readonly Datum[]): Promise<readonly Datum[]> {
  if (!bound.reads) return bound.run(ctx, args);
  const steps = bound.run(ctx, args);
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value;
    const wait = step.value instanceof Promise ? step.value : ctx.sync(step.value);
    if (wait instanceof Promise) await wait;
  }
}

/** Wider floats in place of the recorded ones: the judge's arithmetic. */
export function widened(dtype: DType): DType {
  const info = dtypeInfo(dtype);
  if (info.class === "float" && info.itemsize >= 2) return "float64";
  return info.class === "complex" ? "complex128" : dtype;
}

export interface ReplayOptions {
  /** Where ops run. */
  readonly backend: Backend;
  readonly cpu: Backend;
  /** Floats are float64 throughout. */
  readonly wide?: boolean | undefined;
  /** Where an execution runs, if not on `backend`. */
  readonly backendOf?: ((execution: Execution) => Backend) | undefined;
  /** In place of a recorded op. */
  readonly boundOf?: ((execution: Execution) => BoundOp) | undefined;
  /** Changes the context of an execution: one that listens to its calls, say. */
  readonly contextOf?: ((execution: Execution, ctx: Context) => Context) | undefined;
}

interface Memory {
  readonly storage: Storage;
  /** Version of the recorded storage that its contents stand for. */
  version: number;
}

/** One replay. Executions are given to `run` in the order of the tape; any may be left out. */
export class Replay {
  readonly tape: Tape;
  readonly executor: Executor;
  readonly #others = new Map<Backend, Executor>();
  readonly #options: ReplayOptions;
  readonly #memory = new Map<number, Memory>();
  /** Records of what came out: a slice may begin elsewhere this time. */
  readonly #records = new Map<Tensor, Tensor>();
  readonly #freezer = new Freezer();
  readonly #generator: GeneratorState = { seed: 0n, words: new Uint32Array(624), position: 0, nextFloat: undefined, nextDouble: undefined };

  constructor(tape: Tape, options: ReplayOptions) {
    this.tape = tape;
    this.#options = options;
    this.executor = new Executor({ backend: options.backend, cpu: options.cpu, generator: this.#generator });
  }

  #executorOn(backend: Backend): Executor {
    if (backend === this.executor.backend) return this.executor;
    this.#others.set(backend, this.#others.get(backend) ?? new Executor({ backend, cpu: this.#options.cpu, generator: this.#generator }));
    return this.#others.get(backend) ?? this.executor;
  }

  /** Puts a value in a recorded tensor's place, for what is run from here on; converted to the recorded dtype and strides. A value of another shape keeps it. */
  substitute(recorded: Tensor, value: Tensor): void {
    const origin = this.#originOf(recorded);
    const memory = this.#memory.get(origin.storage);
    if (recorded.shape.length !== value.shape.length || recorded.shape.some((n, i) => n !== value.shape[i])) {
      const own = Tensor.zeros(value.shape, this.#options.wide === true ? widened(recorded.dtype) : recorded.dtype);
      own.quantizer = recorded.quantizer;
      writeNumbers(own, numbersOf(value));
      this.#memory.set(origin.storage, { storage: own.storage, version: origin.version });
      this.#records.set(recorded, own);
      return;
    }
    if (memory?.version !== origin.version && !this.#isWide(recorded) && recorded.dtype === value.dtype && recorded.storage.nbytes === value.storage.nbytes) {
      // The value's own memory: where it is a view, that of what it is a view of.
      const storage = Storage.wrap(value.storage.bytes(), true);
      this.#memory.set(origin.storage, { storage, version: origin.version });
      this.#records.set(recorded, recordOver(value, storage));
      return;
    }
    const storage = memory?.version === origin.version ? memory.storage : this.#fresh(recorded);
    const target = this.#over(recorded, storage);
    if (target.numel > 0) {
      storage.beginHostWrite();
      writeNumbers(target, numbersOf(value));
    }
    this.#memory.set(origin.storage, { storage, version: origin.version });
  }

  #originOf(recorded: Tensor): Origin {
    const origin = this.tape.origin(recorded);
    if (origin === undefined) throw new OpwiseError("internal", "a tensor that is not on the tape");
    return origin;
  }

  #isWide(recorded: Tensor): boolean {
    return this.#options.wide === true && widened(recorded.dtype) !== recorded.dtype;
  }

  /** The tensor's record over replayed memory. */
  #over(recorded: Tensor, storage: Storage): Tensor {
    const out = recordOver(recorded, storage);
    if (this.#options.wide === true) out.dtype = widened(out.dtype);
    return out;
  }

  /** Own memory with the recorded contents: the whole storage, so that other views of it find their elements. */
  #fresh(recorded: Tensor): Storage {
    if (!this.#isWide(recorded)) return Storage.wrap(recorded.storage.bytes(), true);
    const count = Math.floor(recorded.storage.nbytes / itemsize(recorded.dtype));
    const out = Tensor.zeros([count], widened(recorded.dtype));
    writeNumbers(out, numbersOf(new Tensor(recorded.storage, recorded.dtype, [count])));
    return out.storage;
  }

  /** What a recorded tensor is in this replay. */
  tensor(recorded: Tensor): Tensor {
    const origin = this.tape.origin(recorded);
    if (origin === undefined) return recorded; // a caller's own
    const memory = this.#memory.get(origin.storage);
    const own = this.#records.get(recorded);
    if (own !== undefined && own.storage === memory?.storage && memory.version === origin.version) return recordOver(own, own.storage);
    if (memory?.version === origin.version) return this.#over(recorded, memory.storage);
    const storage = this.#fresh(recorded);
    this.#memory.set(origin.storage, { storage, version: origin.version });
    return this.#over(recorded, storage);
  }

  /** Runs one execution: what it got and gave this time, frozen. */
  async run(execution: Execution): Promise<Execution> {
    const args = execution.args.map((a) => mapTensors(a, (t) => this.tensor(t)));
    const frozen = args.map((a) => this.#freezer.datum(a));
    if (execution.generator !== undefined) Object.assign(this.#generator, copyOfGenerator(execution.generator));
    const bound = this.#options.boundOf?.(execution) ?? execution.bound;
    const executor = this.#executorOn(this.#options.backendOf?.(execution) ?? this.#options.backend);
    const ctx = this.#options.contextOf?.(execution, executor) ?? executor;
    let outs = await runBound(bound, ctx, args);
    if (executor.pending !== undefined) await executor.pending;
    for (const t of tensorsIn([...outs, ...args])) {
      const wait = t.storage.sync();
      if (wait instanceof Promise) await wait;
    }
    if (this.#options.wide === true) outs = outs.map((o) => mapTensors(o, widenTensor));
    const writes = this.#settle(execution, tensorsIn(args), tensorsIn(outs));
    return { ...execution, bound, args: frozen, outs: outs.map((o) => this.#freezer.datum(o, execution.index)), writes };
  }

  /** Pairs what came out with what was recorded; gives the written arguments. */
  #settle(execution: Execution, args: readonly Tensor[], outs: readonly Tensor[]): Tensor[] {
    const recorded = tensorsIn(execution.outs);
    const note = (tensor: Tensor, storage: Storage): void => {
      const origin = this.#originOf(tensor);
      this.#memory.set(origin.storage, { storage, version: origin.version });
    };
    recorded.forEach((tensor, i) => {
      const out = outs[i];
      if (out === undefined) return;
      note(tensor, out.storage);
      this.#records.set(tensor, recordOver(out, out.storage));
    });
    const given = tensorsIn(execution.args);
    return execution.writes.map((after) => {
      const id = this.#originOf(after).storage;
      const at = given.findIndex((t) => this.tape.origin(t)?.storage === id);
      const written = args[at];
      if (written === undefined) return after;
      note(after, written.storage);
      return this.#freezer.tensor(this.#over(after, written.storage));
    });
  }

  /** Gives device memory back; what was frozen stays. Nothing may be run afterwards. */
  dispose(): void {
    for (const executor of [this.executor, ...this.#others.values()]) if (!executor.backend.onHost) sweep(executor, new Set());
  }
}

function widenTensor(t: Tensor): Tensor {
  const wide = widened(t.dtype);
  if (wide === t.dtype) return t;
  const out = Tensor.zeros(t.shape, wide);
  writeNumbers(out, numbersOf(t));
  return out;
}

export interface Rerun extends ReplayOptions {
  /** Executions that run again even where nothing that they read has changed; default: all. */
  readonly again?: ((execution: Execution) => boolean) | undefined;
  /** Values given in an execution's place: it does not run. */
  readonly pins?: ReadonlyMap<number, readonly Tensor[]> | undefined;
}

/**
 * The tape as it would have been: marked executions run again, and all whose inputs have other bits than recorded. The rest is taken over.
 * Control flow is the recorded one.
 */
export async function rerun(tape: Tape, options: Rerun): Promise<Tape> {
  const replay = new Replay(tape, options);
  const origins = new WeakMap<Tensor, Origin>();
  /** Storages that hold other values than recorded, and the recorded tensors' new values. */
  const changed = new Set<number>();
  const values = new Map<Tensor, Tensor>();
  const id = (t: Tensor): number => tape.origin(t)?.storage ?? -1;
  const put = (recorded: Tensor, value: Tensor): void => {
    const origin = tape.origin(recorded);
    if (origin === undefined) return;
    origins.set(value, origin);
    values.set(recorded, value);
    if (!sameBits(recorded, value)) changed.add(origin.storage);
  };
  const executions: Execution[] = [];
  for (const execution of tape.executions) {
    const pin = options.pins?.get(execution.index);
    const again = options.again?.(execution) ?? true;
    const dirty = tensorsIn(execution.args).some((t) => changed.has(id(t)));
    const recorded = tensorsIn(execution.outs);
    if (pin !== undefined) {
      recorded.forEach((t, i) => {
        const value = pin[i];
        if (value === undefined) return;
        replay.substitute(t, value);
        put(t, new Freezer().tensor(replay.tensor(t)));
      });
      executions.push({ ...execution, outs: execution.outs.map((o) => mapTensors(o, (t) => values.get(t) ?? t)) });
    } else if (again || dirty) {
      const ran = await replay.run(execution);
      // What an earlier execution gave is the same object among its results and among the arguments here, as on the first tape.
      const given = tensorsIn(execution.args);
      let at = 0;
      const args = ran.args.map((a) =>
        mapTensors(a, (t) => {
          const recordedArg = given[at++];
          const origin = recordedArg === undefined ? undefined : tape.origin(recordedArg);
          const known = recordedArg === undefined ? undefined : (values.get(recordedArg) ?? (changed.has(id(recordedArg)) ? undefined : recordedArg));
          if (origin !== undefined && known === undefined) origins.set(t, origin);
          return known ?? t;
        }),
      );
      tensorsIn(ran.outs).forEach((value, i) => void (recorded[i] !== undefined && put(recorded[i], value)));
      ran.writes.forEach((value, i) => void (execution.writes[i] !== undefined && put(execution.writes[i], value)));
      executions.push({ ...ran, args });
    } else executions.push(execution);
  }
  const outputs = tape.outputs.map((o) =>
    mapTensors(o, (t) => {
      const known = values.get(t) ?? (changed.has(id(t)) ? new Freezer().tensor(replay.tensor(t)) : t);
      const origin = tape.origin(t);
      if (origin !== undefined) origins.set(known, origin);
      return known;
    }),
  );
  replay.dispose();
  return { ...tape, executions, outputs, origin: (t) => origins.get(t) ?? tape.origin(t) };
}

/** One call of an op on a backend, as a tape. @throws what the op raises */
export async function tapeOfCall(
  program: Program,
  node: Node,
  bound: BoundOp,
  args: readonly Datum[],
  options: Pick<ReplayOptions, "backend" | "cpu">,
  generator: GeneratorState,
): Promise<Tape> {
  const freezer = new Freezer();
  const executor = new Executor({ ...options, generator });
  const frozen = args.map((a) => freezer.datum(a));
  const given = tensorsIn(args);
  const versions = given.map((t) => t.storage.version);
  const outs = await runBound(bound, executor, args);
  if (executor.pending !== undefined) await executor.pending;
  for (const t of tensorsIn([...outs, ...args])) {
    const wait = t.storage.sync();
    if (wait instanceof Promise) await wait;
  }
  const after = tensorsIn(outs);
  const writes = given.filter((t, i) => t.storage.version !== versions[i] && !after.includes(t)).map((t) => freezer.tensor(t));
  const execution: Execution = {
    index: 0,
    node,
    nth: 0,
    module: "",
    bound,
    args: frozen,
    outs: outs.map((o) => freezer.datum(o, 0)),
    writes,
    generator: undefined,
  };
  return { program, executions: [execution], inputs: tensorsIn(frozen), outputs: execution.outs, bytes: freezer.bytes, origin: freezer.origin };
}
