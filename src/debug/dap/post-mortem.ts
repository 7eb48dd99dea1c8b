/** A recorded run in an editor: stepped both ways like one that runs, read-only, with what the trace holds. */

import type { DebugProtocol } from "@vscode/debugprotocol";
import { OpwiseError } from "../../tensor/error.ts";
import { elementsOf } from "../../tensor/text.ts";
import { matches, selectExecutions, selectNodes, subjectOf } from "../match.ts";
import { parseSelector } from "../selector.ts";
import { nodeText, valueLine } from "../trace-text.ts";
import type { Execution, TraceRun, ValueRecord } from "../trace.ts";
import { Sources } from "./sources.ts";

/** Ops that only arrange data: stepping passes over them. */
const PASSED = /^prim::(?:Constant|GetAttr|SetAttr|ListConstruct|TupleConstruct|TupleUnpack|ListUnpack|DictConstruct|unchecked_cast|box)$/;
const PAGE = 100;

/** Where a movement ended. */
export interface Landed {
  readonly reason: "entry" | "step" | "breakpoint" | "exception" | "goto" | "end";
  readonly text: string;
}

export class PostMortem {
  readonly #run: TraceRun;
  readonly #sources: Sources;
  readonly #stops: readonly Execution[];
  /** Nodes by the request that asked for them. */
  readonly #lines = new Map<string, ReadonlySet<number>>();
  #chosen: ReadonlySet<Execution> = new Set();
  #filters: ReadonlySet<string> = new Set();
  #at = 0;
  #held: (() => Promise<DebugProtocol.Variable[]>)[] = [];

  private constructor(run: TraceRun, sources: Sources) {
    this.#run = run;
    this.#sources = sources;
    this.#stops = run.executions.filter((e) => !PASSED.test(run.node(e.node).op));
  }

  /** `texts` of the sources that the trace holds are read now. */
  static async of(run: TraceRun, exists: (path: string) => boolean, sourceMap?: Readonly<Record<string, string>>): Promise<PostMortem> {
    const records = new Set(run.graph.nodes.flatMap((node) => node.source.archive?.file ?? []));
    const texts = new Map<string, string>();
    for (const record of records) {
      const text = await run.trace.source(record);
      if (text !== undefined) texts.set(record, text);
    }
    return new PostMortem(run, new Sources(run.graph, (record) => texts.get(record), exists, sourceMap));
  }

