/** What an editor shows of a stop: calls, scopes, variables, the graph as instructions, bytes. */

import type { DebugProtocol } from "@vscode/debugprotocol";
import { printNode, printTemplate } from "../../ir/printer.ts";
import { isOpwiseError, OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Debugger } from "../debugger.ts";
import { info } from "../info.ts";
import { outputsOf } from "../outputs.ts";
import type { Sources } from "./sources.ts";
import type { Variables } from "./variables.ts";

/** Executions of a line that can be gone to. */
const MAX_TARGETS = 50;

export class Inspector {
  readonly #debug: Debugger;
  readonly #sources: Sources;
  readonly #variables: Variables;

  constructor(debug: Debugger, sources: Sources, variables: Variables) {
    this.#debug = debug;
    this.#sources = sources;
    this.#variables = variables;
  }

  /** Calls, innermost first, with the loop trips that are open in them below. */
  stack({ startFrame = 0, levels = 0 }: DebugProtocol.StackTraceArguments): { readonly stackFrames: DebugProtocol.StackFrame[]; readonly totalFrames: number } {
    const { calls, numbering } = this.#debug;
    const frames = calls.flatMap((call, i): DebugProtocol.StackFrame[] => {
      const node = call.instruction?.node;
      const module = this.#debug.moduleOf(i);
      const shown = node === undefined ? undefined : this.#sources.of(numbering.nodeId(node));
      const at =
        shown === undefined
          ? { line: 0, column: 0 }
          : {
              line: shown.line,
              column: shown.reference === undefined ? 1 : (node?.location?.column ?? 1),
              source:
                shown.path === undefined
                  ? { name: shown.name, sourceReference: shown.reference ?? 0, origin: "inside the model" }
                  : { name: shown.name, path: shown.path },
            };
      const own: DebugProtocol.StackFrame = {
        id: i + 1,
        name: `${call.name}${module === "" ? "" : ` (${module})`}`,
        ...at,
        ...(node === undefined ? {} : { instructionPointerReference: address(numbering.nodeId(node)) }),
        canRestart: true,
      };
      const trips = call.loops.toReversed().map(({ trip, limit }, k): DebugProtocol.StackFrame => ({
        id: 100_000 * (k + 1) + i + 1,
        name: `loop i=${trip}${limit < 2 ** 53 ? ` of ${limit}` : ""}`,
        ...at,
        presentationHint: "subtle",
      }));
      return [own, ...trips];
    });
    return { stackFrames: frames.slice(startFrame, levels > 0 ? startFrame + levels : undefined), totalFrames: frames.length };
  }

