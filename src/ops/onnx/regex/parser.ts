/** Reads patterns in RE2's notation (https://github.com/google/re2/wiki/Syntax): no back references and no looking around. */

import { OpwiseError } from "../../../tensor/error.ts";
import type { Assertion, CharacterSet, Pattern } from "./syntax.ts";

type Ranges = readonly (readonly [number, number])[];
const LAST = 0x10ffff;
const MOST_REPEATS = 1000;
const MOST_DEPTH = 1000;

const POSIX: Readonly<Record<string, Ranges>> = {
  alnum: [
    [48, 57],
    [65, 90],
    [97, 122],
  ],
  alpha: [
    [65, 90],
    [97, 122],
  ],
  ascii: [[0, 127]],
  blank: [
    [9, 9],
    [32, 32],
  ],
  cntrl: [
    [0, 31],
    [127, 127],
  ],
  digit: [[48, 57]],
  graph: [[33, 126]],
  lower: [[97, 122]],
  print: [[32, 126]],
  punct: [
    [33, 47],
    [58, 64],
    [91, 96],
    [123, 126],
  ],
  space: [
    [9, 13],
    [32, 32],
  ],
  upper: [[65, 90]],
  word: [
    [48, 57],
    [65, 90],
    [95, 95],
    [97, 122],
  ],
  xdigit: [
    [48, 57],
    [65, 70],
    [97, 102],
  ],
};
/** Perl's classes know ASCII alone. */
const PERL: Readonly<Record<string, Ranges>> = {
  d: [[48, 57]],
  s: [
    [9, 10],
    [12, 13],
    [32, 32],
  ],
  w: [
    [48, 57],
    [65, 90],
    [95, 95],
    [97, 122],
  ],
};
const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

function complement(ranges: Ranges): (readonly [number, number])[] {
  const out: [number, number][] = [];
  let from = 0;
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (low > from) out.push([from, low - 1]);
    from = Math.max(from, high + 1);
  }
  if (from <= LAST) out.push([from, LAST]);
  return out;
}

interface Flags {
  readonly foldCase: boolean;
  readonly multiline: boolean;
  readonly dotAll: boolean;
}

/** One piece of a class: ranges, a property, or both. */
interface Piece {
  readonly ranges: Ranges;
  readonly tests: readonly ((point: number) => boolean)[];
}

