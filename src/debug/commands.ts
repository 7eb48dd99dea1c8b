/** The debugger's words (gdb's, with unique prefixes): one line in, text out. The terminal, scripts and the editor's console all come here. */

import type { Datum } from "../ir/datum.ts";
import { printNode } from "../ir/printer.ts";
import type { Backend } from "../prims/backend.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { CATCH_KINDS } from "./catcher.ts";
import { assign, differenceOf, onBackend, passedThrough } from "./changes.ts";
import type { Debugger, StepKind, Stop } from "./debugger.ts";
import { evaluate, parseExpression } from "./expression.ts";
import { info } from "./info.ts";
import { Matcher } from "./matcher.ts";
import { outputsOf } from "./outputs.ts";
import { primitiveCalls, primitiveText } from "./primitives.ts";
import { openTrace } from "./file/reader.ts";
import { readRun } from "./trace.ts";
import { callsText, lineOf, sourceLines, stopText } from "./stop-text.ts";
import { formattedText, numbersText, rawText, VALUE_FORMATS } from "./value-text.ts";
import { why, whyText } from "./why.ts";

/** What commands may ask of where the debugger runs. */
export interface Surroundings {
  /** @throws bad-argument for a name that is none */
  readonly backend?: ((name: string) => Promise<Backend>) | undefined;
  readonly writeTensor?: ((path: string, tensor: Tensor) => void) | undefined;
}

export interface Answer {
  readonly lines: readonly string[];
  /** Set where the run has moved. */
  readonly stop?: Stop | undefined;
  readonly quit?: boolean | undefined;
}

interface Command {
  readonly names: readonly string[];
  readonly usage: string;
  readonly help: string;
  /** Whether an empty line does it again. */
  readonly repeats?: boolean;
  readonly run: (debug: Debugger, rest: string, around: Surroundings) => Promise<Answer> | Answer;
}

const told = (...lines: readonly string[]): Answer => ({ lines });
const moved = (debug: Debugger, stop: Stop): Answer => ({ lines: stopText(debug, stop), stop });

function count(rest: string): number {
  if (rest === "") return 1;
  const n = Number(rest);
  if (!(Number.isInteger(n) && n > 0)) throw new OpwiseError("bad-argument", "how often is a whole number", { got: rest });
  return n;
}

function wanted(rest: string, usage: string): string {
  if (rest === "") throw new OpwiseError("bad-argument", "something is missing", { wanted: usage });
  return rest;
}

/** Does a step up to n times; a stop for another reason ends it. */
async function times(debug: Debugger, rest: string, go: () => Promise<Stop>): Promise<Answer> {
  let stop: Stop | undefined;
  for (let n = count(rest); n > 0; n--) {
    stop = await go();
    if (stop.reason.kind !== "step" || stop.end !== undefined) break;
  }
  return moved(debug, stop ?? debug.stop());
}

const stepping = (names: readonly string[], kind: StepKind, help: string): Command => ({
  names,
  usage: `${names[0] ?? ""} [N]`,
  help,
  repeats: true,
  run: (debug, rest) => times(debug, rest, () => debug.step(kind)),
});
const backing = (names: readonly string[], kind: StepKind, help: string): Command => ({
  names,
  usage: `${names[0] ?? ""} [N]`,
  help,
  repeats: true,
  run: (debug, rest) => times(debug, rest, () => debug.stepBack(kind)),
});

/** `step`: into the call; at an op that makes calls of its own, into those. */
async function stepIn(debug: Debugger, rest: string): Promise<Answer> {
  if (rest === "" && debug.timeline.next?.kind === "op") {
    const calls = await primitiveCalls(debug);
    if (calls.length > 0) return { lines: [...primitiveText(debug, calls), "(next runs the op)"] };
  }
  return times(debug, rest, () => debug.step("in"));
}

function point(debug: Debugger, rest: string, options: { readonly temporary?: boolean; readonly log?: string }): Answer {
  const made = debug.points.add(rest, options);
  const nodes = [...(made.matcher?.nodes ?? [])];
  const places = nodes.slice(0, 4).map((n) => `#${debug.numbering.nodeId(n)}`);
  return told(
    `${options.log === undefined ? "breakpoint" : "logpoint"} ${made.id} on ${made.text}: ${nodes.length} ${nodes.length === 1 ? "node" : "nodes"} (${places.join(", ")}${nodes.length > 4 ? ", …" : ""})`,
  );
}

function firstWord(text: string): readonly [string, string] {
  const match = /^(\S+)\s*([\s\S]*)$/.exec(text);
  return [match?.[1] ?? "", match?.[2] ?? ""];
}

