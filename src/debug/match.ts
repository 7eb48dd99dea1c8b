/** What selectors match: nodes of a graph, executions of a run, and what a listener is told of. */

import type { Health, NodeId, Step, TensorFacts, ValueId } from "./events.ts";
import { type GraphNode, type TraceGraph } from "./graph.ts";
import type { Comparison, Literal, Predicate, Selector } from "./selector.ts";
import type { Execution, TraceRun, ValueRecord } from "./trace.ts";

/** A value that a predicate looks at. */
export interface Candidate {
  readonly id: ValueId;
  readonly name: string;
  readonly version: number | undefined;
  readonly tensor: TensorFacts | undefined;
  readonly health: Health | undefined;
  /** The largest number of each row of the last axis, where the numbers are at hand. */
  readonly rowmax?: readonly number[] | undefined;
}

/** An execution as selectors see it. What is undefined is not known: a selector that asks for it gives `undefined`. */
export interface Subject {
  readonly node: GraphNode;
  readonly nth?: number | undefined;
  readonly t?: Step | undefined;
  readonly end?: Step | undefined;
  readonly module?: string | undefined;
  readonly values?: readonly Candidate[] | undefined;
  /** Names of values through which it wrote, with the version it made. */
  readonly written?: readonly { readonly names: readonly string[]; readonly version: number }[] | undefined;
  readonly backend?: string | undefined;
  readonly ms?: number | undefined;
  readonly bytes?: number | undefined;
  readonly flops?: number | undefined;
  readonly fallbacks?: number | undefined;
  readonly copied?: number | undefined;
  readonly prims?: readonly string[] | undefined;
  readonly err?: number | undefined;
}

const globs = new Map<string, RegExp>();
/** `*` and `?` within a part, `**` over parts; parts end at dots. */
function globOf(pattern: string, separator: string): RegExp {
  const key = separator + pattern;
  let made = globs.get(key);
  if (made === undefined) {
    const inside = separator === "" ? "." : `[^${separator}]`;
    const source = pattern
      .replace(/\*\*|[.*+?^${}()|[\]\\/]/g, (c) => (c === "**" ? "\u0000" : c === "*" ? `${inside}*` : c === "?" ? inside : `\\${c}`))
      // `a.**` is `a` itself and all below it.
      .replaceAll("\\.\u0000", "(?:\\..*)?")
      .replaceAll("\u0000\\.", "(?:.*\\.)?")
      .replaceAll("\u0000", ".*");
    made = new RegExp(`^${source}$`, "s");
    if (globs.size > 1000) globs.clear();
    globs.set(key, made);
  }
  return made;
}

/** Whether an op's full name is what the pattern says: a name without overload or version stands for all of them. */
export function matchesOp(pattern: string, op: string): boolean {
  const own = globOf(pattern, "");
  if (own.test(op)) return true;
  const [world, name = ""] = op.split("::");
  const bare = name.replace(/[.@].*$/, "");
  return own.test(`${world}::${bare}`);
}

function matchesModule(pattern: string, module: string): boolean {
  return pattern === module || globOf(pattern, ".").test(module);
}

const instances = new WeakMap<TraceGraph, Map<string, string[]>>();
/** Paths of the modules by class. */
function pathsOf(graph: TraceGraph): Map<string, string[]> {
  let paths = instances.get(graph);
  if (paths === undefined) {
    paths = new Map();
    for (const { path, class: name } of graph.modules) {
      const own = paths.get(name);
      if (own === undefined) paths.set(name, [path]);
      else own.push(path);
    }
    instances.set(graph, paths);
  }
  return paths;
}

/** Whether the node runs in a module of that path: decided by a run where its class has several instances, or none. */
function couldBeIn(pattern: string, node: GraphNode, graph: TraceGraph): Verdict {
  if (node.module !== null) return matchesModule(pattern, node.module);
  const cls = graph.functions[graph.blocks[node.block]?.function ?? -1]?.class ?? null;
  const paths = pathsOf(graph);
  const own = (cls === null ? undefined : paths.get(cls)) ?? [...paths.values()].flat();
  const fits = own.filter((path) => matchesModule(pattern, path));
  return fits.length === 0 ? false : cls !== null && fits.length === own.length ? true : undefined;
}

