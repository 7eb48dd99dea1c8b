/**
 * The debug adapter (DAP): an editor steps a saved model on the author's lines, forward and back. Requests come in one by one; what moves the run
 * answers at once and tells by an event where it stopped.
 */

import type { DebugProtocol } from "@vscode/debugprotocol";
import { isOpwiseError, OpwiseError } from "../../tensor/error.ts";
import { CATCH_KINDS, type CatchKind } from "../catcher.ts";
import { command, completions, type Surroundings } from "../commands.ts";
import { Debugger, type StepKind, type Stop } from "../debugger.ts";
import { outputsOf } from "../outputs.ts";
import type { RunInputs } from "../record.ts";
import type { Session } from "../../run/session.ts";
import { lineOf, reasonText } from "../stop-text.ts";
import { Breakpoints } from "./breakpoints.ts";
import { CAPABILITIES, FILTERS } from "./capabilities.ts";
import { openTrace } from "../file/reader.ts";
import { readRun } from "../trace.ts";
import { Inspector } from "./inspector.ts";
import { type Landed, PostMortem } from "./post-mortem.ts";
import { Sources } from "./sources.ts";
import { Variables } from "./variables.ts";

/** What a client's `launch` asks for. Paths are as the host takes them. */
export interface LaunchArguments {
  /** A run spec: `model.pt@cpu`. With a trace it is not needed. */
  readonly program?: string;
  /** A recorded run to look at, read-only. */
  readonly trace?: string;
  readonly inputs?: readonly string[];
  readonly method?: string;
  readonly backend?: string;
  readonly seed?: string | number;
  readonly stopOnEntry?: boolean;
  /** Stay where the run ended, so that one can step back from there. */
  readonly stopAtEnd?: boolean;
  /** Prefixes of the author's paths, and what they are here. */
  readonly sourceMap?: Readonly<Record<string, string>>;
  /** Bytes that checkpoints may take. */
  readonly history?: number;
}

/** What the adapter needs of where it runs. */
export interface AdapterHost extends Surroundings {
  /** Opens a model and reads its inputs. `print` gets the model's own lines. */
  readonly open: (launch: RunArguments, print: (text: string) => void) => Promise<{ readonly session: Session; readonly inputs: RunInputs }>;
  readonly fileExists: (path: string) => boolean;
}

/** A launch that runs a model. */
export type RunArguments = LaunchArguments & { readonly program: string };

/** Numbers of breakpoints that came before the model was open; no point has such a one. */
const EARLY = 1_000_000_000;
/** The one thread that there is: branches follow each other on it. */
const THREAD = 1;

interface Running {
  readonly debug: Debugger;
  readonly variables: Variables;
  readonly sources: Sources;
  readonly breakpoints: Breakpoints;
  readonly inspector: Inspector;
  readonly launch: LaunchArguments;
}

/** The protocol's own types stay inside: what comes in is checked as it is used. */
export class Adapter {
  readonly #host: AdapterHost;
  readonly #send: (message: object) => void;
  #seq = 1;
  #running: Running | undefined;
  #recorded: PostMortem | undefined;
  #work: Promise<void> = Promise.resolve();
  #configured: () => void = () => (this.#isConfigured = true);
  #isConfigured = false;
  /** Breakpoints that came before the model was open, with the numbers that they were answered with. */
  #early: { readonly request: DebugProtocol.Request; readonly ids: readonly number[] }[] = [];
  #ended = false;

  /** `send` gets each message of the adapter. */
  constructor(host: AdapterHost, send: (message: object) => void) {
    this.#host = host;
    this.#send = send;
  }

  /** Settles when everything that has been received is done. */
  get idle(): Promise<void> {
    return this.#work;
  }

  /** Takes a message of the client. Requests are answered in order; `pause` and `cancel` at once. */
  receive(message: unknown): void {
    const request = message as DebugProtocol.Request; // a message of the protocol; fields are looked at one by one
    if (typeof message !== "object" || message === null || request.type !== "request" || typeof request.command !== "string") return;
    if (request.command === "pause" || request.command === "cancel") {
      this.#running?.debug.interrupt();
      this.#answer(request, {});
      return;
    }
    this.#work = this.#work.then(() => this.#handle(request));
  }