  scopes(frameId: number): DebugProtocol.Scope[] {
    const debug = this.#debug;
    const frame = (frameId % 100_000) - 1;
    const call = debug.calls[frame];
    const named = (value: { readonly name: string }): string => `%${value.name}`;
    const inputs = new Set((call?.decl?.graph().inputs ?? []).map((value) => debug.names.of(value)));
    const locals = debug.locals(frame);
    const list = (values: typeof locals): number =>
      this.#variables.list(
        frame,
        values.map((v) => ({ name: named(v), value: v.value, expression: named(v) })),
      );
    const scopes: DebugProtocol.Scope[] = [
      { name: "Locals", presentationHint: "locals", variablesReference: list(locals.filter((v) => !inputs.has(v.name))), expensive: false },
      { name: "Arguments", presentationHint: "arguments", variablesReference: list(locals.filter((v) => inputs.has(v.name))), expensive: false },
    ];
    const self = locals.find(({ value }) => typeof value === "object" && value !== null && "kind" in value && value.kind === "instance");
    if (self !== undefined && typeof self.value === "object" && self.value !== null && "kind" in self.value && self.value.kind === "instance") {
      const own = self.value;
      scopes.push({
        name: "Module",
        expensive: true,
        variablesReference: this.#variables.list(
          frame,
          own.class.attributes.map((attribute, slot) => ({
            name: attribute.name,
            value: own.slots[slot] ?? null,
            expression: `%${self.name}.${attribute.name}`,
          })),
        ),
      });
    }
    const node = call?.instruction?.node;
    if (node !== undefined) {
      const operands = frame === 0 && debug.timeline.next !== undefined ? debug.operandsOf(debug.timeline.next) : [];
      const attributes = Object.entries(node.attributes).map(([name, value]): readonly [string, string] => [name, printTemplate(value)]);
      const results = node.results.map((value): readonly [string, string] => [`→ %${debug.names.of(value)}`, "made by this op"]);
      const facts = this.#variables.lines(frame, [["op", node.op], ["node", `#${debug.numbering.nodeId(node)}`], ...attributes, ...results]);
      const values = list(operands);
      scopes.push({
        name: "This op",
        expensive: false,
        variablesReference: this.#variables.hold({
          frame,
          children: (start, count, filter) => [
            ...(this.#variables.get(values)?.children(start, count, filter) ?? []),
            ...(this.#variables.get(facts)?.children(0, 0, filter) ?? []),
          ],
          target: (name) => this.#variables.get(values)?.target(name),
        }),
      });
      const lines = operands.filter(({ value }) => value instanceof Tensor).flatMap(({ name }): (readonly [string, string])[] => this.#aliases(name));
      scopes.push({ name: "Views and writers", variablesReference: this.#variables.lines(frame, lines), expensive: true });
    }
    const { end } = debug.timeline;
    const outputs = end?.kind === "done" ? outputsOf(debug.session.program, end.values) : [];
    scopes.push({
      name: "Outputs so far",
      variablesReference: this.#variables.list(
        frame,
        outputs.map(({ name, value }) => ({ name, value, expression: undefined })),
      ),
      expensive: false,
    });
    return scopes;
  }

  #aliases(name: string): (readonly [string, string])[] {
    const tell = (what: string): string => {
      try {
        return info(this.#debug, `${what} %${name}`).join("; ");
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    };
    return [
      [`views of %${name}`, tell("views")],
      [`writers of %${name}`, tell("writes")],
    ];
  }

  variables({ variablesReference, start = 0, count = 0, filter }: DebugProtocol.VariablesArguments): DebugProtocol.Variable[] {
    const holder = this.#variables.get(variablesReference);
    if (holder === undefined) throw new OpwiseError("bad-argument", "the run has moved: these variables are gone");
    return holder.children(start, count, filter);
  }

  /** Places in time on a line: its executions so far, the last ones where there are many. */
  gotoTargets({ source, line }: DebugProtocol.GotoTargetsArguments): DebugProtocol.GotoTarget[] {
    const place = this.#sources.place(source, line);
    if (place === undefined) return [];
    const { timeline, numbering } = this.#debug;
    const out: DebugProtocol.GotoTarget[] = [];
    for (let t = 0; t < timeline.length; t++) {
      const node = timeline.instructionAt(t)?.node;
      if (node !== undefined && place.nodes.has(numbering.nodeId(node)))
        out.push({ id: t + 1, label: `@${t + 1} ${node.op} #${numbering.nodeId(node)}`, line: place.line });
    }
    return out.slice(-MAX_TARGETS);
  }

  exception(): { readonly exceptionId: string; readonly description?: string; readonly breakMode: string; readonly details?: object } {
    const { reason } = this.#debug.stop();
    if (reason.kind === "catch") return { exceptionId: reason.what, description: reason.text, breakMode: "always" };
    if (reason.kind !== "raised") return { exceptionId: "none", breakMode: "never" };
    const { error } = reason;
    if (!isOpwiseError(error)) return { exceptionId: "error", description: String(error), breakMode: "always" };
    return {
      exceptionId: error.raisedClass ?? error.code,
      description: error.message,
      breakMode: "always",
      details: { message: error.message, typeName: error.code, ...(error.traceback === undefined ? {} : { stackTrace: error.traceback }) },
    };
  }

  /** The graph around a node: one instruction a node, its number as address. */
  disassemble({ memoryReference, instructionOffset = 0, instructionCount }: DebugProtocol.DisassembleArguments): DebugProtocol.DisassembledInstruction[] {
    const first = Number(memoryReference) + instructionOffset;
    return Array.from({ length: instructionCount }, (_, i): DebugProtocol.DisassembledInstruction => {
      const node = this.#debug.numbering.nodeOf(first + i);
      if (node === undefined) return { address: address(Math.max(first + i, 0)), instruction: "", presentationHint: "invalid" };
      const shown = this.#sources.of(first + i);
      return {
        address: address(first + i),
        instruction: (printNode(node, { bare: true })[0] ?? node.op).replace(/\s+\{$/, ""),
        symbol: node.op,
        line: shown.line,
        location: shown.path === undefined ? { name: shown.name, sourceReference: shown.reference ?? 0 } : { name: shown.name, path: shown.path },
      };
    });
  }

  /** Bytes of a storage. */
  memory({ memoryReference, offset = 0, count }: DebugProtocol.ReadMemoryArguments): {
    readonly address: string;
    readonly data?: string;
    readonly unreadableBytes?: number;
  } {
    const tensor = this.#variables.memory(memoryReference);
    if (tensor === undefined) throw new OpwiseError("bad-argument", "the run has moved: this memory is gone");
    const bytes = tensor.storage.bytes().subarray(Math.max(offset, 0), Math.max(offset, 0) + Math.max(count, 0));
    let text = "";
    for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
    return {
      address: String(offset),
      ...(bytes.length > 0 ? { data: btoa(text) } : {}),
      ...(bytes.length < count ? { unreadableBytes: count - bytes.length } : {}),
    };
  }
}

function address(node: number): string {
  return `0x${node.toString(16).padStart(4, "0")}`;
}
