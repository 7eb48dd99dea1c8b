/** JSON of a .pt2 archive: integers beyond 2^53 stay exact, and every look into the tree checks what it finds. */

import { OpwiseError } from "../../tensor/error.ts";

export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** No text of a program starts with this; it marks an integer that a double cannot hold. */
const BIG = "\u0000big:";

/** How deep objects and lists lie in each other; walks over the tree recurse along it. */
const MAX_DEPTH = 1000;

/** Where the string that begins at `at` ends. */
function endOfString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) return i;
    if (code === 0x5c) i++;
  }
  return text.length;
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;
const isOfNumber = (code: number): boolean => isDigit(code) || code === 0x2e || code === 0x65 || code === 0x45 || code === 0x2b || code === 0x2d;

/**
 * The text with integers that a double cannot hold as marked strings. One pass by hand: a hostile text may be nested deeper than `JSON.parse`'s
 * result can be walked, and longer than a regular expression can go back.
 * @throws limit-exceeded where it is nested too deep
 */
function marked(text: string, record: string): string {
  const parts: string[] = [];
  let [depth, done] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfString(text, at);
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > MAX_DEPTH)
        throw new OpwiseError("limit-exceeded", "the record is nested too deep", { where: { record }, wanted: `at most ${MAX_DEPTH} levels` });
    } else if (code === 0x5d || code === 0x7d) depth--;
    else if (code === 0x2d || isDigit(code)) {
      const start = at;
      while (at + 1 < text.length && isOfNumber(text.charCodeAt(at + 1))) at++;
      if (at - start < 15 || at - start > 40) continue;
      const token = text.slice(start, at + 1);
      if (!/^-?\d{16,}$/.test(token) || Number.isSafeInteger(Number(token))) continue;
      parts.push(text.slice(done, start), JSON.stringify(BIG + token));
      done = at + 1;
    }
  }
  return parts.length === 0 ? text : parts.join("") + text.slice(done);
}

/** Parses JSON text. @throws bad-model where it is not JSON, limit-exceeded where it is nested too deep */
export function parseJson(text: string, record: string): Json {
  const plain = marked(text, record);
  try {
    const revive = (_key: string, value: unknown): unknown => (typeof value === "string" && value.startsWith(BIG) ? BigInt(value.slice(BIG.length)) : value);
    return JSON.parse(plain, plain === text ? undefined : revive) as Json; // JSON.parse gives exactly these kinds
  } catch (cause) {
    throw new OpwiseError("bad-model", "the record is not JSON", { where: { record }, cause, got: cause instanceof Error ? cause.message : undefined });
  }
}

/** JSON as text for messages, cut where it is long. */
export function showJson(value: Json | undefined): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return value.slice(0, 120);
  return JSON.stringify(value, (_key, v: unknown) => (typeof v === "bigint" ? String(v) : v)).slice(0, 120);
}

/** Looks into JSON with the path of each step in its errors. */
export class JsonView {
  readonly record: string;
  constructor(record: string) {
    this.record = record;
  }

  fail(what: string, wanted: string, got: Json | undefined): never {
    throw new OpwiseError("bad-model", `\`${what}\` is not ${wanted}`, { where: { record: this.record }, wanted, got: showJson(got) });
  }
  object(value: Json | undefined, what: string): JsonObject {
    if (value === null || value === undefined || typeof value !== "object" || Array.isArray(value)) return this.fail(what, "an object", value);
    return value as JsonObject; // an object that is no array and not null
  }
  array(value: Json | undefined, what: string): readonly Json[] {
    return Array.isArray(value) ? (value as readonly Json[]) : this.fail(what, "a list", value);
  }
  text(value: Json | undefined, what: string): string {
    return typeof value === "string" ? value : this.fail(what, "a text", value);
  }
  bool(value: Json | undefined, what: string): boolean {
    return typeof value === "boolean" ? value : this.fail(what, "a bool", value);
  }
  /** A safe integer, or a bigint within int64. */
  integer(value: Json | undefined, what: string): number | bigint {
    if (typeof value === "number" && Number.isSafeInteger(value)) return value;
    if (typeof value === "bigint" && BigInt.asIntN(64, value) === value) return value;
    return this.fail(what, "an int", value);
  }
  /** A size: a non-negative safe integer. */
  size(value: Json | undefined, what: string): number {
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : this.fail(what, "a size", value);
  }
  float(value: Json | undefined, what: string): number {
    if (typeof value === "number") return value;
    if (typeof value === "bigint") return Number(value);
    if (value === "Infinity" || value === "-Infinity" || value === "NaN") return Number(value);
    return this.fail(what, "a number", value);
  }
  /** The key and value of a one-key union such as `{"as_int": 3}`. */
  union(value: Json | undefined, what: string): readonly [string, Json] {
    const entries = Object.entries(this.object(value, what));
    const [first] = entries;
    return first !== undefined && entries.length === 1 ? first : this.fail(what, "a union of one key", value);
  }
}
