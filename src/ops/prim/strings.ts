/** Strings: length, indices and classes of characters count bytes, and letters are ASCII's, as in LibTorch. */

import { type Datum, makeList, makeTuple } from "../../ir/datum.ts";
import { T } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { dataOp, type Op } from "../define.ts";
import { fromBytes, toBytes } from "./byte-text.ts";
import { boolOf, intOf, listOf, raised, smallOf, textOf, wrapIndex } from "./data.ts";
import { slicePositions } from "./lists.ts";

const bytesOf = (value: Datum | undefined): string => toBytes(textOf(value));
const texts = (parts: readonly string[]): Datum => makeList(T.str, parts.map(fromBytes));

const upper = (s: string): string => s.replace(/[a-z]/g, (c) => c.toUpperCase());
const lower = (s: string): string => s.replace(/[A-Z]/g, (c) => c.toLowerCase());
const swapped = (s: string): string => s.replace(/[a-zA-Z]/g, (c) => (c < "a" ? c.toLowerCase() : c.toUpperCase()));
const title = (s: string): string => lower(s).replace(/(^|[^a-z])([a-z])/g, (_, before: string, c: string) => `${before}${c.toUpperCase()}`);

/** Transformations of a whole string. */
const MAPS: Readonly<Record<string, (s: string) => string>> = {
  upper, lower, swapcase: swapped, title, capitalize: (s) => `${upper(s.slice(0, 1))}${lower(s.slice(1))}`,
};
/** Questions about all bytes of a string. */
const TESTS: Readonly<Record<string, (s: string) => boolean>> = {
  isspace: (s) => /^[ \t\n\v\f\r]+$/.test(s), isalpha: (s) => /^[A-Za-z]+$/.test(s), isdigit: (s) => /^[0-9]+$/.test(s), isnumeric: (s) => /^[0-9]+$/.test(s),
  isdecimal: (s) => /^[0-9]+$/.test(s), isalnum: (s) => /^[A-Za-z0-9]+$/.test(s), isupper: (s) => /[A-Z]/.test(s) && !/[a-z]/.test(s),
  islower: (s) => /[a-z]/.test(s) && !/[A-Z]/.test(s), istitle: (s) => /[A-Za-z]/.test(s) && title(s) === s, isprintable: (s) => /^[ -~]*$/.test(s),
  isidentifier: (s) => /^[A-Za-z][A-Za-z0-9]*$/.test(s),
};

/** The bytes `[start, end)` of a search; a negative end counts from after the last byte. `lenient`: an empty range may start beyond the string. */
function range(s: string, start: Datum | undefined, end: Datum | undefined, lenient = false): { readonly from: number; readonly to: number } {
  const size = s.length;
  const [a, b] = [smallOf(start ?? 0), smallOf(end ?? -1)];
  const from = a < 0 ? Math.max(size + a, 0) : a;
  if (from > size && !(lenient && (b < 0 ? Math.max(size + b + 1, 0) : b) <= from)) throw raised(`basic_string::substr: __pos (which is ${from}) > this->size() (which is ${size})`);
  return { from, to: Math.min(b < 0 ? Math.max(size + b + 1, 0) : b, size) };
}
function findIn(args: readonly Datum[], last: boolean): number {
  const [s, sub] = [bytesOf(args[0]), bytesOf(args[1])];
  const { from, to } = range(s, args[2], args[3], true);
  if (from > to) return -1;
  const at = last ? s.slice(from, to).lastIndexOf(sub) : s.slice(from, to).indexOf(sub);
  return at < 0 ? -1 : at + from;
}
function found(at: number): number {
  if (at < 0) throw new OpwiseError("bad-argument", "ValueError: substring not found");
  return at;
}
function occurrences(s: string, sub: string): number {
  if (sub === "") return s.length + 1;
  let n = 0;
  for (let at = s.indexOf(sub); at >= 0; at = s.indexOf(sub, at + sub.length)) n++;
  return n;
}

function separatorOf(value: Datum | undefined): string {
  const separator = bytesOf(value);
  if (separator === "") throw new OpwiseError("bad-argument", "ValueError: empty separator");
  return separator;
}
/** Splits at most `max` times from the left, or everywhere where that is negative. */
function splitLeft(s: string, separator: string, max: number): string[] {
  const parts = s.split(separator);
  return max < 0 || parts.length <= max + 1 ? parts : [...parts.slice(0, max), parts.slice(max).join(separator)];
}
/** As `splitLeft`, from the right. */
function splitRight(s: string, separator: string, max: number): string[] {
  const reversed = (text: string): string => [...text].reverse().join(""); // one unit per byte: no pair is torn
  return splitLeft(reversed(s), reversed(separator), max).map(reversed).reverse();
}
/** Splits at runs of white space into pieces that are not empty; LibTorch leaves `max` out of account here. */
function splitWords(s: string): string[] {
  return s.split(/[ \t\n\v\f\r]+/).filter((word) => word !== "");
}
/** Each line break character ends a line by itself; with `keep` it is an item of its own. */
function splitLines(s: string, keep: boolean): string[] {
  const out: string[] = [];
  let from = 0;
  for (let i = 0; i < s.length; i++) {
    if (!"\n\r\v\f\x1c\x1d\x1e\x85".includes(s.charAt(i))) continue;
    out.push(s.slice(from, i));
    if (keep) out.push(s.charAt(i));
    from = i + 1;
  }
  if (from < s.length) out.push(s.slice(from));
  return out;
}

