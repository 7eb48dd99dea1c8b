import { describe, expect, test } from "vitest";
import { fullMatcher } from "./regex.ts";

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
});