function numbered(debug: Debugger, rest: string, usage: string): { readonly point: ReturnType<Debugger["points"]["find"]>; readonly rest: string } {
  const [word, more] = firstWord(wanted(rest, usage));
  return { point: debug.points.find(Number(word)), rest: more };
}

/** `p`, `p/stats`, … */
function print(debug: Debugger, rest: string): Promise<Answer> {
  const match = /^\/(\w+)\s*([\s\S]*)$/.exec(rest);
  const text = wanted(match?.[2] ?? rest, "print[/stats|/hist|/img|/hex] EXPRESSION");
  const format = match === null ? undefined : VALUE_FORMATS.find((f) => f.startsWith(match[1] ?? ""));
  if (match !== null && format === undefined)
    throw new OpwiseError("bad-argument", `there is no format \`${match[1] ?? ""}\``, { wanted: VALUE_FORMATS.join(", ") });
  return debug.lookup.withPast(text, debug.frame, (value, at) => {
    const when = at === undefined ? [] : [`(as it was @${at}; no longer kept)`];
    if (!(value instanceof Tensor)) return told(lineOf(debug, value), ...when);
    if (format !== undefined) return told(...formattedText(value, format), ...when);
    return told(`${text}  ${lineOf(debug, value, text.replace(/^%/, ""))}`, ...numbersText(value), ...when);
  });
}

async function set(debug: Debugger, rest: string): Promise<Answer> {
  const at = /^(.*?[^=!<>])=([^=].*)$/.exec(wanted(rest, "set %VALUE[INDEX] = EXPRESSION"));
  if (at === null) throw new OpwiseError("bad-argument", `\`${rest}\` sets nothing`, { wanted: "set %VALUE[INDEX] = EXPRESSION" });
  const [, left = "", right = ""] = at;
  const target = parseExpression(left.trim());
  const value = parseExpression(right.trim());
  const frame = debug.frame;
  const before = evaluate(target, debug.lookup.scope(frame)); // a name that means nothing is told now
  if (!(before instanceof Tensor) && target.kind !== "name")
    throw new OpwiseError("bad-argument", "only tensors, their parts, and plain values by name can be set");
  await debug.timeline.act({
    time: debug.timeline.time,
    text: `set ${rest}`,
    change: async (machine) => {
      const old = evaluate(target, debug.lookup.scope(frame));
      const now = evaluate(value, debug.lookup.scope(frame));
      if (old instanceof Tensor) return assign(machine.executor, old, now);
      const call = debug.calls[frame];
      const found = call === undefined || target.kind !== "name" ? undefined : debug.lookup.meaning(call, target.name, target.exact);
      if (call === undefined || found === undefined) throw new OpwiseError("bad-argument", `\`${left}\` has no place to be set at`);
      call.registers[found.of.id] = now;
    },
  });
  return told(`${left.trim()}  ${lineOf(debug, debug.evaluate(left.trim(), frame))}`);
}

async function skip(debug: Debugger, rest: string): Promise<Answer> {
  const { timeline } = debug;
  const { next, time } = timeline;
  if (next === undefined) throw new OpwiseError("bad-argument", "the run has ended: nothing can be skipped");
  const value: Datum | undefined = rest === "" ? undefined : debug.evaluate(rest);
  if (value === undefined) passedThrough(next, timeline.machine.nextInputs()); // what cannot be handed on is told now
  await timeline.act({
    time,
    text: `skip #${debug.numbering.nodeId(next.node)}`,
    instead: (machine, instruction) =>
      machine.time !== time
        ? undefined
        : Promise.resolve(value === undefined ? passedThrough(instruction, machine.nextInputs()) : instruction.results.map(() => value)),
  });
  return moved(debug, await debug.step("instruction"));
}

async function elsewhere(debug: Debugger, rest: string, around: Surroundings): Promise<Answer> {
  const [selector, name] = firstWord(wanted(rest, "backend SELECTOR NAME"));
  const matcher = Matcher.of(debug.numbering, selector);
  const { nodes } = matcher;
  if (around.backend === undefined) throw new OpwiseError("bad-argument", "no other backends can be made here");
  const backend = await around.backend(wanted(name, "backend SELECTOR NAME"));
  await debug.timeline.act(onBackend(debug.timeline.time, { nodes, where: (node) => debug.isAt(matcher, node) }, backend, debug.timeline.machine));
  return told(`${nodes.size} ${nodes.size === 1 ? "node runs" : "nodes run"} on ${backend.name} from here on`);
}

