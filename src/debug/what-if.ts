/** `whatif` (F10): what changes where a value, a precision, a backend, an argument is another. The run up to the first change is shared. */

import type { Datum } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import type { Backend } from "../prims/backend.ts";
import type { Instruction } from "../run/code.ts";
import type { Machine } from "../run/machine.ts";
import type { Session } from "../run/session.ts";
import type { DType } from "../tensor/dtype.ts";
import { isFloat, itemsize } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { assign, type Difference, differenceOf, hasArgument, inDtype, onBackend, runOp, type Scope, skipping, withArgument } from "./changes.ts";
import { evaluate, type Expression, parseExpression } from "./expression.ts";
import type { Numbering } from "./graph.ts";
import { Matcher, noMatch } from "./matcher.ts";
import { outputsOf } from "./outputs.ts";
import type { RunInputs } from "./record.ts";
import { Debugger } from "./debugger.ts";
import type { Action, Step, Timeline } from "./timeline.ts";

/** One change to a run. */
export type Change =
  /** `%h[:, 3]` becomes a number, or a tensor that fits, wherever the value is made. */
  | { readonly kind: "set"; readonly target: string; readonly value: number | Tensor }
  | { readonly kind: "backend"; readonly select: string; readonly backend: Backend }
  | { readonly kind: "dtype"; readonly select: string; readonly dtype: DType }
  /** An argument of the op's schema. */
  | { readonly kind: "attr"; readonly select: string; readonly name: string; readonly value: Datum }
  /** The first tensor operand stands for the results. */
  | { readonly kind: "skip"; readonly select: string };