function stripped(s: string, chars: string, left: boolean, right: boolean): string {
  const bytes = [...s];
  const first = left ? bytes.findIndex((c) => !chars.includes(c)) : 0;
  const last = right ? bytes.findLastIndex((c) => !chars.includes(c)) : s.length - 1;
  return first < 0 ? "" : s.slice(first, last + 1);
}

const MAX_LENGTH = 2 ** 28;
/** Before a string is made in one step. @throws limit-exceeded */
function checkLength(length: number): void {
  if (length > MAX_LENGTH) throw new OpwiseError("limit-exceeded", `a string of ${length} characters`, { wanted: `at most ${MAX_LENGTH}` });
}

function padding(width: Datum | undefined, fill: Datum | undefined, s: string): { readonly missing: number; readonly fill: string } {
  const char = bytesOf(fill ?? " ");
  if (char.length !== 1) throw new OpwiseError("type-mismatch", "TypeError: The fill character must be exactly one character long");
  const missing = Math.max(smallOf(width) - s.length, 0);
  checkLength(s.length + missing);
  return { missing, fill: char };
}
function center(s: string, width: Datum | undefined, fill: Datum | undefined): string {
  const { missing, fill: char } = padding(width, fill, s);
  const [small, large] = [Math.floor(missing / 2), Math.ceil(missing / 2)];
  return smallOf(width) % 2 === 0 ? char.repeat(small) + s + char.repeat(large) : char.repeat(large) + s + char.repeat(small);
}
function tabsExpanded(s: string, size: number): string {
  let out = "";
  let column = 0;
  for (const c of s) {
    if (c === "\t") {
      const n = size > 0 ? size - (column % size) : 0;
      out += " ".repeat(n);
      column += n;
    } else {
      out += c;
      column = c === "\n" || c === "\r" ? 0 : column + 1;
    }
  }
  return out;
}
function parted(s: string, separator: string, at: number, last: boolean): Datum {
  if (at < 0) return makeTuple((last ? ["", "", s] : [s, "", ""]).map(fromBytes));
  return makeTuple([s.slice(0, at), separator, s.slice(at + separator.length)].map(fromBytes));
}
/** `prefix` and digits of an int in a base. */
function inBase(value: Datum | undefined, base: number, prefix: string): string {
  const n = BigInt(intOf(value));
  return `${n < 0n ? "-" : ""}${prefix}${(n < 0n ? -n : n).toString(base)}`;
}
function byteAt(s: string, index: Datum | undefined): string {
  const at = wrapIndex(smallOf(index), s.length);
  if (at < 0 || at >= s.length) throw new OpwiseError("index-out-of-range", `basic_string::at: __n (which is ${at}) >= this->size() (which is ${s.length})`, { wanted: `an index in [${-s.length}, ${s.length})`, got: String(smallOf(index)) });
  return fromBytes(s.charAt(at));
}
const RANGE = "str self, str substr, int start=0, int end=-1";
const SPACES = " \n\t\f\v";

