/** The one error class of the package: facts are fields, the text is made from them. */

import { type TraceFrame, tracebackText } from "./traceback.ts";

/** Machine-readable kinds of failure; `docs/errors.md` explains each. */
export type ErrorCode =
  | "bad-argument"
  | "bad-zip"
  | "bad-pickle"
  | "bad-code"
  | "bad-model"
  | "bad-tensor"
  | "bad-npy"
  | "bad-image"
  | "bad-onnx"
  | "crc-mismatch"
  | "truncated"
  | "limit-exceeded"
  | "missing-record"
  | "missing-file"
  | "unsafe-path"
  | "unsafe-pickle"
  | "unsupported-version"
  | "unsupported-format"
  | "unsupported-op"
  | "unsupported-dtype"
  | "verify-failed"
  | "type-mismatch"
  | "shape-mismatch"
  | "dtype-mismatch"
  | "index-out-of-range"
  | "overlap"
  | "model-raised"
  | "runtime-error"
  | "out-of-memory"
  | "step-limit"
  | "aborted"
  | "disposed"
  | "busy"
  | "would-block"
  | "no-match"
  | "io-error"
  | "internal";

/** Where an error happened; every field is optional because every stage knows a different part. */
export interface Where {
  /** File or archive as the user named it. */
  readonly file?: string | undefined;
  /** Record inside the archive, e.g. `code/__torch__/net.py` or `data/3`. */
  readonly record?: string | undefined;
  /** 1-based line in `record`. */
  readonly line?: number | undefined;
  /** Line of the source text at fault. */
  readonly text?: string | undefined;
  /** Name of the graph node, where the format has names. */
  readonly node?: string | undefined;
  /** Full op name, e.g. `aten::add.Tensor`, `onnx::Conv@11`. */
  readonly op?: string | undefined;
  /** The author's Python source, `net.py:88`. */
  readonly python?: string | undefined;
}

/** Everything but the message that an `OpwiseError` may carry. */
export interface ErrorFacts {
  readonly where?: Where | undefined;
  readonly wanted?: string | undefined;
  readonly got?: string | undefined;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** For `model-raised`: the Python class the model named, e.g. `builtins.ValueError`. */
  readonly raisedClass?: string | undefined;
  /** The calls of the model's own functions that led here, outermost first. */
  readonly trace?: readonly TraceFrame[] | undefined;
}

/** An error with a code, a place, what was wanted and what came. `message` is the one-line fact; `String(e)` the whole report. */
export class OpwiseError extends Error {
  readonly code: ErrorCode;
  readonly where: Where;
  readonly wanted: string | undefined;
  readonly got: string | undefined;
  readonly hint: string | undefined;
  readonly raisedClass: string | undefined;
  readonly trace: readonly TraceFrame[];

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = "OpwiseError";
    this.code = code;
    this.where = facts.where ?? {};
    this.wanted = facts.wanted;
    this.got = facts.got;
    this.hint = facts.hint;
    this.raisedClass = facts.raisedClass;
    this.trace = facts.trace ?? [];
  }

  /** PyTorch's text of the error: the stack in the archive's code and in the author's source; undefined outside of scripted code. */
  get traceback(): string | undefined {
    return this.trace.length === 0 ? undefined : tracebackText(this.trace, `${this.raisedClass ?? "RuntimeError"}: ${this.message}`);
  }

  /** The same error with more of its place filled in; what is already known stays. `outer`: calls around those of its trace. */
  at(where: Where, outer: readonly TraceFrame[] = []): OpwiseError {
    const merged: Record<string, unknown> = { ...where };
    for (const [key, value] of Object.entries(this.where)) if (value !== undefined) merged[key] = value;
    const out = new OpwiseError(this.code, this.message, {
      where: merged,
      wanted: this.wanted,
      got: this.got,
      hint: this.hint,
      raisedClass: this.raisedClass,
      trace: [...outer, ...this.trace],
      cause: this.cause,
    });
    if (this.stack !== undefined) out.stack = this.stack;
    return out;
  }

  /** The report as a compiler prints it: headline, place, source line, facts, help, and the stack of the model's calls. */
  override toString(): string {
    const lines = [`error[${this.code}]: ${this.message}`];
    const { file, record, line, text, node, op, python } = this.where;
    const place = [file, record === undefined ? undefined : line === undefined ? record : `${record}:${line}`]
      .filter((part) => part !== undefined)
      .join(", ");
    if (place !== "" || python !== undefined) {
      lines.push(`  --> ${place}${python === undefined ? "" : `${place === "" ? "" : "  "}(your file: ${python})`}`);
    }
    if (text !== undefined) {
      const gutter = String(line ?? "").padStart(4);
      lines.push("     |", `${gutter} | ${text.trimEnd()}`, "     |");
    }
    if (op !== undefined || node !== undefined) {
      lines.push(`   = at: ${[op, node === undefined ? undefined : `node ${node}`].filter((p) => p !== undefined).join(", ")}`);
    }
    if (this.wanted !== undefined) lines.push(`   = wanted: ${this.wanted}`);
    if (this.got !== undefined) lines.push(`   = got: ${this.got}`);
    if (this.hint !== undefined) lines.push(`help: ${this.hint}`);
    const { traceback } = this;
    if (traceback !== undefined) lines.push("", traceback);
    return lines.join("\n");
  }
}

/** Whether `value` is an `OpwiseError`, of this copy of the package or another. */
export function isOpwiseError(value: unknown): value is OpwiseError {
  return value instanceof Error && value.name === "OpwiseError" && "code" in value;
}

/**
 * Any thrown value as a typed error. The platform's own ends are typed too: values too large for JavaScript, and nests too deep for its stack.
 * Everything else is a defect of ours: `internal`.
 */
export function typedError(error: unknown): OpwiseError {
  if (isOpwiseError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof RangeError) {
    if (/call stack/.test(message)) return new OpwiseError("limit-exceeded", "the model is nested too deep", { cause: error });
    if (/Invalid (?:string|array|typed array|array buffer) length|allocation failed|maximum size exceeded/i.test(message)) {
      return new OpwiseError("out-of-memory", "a value is too large for JavaScript", { got: message, cause: error });
    }
  }
  return new OpwiseError("internal", message, { cause: error });
}

/** Throws: a state that the code rules out. */
export function unreachable(what: string): never {
  throw new OpwiseError("internal", `unreachable: ${what}`, { hint: "this is a defect of opwise; please report it with the model" });
}
