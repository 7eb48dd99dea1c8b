import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fullMatcher, splitter, tokenFinder } from "./regex.ts";

/** A pattern, and per text whether all of it matches and the tokens in it; null where RE2 refuses the pattern. */
type Recorded = readonly [pattern: string, answers: readonly (readonly [text: string, whole: boolean, tokens: readonly string[]])[] | null];
const recorded = JSON.parse(readFileSync(new URL("../../../../test/golden/regex.json", import.meta.url), "utf8")) as readonly Recorded[]; // written by test/golden/regex_cases.py

const matches = (pattern: string, text: string): boolean => fullMatcher(pattern)(text);

describe("RE2 patterns", () => {
  test("match the whole text and nothing less", () => {
    expect(matches("a|ab", "ab")).toBe(true);
    expect(matches("ab", "abc")).toBe(false);
    expect(matches("", "")).toBe(true);
  });
  test("keep `$` and `.` away from line ends", () => {
    expect(matches("a", "a\n")).toBe(false);
    expect(matches("a.b", "a\nb")).toBe(false);
    expect(matches("(?s)a.b", "a\nb")).toBe(true);
  });
  test("know named groups, quotations and classes by RE2's names", () => {
    expect(matches("(?P<year>\\d{4})-\\Q(x)\\E", "2026-(x)")).toBe(true);
    expect(matches("[[:alpha:]_]+", "ab_C")).toBe(true);
    expect(matches("[]a]+", "a]")).toBe(true);
    expect(matches("\\pL+", "Grüße")).toBe(true);
  });
  test("take braces that repeat nothing as characters", () => {
    expect(matches("{x}", "{x}")).toBe(true);
    expect(matches("a{2}", "aa")).toBe(true);
  });
  test("fold cases where the pattern begins so", () => {
    expect(matches("(?i)ABC", "aBc")).toBe(true);
  });
  test("that cannot be read are refused with the pattern", () => {
    expect(() => fullMatcher("(")).toThrow(expect.objectContaining({ code: "bad-onnx" }));
    expect(() => fullMatcher("\\y")).toThrow(expect.objectContaining({ code: "bad-onnx" }));
  });
  test("answer as RE2 does, and are refused where it refuses them", () => {
    const differing = recorded.filter(([pattern, answers]) => {
      if (answers === null) {
        expect(() => fullMatcher(pattern), pattern).toThrow(expect.objectContaining({ code: "bad-onnx" }));
        return false;
      }
      const [whole, tokens] = [fullMatcher(pattern), tokenFinder(pattern)];
      return answers.some(([text, matched, found]) => whole(text) !== matched || (pattern !== "" && JSON.stringify(tokens(text)) !== JSON.stringify(found)));
    });
    expect(differing.map(([pattern]) => pattern)).toEqual([]);
  });
  test("cut texts without empty pieces", () => {
    expect(splitter("l+")("hello world")).toEqual(["he", "o wor", "d"]);
    expect(splitter(",")(",a,,b")).toEqual(["a", "b"]);
  });
  test("take time linear in the text, whatever they are", () => {
    const text = "a".repeat(5000);
    const began = performance.now();
    expect(matches("(a+)+b", text)).toBe(false);
    expect(matches("(a*)*(a*)*(a|a)*c", text)).toBe(false);
    expect(performance.now() - began).toBeLessThan(2000);
  });
  test("of counts that multiply are refused", () => {
    expect(() => fullMatcher("((a{1000}){1000}){1000}")).toThrow(expect.objectContaining({ code: "limit-exceeded" }));
  });
});
