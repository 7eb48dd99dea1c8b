/** Tracebacks through a model's own code: excerpts of source with the expression marked, as PyTorch prints them. */

/** Lines shown before and after the marked ones. */
const CONTEXT = 2;

/** A piece of source text around an expression. */
export interface Excerpt {
  /** `code/__torch__/net.py`, `net.py`; undefined where the text is a Python stack of its own (traced code). */
  readonly file: string | undefined;
  /** 1-based line of the expression in `file`. */
  readonly line: number;
  /** The lines around it, with `~~~ <--- HERE` below the expression. */
  readonly text: string;
}

/** One call on the way to an error. */
export interface TraceFrame {
  /** The function that was running: `forward`, `<forked function>`. */
  readonly function: string;
  /** The expression in the archive's code. */
  readonly code: Excerpt | undefined;
  /** The expression in the author's source, where debug information knows it. */
  readonly original: Excerpt | undefined;
}

/** The lines of `text` around the characters `start` to `end`, those marked below. A text that is marked whole is given as it is. */
export function excerptOf(text: string, start: number, end: number): string {
  if (start <= 0 && end >= text.length) return text.trimEnd();
  const from = Math.min(Math.max(start, 0), text.length);
  // A range never ends before it begins, and shows at least one character.
  const to = Math.min(Math.max(end, from + 1), text.length);
  let begin = text.lastIndexOf("\n", from - 1) + 1;
  if (from === 0) begin = 0;
  let first = begin;
  for (let i = 0; i < CONTEXT && first > 0; i++) first = first < 2 ? 0 : text.lastIndexOf("\n", first - 2) + 1;
  const out = first < begin ? text.slice(first, begin - 1).split("\n") : [];
  let at = begin;
  for (; at < to;) {
    const newline = text.indexOf("\n", at);
    const stop = newline < 0 ? text.length : newline;
    const line = text.slice(at, stop);
    // Below a line that continues the expression, its own indentation is not marked.
    const skip = at < from ? from - at : line.length - line.trimStart().length;
    const marks = " ".repeat(skip) + "~".repeat(Math.max(Math.min(to, stop) - at - skip, 0));
    out.push(line, stop >= to ? `${marks} <--- HERE` : marks);
    at = stop + 1;
  }
  for (let i = 0; i < CONTEXT && at < text.length; i++) {
    const newline = text.indexOf("\n", at);
    const stop = newline < 0 ? text.length : newline;
    out.push(text.slice(at, stop));
    at = stop + 1;
  }
  return out.join("\n");
}

function section(head: string, frames: readonly TraceFrame[], which: (frame: TraceFrame) => Excerpt | undefined): string {
  const parts = frames.map((frame) => {
    const excerpt = which(frame);
    if (excerpt === undefined) return `  in ${frame.function}`;
    return excerpt.file === undefined ? excerpt.text : `  File "${excerpt.file}", line ${excerpt.line}, in ${frame.function}\n${excerpt.text}`;
  });
  return `${head} (most recent call last):\n${parts.join("\n")}`;
}

/** The text of PyTorch for an error raised under `frames`, outermost first; `last` is its last line. */
export function tracebackText(frames: readonly TraceFrame[], last: string): string {
  const original = frames.some((frame) => frame.original !== undefined);
  const serialized = section(original ? "Traceback of TorchScript, serialized code" : "Traceback of TorchScript", frames, (frame) => frame.code);
  const own = original ? `\n\n${section("Traceback of TorchScript, original code", frames, (frame) => frame.original)}` : "";
  return `The following operation failed in the TorchScript interpreter.\n${serialized}${own}\n${last}`;
}
