/** Patterns in RE2's notation as regular expressions of the platform. */

import { OpwiseError } from "../../tensor/error.ts";

const POSIX: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7F",
  blank: "\\t ",
  cntrl: "\\x00-\\x1F\\x7F",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\t\\n\\v\\f\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};
/** RE2's Perl classes know ASCII alone. */
const PERL: Readonly<Record<string, string>> = { d: "0-9", s: "\\t\\n\\f\\r ", w: "0-9A-Za-z_" };

const quoted = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** One escape at `at`: its translation and its length. Inside a class only what belongs there. */
function escape(pattern: string, at: number, inClass: boolean): readonly [string, number] {
  const c = pattern[at + 1] ?? "";
  const lower = c.toLowerCase();
  const perl = PERL[lower];
  if (perl !== undefined) {
    if (c === lower) return [inClass ? perl : `[${perl}]`, 2];
    // A complement has no spelling as part of a class but the platform's own.
    return [inClass ? `\\${c}` : `[^${perl}]`, 2];
  }
  if (lower === "p") {
    const named = /^\{\^?\w+\}|^\w/.exec(pattern.slice(at + 2))?.[0] ?? "";
    const bare = named.replace(/[{}]/g, "");
    const negative = bare.startsWith("^") !== (c === "P");
    const name = bare.replace("^", "");
    const spelled = name.length > 2 ? `Script=${name}` : name;
    return [`\\${negative ? "P" : "p"}{${spelled}}`, 2 + named.length];
  }
  if (!inClass) {
    if (c === "A") return ["(?<![\\s\\S])", 2];
    if (c === "z") return ["(?![\\s\\S])", 2];
    if (c === "C") return ["[\\s\\S]", 2];
    if (c === "Q") {
      const end = pattern.indexOf("\\E", at + 2);
      return [quoted(pattern.slice(at + 2, end < 0 ? undefined : end)), (end < 0 ? pattern.length : end + 2) - at];
    }
  }
  if (c === "a") return ["\\x07", 2];
  if (c === "x") {
    const braced = /^\{([0-9A-Fa-f]+)\}/.exec(pattern.slice(at + 2));
    return braced === null ? [pattern.slice(at, at + 4), 4] : [`\\u{${braced[1]}}`, 2 + braced[0].length];
  }
  const octal = /^[0-7]{1,3}/.exec(pattern.slice(at + 1))?.[0];
  if (octal !== undefined) return [`\\u{${Number.parseInt(octal, 8).toString(16)}}`, 1 + octal.length];
  if (/[A-Za-z]/.test(c) && !"bBfnrtv".includes(c)) throw new OpwiseError("bad-onnx", `the pattern has an unknown escape \`\\${c}\``, { got: pattern });
  // What is no letter stands for itself; the platform wants only special characters escaped.
  return [/[A-Za-z]/.test(c) || /[\\^$.*+?()[\]{}|/-]/.test(c) ? (c === "-" && !inClass ? "-" : `\\${c}`) : c, 2];
}

/** The class at `at`, which is a `[`. */
function characterClass(pattern: string, at: number): readonly [string, number] {
  let i = at + 1;
  let out = "[";
  if (pattern[i] === "^") {
    out += "^";
    i++;
  }
  for (let first = true; i < pattern.length; first = false) {
    const c = pattern[i] ?? "";
    if (c === "]" && !first) return [`${out}]`, i + 1 - at];
    const posix = /^\[:(\^?)(\w+):\]/.exec(pattern.slice(i));
    const set = POSIX[posix?.[2] ?? ""];
    if (posix !== null && set !== undefined && posix[1] === "") {
      out += set;
      i += posix[0].length;
    } else if (c === "\\") {
      const [text, length] = escape(pattern, i, true);
      out += text;
      i += length;
    } else {
      out += /[\\[\](){}/|]/.test(c) ? `\\${c}` : c;
      i++;
    }
  }
  throw new OpwiseError("bad-onnx", "the pattern has an open class", { got: pattern });
}

/** The pattern as the platform spells it, and its flags. Flags in front of everything (`(?i)`) hold for all of it. */
function translated(pattern: string): { readonly source: string; readonly flags: string } {
  let flags = "u";
  let source = "";
  for (let i = 0; i < pattern.length;) {
    const rest = pattern.slice(i);
    const set = /^\(\?([imsU]+)\)/.exec(rest);
    if (set !== null && source === "") {
      for (const flag of set[1] ?? "") if (flag !== "U" && !flags.includes(flag)) flags += flag;
      i += set[0].length;
    } else if (rest.startsWith("(?P<")) {
      source += "(?<";
      i += 4;
    } else if (rest[0] === "\\") {
      const [text, length] = escape(pattern, i, false);
      source += text;
      i += length;
    } else if (rest[0] === "[") {
      const [text, length] = characterClass(pattern, i);
      source += text;
      i += length;
    } else {
      const c = rest[0] ?? "";
      // A brace that begins no repetition is a character.
      const literal = (c === "{" && !/^\{\d+(,\d*)?\}/.test(rest)) || (c === "}" && !/\{\d+(,\d*)?$/.test(source)) || c === "]";
      source += literal ? `\\${c}` : c;
      i++;
    }
  }
  return { source, flags };
}

/** Whether a whole text matches an RE2 pattern. @throws bad-onnx for a pattern that cannot be read */
export function fullMatcher(pattern: string): (text: string) => boolean {
  const { source, flags } = translated(pattern);
  let compiled: RegExp;
  try {
    compiled = new RegExp(`^(?:${source})$`, flags.replace("m", ""));
  } catch (cause) {
    throw new OpwiseError("bad-onnx", "the pattern is no regular expression", { got: pattern, cause });
  }
  return (text) => compiled.test(text);
}

/** All matches of an RE2 pattern in a text, from left to right; empty ones are left out. @throws bad-onnx for a pattern that cannot be read */
export function tokenFinder(pattern: string): (text: string) => string[] {
  const { source, flags } = translated(pattern);
  let compiled: RegExp;
  try {
    compiled = new RegExp(source, `${flags}g`);
  } catch (cause) {
    throw new OpwiseError("bad-onnx", "the pattern is no regular expression", { got: pattern, cause });
  }
  return (text) => (text.match(compiled) ?? []).filter((token) => token !== "");
}
