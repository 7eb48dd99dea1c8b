/**
 * Patterns in RE2's notation over texts, in time linear in the text. Whole texts are matched as RegexFullMatch does; what is looked for inside texts is
 * the leftmost longest: so onnxruntime's Tokenizer sets RE2 up.
 */

import { Program } from "./machine.ts";
import { parsePattern } from "./parser.ts";

const pointsOf = (text: string): number[] => Array.from(text, (c) => c.codePointAt(0) ?? 0);
const textOf = (points: readonly number[], start: number, end: number): string =>
  points
    .slice(start, end)
    .map((p) => String.fromCodePoint(p))
    .join("");

/** Whether a whole text matches a pattern. @throws bad-onnx, limit-exceeded for a pattern that cannot be read */
export function fullMatcher(pattern: string): (text: string) => boolean {
  const program = new Program(parsePattern(pattern));
  return (text) => program.matches(pointsOf(text));
}

/** Matches from left to right that do not overlap and are not empty. */
function matchesIn(program: Program, points: readonly number[]): { readonly start: number; readonly end: number }[] {
  const out = [];
  for (let at = 0; at <= points.length;) {
    const found = program.find(points, at);
    if (found === undefined) break;
    if (found.end > found.start) out.push(found);
    at = found.end > found.start ? found.end : found.end + 1;
  }
  return out;
}

/** All matches of a pattern in a text, from left to right; empty ones are left out. @throws bad-onnx, limit-exceeded */
export function tokenFinder(pattern: string): (text: string) => string[] {
  const program = new Program(parsePattern(pattern));
  return (text) => {
    const points = pointsOf(text);
    return matchesIn(program, points).map(({ start, end }) => textOf(points, start, end));
  };
}

/** What lies between the matches of a pattern, without empty pieces. @throws bad-onnx, limit-exceeded */
export function splitter(pattern: string): (text: string) => string[] {
  const program = new Program(parsePattern(pattern));
  return (text) => {
    const points = pointsOf(text);
    const cuts = [...matchesIn(program, points), { start: points.length, end: points.length }];
    return cuts.map(({ start }, i) => textOf(points, cuts[i - 1]?.end ?? 0, start)).filter((piece) => piece !== "");
  };
}