/** `diff A B`: how far the results of two branches lie apart. */
function diff(debug: Debugger, rest: string): Answer {
  const [a, b] = firstWord(wanted(rest, "diff BRANCH BRANCH"));
  const results = [a, b].map((name) => {
    const end = debug.ends.get(name);
    if (end?.kind !== "done")
      throw new OpwiseError("bad-argument", `branch \`${name}\` has not run to its end`, { wanted: [...debug.ends.keys()].join(", ") || "a branch that has" });
    return outputsOf(debug.session.program, end.values);
  });
  const [left = [], right = []] = results;
  return told(
    ...left.map(({ name, value }, i) => {
      const other = right[i]?.value ?? null;
      if (!(value instanceof Tensor) || !(other instanceof Tensor)) return `${name}  ${lineOf(debug, value)} | ${lineOf(debug, other)}`;
      const d = differenceOf(value, other, debug.session.executor);
      if (!d.sameShape) return `${name}  other shape: [${value.shape.join(", ")}] | [${other.shape.join(", ")}]`;
      return `${name}  ${d.count === 0 ? "the same" : `max|e| ${d.max.toExponential(2)}  relL2 ${d.relL2.toExponential(2)}  ${d.count} of ${value.numel} differ`}`;
    }),
  );
}

function list(debug: Debugger, rest: string): Answer {
  const node = debug.calls[debug.frame]?.instruction?.node;
  if (node === undefined) return told("the run has ended");
  const lines = sourceLines(debug, node, rest === "" ? 5 : count(rest));
  if (lines.length === 0) return told(...printNode(node));
  const width = Math.max(...lines.map((l) => String(l.line).length));
  return told(...lines.map((l) => `${l.current ? "→" : " "} ${String(l.line).padStart(width)}  ${l.text.trimEnd()}`));
}