class Parser {
  readonly #pattern: string;
  readonly #points: readonly number[];
  #at = 0;
  #flags: Flags = { foldCase: false, multiline: false, dotAll: false };

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#points = Array.from(pattern, (c) => c.codePointAt(0) ?? 0);
  }

  #bad(what: string): never {
    throw new OpwiseError("bad-onnx", `${what} in the pattern`, { got: this.#pattern, wanted: "RE2's notation" });
  }
  /** The character at the place, or one so many on; empty at the end. */
  #peek(on = 0): string {
    const point = this.#points[this.#at + on];
    return point === undefined ? "" : String.fromCodePoint(point);
  }
  #take(): string {
    const c = this.#peek();
    this.#at++;
    return c;
  }
  #skip(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.#peek(i) !== text[i]) return false;
    this.#at += text.length;
    return true;
  }

  parse(): Pattern {
    const out = this.#choice(0);
    if (this.#at < this.#points.length) this.#bad("a `)` without its `(`");
    return out;
  }

  #choice(depth: number): Pattern {
    if (depth > MOST_DEPTH) this.#bad("too deep a nest");
    const items = [this.#sequence(depth)];
    while (this.#skip("|")) items.push(this.#sequence(depth));
    return items.length === 1 && items[0] !== undefined ? items[0] : { kind: "choice", items };
  }

  #sequence(depth: number): Pattern {
    const items: Pattern[] = [];
    for (let c = this.#peek(); c !== "" && c !== "|" && c !== ")"; c = this.#peek()) {
      if (this.#skip("\\Q")) {
        while (this.#at < this.#points.length && !this.#skip("\\E")) items.push(this.#literal(this.#points[this.#at++] ?? 0));
        if (items.length > 0) items.push(this.#repeated(items.pop() ?? { kind: "empty" }));
      } else {
        const atom = this.#atom(depth);
        if (atom !== undefined) items.push(this.#repeated(atom));
      }
    }
    return items.length === 0 ? { kind: "empty" } : items.length === 1 && items[0] !== undefined ? items[0] : { kind: "sequence", items };
  }

  /** `{n}`, `{n,}` or `{n,m}` at the place; anything else is text. */
  #counts(): readonly [number, number] | undefined {
    const rest = String.fromCodePoint(...this.#points.slice(this.#at, this.#at + 14));
    const found = /^\{(\d{1,5})(?:(,)(\d{1,5})?)?\}/.exec(rest);
    if (found === null) return undefined;
    this.#at += found[0].length;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === undefined ? Infinity : Number(found[3]);
    if (min > MOST_REPEATS || (max !== Infinity && max > MOST_REPEATS) || max < min) this.#bad(`a bad repetition \`${found[0]}\``);
    return [min, max];
  }

  #repeated(atom: Pattern): Pattern {
    let out = atom;
    for (let operators = 0; ; operators++) {
      const c = this.#peek();
      const counts: readonly [number, number] | undefined =
        c === "*" ? [0, Infinity] : c === "+" ? [1, Infinity] : c === "?" ? [0, 1] : c === "{" ? this.#counts() : undefined;
      if (counts === undefined) return out;
      if (operators > 0) this.#bad("a repetition of a repetition");
      if (c !== "{") this.#at++;
      this.#skip("?"); // how greedy a repetition is changes no answer here: matches are whole, or the longest
      out = { kind: "repeat", item: out, min: counts[0], max: counts[1] };
    }
  }

  #set(ranges: Ranges, tests: CharacterSet["tests"] = [], negative = false): Pattern {
    return { kind: "set", set: { ranges, tests, negative, foldCase: this.#flags.foldCase } };
  }
  #literal(point: number): Pattern {
    return this.#set([[point, point]]);
  }
  #assert(what: Assertion): Pattern {
    return { kind: "assert", what };
  }

  #atom(depth: number): Pattern | undefined {
    const c = this.#take();
    switch (c) {
      case "(":
        return this.#group(depth);
      case "[":
        return this.#characterClass();
      case ".":
        return this.#set(this.#flags.dotAll ? [[0, LAST]] : complement([[10, 10]]));
      case "^":
        return this.#assert(this.#flags.multiline ? "line-begin" : "text-begin");
      case "$":
        return this.#assert(this.#flags.multiline ? "line-end" : "text-end");
      case "*":
      case "+":
      case "?":
        return this.#bad(`\`${c}\` without anything to repeat`);
      case "\\":
        return this.#escaped();
      default:
        return this.#literal(c.codePointAt(0) ?? 0);
    }
  }

  /** After `(`. Flags without a body change what follows in the surrounding group. */
  #group(depth: number): Pattern | undefined {
    const outer = this.#flags;
    if (this.#skip("?P<") || (this.#peek(0) === "?" && this.#peek(1) === "<" && !["=", "!"].includes(this.#peek(2)) && this.#skip("?<"))) {
      let name = "";
      for (let c = this.#take(); c !== ">"; c = this.#take()) {
        if (!/^\w$/.test(c)) this.#bad("a bad group name");
        name += c;
      }
      if (name === "") this.#bad("a group without its name");
    } else if (this.#skip("?")) {
      const body = this.#changeFlags();
      if (!body) return undefined;
    }
    const out = this.#choice(depth + 1);
    if (!this.#skip(")")) this.#bad("a `(` without its `)`");
    this.#flags = outer;
    return out;
  }

  /** `i-s:` or `i-s)`: whether a body follows. */
  #changeFlags(): boolean {
    let value = true;
    for (let changed = false; ;) {
      const c = this.#take();
      if (c === ":" || c === ")") {
        if (c === ")" && !changed) this.#bad("a group of no flags");
        return c === ":";
      }
      if (c === "-" && value) value = false;
      else if (c === "i") this.#flags = { ...this.#flags, foldCase: value };
      else if (c === "m") this.#flags = { ...this.#flags, multiline: value };
      else if (c === "s") this.#flags = { ...this.#flags, dotAll: value };
      else if (c !== "U") this.#bad(`\`(?${c}\`, which RE2 does not have,`);
      changed = true;
    }
  }

  #escaped(): Pattern {
    const c = this.#peek();
    switch (c) {
      case "A":
      case "z":
      case "b":
      case "B":
        this.#at++;
        return this.#assert(c === "A" ? "text-begin" : c === "z" ? "text-end" : c === "b" ? "word-edge" : "no-word-edge");
      default: {
        const piece = this.#piece();
        return typeof piece === "number" ? this.#literal(piece) : this.#set(piece.ranges, piece.tests);
      }
    }
  }

  /** What follows a backslash, inside a class or outside: a character or a set. */
  #piece(): number | Piece {
    const c = this.#take();
    const lower = c.toLowerCase();
    const perl = PERL[lower];
    if (perl !== undefined) return { ranges: c === lower ? perl : complement(perl), tests: [] };
    if (lower === "p") return this.#property(c === "P");
    const control = CONTROL[c];
    if (control !== undefined) return control;
    if (c === "x") {
      if (this.#skip("{")) {
        let digits = "";
        for (let d = this.#take(); d !== "}"; d = this.#take()) {
          if (!/^[0-9A-Fa-f]$/.test(d) || digits.length > 8) this.#bad("a bad `\\x{...}`");
          digits += d;
        }
        const point = Number.parseInt(digits, 16);
        return point <= LAST ? point : this.#bad("a character beyond Unicode");
      }
      const digits = this.#take() + this.#take();
      return /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : this.#bad("a bad `\\x`");
    }
    if (/^[0-7]$/.test(c)) {
      // A lone digit from 1 on would refer back to a group.
      let digits = c;
      while (digits.length < 3 && /^[0-7]$/.test(this.#peek())) digits += this.#take();
      if (c !== "0" && digits.length === 1) this.#bad(`\`\\${c}\`, which RE2 does not have,`);
      return Number.parseInt(digits, 8);
    }
    if (c === "" || /^[A-Za-z0-9]$/.test(c) || (c.codePointAt(0) ?? 0) > 127) this.#bad(`an unknown escape \`\\${c}\``);
    return c.codePointAt(0) ?? 0;
  }

  /** `\pL`, `\p{Greek}`, `\p{^Lu}`: general categories and scripts. */
  #property(negative: boolean): Piece {
    let name = this.#take();
    if (name === "{") {
      name = "";
      for (let c = this.#take(); c !== "}"; c = this.#take()) {
        if (c === "") this.#bad("an open `\\p{`");
        name += c;
      }
    }
    const not = name.startsWith("^");
    const bare = not ? name.slice(1) : name;
    if (bare === "Any") return { ranges: negative !== not ? [] : [[0, LAST]], tests: [] };
    if (!/^\w+$/.test(bare)) this.#bad(`the property \`${name}\``);
    let property: RegExp;
    try {
      property = new RegExp(bare.length <= 2 ? `^\\p{${bare}}$` : `^\\p{Script=${bare}}$`, "u");
    } catch {
      return this.#bad(`the unknown property \`${bare}\``);
    }
    const wanted = negative === not;
    return { ranges: [], tests: [(point) => property.test(String.fromCodePoint(point)) === wanted] };
  }

  #characterClass(): Pattern {
    const negative = this.#skip("^");
    const ranges: (readonly [number, number])[] = [];
    const tests: ((point: number) => boolean)[] = [];
    for (let first = true; ; first = false) {
      const c = this.#peek();
      if (c === "") this.#bad("an open class");
      if (c === "]" && !first) {
        this.#at++;
        return this.#set(ranges, tests, negative);
      }
      if (c === "[" && this.#peek(1) === ":") {
        const posix = this.#posix();
        if (posix !== undefined) {
          ranges.push(...posix);
          continue;
        }
      }
      const low = this.#member();
      if (typeof low !== "number") {
        ranges.push(...low.ranges);
        tests.push(...low.tests);
        continue;
      }
      if (this.#peek() === "-" && this.#peek(1) !== "]" && this.#peek(1) !== "") {
        this.#at++;
        const high = this.#member();
        if (typeof high !== "number" || high < low) return this.#bad("a bad range of characters");
        ranges.push([low, high]);
      } else ranges.push([low, low]);
    }
  }

  #member(): number | Piece {
    const c = this.#take();
    return c === "\\" ? this.#piece() : (c.codePointAt(0) ?? 0);
  }

  /** `[:alpha:]` or `[:^alpha:]`; undefined where the brackets are text. */
  #posix(): Ranges | undefined {
    const rest = String.fromCodePoint(...this.#points.slice(this.#at, this.#at + 16));
    const found = /^\[:(\^?)(\w+):\]/.exec(rest);
    if (found === null) return undefined;
    const ranges = POSIX[found[2] ?? ""];
    if (ranges === undefined) return this.#bad(`the unknown class \`${found[0]}\``);
    this.#at += found[0].length;
    return found[1] === "^" ? complement(ranges) : ranges;
  }
}

/** @throws bad-onnx for what is no pattern of RE2 */
export function parsePattern(pattern: string): Pattern {
  return new Parser(pattern).parse();
}