/** Whether a path ends with the file's path, whole parts. */
function isFile(path: string, file: string): boolean {
  return path === file || path.endsWith(`/${file}`) || path.endsWith(`\\${file}`);
}
function matchesSource(node: GraphNode, { file, from, to }: Extract<Selector, { readonly kind: "source" }>): boolean {
  const { archive, author = [] } = node.source;
  const fits = (place: { readonly file: string; readonly line: number }): boolean => place.line >= from && place.line <= to && isFile(place.file, file);
  return (archive !== undefined && fits(archive)) || author.some(fits);
}

/** True, false, or undefined where the subject does not say. */
export type Verdict = boolean | undefined;

function and(parts: readonly Verdict[]): Verdict {
  return parts.includes(false) ? false : parts.includes(undefined) ? undefined : true;
}
function or(parts: readonly Verdict[]): Verdict {
  return parts.includes(true) ? true : parts.includes(undefined) ? undefined : false;
}
function not(part: Verdict): Verdict {
  return part === undefined ? undefined : !part;
}

/** Whether the selector matches. `names`: the graph's, for values that are no results of the node. */
export function matches(selector: Selector, subject: Subject, graph: TraceGraph): Verdict {
  const { node } = subject;
  switch (selector.kind) {
    case "and":
      return and(selector.parts.map((part) => matches(part, subject, graph)));
    case "or":
      return or(selector.parts.map((part) => matches(part, subject, graph)));
    case "not":
      return not(matches(selector.part, subject, graph));
    case "node":
      if (node.id !== selector.id) return false;
      return selector.nth === undefined ? true : subject.nth === undefined ? undefined : subject.nth === selector.nth;
    case "time":
      if (subject.t === undefined) return undefined;
      return selector.t >= subject.t && selector.t <= (subject.end ?? subject.t);
    case "value":
      return matchesValue(selector, subject, graph);
    case "module":
      if (subject.module === undefined) return couldBeIn(selector.pattern, node, graph);
      return matchesModule(selector.pattern, subject.module);
    case "op":
      return matchesOp(selector.pattern, node.op);
    case "source":
      return matchesSource(node, selector);
    case "prim":
      return subject.prims?.some((kind) => globOf(selector.pattern, "").test(kind) || globOf(selector.pattern, "").test(kind.split(" ")[0] ?? kind));
    case "predicate": {
      const { values } = subject;
      if (values === undefined || values.length === 0) return holds(selector.test, subject, undefined);
      return or(values.map((value) => holds(selector.test, subject, value)));
    }
    default:
      return selector satisfies never;
  }
}

function matchesValue({ name, version }: Extract<Selector, { readonly kind: "value" }>, subject: Subject, graph: TraceGraph): Verdict {
  const isOwn = subject.node.results.some((id) => graph.values[id]?.name === name);
  if (version === undefined) return isOwn;
  const writes = subject.written?.some((write) => write.names.includes(name) && (version === "any" || write.version === version));
  if (writes === true) return true;
  if (!isOwn) return subject.written === undefined ? undefined : false;
  if (version === "any") return subject.written === undefined ? undefined : false;
  const own = subject.values?.find((value) => value.name === name);
  return own === undefined ? undefined : own.version === version;
}

function holds(test: Predicate, subject: Subject, value: Candidate | undefined): Verdict {
  if (test.kind === "not") return not(holds(test.part, subject, value));
  if (test.kind !== "compare") {
    const parts = test.parts.map((part) => holds(part, subject, value));
    return test.kind === "and" ? and(parts) : or(parts);
  }
  const found = factOf(test.fact, subject, value);
  if (found === undefined) return undefined;
  if (Array.isArray(found)) {
    if (test.fact === "shape") return (test.value.kind === "shape" && fitsShape(found as readonly number[], test.value)) === (test.op === "=");
    return (found as readonly number[]).some((one) => compares(one, test.op, test.value, value));
  }
  return compares(found as number | string, test.op, test.value, value);
}

