/** Where stepping goes: pure functions over entries in preorder. An entry is a place to stop at; the end is one past the last. */

/** The columns that stepping needs. */
export interface Preorder {
  readonly count: number;
  readonly parent: Int32Array;
  readonly end: Int32Array;
}

export type Motion = "over" | "in" | "out";

/** The next stop. `isStop` says which entries count; others are passed. */
export function forward(tree: Preorder, at: number, motion: Motion, isStop: (entry: number) => boolean = () => true): number {
  const parent = tree.parent[at] ?? -1;
  let to = motion === "in" ? at + 1 : motion === "over" ? (tree.end[at] ?? tree.count) : parent <= 0 ? tree.count : (tree.end[parent] ?? tree.count);
  if (at === 0 && motion === "over") to = 1; // over the root would be over everything
  while (to < tree.count && !isStop(to)) to++;
  return Math.min(to, tree.count);
}

/** The stop before. `in` backwards goes to the last thing that ran, `over` past a whole module, `out` to the caller. */
export function backward(tree: Preorder, at: number, motion: Motion, isStop: (entry: number) => boolean = () => true): number {
  const parent = at >= tree.count ? 0 : Math.max(0, tree.parent[at] ?? 0);
  if (motion === "out") return parent;
  let to = at - 1;
  while (to > 0 && !isStop(to)) to--;
  if (motion === "in" || to <= parent) return Math.max(0, to);
  // The sibling that holds the entry before.
  while ((tree.parent[to] ?? -1) > parent) to = tree.parent[to] ?? 0;
  return Math.max(0, to);
}

/** The first entry after (or before) `at` that `stops`; the end (or 0) where none does. */
export function runOn(tree: Preorder, at: number, by: 1 | -1, stops: (entry: number) => boolean): number {
  for (let to = at + by; to > 0 && to < tree.count; to += by) if (stops(to)) return to;
  return by > 0 ? tree.count : 0;
}
