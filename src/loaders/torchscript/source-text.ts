/** The text of one code record: lines, byte offsets and error places. */

import { type ErrorCode, type ErrorFacts, OpwiseError, type Where } from "../../tensor/error.ts";

/** A half-open range of a source text, in UTF-16 code units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export class SourceText {
  /** `code/__torch__/net.py`. */
  readonly record: string;
  readonly text: string;
  /** The author's file and line for a byte offset into the record, where debug information has one. */
  readonly python: ((byteOffset: number) => string | undefined) | undefined;
  #lineStarts: number[] | undefined;
  #ascii: boolean | undefined;

  constructor(record: string, text: string, python?: (byteOffset: number) => string | undefined) {
    this.record = record;
    this.text = text;
    this.python = python;
  }

  #lines(): number[] {
    if (this.#lineStarts === undefined) {
      const starts = [0];
      for (let at = this.text.indexOf("\n"); at >= 0; at = this.text.indexOf("\n", at + 1)) starts.push(at + 1);
      this.#lineStarts = starts;
    }
    return this.#lineStarts;
  }

  /** 1-based line of a position. */
  lineOf(at: number): number {
    const starts = this.#lines();
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] as number) <= at) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  /** 1-based column of a position. */
  columnOf(at: number): number {
    return at - (this.#lines()[this.lineOf(at) - 1] as number) + 1;
  }

  /** A line's text, cut where it is very long. */
  lineText(line: number): string {
    const start = this.#lines()[line - 1];
    if (start === undefined) return "";
    const end = this.text.indexOf("\n", start);
    const text = this.text.slice(start, end < 0 ? undefined : end);
    return text.length > 300 ? `${text.slice(0, 300)}...` : text;
  }

  /** Offset in the UTF-8 bytes of the record, which debug information counts in. */
  byteOffsetOf(at: number): number {
    // oxlint-disable-next-line no-control-regex
    this.#ascii ??= /^[\x00-\x7f]*$/.test(this.text);
    return this.#ascii ? at : new TextEncoder().encode(this.text.slice(0, at)).length;
  }

  /** The author's place of a position, `net.py:88`. */
  pythonOf(at: number): string | undefined {
    return this.python?.(this.byteOffsetOf(at));
  }

  where(span: Span): Where {
    const line = this.lineOf(span.start);
    return { record: this.record, line, text: this.lineText(line), python: this.pythonOf(span.start) };
  }

  /** An error at `span`. */
  error(code: ErrorCode, message: string, span: Span, facts: ErrorFacts = {}): OpwiseError {
    return new OpwiseError(code, message, { ...facts, where: { ...this.where(span), ...facts.where } });
  }
}