export interface WhatIfOptions {
  readonly method?: string | undefined;
  readonly history?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How one output has changed. */
export interface OutputChange {
  readonly name: string;
  readonly shape: readonly number[];
  /** Undefined where the output is no tensor, or one only on one side. */
  readonly difference: Difference | undefined;
  /** Of an output that is no tensor: whether it is the same. */
  readonly same: boolean;
  /** For outputs with a last axis of classes: rows whose largest element is another. */
  readonly topChanged: number | undefined;
  readonly rows: number;
}

export interface WhatIfReport {
  /** What was changed, and how often it applied. */
  readonly changes: readonly { readonly text: string; readonly applied: number }[];
  readonly outputs: readonly OutputChange[];
  /** Steps that were not run again: everything before the first change. */
  readonly shared: number;
  readonly steps: number;
  /** The changed run's own error. */
  readonly error: unknown;
}

/** A change as an action of a timeline, with a count of how often it applied. */
interface Applied {
  readonly text: string;
  readonly action: Action;
  readonly nodes: ReadonlySet<Node>;
  count: number;
}

function textOf(change: Change): string {
  switch (change.kind) {
    case "set":
      return `set ${change.target} = ${typeof change.value === "number" ? change.value : "a tensor"}`;
    case "backend":
      return `${change.select} on ${change.backend.name}`;
    case "dtype":
      return `${change.select} in ${change.dtype}`;
    case "attr":
      return `${change.select}.${change.name} changed`;
    case "skip":
      return `skip ${change.select}`;
    default:
      return change satisfies never;
  }
}

/** The value's name at the root of a target, and how its part is found in a tensor. @throws bad-argument */
function targetOf(text: string): { readonly name: string; readonly part: (whole: Tensor) => Tensor } {
  const expression = parseExpression(text);
  const root = (e: Expression): string => {
    if (e.kind === "name") return e.name;
    if (e.kind === "index") return root(e.of);
    throw new OpwiseError("bad-argument", `\`${text}\` is no value or part of one`, { wanted: "%VALUE or %VALUE[INDEX]" });
  };
  const name = root(expression);
  return {
    name,
    part: (whole) => {
      const part = evaluate(expression, { lookup: () => whole, has: () => true });
      if (part instanceof Tensor) return part;
      throw new OpwiseError("bad-argument", `\`${text}\` is no tensor`);
    },
  };
}

/** After each run of a node that makes the value, its part is written. */
function setting(
  numbering: Numbering,
  change: Extract<Change, { readonly kind: "set" }>,
  applied: { count: number },
): { readonly action: Action; readonly nodes: ReadonlySet<Node> } {
  const { name, part } = targetOf(change.target);
  const places = new Map<Node, number>();
  const inputs: number[] = [];
  for (const value of numbering.graph.values) {
    if (value.name !== name) continue;
    const node = value.node === null ? undefined : numbering.nodeOf(value.node);
    if (node === undefined) inputs.push(value.id);
    else
      places.set(
        node,
        node.results.findIndex((r) => numbering.valueId(r) === value.id),
      );
  }
  const write = async (machine: Machine, value: Datum): Promise<void> => {
    if (!(value instanceof Tensor)) throw new OpwiseError("bad-argument", `%${name} is no tensor: only tensors can be set`);
    await value.storage.sync();
    await assign(machine.executor, part(value), change.value);
    applied.count++;
  };
  const entry = numbering.graph.functions[0];
  const isInput = inputs.some((id) => numbering.graph.values[id]?.block === entry?.block);
  const action: Action = {
    time: 0,
    text: textOf(change),
    // An input of the entry is there when the run begins.
    change: isInput
      ? async (machine) => {
          const frame = machine.tasks[0]?.frames[0];
          const id = inputs.find((one) => numbering.graph.values[one]?.block === entry?.block);
          const own = id === undefined ? undefined : numbering.valueOf(id);
          if (frame !== undefined && own !== undefined) await write(machine, frame.registers[own.id] ?? null);
        }
      : undefined,
    instead: (machine, instruction) => {
      const result = places.get(instruction.node);
      if (result === undefined || instruction.kind !== "op") return undefined;
      return (async () => {
        const outputs = await runOp(machine.executor, instruction, machine.nextInputs());
        await write(machine, outputs[result] ?? null);
        return outputs;
      })();
    },
  };
  if (places.size === 0 && !isInput) throw noMatch(`there is no value \`%${name}\` that an op makes`);
  return { action, nodes: new Set(places.keys()) };
}

/** A change as an action that counts. */
function applying(debug: Debugger, change: Change): Applied {
  const { numbering, session } = debug;
  const { machine } = debug.timeline;
  const text = textOf(change);
  if (change.kind === "set") {
    const counter = { count: 0 };
    const { action, nodes } = setting(numbering, change, counter);
    return {
      text,
      action,
      nodes,
      get count() {
        return counter.count;
      },
      set count(n) {
        counter.count = n;
      },
    };
  }
  const matcher = Matcher.of(numbering, change.select);
  const own: Node[] = [...matcher.nodes].filter((node) => change.kind !== "attr" || hasArgument(node, change.name));
  if (own.length === 0) throw noMatch(`no node of \`${change.select}\` has an argument \`${change.kind === "attr" ? change.name : ""}\``);
  const chosen: Scope = { nodes: new Set(own), where: (node) => debug.isAt(matcher, node) };
  const inner =
    change.kind === "backend"
      ? onBackend(0, chosen, change.backend, machine)
      : change.kind === "dtype"
        ? inDtype(0, chosen, change.dtype)
        : change.kind === "attr"
          ? withArgument(0, chosen, change.name, change.value, session)
          : skipping(0, chosen);
  const applied: Applied = {
    text,
    nodes: chosen.nodes,
    count: 0,
    action: {
      ...inner,
      instead: (now: Machine, instruction: Instruction) => {
        const outputs = inner.instead?.(now, instruction);
        if (outputs !== undefined) applied.count++;
        return outputs;
      },
    },
  };
  return applied;
}

/** A run that is known to its end, from which others part. */
export class Base {
  readonly session: Session;
  readonly timeline: Timeline;
  readonly numbering: Numbering;
  readonly #debug: Debugger;
  readonly #outputs: ReturnType<typeof outputsOf>;

  private constructor(debug: Debugger) {
    const { session, timeline, numbering } = debug;
    this.session = session;
    this.timeline = timeline;
    this.numbering = numbering;
    this.#debug = debug;
    const { end } = timeline;
    this.#outputs = end?.kind === "done" ? outputsOf(session.program, end.values).map(({ name, value }) => ({ name, value: copied(value) })) : [];
  }