const COMMANDS: readonly Command[] = [
  { names: ["step", "s"], usage: "step [N]", help: "into the module, the op, its primitive calls", repeats: true, run: stepIn },
  stepping(["next", "n"], "over", "over the op or the call"),
  stepping(["nextline", "nl"], "line", "to the next source line"),
  stepping(["stepi", "si"], "instruction", "one instruction, constants and lists too"),
  stepping(["finish", "fin"], "out", "out of the call"),
  {
    names: ["until", "u"],
    usage: "until SELECTOR | CONDITION",
    help: "to where it matches or holds",
    run: async (debug, rest) => moved(debug, await debug.until(wanted(rest, "until SELECTOR | CONDITION"))),
  },
  {
    names: ["continue", "c"],
    usage: "continue [N]",
    help: "to the next breakpoint or the end",
    repeats: true,
    run: async (debug, rest) => {
      let stop = debug.stop();
      for (let n = count(rest); n > 0 && stop.end === undefined; n--) stop = await debug.resume();
      return moved(debug, stop);
    },
  },
  backing(["reverse-step", "rs"], "in", "back by one, into calls"),
  backing(["reverse-next", "rn", "back"], "over", "back over the op or the call"),
  backing(["reverse-nextline", "rnl"], "line", "back to the line before"),
  backing(["reverse-stepi", "rsi"], "instruction", "back by one instruction"),
  backing(["reverse-finish", "rfin"], "out", "back to where the call was made"),
  {
    names: ["reverse-continue", "rc"],
    usage: "reverse-continue",
    help: "back to the last breakpoint or the start",
    repeats: true,
    run: async (debug) => moved(debug, await debug.resumeBack()),
  },
  {
    names: ["goto"],
    usage: "goto @T",
    help: "to a time, in either direction",
    run: async (debug, rest) => {
      const time = Number(rest.replace(/^@/, ""));
      if (!(Number.isInteger(time) && time >= 1)) throw new OpwiseError("bad-argument", "times are @1, @2, …", { got: rest });
      return moved(debug, await debug.goTo(time));
    },
  },
  { names: ["run", "restart"], usage: "run", help: "back to the start", run: async (debug) => moved(debug, await debug.goTo(1)) },
  {
    names: ["break", "b"],
    usage: "break SELECTOR [if CONDITION]",
    help: "stop at nodes",
    run: (debug, rest) => point(debug, wanted(rest, "break SELECTOR [if CONDITION]"), {}),
  },
  {
    names: ["tbreak", "tb"],
    usage: "tbreak SELECTOR [if CONDITION]",
    help: "stop there once",
    run: (debug, rest) => point(debug, wanted(rest, "tbreak SELECTOR"), { temporary: true }),
  },
  {
    names: ["logpoint"],
    usage: "logpoint SELECTOR TEXT",
    help: "print TEXT there, {EXPRESSION} filled in, and go on",
    run: (debug, rest) => {
      const [selector, log] = firstWord(wanted(rest, "logpoint SELECTOR TEXT"));
      return point(debug, selector, { log: wanted(log, "logpoint SELECTOR TEXT") });
    },
  },
  {
    names: ["condition"],
    usage: "condition N [EXPRESSION]",
    help: "stop at breakpoint N only where it holds",
    run: (debug, rest) => {
      const found = numbered(debug, rest, "condition N [EXPRESSION]");
      found.point.condition = found.rest === "" ? undefined : { text: found.rest, expression: parseExpression(found.rest) };
      return told(`breakpoint ${found.point.id} ${found.rest === "" ? "stops always" : `stops where ${found.rest}`}`);
    },
  },
  {
    names: ["ignore"],
    usage: "ignore N COUNT",
    help: "pass over the next COUNT hits",
    run: (debug, rest) => {
      const found = numbered(debug, rest, "ignore N COUNT");
      found.point.ignore = count(wanted(found.rest, "ignore N COUNT"));
      return told(`breakpoint ${found.point.id} passes over its next ${found.point.ignore} hits`);
    },
  },
  {
    names: ["watch"],
    usage: "watch %VALUE~",
    help: "stop at what writes its memory",
    run: (debug, rest) => {
      const made = debug.watch(wanted(rest, "watch %VALUE~"));
      return told(`watch ${made.id} on the storage of ${made.text}`);
    },
  },
  {
    names: ["catch"],
    usage: `catch ${CATCH_KINDS.join("|")} [TRACE]`,
    help: "stop where it happens; mismatch: with a recorded run",
    run: async (debug, rest) => {
      if (rest.startsWith("mismatch")) {
        const file = wanted(rest.slice("mismatch".length).trim(), "catch mismatch FILE.opwtrace");
        debug.catchMismatch(await readRun(await openTrace(file)));
        return told(`stops at the first op that gives other values than ${file}`);
      }
      const kind = CATCH_KINDS.find((k) => k === rest);
      if (kind === undefined) throw new OpwiseError("bad-argument", `there is nothing \`${rest}\` to catch`, { wanted: CATCH_KINDS.join(", ") });
      debug.catching(kind);
      return told(`stops at ${kind}`);
    },
  },
  {
    names: ["delete"],
    usage: "delete [N]",
    help: "a breakpoint, or all",
    run: (debug, rest) => {
      if (rest === "") debug.points.list.length = 0;
      else debug.points.remove(numbered(debug, rest, "delete N").point.id);
      return told();
    },
  },
  {
    names: ["enable"],
    usage: "enable N",
    help: "a breakpoint that was disabled",
    run: (debug, rest) => ((numbered(debug, rest, "enable N").point.enabled = true), told()),
  },
  {
    names: ["disable"],
    usage: "disable N",
    help: "keep a breakpoint, and pass over it",
    run: (debug, rest) => ((numbered(debug, rest, "disable N").point.enabled = false), told()),
  },
  { names: ["backtrace", "bt", "where"], usage: "backtrace", help: "the open calls", run: (debug) => told(...callsText(debug)) },
  { names: ["up"], usage: "up [N]", help: "look from an outer call", run: (debug, rest) => (debug.up(count(rest)), told(...callsText(debug))) },
  { names: ["down"], usage: "down [N]", help: "look from an inner call", run: (debug, rest) => (debug.up(-count(rest)), told(...callsText(debug))) },
  { names: ["list", "l"], usage: "list [N]", help: "the source around the op", run: list },
  {
    names: ["ir"],
    usage: "ir",
    help: "the node as the graph prints it",
    run: (debug) => {
      const node = debug.calls[debug.frame]?.instruction?.node;
      return told(
        ...(node === undefined ? ["the run has ended"] : printNode(node).map((line, i) => (i === 0 ? `#${debug.numbering.nodeId(node)}  ${line}` : line))),
      );
    },
  },
  { names: ["print", "p"], usage: "print[/stats|/hist|/img|/hex] EXPRESSION", help: "a value, or a part of one", run: print },
  {
    names: ["x"],
    usage: "x EXPRESSION",
    help: "the bytes of a tensor",
    run: (debug, rest) => {
      const value = debug.evaluate(wanted(rest, "x EXPRESSION"));
      if (!(value instanceof Tensor)) throw new OpwiseError("bad-argument", "only tensors have bytes");
      return told(...rawText(value));
    },
  },
  {
    names: ["info", "i"],
    usage: "info locals|args|views %V|writes %V|users %V|breaks|history|branches|changes",
    help: "what there is",
    run: (debug, rest) => told(...info(debug, rest)),
  },
  {
    names: ["calls"],
    usage: "calls",
    help: "the primitive calls that the op at hand makes, with their results",
    run: async (debug) => told(...primitiveText(debug, await primitiveCalls(debug))),
  },
  { names: ["set"], usage: "set %VALUE[INDEX] = EXPRESSION", help: "change a value; done again on every replay", run: set },
  { names: ["skip"], usage: "skip [EXPRESSION]", help: "pass over the op: its first tensor, or a value, stands for its results", run: skip },
  { names: ["backend"], usage: "backend SELECTOR NAME", help: "run nodes on another backend from here on", run: elsewhere },
  {
    names: ["fork"],
    usage: "fork NAME",
    help: "part from the run here: what follows is a branch of its own",
    run: (debug, rest) => (debug.fork(wanted(rest, "fork NAME")), told(`on branch ${debug.branch} from @${debug.timeline.time + 1} on`)),
  },
  {
    names: ["switch"],
    usage: "switch NAME",
    help: "to another branch",
    run: async (debug, rest) => moved(debug, await debug.switchTo(wanted(rest, "switch NAME"))),
  },
  { names: ["diff"], usage: "diff BRANCH BRANCH", help: "how far the results of two branches lie apart", run: diff },
  {
    names: ["why"],
    usage: "why %VALUE[INDEX]",
    help: "the elements that one number was made from",
    run: async (debug, rest) => told(...whyText(await why(debug, wanted(rest, "why %VALUE[INDEX]")))),
  },
  {
    names: ["save"],
    usage: "save EXPRESSION FILE.npy",
    help: "write a tensor to a file",
    run: (debug, rest, around) => {
      const match = /^(.*\S)\s+(\S+\.npy)$/.exec(rest);
      const value = match === null ? undefined : debug.evaluate(match[1] ?? "");
      if (!(value instanceof Tensor)) throw new OpwiseError("bad-argument", "a tensor and a file are wanted", { wanted: "save EXPRESSION FILE.npy" });
      if (around.writeTensor === undefined) throw new OpwiseError("bad-argument", "no files can be written here");
      around.writeTensor(match?.[2] ?? "", value);
      return told(`wrote ${match?.[2] ?? ""}`);
    },
  },
  { names: ["help", "h"], usage: "help [COMMAND]", help: "this", run: (_debug, rest) => told(...helpText(rest)) },
  { names: ["quit", "q"], usage: "quit", help: "leave", run: () => ({ lines: [], quit: true }) },
];

