/** Breakpoints as a client sets them: each request replaces all of its kind. */

import type { DebugProtocol } from "@vscode/debugprotocol";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Debugger } from "../debugger.ts";
import { parseExpression } from "../expression.ts";
import type { Point } from "../points.ts";
import type { Sources } from "./sources.ts";
import type { Variables } from "./variables.ts";

type Breakpoint = DebugProtocol.Breakpoint;

/** How many hits are passed over, by a hit condition: `5`, `>5`, `>=5`. */
function ignored(condition: string | undefined): number {
  if (condition === undefined || condition.trim() === "") return 0;
  const match = /^\s*(>=|>|==|=)?\s*(\d+)\s*$/.exec(condition);
  if (match === null) throw new OpwiseError("bad-argument", `\`${condition}\` is no hit condition`, { wanted: "N, >N or >=N" });
  return Math.max(0, Number(match[2]) - (match[1] === ">" ? 0 : 1));
}

function conditionOf(text: string | undefined): Point["condition"] {
  return text === undefined || text.trim() === "" ? undefined : { text, expression: parseExpression(text) };
}

export class Breakpoints {
  readonly #debug: Debugger;
  readonly #sources: Sources;
  readonly #variables: Variables;
  /** Numbers of the points that a request has set, by source or kind. */
  readonly #set = new Map<string, number[]>();

  constructor(debug: Debugger, sources: Sources, variables: Variables) {
    this.#debug = debug;
    this.#sources = sources;
    this.#variables = variables;
  }

  /** Drops what the same request set before, and keeps what it sets now. */
  #replace(key: string, make: () => readonly { readonly point: Point | undefined; readonly answer: Breakpoint }[]): Breakpoint[] {
    for (const id of this.#set.get(key) ?? []) this.#debug.points.remove(id);
    const made = make();
    this.#set.set(
      key,
      made.flatMap(({ point }) => (point === undefined ? [] : [point.id])),
    );
    return made.map(({ answer }) => answer);
  }

  /** One breakpoint; what is wrong with it is told in its answer. */
  #one(make: () => { readonly point: Point; readonly answer?: Omit<Breakpoint, "verified"> }): {
    readonly point: Point | undefined;
    readonly answer: Breakpoint;
  } {
    try {
      const { point, answer } = make();
      return { point, answer: { id: point.id, verified: true, ...answer } };
    } catch (error) {
      return { point: undefined, answer: { verified: false, message: error instanceof Error ? error.message : String(error) } };
    }
  }

  setLines({ source, breakpoints = [] }: DebugProtocol.SetBreakpointsArguments): Breakpoint[] {
    return this.#replace(`lines ${source.sourceReference ?? 0} ${source.path ?? source.name ?? ""}`, () =>
      breakpoints.map(({ line, condition, hitCondition, logMessage }) =>
        this.#one(() => {
          const place = this.#sources.place(source, line);
          if (place === undefined)
            throw new OpwiseError(
              "bad-argument",
              this.#sources.linesOf(source) === undefined ? "the model has no code from this file" : "no op of the model lies on this line or after it",
            );
          const nodes = new Set([...place.nodes].flatMap((id) => this.#debug.numbering.nodeOf(id) ?? []));
          const point = this.#debug.points.addNodes(`${source.name ?? source.path ?? ""}:${place.line}`, nodes, {
            condition: conditionOf(condition),
            ignore: ignored(hitCondition),
            log: logMessage,
          });
          return { point, answer: { line: place.line, ...(place.moved ? { message: `moved to line ${place.line}, the next one that has an op` } : {}) } };
        }),
      ),
    );
  }

  /** Function breakpoints are selectors. */
  setSelectors({ breakpoints }: DebugProtocol.SetFunctionBreakpointsArguments): Breakpoint[] {
    return this.#replace("selectors", () =>
      breakpoints.map(({ name, condition, hitCondition }) =>
        this.#one(() => {
          const point = this.#debug.points.add(name);
          point.condition = conditionOf(condition);
          point.ignore = ignored(hitCondition);
          return { point };
        }),
      ),
    );
  }

  /** Instruction breakpoints are nodes by their address. */
  setNodes({ breakpoints }: DebugProtocol.SetInstructionBreakpointsArguments): Breakpoint[] {
    return this.#replace("nodes", () =>
      breakpoints.map(({ instructionReference, offset = 0, condition, hitCondition }) =>
        this.#one(() => {
          const id = Number(instructionReference) + offset;
          const node = this.#debug.numbering.nodeOf(id);
          if (node === undefined) throw new OpwiseError("bad-argument", `there is no node #${id}`);
          return {
            point: this.#debug.points.addNodes(`#${id}`, new Set([node]), { condition: conditionOf(condition), ignore: ignored(hitCondition), log: undefined }),
          };
        }),
      ),
    );
  }

  dataInfo({ variablesReference, name, frameId }: DebugProtocol.DataBreakpointInfoArguments): {
    readonly dataId: string | null;
    readonly description: string;
    readonly accessTypes?: readonly string[];
  } {
    const expression = variablesReference === undefined ? name : (this.#variables.get(variablesReference)?.target(name) ?? name);
    try {
      const value = this.#debug.evaluate(expression, (frameId ?? 1) - 1);
      if (value instanceof Tensor)
        return {
          dataId: `${this.#debug.writes.idOf(value.storage)} ${expression}`,
          description: `what writes the memory of ${expression}`,
          accessTypes: ["write"],
        };
    } catch {
      // said below: it has no memory
    }
    return { dataId: null, description: `${expression} has no memory to watch` };
  }

  setData({ breakpoints }: DebugProtocol.SetDataBreakpointsArguments): Breakpoint[] {
    return this.#replace("data", () =>
      breakpoints.map(({ dataId, condition, hitCondition }) =>
        this.#one(() => {
          const match = /^(\d+) (.*)$/s.exec(dataId);
          if (match === null) throw new OpwiseError("bad-argument", "there is no such memory");
          const point = this.#debug.points.addWatch(`${match[2] ?? ""}~`, Number(match[1]));
          point.condition = conditionOf(condition);
          point.ignore = ignored(hitCondition);
          return { point };
        }),
      ),
    );
  }

  locations({ source, line, endLine = line }: DebugProtocol.BreakpointLocationsArguments): DebugProtocol.BreakpointLocation[] {
    return [...(this.#sources.linesOf(source) ?? new Map<number, unknown>()).keys()]
      .filter((l) => l >= line && l <= endLine)
      .toSorted((a, b) => a - b)
      .map((l) => ({ line: l }));
  }
}
