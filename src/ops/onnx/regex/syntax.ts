/** The syntax tree of a pattern. */

/** A set of characters: ranges of code points (both ends count) and properties, perhaps complemented, perhaps blind to case. */
export interface CharacterSet {
  readonly ranges: readonly (readonly [number, number])[];
  readonly tests: readonly ((point: number) => boolean)[];
  readonly negative: boolean;
  readonly foldCase: boolean;
}

/** What has to hold at a place, without taking a character. */
export type Assertion = "text-begin" | "text-end" | "line-begin" | "line-end" | "word-edge" | "no-word-edge";

export type Pattern =
  | { readonly kind: "empty" }
  | { readonly kind: "set"; readonly set: CharacterSet }
  | { readonly kind: "assert"; readonly what: Assertion }
  | { readonly kind: "sequence"; readonly items: readonly Pattern[] }
  | { readonly kind: "choice"; readonly items: readonly Pattern[] }
  | { readonly kind: "repeat"; readonly item: Pattern; readonly min: number; readonly max: number };

/** The one code point of a text, or `otherwise`. */
function only(text: string, otherwise: number): number {
  const point = text.codePointAt(0);
  return point !== undefined && String.fromCodePoint(point) === text ? point : otherwise;
}

/** One code point of those that are the same but for their case. */
function folded(point: number): number {
  const upper = only(String.fromCodePoint(point).toUpperCase(), point);
  return only(String.fromCodePoint(upper).toLowerCase(), upper);
}

function within(set: CharacterSet, point: number): boolean {
  return set.ranges.some(([low, high]) => point >= low && point <= high) || set.tests.some((test) => test(point));
}

/** The other spellings of a character. */
function variantsOf(point: number): readonly number[] {
  const text = String.fromCodePoint(point);
  return [text.toLowerCase(), text.toUpperCase(), text.toUpperCase().toLowerCase(), text.toLowerCase().toUpperCase()].map((other) => only(other, point));
}

/** Whether a character belongs to the set. */
export function holds(set: CharacterSet, point: number): boolean {
  let inside = within(set, point);
  if (!inside && set.foldCase) {
    inside = variantsOf(point).some((p) => within(set, p)) || set.ranges.some(([low, high]) => low === high && folded(low) === folded(point));
  }
  return inside !== set.negative;
}