  get #here(): Execution | undefined {
    return this.#stops[this.#at];
  }

  // Going ------------------------------------------------------------------------------------------------------------

  /** Moves by a request; undefined where it moves nothing. */
  move(command: string, args: object): Landed | undefined {
    const { granularity, targetId } = args as { granularity?: string; targetId?: number }; // of the requests below
    const here = this.#here;
    const depth = here?.depth ?? 0;
    const line = (e: Execution): number => this.#sources.of(e.node).line;
    const isOver = (e: Execution): boolean =>
      e.depth <= depth && (granularity === "line" || granularity === "instruction" || here === undefined || line(e) !== line(here) || e.depth < depth);
    switch (command) {
      case "next":
        return this.#seek(1, isOver);
      case "stepIn":
        return this.#seek(1, () => true);
      case "stepOut":
        return this.#seek(1, (e) => e.depth < depth);
      case "stepBack":
        return this.#seek(-1, isOver);
      case "continue":
        return this.#seek(1, () => false);
      case "reverseContinue":
        return this.#seek(-1, () => false);
      case "restart":
        this.#at = 0;
        return this.#land("entry", "");
      case "goto": {
        const to = this.#stops.findIndex((e) => e.t === targetId);
        if (to >= 0) this.#at = to;
        return this.#land("goto", "");
      }
      default:
        return undefined;
    }
  }

  /** The first stop in a direction that is wanted, or that a breakpoint or filter asks for. */
  #seek(step: 1 | -1, wanted: (e: Execution) => boolean): Landed {
    for (let i = this.#at + step; i >= 0 && i < this.#stops.length; i += step) {
      const e = this.#stops[i];
      if (e === undefined) break;
      const hit = this.#hits(e);
      if (hit === undefined && !wanted(e)) continue;
      this.#at = i;
      return hit ?? this.#land("step", "");
    }
    this.#at = step < 0 ? 0 : this.#stops.length;
    return step < 0 ? this.#land("entry", "at the start: nothing before it") : this.#land("end", "the recording has ended");
  }

  #land(reason: Landed["reason"], text: string): Landed {
    this.#held = [];
    return { reason, text };
  }

  #hits(e: Execution): Landed | undefined {
    if (this.#chosen.has(e) || [...this.#lines.values()].some((nodes) => nodes.has(e.node))) return this.#land("breakpoint", "");
    const nonFinite = (values: readonly ValueRecord[], of: "nan" | "inf"): boolean =>
      values.some(({ health }) => health !== undefined && (of === "nan" ? health.nan > 0 : health.posInf + health.negInf > 0));
    for (const kind of ["nan", "inf"] as const) {
      if (this.#filters.has(kind) && nonFinite(this.#run.outputsOf(e), kind) && !nonFinite(this.#run.inputsOf(e), kind))
        return this.#land("exception", `${kind} is born here`);
    }
    return this.#filters.has("fallback") && e.fallbacks.length > 0 ? this.#land("exception", e.fallbacks[0]?.reason ?? "fallback") : undefined;
  }

  // Answers ----------------------------------------------------------------------------------------------------------

  /** The body of an answer; undefined for what a recording cannot do. */
  async respond(command: string, args: unknown): Promise<object | undefined> {
    switch (command) {
      case "setBreakpoints": {
        const { source, breakpoints = [] } = args as DebugProtocol.SetBreakpointsArguments;
        const places = breakpoints.map(({ line }) => this.#sources.place(source, line));
        this.#lines.set(`${source.sourceReference ?? 0} ${source.path ?? source.name ?? ""}`, new Set(places.flatMap((p) => [...(p?.nodes ?? [])])));
        return {
          breakpoints: places.map((p) =>
            p === undefined ? { verified: false, message: "no op of the model lies on this line or after it" } : { verified: true, line: p.line },
          ),
        };
      }
      case "setFunctionBreakpoints": {
        const { breakpoints } = args as DebugProtocol.SetFunctionBreakpointsArguments;
        const found = breakpoints.map(({ name }) => this.#select(name));
        this.#chosen = new Set(found.flatMap((f) => (typeof f === "string" ? [] : f)));
        return {
          breakpoints: found.map((f) =>
            typeof f === "string"
              ? { verified: false, message: f }
              : { verified: f.length > 0, ...(f.length > 0 ? {} : { message: "it matches nothing in this recording" }) },
          ),
        };
      }
      case "setExceptionBreakpoints": {
        this.#filters = new Set((args as DebugProtocol.SetExceptionBreakpointsArguments).filters);
        return {};
      }
      case "setInstructionBreakpoints":
      case "setDataBreakpoints":
        return { breakpoints: [] };
      case "threads":
        return { threads: [{ id: 1, name: "recorded run" }] };
      case "stackTrace":
        return this.#stack();
      case "scopes":
        return { scopes: this.#scopes() };
      case "variables": {
        const { variablesReference, start = 0, count = 0 } = args as DebugProtocol.VariablesArguments;
        const all = (await this.#held[variablesReference - 1]?.()) ?? [];
        return { variables: all.slice(start, start + (count > 0 ? count : Math.max(all.length, PAGE))) };
      }
      case "evaluate":
        return this.#evaluate((args as DebugProtocol.EvaluateArguments).expression);
      case "source": {
        const { source, sourceReference } = args as DebugProtocol.SourceArguments;
        const content = this.#sources.text(source?.sourceReference ?? sourceReference);
        if (content === undefined) throw new OpwiseError("bad-argument", "there is no such text in the recording");
        return { content, mimeType: "text/x-python" };
      }
      case "loadedSources":
        return { sources: this.#sources.references().map(({ name, reference }) => ({ name, sourceReference: reference })) };
      case "gotoTargets": {
        const { source, line } = args as DebugProtocol.GotoTargetsArguments;
        const place = this.#sources.place(source, line);
        const targets = this.#stops.filter((e) => place?.nodes.has(e.node) === true).slice(-50);
        return { targets: targets.map((e) => ({ id: e.t, label: `@${e.t} ${this.#run.node(e.node).op}`, line: place?.line ?? line })) };
      }
      default:
        return undefined;
    }
  }

  #select(text: string): readonly Execution[] | string {
    try {
      const selector = parseSelector(text);
      if (selectNodes(this.#run.graph, selector).length === 0) return `\`${text}\` matches nothing`;
      const chosen = new Set(selectExecutions(this.#run, selector));
      return this.#stops.filter((e) => chosen.has(e) || matches(selector, subjectOf(this.#run, e), this.#run.graph) === true);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #stack(): object {
    const here = this.#here;
    if (here === undefined) return { stackFrames: [], totalFrames: 0 };
    const frames: DebugProtocol.StackFrame[] = [];
    const add = (node: number, method: string, module: string): void => {
      const { name, path, reference, line } = this.#sources.of(node);
      frames.push({
        id: frames.length + 1,
        name: `${method}${module === "" ? "" : ` (${module})`}`,
        line,
        column: 1,
        source: path === undefined ? { name, sourceReference: reference ?? 0 } : { name, path },
        instructionPointerReference: `0x${node.toString(16).padStart(4, "0")}`,
      });
    };
    let node: number | undefined = here.node;
    for (let frame = this.#run.frames.find((f) => f.id === here.frame); node !== undefined; frame = this.#run.frames.find((f) => f.id === frame?.parent)) {
      add(node, frame?.method ?? "forward", frame?.module ?? here.module);
      node = frame?.node;
    }
    return { stackFrames: frames, totalFrames: frames.length };
  }

  #hold(make: () => Promise<DebugProtocol.Variable[]>): number {
    return this.#held.push(make);
  }

  #scopes(): DebugProtocol.Scope[] {
    const here = this.#here;
    if (here === undefined) return [];
    const run = this.#run;
    const list = (values: readonly ValueRecord[]): number => this.#hold(() => Promise.resolve(values.map((value) => this.#variable(value))));
    const node = run.node(here.node);
    const facts = Object.entries(node.attributes).map(([name, value]): DebugProtocol.Variable => ({ name, value, variablesReference: 0 }));
    return [
      { name: "This op", variablesReference: list(run.inputsOf(here)), expensive: false },
      { name: "Results", variablesReference: list(run.outputsOf(here)), expensive: false },
      {
        name: "Node",
        variablesReference: this.#hold(() => Promise.resolve([{ name: `#${here.node}`, value: nodeText(run.graph, node), variablesReference: 0 }, ...facts])),
        expensive: false,
      },
      {
        name: "Values so far",
        variablesReference: this.#hold(() => Promise.resolve(this.#soFar(here).map((value) => this.#variable(value)))),
        expensive: true,
      },
    ];
  }

  /** The newest record of each value of the function at hand, up to here. */
  #soFar(here: Execution): ValueRecord[] {
    const newest = new Map<number, ValueRecord>();
    for (const value of this.#run.values) {
      if (value.t >= here.t) break;
      if (value.execution === undefined || value.execution.frame === here.frame) newest.set(value.value, value);
    }
    return [...newest.values()];
  }

  #variable(record: ValueRecord): DebugProtocol.Variable {
    const line = valueLine(this.#run, record);
    const name = `%${this.#run.name(record.value)}`;
    const text = line.startsWith(name) ? line.slice(name.length).replace(/^(?: = | {2})/, "") : line;
    const numbers = record.blob === undefined ? 0 : this.#hold(() => this.#numbers(record));
    return {
      name,
      value: text,
      evaluateName: name,
      variablesReference: numbers,
      ...(numbers === 0 ? {} : { indexedVariables: record.tensor?.shape.reduce((a, b) => a * b, 1) ?? 0 }),
    };
  }

  /** The numbers that were kept, row-major. */
  async #numbers(record: ValueRecord): Promise<DebugProtocol.Variable[]> {
    const tensor = await this.#run.tensor(record);
    if (tensor === undefined) return [];
    return elementsOf(tensor).map((value, i) => ({ name: `[${i}]`, value: String(value), variablesReference: 0 }));
  }

  #evaluate(expression: string): object {
    const name = expression.trim().replace(/^%/, "");
    const here = this.#here;
    const ids = this.#run.graph.values.flatMap((value) => (value.name === name ? [value.id] : []));
    for (const id of ids) {
      const record = this.#run.value(id, here?.t);
      if (record !== undefined) {
        const shown = this.#variable(record);
        return { result: shown.value, variablesReference: shown.variablesReference };
      }
    }
    throw new OpwiseError("bad-argument", `the recording has no value \`${expression}\` before this`, {
      hint: "a recording knows values of the graph by their names, %y1",
    });
  }
}