type Fact = number | string | readonly number[];

function factOf(name: string, subject: Subject, value: Candidate | undefined): Fact | undefined {
  const health = value?.health;
  switch (name) {
    case "n":
      return health?.n ?? value?.tensor?.shape.reduce((a, b) => a * b, 1);
    case "inf":
      return health === undefined ? undefined : health.posInf + health.negInf;
    case "posinf":
      return health?.posInf;
    case "neginf":
      return health?.negInf;
    case "nan":
    case "zero":
    case "subnormal":
    case "neg":
    case "min":
    case "max":
    case "mean":
    case "std":
    case "absmax":
      return health?.[name];
    case "rowmax":
      return value?.rowmax;
    case "dtype":
      return value?.tensor?.dtype;
    case "shape":
      return value?.tensor?.shape;
    case "rank":
      return value?.tensor?.shape.length;
    case "version":
      return value?.version;
    case "op":
      return subject.node.op;
    case "module":
      return subject.module ?? subject.node.module ?? undefined;
    case "backend":
    case "ms":
    case "bytes":
    case "flops":
    case "fallbacks":
    case "copied":
    case "nth":
    case "t":
    case "err":
      return subject[name];
    default:
      return undefined;
  }
}

function fitsShape(shape: readonly number[], { dims, open }: Extract<Literal, { readonly kind: "shape" }>): boolean {
  if (open ? shape.length < dims.length : shape.length !== dims.length) return false;
  return dims.every((dim, i) => dim === undefined || dim === shape[i]);
}

function compares(found: number | string, op: Comparison, literal: Literal, value: Candidate | undefined): boolean {
  if (literal.kind === "text") return globOf(literal.value, "").test(String(found)) === (op === "=");
  if (literal.kind === "shape" || typeof found === "string") return op === "!=";
  const wanted = literal.kind === "share" ? literal.value * (value?.health?.n ?? Number.NaN) : literal.value;
  switch (op) {
    case "=":
      return found === wanted || (Number.isNaN(found) && Number.isNaN(wanted));
    case "!=":
      return found !== wanted && !(Number.isNaN(found) && Number.isNaN(wanted));
    case "<":
      return found < wanted;
    case "<=":
      return found <= wanted;
    case ">":
      return found > wanted;
    case ">=":
      return found >= wanted;
    default:
      return op satisfies never;
  }
}

/** A node that a selector can match; `sure`: whatever a run does. */
export interface NodeMatch {
  readonly node: GraphNode;
  readonly sure: boolean;
}

/** Nodes of the static graph. Conditions that only a run can decide count as met; constants and attributes are nodes like others. */
export function selectNodes(graph: TraceGraph, selector: Selector): readonly NodeMatch[] {
  return graph.nodes.flatMap((node) => {
    const verdict = matches(selector, { node }, graph);
    return verdict === false ? [] : [{ node, sure: verdict === true }];
  });
}

/** Whether a run has to decide: a predicate, a time, an execution or a version is asked for. */
export function needsRun(selector: Selector): boolean {
  switch (selector.kind) {
    case "and":
    case "or":
      return selector.parts.some(needsRun);
    case "not":
      return needsRun(selector.part);
    case "node":
      return selector.nth !== undefined;
    case "value":
      return selector.version !== undefined;
    default:
      return selector.kind === "predicate" || selector.kind === "time" || selector.kind === "prim";
  }
}

/** An execution of a recorded run as a subject. */
export function subjectOf(run: TraceRun, execution: Execution, prims?: ReadonlyMap<Execution, readonly string[]>): Subject {
  const outputs = run.outputsOf(execution);
  return {
    node: run.node(execution.node),
    nth: execution.nth,
    t: execution.t,
    end: execution.end,
    module: execution.module,
    backend: execution.backend,
    ms: execution.ms,
    bytes: execution.bytes,
    flops: execution.flops,
    fallbacks: execution.fallbacks.length,
    copied: execution.fallbacks.reduce((n, f) => n + f.bytes, 0),
    prims: prims?.get(execution),
    values: outputs.filter((value) => value.tensor !== undefined).map((value) => candidateOf(run, value)),
    written: run.writes.length === 0 ? [] : writtenBy(run, execution),
  };
}

