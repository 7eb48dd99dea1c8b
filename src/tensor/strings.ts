/** String tensors hold ids into this table, so that ops which only move elements work on them as on any other dtype. */

const texts: string[] = [""];
const ids = new Map<string, number>([["", 0]]);

/** The id of `text`; equal texts have equal ids. Id 0 is the empty string. */
export function internString(text: string): number {
  const known = ids.get(text);
  if (known !== undefined) return known;
  texts.push(text);
  ids.set(text, texts.length - 1);
  return texts.length - 1;
}

/** The text of an id made by `internString`. */
export function stringOf(id: number): string {
  return texts[id] ?? "";
}