function helpText(rest: string): readonly string[] {
  if (rest !== "") {
    const { usage, help } = find(rest);
    return [usage, `  ${help}`];
  }
  const width = Math.max(...COMMANDS.map((c) => c.usage.length));
  return COMMANDS.map((c) => `${c.usage.padEnd(Math.min(width, 46))}  ${c.help}${c.names.length > 1 ? ` (${c.names.slice(1).join(", ")})` : ""}`);
}

/** The command of a name or a unique prefix. @throws bad-argument */
function find(word: string): Command {
  const exact = COMMANDS.find((c) => c.names.includes(word));
  if (exact !== undefined) return exact;
  const known = [...new Set(COMMANDS.filter((c) => c.names.some((n) => n.startsWith(word))))];
  const [only] = known;
  if (only === undefined) throw new OpwiseError("bad-argument", `there is no command \`${word}\``, { hint: "`help` lists them" });
  // Of `next` and `nextline`, `nex` is the shorter one.
  const shortest = known.find((c) => known.every((other) => other.names[0]?.startsWith(c.names[0] ?? "") === true));
  if (shortest !== undefined) return shortest;
  if (known.length > 1) throw new OpwiseError("bad-argument", `\`${word}\` may be ${known.map((c) => c.names[0]).join(", ")}`);
  return only;
}

/** Names of commands that begin with a text, for completion. */
export function completions(prefix: string): readonly string[] {
  return COMMANDS.flatMap((c) => (c.names[0]?.startsWith(prefix) === true ? [c.names[0]] : []));
}

/** Whether an empty line after this one does it again. */
export function repeats(line: string): boolean {
  const [word] = firstWord(line.trim());
  try {
    return find(word.split("/")[0] ?? "").repeats === true;
  } catch {
    return false; // it was no command
  }
}

/** Does what a line says. @throws OpwiseError for what cannot be done; the run stays where it is */
export async function command(debug: Debugger, line: string, around: Surroundings = {}): Promise<Answer> {
  const match = /^([^\s/]+)([\s\S]*)$/.exec(line.trim());
  if (match === null) return told();
  return find(match[1] ?? "").run(debug, (match[2] ?? "").trim(), around);
}