/** All of them. */
export const strings: readonly Op[] = [
  ...Object.entries(MAPS).map(([name, f]) => dataOp(`aten::${name}(str self) -> str`, ([s]) => fromBytes(f(bytesOf(s))))),
  ...Object.entries(TESTS).map(([name, f]) => dataOp(`aten::${name}(str self) -> bool`, ([s]) => f(bytesOf(s)))),
  dataOp("aten::len.str(str s) -> int", ([s]) => bytesOf(s).length),
  dataOp("aten::add.str(str a, str b) -> str", ([a, b]) => {
    checkLength(textOf(a).length + textOf(b).length);
    return fromBytes(bytesOf(a) + bytesOf(b));
  }),
  dataOp("aten::__getitem__.str(str s, int index) -> str", ([s, index]) => byteAt(bytesOf(s), index)),
  dataOp("prim::StringIndex(str string, int index) -> str", ([s, index]) => byteAt(bytesOf(s), index)),
  dataOp("aten::slice.str(str string, int? start=None, int? end=None, int step=1) -> str", ([s, start, end, step]) => {
    const bytes = bytesOf(s);
    return fromBytes(slicePositions(bytes.length, start, end, step ?? 1).map((i) => bytes.charAt(i)).join(""));
  }),
  dataOp("aten::list(str t) -> str[]", ([s]) => texts([...bytesOf(s)])),
  dataOp(`aten::find(${RANGE}) -> int`, (args) => findIn(args, false)),
  dataOp(`aten::rfind(${RANGE}) -> int`, (args) => findIn(args, true)),
  dataOp(`aten::index.str(${RANGE}) -> int`, (args) => found(findIn(args, false))),
  dataOp(`aten::rindex(${RANGE}) -> int`, (args) => found(findIn(args, true))),
  dataOp(`aten::count(${RANGE}) -> int`, ([s, sub, start, end]) => {
    const bytes = bytesOf(s);
    if (smallOf(start ?? 0) > bytes.length) return 0;
    const { from, to } = range(bytes, start, end);
    return from > to ? 0 : occurrences(bytes.slice(from, to), bytesOf(sub));
  }),
  dataOp(`aten::startswith(${RANGE}) -> bool`, ([s, sub, start, end]) => {
    const bytes = bytesOf(s);
    const { from, to } = range(bytes, start, end);
    return from <= to && bytes.slice(from, to).startsWith(bytesOf(sub));
  }),
  dataOp(`aten::endswith(${RANGE}) -> bool`, ([s, sub, start, end]) => {
    const bytes = bytesOf(s);
    const { from, to } = range(bytes, start, end);
    return from <= to && bytes.slice(from, to).endsWith(bytesOf(sub));
  }),
  dataOp("aten::join(str self, str[] values) -> str", ([s, l]) => fromBytes(listOf(l).items.map(bytesOf).join(bytesOf(s)))),
  dataOp("aten::split.str(str self, str? separator=None, int max=-1) -> str[]", ([s, separator, max]) =>
    texts(separator === null || separator === undefined ? splitWords(bytesOf(s)) : splitLeft(bytesOf(s), separatorOf(separator), smallOf(max ?? -1)))),
  dataOp('aten::rsplit(str self, str separator=" ", int max=-1) -> str[]', ([s, separator, max]) => texts(splitRight(bytesOf(s), separatorOf(separator ?? " "), smallOf(max ?? -1)))),
  dataOp("aten::splitlines(str self, bool keepends=False) -> str[]", ([s, keep]) => texts(splitLines(bytesOf(s), boolOf(keep ?? false)))),
  dataOp("aten::partition(str self, str separator) -> (str, str, str)", ([s, separator]) => parted(bytesOf(s), separatorOf(separator), bytesOf(s).indexOf(bytesOf(separator)), false)),
  dataOp("aten::rpartition(str self, str separator) -> (str, str, str)", ([s, separator]) => parted(bytesOf(s), separatorOf(separator), bytesOf(s).lastIndexOf(bytesOf(separator)), true)),
  dataOp("aten::replace(str self, str old, str new, int max=-1) -> str", ([s, old, to, max]) => {
    if (bytesOf(old) === "") throw raised("std::bad_alloc");
    return fromBytes(splitLeft(bytesOf(s), bytesOf(old), smallOf(max ?? -1)).join(bytesOf(to)));
  }),
  dataOp('aten::strip(str self, str chars=" \\n\\t\\f\\v") -> str', ([s, chars]) => fromBytes(stripped(bytesOf(s), bytesOf(chars ?? SPACES), true, true))),
  dataOp('aten::lstrip(str self, str chars=" \\n\\t\\f\\v") -> str', ([s, chars]) => fromBytes(stripped(bytesOf(s), bytesOf(chars ?? SPACES), true, false))),
  dataOp('aten::rstrip(str self, str chars=" \\n\\t\\f\\v") -> str', ([s, chars]) => fromBytes(stripped(bytesOf(s), bytesOf(chars ?? SPACES), false, true))),
  dataOp('aten::center(str self, int width, str fillchar=" ") -> str', ([s, width, fill]) => fromBytes(center(bytesOf(s), width, fill))),
  dataOp('aten::ljust(str self, int width, str fillchar=" ") -> str', ([s, width, fill]) => {
    const { missing, fill: char } = padding(width, fill, bytesOf(s));
    return fromBytes(bytesOf(s) + char.repeat(missing));
  }),
  dataOp('aten::rjust(str self, int width, str fillchar=" ") -> str', ([s, width, fill]) => {
    const { missing, fill: char } = padding(width, fill, bytesOf(s));
    return fromBytes(char.repeat(missing) + bytesOf(s));
  }),
  dataOp("aten::zfill(str self, int width) -> str", ([s, width]) => fromBytes("0".repeat(padding(width, "0", bytesOf(s)).missing) + bytesOf(s))),
  dataOp("aten::expandtabs(str self, int tabsize=8) -> str", ([s, size]) => fromBytes(tabsExpanded(bytesOf(s), smallOf(size ?? 8)))),
  dataOp("aten::ord(str string) -> int", ([s]) => {
    const bytes = bytesOf(s);
    if (bytes.length !== 1) throw raised(`String for ord() must be 1 character, found ${bytes.length}`);
    return bytes.charCodeAt(0);
  }),
  dataOp("aten::chr(int i) -> str", ([i]) => {
    const code = intOf(i);
    if (code < 0 || code >= 0x110000) throw raised(`chr() arg not in range(0x110000), found ${code}`);
    return fromBytes(String.fromCharCode(Number(code) & 255)); // one byte, whatever the code
  }),
  dataOp("aten::hex(int i) -> str", ([i]) => inBase(i, 16, "0x")),
  dataOp("aten::oct(int i) -> str", ([i]) => inBase(i, 8, "0o")),
  dataOp("aten::bin(int i) -> str", ([i]) => inBase(i, 2, "0b")),
];
