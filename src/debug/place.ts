/** Where a node comes from, as one line: the author's file where it is known, else the archive's text. */

import { ownPlace } from "../ir/author.ts";
import type { Node } from "../ir/graph.ts";

export interface Place {
  /** The author's innermost line. */
  readonly author: { readonly file: string; readonly line: number; readonly text?: string | undefined } | undefined;
  /** The archive's own text: `code/__torch__/net.py`; line 0 where the format has no lines. */
  readonly archive: { readonly file: string; readonly line: number } | undefined;
}

export function placeOfNode(node: Node): Place {
  const { location } = node;
  const author = ownPlace(location?.author?.() ?? []);
  return {
    author: author === undefined ? undefined : { file: author.file, line: author.line, ...(author.text === undefined ? {} : { text: author.text }) },
    archive: location === undefined ? undefined : { file: location.record, line: location.line },
  };
}

/** `model.py:12`, or `code/__torch__.py:17`, or nothing. */
export function placeText({ author, archive }: Place): string {
  if (author !== undefined) return `${author.file}:${author.line}`;
  return archive === undefined || archive.line === 0 ? "" : `${archive.file}:${archive.line}`;
}
