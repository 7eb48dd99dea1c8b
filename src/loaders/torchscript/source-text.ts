/** The text of one code record: lines, byte offsets and error places. */

import { type Excerpt, excerptOf, type TraceFrame } from "../../tensor/traceback.ts";
import type { AuthorPlace } from "../../ir/author.ts";
import type { Location } from "../../ir/graph.ts";
import { type ErrorCode, type ErrorFacts, OpwiseError, type Where } from "../../tensor/error.ts";

/** A half-open range of a source text, in UTF-16 code units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A range of the author's own source. */
export interface Origin {
  /** Undefined where `text` is a Python stack (traced code). */
  readonly file: string | undefined;
  /** Line of `file` at which `text` begins. */
  readonly firstLine: number;
  readonly text: string;
  /** The range in `text`. */
  readonly start: number;
  readonly end: number;
}

/** `net.py:88` of an origin; in traced code the innermost call of its Python stack. */
export function placeOfOrigin(origin: Origin): string | undefined {
  if (origin.file !== undefined) return `${origin.file}:${lineOfOrigin(origin)}`;
  const frame = /^(.*\.py)\((\d+)\): /m.exec(origin.text);
  return frame === null ? undefined : `${frame[1]}:${frame[2]}`;
}
function lineOfOrigin({ text, firstLine, start }: Origin): number {
  let line = firstLine;
  for (let at = text.indexOf("\n"); at >= 0 && at < start; at = text.indexOf("\n", at + 1)) line++;
  return line;
}


/** An origin's lines, innermost call first: one line of a known file, or the Python stack of traced code. */
export function authorOfOrigin(origin: Origin): readonly AuthorPlace[] {
  const { file, text, start } = origin;
  if (file === undefined) return [...text.matchAll(/^(.*\.py)\((\d+)\): (.*)$/gm)].map(([, name = "", line, inside]) => ({ file: name, line: Number(line), function: inside }));
  const from = text.lastIndexOf("\n", Math.max(start - 1, 0)) + 1;
  const end = text.indexOf("\n", Math.max(start, from));
  return [{ file, line: lineOfOrigin(origin), text: text.slice(start === 0 ? 0 : from, end < 0 ? undefined : end) }];
}

export class SourceText {
  /** `code/__torch__/net.py`. */
  readonly record: string;
  readonly text: string;
  /** The author's source for a byte offset into the record, where debug information has it. */
  readonly origin: ((byteOffset: number) => Origin | undefined) | undefined;
  /** The text is opwise's own, not the model's: no traceback shows it. */
  readonly internal: boolean;
  #lineStarts: number[] | undefined;
  #ascii: boolean | undefined;

  constructor(record: string, text: string, origin?: (byteOffset: number) => Origin | undefined, internal = false) {
    this.record = record;
    this.text = text;
    this.origin = origin;
    this.internal = internal;
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
    const origin = this.origin?.(this.byteOffsetOf(at));
    return origin === undefined ? undefined : placeOfOrigin(origin);
  }

  /** The author's lines of a position, innermost call first. */
  authorOf(at: number): readonly AuthorPlace[] {
    const origin = this.origin?.(this.byteOffsetOf(at));
    return origin === undefined ? [] : authorOfOrigin(origin);
  }

  /** The text around a span here and around its origin, for tracebacks. */
  excerptsOf(span: Span): Pick<TraceFrame, "code" | "original"> {
    const origin = this.origin?.(this.byteOffsetOf(span.start));
    const code: Excerpt = { file: this.record, line: this.lineOf(span.start), text: excerptOf(this.text, span.start, span.end) };
    if (origin === undefined) return { code, original: undefined };
    const { file, text, start, end } = origin;
    return { code, original: { file, line: lineOfOrigin(origin), text: excerptOf(text, start, end) } };
  }

  /** The place of what is made of `span`. */
  place({ start, end }: Span): Location {
    return new Place(this, start, end);
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

/** Where a node comes from. There is one for each, so that lines and the author's source are looked up when asked for. */
class Place implements Location {
  readonly #source: SourceText;
  readonly #start: number;
  readonly #end: number;

  constructor(source: SourceText, start: number, end: number) {
    this.#source = source;
    this.#start = start;
    this.#end = end;
  }

  /** The same place of a copy of the text. */
  in(source: SourceText): Place {
    return new Place(source, this.#start, this.#end);
  }
  get record(): string {
    return this.#source.record;
  }
  get line(): number {
    return this.#source.lineOf(this.#start);
  }
  get column(): number {
    return this.#source.columnOf(this.#start);
  }
  get length(): number {
    return this.#end - this.#start;
  }
  python(): string | undefined {
    return this.#source.pythonOf(this.#start);
  }
  author(): readonly AuthorPlace[] {
    return this.#source.authorOf(this.#start);
  }
  excerpts(): Pick<TraceFrame, "code" | "original"> | undefined {
    return this.#source.internal ? undefined : this.#source.excerptsOf({ start: this.#start, end: this.#end });
  }
}

/** A place of code as that of `source`, a copy of the text that it is in. */
export function placeIn(place: Location | undefined, source: SourceText): Location | undefined {
  return place instanceof Place ? place.in(source) : place;
}