export function candidateOf(run: TraceRun, value: ValueRecord): Candidate {
  return { id: value.value, name: run.name(value.value), version: value.version, tensor: value.tensor, health: value.health };
}

function writtenBy(run: TraceRun, execution: Execution): { readonly names: readonly string[]; readonly version: number }[] {
  return run
    .writesAt(execution.t)
    .filter((write) => write.node === execution.node)
    .map((write) => ({ names: run.namesOf(write.storage), version: write.version }));
}

/** Primitive calls by the execution they ran in; undefined where the trace has none. */
export function primsOf(run: TraceRun): ReadonlyMap<Execution, readonly string[]> | undefined {
  if (!run.trace.manifest.options.prims) return undefined;
  const at = new Map<NodeId, Map<Step, string[]>>();
  for (const event of run.events) {
    if (event.k !== "prim") continue;
    let times = at.get(event.of);
    if (times === undefined) at.set(event.of, (times = new Map<Step, string[]>()));
    times.set(event.t, [...(times.get(event.t) ?? []), event.kind]);
  }
  return new Map(run.executions.map((execution) => [execution, at.get(execution.node)?.get(execution.t) ?? []] as const));
}

/** Executions of a recorded run, in the order in which they began. What the trace does not say counts as not met. */
export function selectExecutions(run: TraceRun, selector: Selector): readonly Execution[] {
  const prims = primsOf(run);
  return run.executions.filter((execution) => matches(selector, subjectOf(run, execution, prims), run.graph) === true);
}

/** Values that are asked for by name: also those that no node makes, inputs of functions and blocks. */
export function selectValues(graph: TraceGraph, selector: Selector): readonly ValueId[] {
  if (selector.kind === "value") return graph.values.filter((value) => value.name === selector.name).map((value) => value.id);
  const nodes = new Set(selectNodes(graph, selector).map((match) => match.node.id));
  return graph.values.filter((value) => value.node !== null && nodes.has(value.node)).map((value) => value.id);
}

/** Steps from one text to another; those far apart are not told exactly. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length] ?? 0;
}

/** Names that the graph has and that are near to those a selector asks for in vain. */
export function suggestions(graph: TraceGraph, selector: Selector): readonly string[] {
  if (selector.kind === "and" || selector.kind === "or") return selector.parts.flatMap((part) => suggestions(graph, part)).slice(0, 3);
  if (selector.kind === "not" || selectValues(graph, selector).length > 0 || selectNodes(graph, selector).length > 0) return [];
  // Only what stands behind the world (`aten::`) can be mistyped by a few letters: all names of a world begin alike.
  const own = (name: string): string => name.replace(/^\w+::/, "").slice(0, 80);
  const near = (wanted: string, names: Iterable<string>): string[] =>
    [...new Set(names)]
      .map((name) => ({ name, far: distance(own(wanted), own(name)) }))
      .filter(({ name, far }) => (own(wanted).length > 2 && own(name).includes(own(wanted))) || far <= Math.max(1, Math.floor(own(wanted).length / 3)))
      .toSorted((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1))
      .slice(0, 3)
      .map(({ name }) => name);
  switch (selector.kind) {
    case "value":
      return near(
        selector.name,
        graph.values.map((value) => value.name),
      ).map((name) => `%${name}`);
    case "op":
      return near(
        selector.pattern,
        graph.nodes.map((node) => node.op.replace(/(::[^.@]*).*/, "$1")),
      );
    case "module":
      return near(selector.pattern, [...graph.modules.map((m) => m.path), ...graph.nodes.map((node) => node.module ?? "")]);
    case "node":
      return [`#1 to #${graph.nodes.length}`];
    default:
      return [];
  }
}