  /** Runs a call to its end. @throws the model's own error, where it ends so */
  static async of(session: Session, inputs: RunInputs, options: WhatIfOptions = {}): Promise<Base> {
    const debug = new Debugger(session, inputs, { method: options.method, history: options.history });
    const { timeline } = debug;
    while (timeline.end === undefined) {
      await timeline.forward();
      if (options.signal?.aborted === true) throw new OpwiseError("aborted", "the run was aborted", { cause: options.signal.reason });
    }
    if (timeline.end.kind === "raised") throw timeline.end.error;
    return new Base(debug);
  }

  /** Runs with changes from the first node that they touch on. @throws no-match where one of them applies to nothing */
  async with(changes: readonly Change[]): Promise<WhatIfReport> {
    const { timeline } = this;
    const applied = changes.map((change) => applying(this.#debug, change));
    const touched = new Set(applied.flatMap((a) => [...a.nodes]));
    const branch = timeline.branch();
    let first = applied.some((a) => a.action.change !== undefined) ? 0 : branch.instructions.findIndex((i) => touched.has(i.node));
    if (first < 0) first = branch.instructions.length - 1;
    let error: unknown;
    try {
      await timeline.goTo(first);
      for (const { action } of applied) await timeline.act({ ...action, time: first });
      await timeline.goTo(Infinity);
      const { end } = timeline;
      if (end?.kind === "raised") ({ error } = end);
      const now = end?.kind === "done" ? outputsOf(this.session.program, end.values) : [];
      const missed = applied.filter((a) => a.count === 0);
      if (missed.length > 0) throw noMatch(`${missed.map((a) => `\`${a.text}\``).join(", ")} was never reached`);
      return {
        changes: applied.map(({ text, count }) => ({ text, applied: count })),
        outputs: error === undefined ? this.#outputs.map(({ name, value }, i) => this.#compare(name, value, now[i]?.value ?? null)) : [],
        shared: first,
        steps: timeline.length,
        error,
      };
    } finally {
      await timeline.adopt(branch, 0);
    }
  }

  #compare(name: string, a: Datum, b: Datum): OutputChange {
    if (!(a instanceof Tensor) || !(b instanceof Tensor)) return { name, shape: [], difference: undefined, same: a === b, topChanged: undefined, rows: 0 };
    const { executor } = this.session;
    const difference = differenceOf(a, b, executor);
    const width = a.shape.at(-1) ?? 1;
    const rows = width === 0 ? 0 : a.numel / width;
    const hasClasses = isFloat(a.dtype) && difference.sameShape && a.rank >= 1 && width > 1;
    return { name, shape: a.shape, difference, same: difference.count === 0, topChanged: hasClasses ? topsChanged(a, b, width) : undefined, rows };
  }

  dispose(): void {
    this.#debug.dispose();
  }

  /** Whether a step of a repeated run is what the selector matches. */
  matches(matcher: Matcher, step: Step, nth: number): boolean {
    const coming = { time: step.time, nth, module: this.#debug.moduleAt(step.time - 1) };
    const before = matcher.before(step.node, () => coming);
    return before === true || (before === undefined && matcher.after(step, coming, undefined, () => ""));
  }
}

function topsChanged(a: Tensor, b: Tensor, width: number): number {
  const [x, y] = [a.data, b.data];
  let changed = 0;
  for (let from = 0; from < x.length; from += width) {
    let [p, q] = [0, 0];
    for (let i = 1; i < width; i++) {
      if (Number(x[from + i]) > Number(x[from + p])) p = i;
      if (Number(y[from + i]) > Number(y[from + q])) q = i;
    }
    if (p !== q) changed++;
  }
  return changed;
}

/** A tensor's elements by themselves: later runs write over what they view. */
function copied(value: Datum): Datum {
  if (!(value instanceof Tensor)) return value;
  const wait = value.storage.sync();
  if (wait instanceof Promise)
    throw new OpwiseError("would-block", "the results have to be waited for", { hint: "run on a backend whose values can be read at once" });
  const out = Tensor.from(value.data.slice(), value.shape, value.dtype);
  out.quantizer = value.quantizer;
  return out;
}

/** Runs a call twice, as it is and with changes, and tells what became of its outputs. @throws no-match where a change applies to nothing */
export async function whatIf(session: Session, inputs: RunInputs, changes: readonly Change[], options: WhatIfOptions = {}): Promise<WhatIfReport> {
  const base = await Base.of(session, inputs, options);
  try {
    return await base.with(changes);
  } finally {
    base.dispose();
  }
}

/** One node in one precision. */
export interface SweepRow {
  readonly node: number;
  readonly op: string;
  readonly dtype: DType;
  /** Executions that it applied to. */
  readonly applied: number;
  /** The largest relative error among the outputs. */
  readonly relL2: number;
  readonly topChanged: number;
  /** Bytes of the op's float operands that the precision saves, of its last execution. */
  readonly savedBytes: number;
  readonly ms: number;
  readonly error: string | undefined;
}

/** Each node that `over` matches in each precision, one at a time, the most damage first. @throws no-match */
export async function sweep(
  session: Session,
  inputs: RunInputs,
  dtypes: readonly DType[],
  over: string,
  options: WhatIfOptions & { readonly onRow?: ((row: SweepRow) => void) | undefined } = {},
): Promise<readonly SweepRow[]> {
  const base = await Base.of(session, inputs, options);
  try {
    const nodes = await nodesThatRan(base, over);
    const rows: SweepRow[] = [];
    for (const { node, bytes } of nodes) {
      const id = base.numbering.nodeId(node);
      for (const dtype of dtypes) {
        if (options.signal?.aborted === true) return rows;
        const started = performance.now();
        const report = await base.with([{ kind: "dtype", select: `#${id}`, dtype }]);
        const row: SweepRow = {
          node: id,
          op: node.op,
          dtype,
          applied: report.changes[0]?.applied ?? 0,
          relL2: report.outputs.reduce((n, o) => Math.max(n, o.difference?.relL2 ?? 0), 0),
          topChanged: report.outputs.reduce((n, o) => n + (o.topChanged ?? 0), 0),
          savedBytes: bytes(dtype),
          ms: performance.now() - started,
          error: report.error === undefined ? undefined : report.error instanceof Error ? report.error.message : "the run ended with an error",
        };
        rows.push(row);
        options.onRow?.(row);
      }
    }
    return rows.toSorted((a, b) => b.relL2 - a.relL2);
  } finally {
    base.dispose();
  }
}

/** Nodes of the run that the selector matches by what they did, and what their float operands weigh. */
async function nodesThatRan(base: Base, over: string): Promise<readonly { readonly node: Node; readonly bytes: (dtype: DType) => number }[]> {
  const matcher = Matcher.of(base.numbering, over);
  const { timeline } = base;
  const found = new Map<Node, (readonly [numel: number, size: number])[]>();
  const counts = new Map<Node, number>();
  const { watcher } = timeline;
  timeline.watcher = {
    before: () => undefined,
    after: (step) => {
      const nth = counts.get(step.node) ?? 0;
      counts.set(step.node, nth + 1);
      if (step.instruction.kind !== "op" || !matcher.nodes.has(step.node)) return;
      if (!base.matches(matcher, step, nth)) return;
      const floats = step.inputs.filter((v): v is Tensor => v instanceof Tensor && isFloat(v.dtype));
      if (floats.length > 0)
        found.set(
          step.node,
          floats.map((t) => [t.numel, itemsize(t.dtype)] as const),
        );
    },
  };
  try {
    await timeline.restart();
  } finally {
    timeline.watcher = watcher;
  }
  if (found.size === 0) throw noMatch(`no op that ran and has float operands is \`${over}\``);
  return [...found].map(([node, sizes]) => ({
    node,
    bytes: (dtype) => sizes.reduce((n, [numel, size]) => n + numel * Math.max(0, size - itemsize(dtype)), 0),
  }));
}
