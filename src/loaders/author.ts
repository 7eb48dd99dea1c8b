/** What exporters say about where a node comes from: Python stack traces and the modules around it, as text. */

import { type AuthorPlace, ownPlace } from "../ir/author.ts";

/** Python's stack trace (outermost call first) as lines, innermost first. */
export function placesOfStack(trace: string): readonly AuthorPlace[] {
  const places = [...trace.matchAll(/File "([^"]+)", line (\d+)(?:, in ([^\n]+))?(?:\n {4}([^\n]*))?/g)].flatMap(
    ([, file = "<", line, inside, text]): AuthorPlace[] => (file.startsWith("<") ? [] : [{ file, line: Number(line), text, function: inside?.trim() }]),
  );
  return places.reverse();
}

/** `net.py:88, in forward`: the innermost line outside of PyTorch. */
export function placeText(places: readonly AuthorPlace[]): string | undefined {
  const place = ownPlace(places);
  return place === undefined ? undefined : `${place.file}:${place.line}${place.function === undefined ? "" : `, in ${place.function}`}`;
}

/** The path in `KEY,path,type;KEY,path,type`, as .pt2 files hold the stack of modules. */
export function moduleOfStack(stack: string): string | undefined {
  const path = stack.split(";").at(-1)?.split(",")[1];
  // Modules that are called more than once have `@1` behind their path.
  return path
    ?.replace(/@\d+/g, "")
    .replace(/^L\['self'\]\.?/, "")
    .replace(/\['([^']*)'\]/g, "$1");
}

/** The innermost module in Python's text of a list, `['', 'layer1', 'layer1.0', 'conv2d']`, whose last entry is the op itself. */
export function moduleOfScopes(scopes: string): string | undefined {
  const names = [...scopes.matchAll(/'([^']*)'/g)].map(([, name = ""]) => name);
  return names.at(-2);
}

/** The module in a node's name, `/blocks/blocks.0/conv1/Conv`: a part that repeats the one before it goes on from there. */
export function moduleOfNodeName(name: string): string | undefined {
  if (!name.startsWith("/")) return undefined;
  const path: string[] = [];
  for (const part of name.split("/").slice(1, -1)) {
    const last = path.at(-1);
    if (last !== undefined && part.startsWith(`${last}.`)) path.pop();
    path.push(part);
  }
  return path.join(".");
}