  #answer(request: DebugProtocol.Request, body: object): void {
    this.#send({ seq: this.#seq++, type: "response", request_seq: request.seq, success: true, command: request.command, body });
  }
  #fail(request: DebugProtocol.Request, error: unknown): void {
    const text = isOpwiseError(error)
      ? `${error.message}${error.hint === undefined ? "" : ` (${error.hint})`}`
      : error instanceof Error
        ? error.message
        : String(error);
    this.#send({
      seq: this.#seq++,
      type: "response",
      request_seq: request.seq,
      success: false,
      command: request.command,
      message: text,
      body: { error: { id: 1, format: text.replaceAll("{", "{{").replaceAll("}", "}}"), showUser: true } },
    });
  }
  #event(event: string, body: object = {}): void {
    this.#send({ seq: this.#seq++, type: "event", event, body });
  }
  #output(text: string, category: "console" | "stdout" | "stderr" = "console"): void {
    this.#event("output", { category, output: `${text}\n` });
  }

  async #handle(request: DebugProtocol.Request): Promise<void> {
    try {
      if (this.#recorded !== undefined && (await this.#replayed(request, this.#recorded))) return;
      const moves = this.#movement(request);
      if (moves !== undefined) {
        this.#answer(request, request.command === "continue" ? { allThreadsContinued: true } : {});
        await this.#move(moves);
        return;
      }
      const early = this.#running === undefined && this.#recorded === undefined ? this.#provisional(request) : undefined;
      this.#answer(request, early ?? (await this.#respond(request)));
      if (request.command === "initialize") this.#event("initialized");
    } catch (error) {
      this.#fail(request, error);
    }
  }

  /** A request on a recorded run; false where it is none of those. */
  async #replayed(request: DebugProtocol.Request, recorded: PostMortem): Promise<boolean> {
    const args: unknown = request.arguments ?? {};
    const landed = recorded.move(request.command, args as object); // arguments are an object
    if (landed !== undefined) {
      this.#answer(request, request.command === "continue" ? { allThreadsContinued: true } : {});
      this.#landed(landed);
      return true;
    }
    const body = await recorded.respond(request.command, args);
    if (body !== undefined) this.#answer(request, body);
    return body !== undefined;
  }

  #landed({ reason, text }: Landed): void {
    if (reason === "end") {
      this.#output(text);
      this.#event("terminated");
    } else this.#event("stopped", { reason, threadId: THREAD, allThreadsStopped: true, ...(text === "" ? {} : { description: text, text }) });
  }

  /** Breakpoints before there is a model: taken note of, and verified by an event when it is open. */
  #provisional(request: DebugProtocol.Request): object | undefined {
    if (!/^set(?:\w*)Breakpoints$/.test(request.command)) return undefined;
    const { breakpoints = [], filters = [] } = (request.arguments ?? {}) as { breakpoints?: readonly unknown[]; filters?: readonly string[] }; // of all of them
    const ids = (request.command === "setExceptionBreakpoints" ? filters : breakpoints).map(() => EARLY + this.#seq++);
    this.#early.push({ request, ids });
    return { breakpoints: ids.map((id) => ({ id, verified: false, message: "set when the model is open" })) };
  }

  async #applyEarly(): Promise<void> {
    for (const { request, ids } of this.#early.splice(0)) {
      const answer = (await this.#recorded?.respond(request.command, request.arguments ?? {})) ?? (await this.#respond(request));
      const { breakpoints = [] } = answer as { breakpoints?: readonly DebugProtocol.Breakpoint[] }; // what the same request gives later
      breakpoints.forEach((breakpoint, i) => this.#event("breakpoint", { reason: "changed", breakpoint: { ...breakpoint, id: ids[i] ?? 0 } }));
    }
  }

  get #open(): Running {
    return this.#running ?? notLaunched();
  }

  /** How the run moves by a request, where it does. */
  #movement(request: DebugProtocol.Request): (() => Promise<Stop>) | undefined {
    if (this.#running === undefined) return undefined;
    const { debug } = this.#running;
    const { granularity } = (request.arguments ?? {}) as { granularity?: DebugProtocol.SteppingGranularity }; // of all requests that step
    const over: StepKind = granularity === "instruction" ? "instruction" : granularity === "line" ? "over" : "line";
    switch (request.command) {
      case "continue":
        return () => debug.resume();
      case "reverseContinue":
        return () => debug.resumeBack();
      case "next":
        return () => debug.step(over);
      case "stepIn":
        return () => debug.step(over === "line" ? "enter" : over === "over" ? "in" : over);
      case "stepOut":
        return () => debug.step("out");
      case "stepBack":
        return () => debug.stepBack(over);
      case "restart":
        return () => debug.goTo(1);
      case "restartFrame": {
        const { frameId } = request.arguments as DebugProtocol.RestartFrameArguments;
        return () => debug.goTo(debug.lookup.begunAt(frameId - 1) + 1);
      }
      case "goto": {
        const { targetId } = request.arguments as DebugProtocol.GotoArguments;
        return () => debug.goTo(targetId);
      }
      default:
        return undefined;
    }
  }

  async #move(go: () => Promise<Stop>): Promise<void> {
    const { debug, launch } = this.#open;
    // What has ended and is asked to go on is over.
    if (debug.timeline.end !== undefined && this.#ended) {
      const { time } = debug.timeline;
      const stop = await go();
      if (debug.timeline.time === time && stop.end !== undefined) return this.#terminate();
      return this.#stopped(stop);
    }
    const stop = await go();
    if (stop.end?.kind === "done") {
      for (const { name, value } of outputsOf(debug.session.program, stop.end.values)) this.#output(`${name}  ${lineOf(debug, value)}`);
      if (launch.stopAtEnd !== true) return this.#terminate();
    }
    this.#stopped(stop);
  }

  #terminate(): void {
    const failed = this.#running?.debug.timeline.end?.kind === "raised";
    this.#event("exited", { exitCode: failed ? 1 : 0 });
    this.#event("terminated");
  }

  #stopped(stop: Stop): void {
    const { debug, variables } = this.#open;
    variables.reset();
    this.#ended = stop.end !== undefined;
    const { reason } = stop;
    const text = reasonText(debug, reason);
    if (stop.notDeterministic !== undefined) this.#output(`not deterministic since #${stop.notDeterministic.node}`, "stderr");
    const kinds = {
      entry: "entry",
      start: "entry",
      step: "step",
      goto: "goto",
      interrupt: "pause",
      end: "pause",
      breakpoint: "breakpoint",
      watch: "data breakpoint",
      catch: "exception",
      raised: "exception",
    } as const;
    this.#event("stopped", {
      reason: kinds[reason.kind],
      threadId: THREAD,
      allThreadsStopped: true,
      ...(text === "" ? {} : { description: text, text }),
      ...(reason.kind === "breakpoint" ? { hitBreakpointIds: reason.points } : reason.kind === "watch" ? { hitBreakpointIds: [reason.point] } : {}),
    });
  }

  async #respond(request: DebugProtocol.Request): Promise<object> {
    const args: unknown = request.arguments ?? {};
    switch (request.command) {
      case "initialize":
        return CAPABILITIES;
      case "launch":
      case "attach":
        await this.#launch(args as LaunchArguments); // the protocol leaves its fields to the adapter
        await this.#applyEarly();
        if (this.#isConfigured) this.#configured();
        return {};
      case "configurationDone":
        this.#configured();
        return {};
      case "setBreakpoints":
        return { breakpoints: this.#open.breakpoints.setLines(args as DebugProtocol.SetBreakpointsArguments) };
      case "setFunctionBreakpoints":
        return { breakpoints: this.#open.breakpoints.setSelectors(args as DebugProtocol.SetFunctionBreakpointsArguments) };
      case "setInstructionBreakpoints":
        return { breakpoints: this.#open.breakpoints.setNodes(args as DebugProtocol.SetInstructionBreakpointsArguments) };
      case "dataBreakpointInfo":
        return this.#open.breakpoints.dataInfo(args as DebugProtocol.DataBreakpointInfoArguments);
      case "setDataBreakpoints":
        return { breakpoints: this.#open.breakpoints.setData(args as DebugProtocol.SetDataBreakpointsArguments) };
      case "breakpointLocations":
        return { breakpoints: this.#open.breakpoints.locations(args as DebugProtocol.BreakpointLocationsArguments) };
      case "setExceptionBreakpoints":
        return this.#filters(args as DebugProtocol.SetExceptionBreakpointsArguments);
      case "threads":
        return { threads: [{ id: THREAD, name: this.#running === undefined ? "run" : `run (${this.#running.debug.branch})` }] };
      case "stackTrace":
        return this.#open.inspector.stack(args as DebugProtocol.StackTraceArguments);
      case "scopes":
        return { scopes: this.#open.inspector.scopes((args as DebugProtocol.ScopesArguments).frameId) };
      case "variables":
        return { variables: this.#open.inspector.variables(args as DebugProtocol.VariablesArguments) };
      case "setVariable":
        return this.#setVariable(args as DebugProtocol.SetVariableArguments);
      case "setExpression": {
        const { expression, value, frameId } = args as DebugProtocol.SetExpressionArguments;
        return this.#assign(expression, value, frameId);
      }
      case "evaluate":
        return this.#evaluate(args as DebugProtocol.EvaluateArguments);
      case "completions":
        return { targets: this.#complete(args as DebugProtocol.CompletionsArguments) };
      case "source":
        return this.#source(args as DebugProtocol.SourceArguments);
      case "loadedSources":
        return { sources: this.#open.sources.references().map(({ name, reference }) => ({ name, sourceReference: reference })) };
      case "gotoTargets":
        return { targets: this.#open.inspector.gotoTargets(args as DebugProtocol.GotoTargetsArguments) };
      case "exceptionInfo":
        return this.#open.inspector.exception();
      case "disassemble":
        return { instructions: this.#open.inspector.disassemble(args as DebugProtocol.DisassembleArguments) };
      case "readMemory":
        return this.#open.inspector.memory(args as DebugProtocol.ReadMemoryArguments);
      case "disconnect":
      case "terminate":
        this.#close();
        if (request.command === "terminate") this.#event("terminated");
        return {};
      default:
        throw new OpwiseError("bad-argument", `the adapter does not know \`${request.command}\``);
    }
  }

  #close(): void {
    this.#running?.debug.dispose();
    this.#running?.debug.session.dispose();
    this.#running = undefined;
    this.#recorded = undefined;
  }

  /** Opens the model; it runs when the client has set its breakpoints. */
  async #launch(launch: LaunchArguments): Promise<void> {
    if (launch.trace !== undefined) return this.#postMortem(launch, launch.trace);
    const { program } = launch;
    if (typeof program !== "string") throw new OpwiseError("bad-argument", "`launch` wants a `program`: the model to run, or a `trace`");
    const { session, inputs } = await this.#host.open({ ...launch, program }, (text) => this.#output(text, "stdout"));
    const debug = new Debugger(session, inputs, { method: launch.method, history: launch.history });
    debug.textOf = (value) => lineOf(debug, value);
    debug.onLog = (text) => this.#output(text);
    const variables = new Variables(debug);
    const sources = new Sources(
      debug.numbering.graph,
      (record) => session.program.sourceText?.(record),
      (path) => this.#host.fileExists(path),
      launch.sourceMap,
    );
    const breakpoints = new Breakpoints(debug, sources, variables);
    this.#running = { debug, variables, sources, breakpoints, inspector: new Inspector(debug, sources, variables), launch };
    this.#configured = () => {
      this.#configured = () => undefined;
      this.#work = this.#work.then(() => (launch.stopOnEntry === true ? this.#stopped(debug.stop()) : this.#move(() => debug.resume())));
    };
  }

  async #postMortem(launch: LaunchArguments, file: string): Promise<void> {
    const recorded = await PostMortem.of(await readRun(await openTrace(file)), (path) => this.#host.fileExists(path), launch.sourceMap);
    this.#recorded = recorded;
    this.#configured = () => {
      this.#configured = () => undefined;
      this.#work = this.#work.then(() =>
        this.#landed(launch.stopOnEntry === true ? { reason: "entry", text: "" } : (recorded.move("continue", {}) ?? { reason: "entry", text: "" })),
      );
    };
  }

  #filters({ filters, filterOptions = [] }: DebugProtocol.SetExceptionBreakpointsArguments): object {
    const { debug } = this.#open;
    const wanted = new Set<string>([...filters, ...filterOptions.map((f) => f.filterId)]);
    for (const kind of CATCH_KINDS) debug.catching(kind, wanted.has(kind));
    debug.points.setConditions(filterOptions.flatMap(({ filterId, condition }) => (condition === undefined || !isKind(filterId) ? [] : [condition])));
    return { breakpoints: [...wanted].map((filter) => ({ verified: FILTERS.some((f) => f.filter === filter) })) };
  }

  async #setVariable({ variablesReference, name, value }: DebugProtocol.SetVariableArguments): Promise<object> {
    const holder = this.#open.variables.get(variablesReference);
    const target = holder?.target(name);
    if (holder === undefined || target === undefined) throw new OpwiseError("bad-argument", `\`${name}\` cannot be set`);
    return this.#assign(target, value, holder.frame + 1);
  }

  async #assign(target: string, value: string, frameId: number | undefined): Promise<object> {
    const { debug } = this.#open;
    debug.select((frameId ?? 1) - 1);
    await command(debug, `set ${target} = ${value}`, this.#host);
    return { value: lineOf(debug, debug.evaluate(target)) };
  }

  /** Names and expressions give values; in the console also the debugger's own words. */
  async #evaluate({ expression, frameId, context }: DebugProtocol.EvaluateArguments): Promise<object> {
    const { debug, variables } = this.#open;
    const frame = (frameId ?? 1) - 1;
    debug.select(frame);
    if (context === "repl") {
      const [word = ""] = expression.trim().split(/[\s/]/);
      if (completions(word).length > 0 || isCommand(word)) {
        const answer = await command(debug, expression, this.#host);
        if (answer.quit === true) this.#terminate();
        if (answer.stop !== undefined) this.#stopped(answer.stop);
        return { result: answer.lines.join("\n"), variablesReference: 0 };
      }
    }
    return debug.lookup.withPast(expression, frame, (value, at) => {
      const shown = variables.variable(expression, value, at === undefined ? expression : undefined, frame);
      return { ...shown, result: at === undefined ? shown.value : `${shown.value}   (as it was @${at})` };
    });
  }

  #complete({ text, column, frameId }: DebugProtocol.CompletionsArguments): DebugProtocol.CompletionItem[] {
    const { debug } = this.#open;
    const before = text.slice(0, Math.max(column - 1, 0));
    const word = /[%\w.]*$/.exec(before)?.[0] ?? "";
    const words: DebugProtocol.CompletionItem[] =
      before === word ? completions(word).map((label) => ({ label, type: "keyword", length: word.length, start: before.length - word.length })) : [];
    const names = debug
      .locals((frameId ?? 1) - 1)
      .map(({ name }) => `%${name}`)
      .filter((name) => name.startsWith(word.startsWith("%") ? word : `%${word}`));
    return [
      ...words,
      ...names
        .slice(0, 200)
        .map((label): DebugProtocol.CompletionItem => ({ label, type: "variable", length: word.length, start: before.length - word.length })),
    ];
  }

  #source({ source, sourceReference }: DebugProtocol.SourceArguments): object {
    const content = this.#open.sources.text(source?.sourceReference ?? sourceReference);
    if (content === undefined) throw new OpwiseError("bad-argument", "there is no such text in the model");
    return { content, mimeType: "text/x-python" };
  }
}

function isKind(word: string): word is CatchKind {
  return CATCH_KINDS.some((kind) => kind === word);
}
/** Short words of the debugger, which are no prefix of a longer one. */
function isCommand(word: string): boolean {
  return /^(?:s|n|fin|u|c|rs|rn|rfin|rc|b|tb|bt|l|p|x|i|q|h|nl|rnl|si|rsi)$/.test(word);
}
function notLaunched(): never {
  throw new OpwiseError("bad-argument", "nothing has been launched yet");
}
