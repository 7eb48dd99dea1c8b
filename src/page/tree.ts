/**
 * What the list, the module tree, the graph and the timeline show: the entries of one run, or of two runs laid over each other,
 * in preorder. An entry of the tree names its entry in A, in B, or in both.
 */

import { childrenOf } from "./align.ts";
import { KIND, type Run } from "./run.ts";
import type { Preorder } from "./walk.ts";

export interface Tree extends Preorder {
  readonly depth: Uint16Array;
  readonly kind: Uint8Array;
  /** Entry in run A and in run B; -1: only in the other. */
  readonly a: Int32Array;
  readonly b: Int32Array;
  /** Tree entry by entry of A, and of B. */
  readonly ofA: Int32Array;
  readonly ofB: Int32Array;
}

export function treeOf(run: Run): Tree {
  const own = Int32Array.from({ length: run.count }, (_, i) => i);
  const { count, parent, end, depth, kind } = run;
  return { count, parent, end, depth, kind, a: own, b: new Int32Array(count).fill(-1), ofA: own, ofB: new Int32Array(0) };
}

/**
 * Two runs as one tree: A's entries in their order, and what only B has behind the partner of what ran before it in B.
 * `partner` gives for each entry of A the entry of B, -1 for none; pairs that cross are kept as pairs, the order is A's.
 */
export function mergeRuns(a: Run, b: Run, partner: Int32Array): Tree {
  const ofPartner = new Int32Array(b.count).fill(-1);
  for (let i = 0; i < a.count; i++) {
    const j = partner[i] ?? -1;
    if (j >= 0) ofPartner[j] = i;
  }
  // A module of B whose ops all have partners elsewhere is no row of its own: its ops stand where A has them.
  const isEmpty = (j: number): boolean => {
    if (b.kind[j] !== KIND.module) return false;
    for (let below = j + 1; below < (b.end[j] ?? 0); below++) if (b.end[below] === below + 1 && (ofPartner[below] ?? -1) < 0) return false;
    return true;
  };
  // Entries that only B has, under the A entry they follow: `inside` where that one is an ancestor in B.
  const inside = new Map<number, number[]>();
  const behind = new Map<number, number[]>();
  let last = 0;
  for (let j = 1; j < b.count; j++) {
    const own = ofPartner[j] ?? -1;
    if (own >= 0) {
      last = own;
      continue;
    }
    const above = b.parent[j] ?? 0;
    if ((ofPartner[above] ?? -1) < 0 || isEmpty(j)) continue; // comes with its parent, or not at all
    const parent = ofPartner[above] ?? 0;
    // The child of `parent` that holds `last`, if `last` is below it.
    let before = last;
    while (before > parent && (a.parent[before] ?? 0) !== parent) before = a.parent[before] ?? 0;
    const [map, key] = before > parent ? [behind, before] : [inside, parent];
    const known = map.get(key);
    if (known === undefined) map.set(key, [j]);
    else known.push(j);
  }
  const columns: { a: number; b: number; parent: number; depth: number; kind: number; end: number }[] = [];
  const addB = (j: number, parent: number, depth: number): void => {
    const at = columns.push({ a: -1, b: j, parent, depth, kind: b.kind[j] ?? 0, end: 0 }) - 1;
    for (const child of childrenOf(b, j)) if ((ofPartner[child] ?? -1) < 0 && !isEmpty(child)) addB(child, at, depth + 1);
    entryAt(columns, at).end = columns.length;
  };
  const addA = (i: number, parent: number, depth: number): void => {
    const at = columns.push({ a: i, b: partner[i] ?? -1, parent, depth, kind: a.kind[i] ?? 0, end: 0 }) - 1;
    for (const j of inside.get(i) ?? []) addB(j, at, depth + 1);
    for (let child = i + 1; child < (a.end[i] ?? 0); child = a.end[child] ?? child + 1) {
      addA(child, at, depth + 1);
      for (const j of behind.get(child) ?? []) addB(j, at, depth + 1);
    }
    entryAt(columns, at).end = columns.length;
  };
  addA(0, -1, 0);
  const count = columns.length;
  const ofA = new Int32Array(a.count).fill(-1);
  const ofB = new Int32Array(b.count).fill(-1);
  columns.forEach((column, at) => {
    if (column.a >= 0) ofA[column.a] = at;
    if (column.b >= 0) ofB[column.b] = at;
  });
  // What has no row has the place of what it is in.
  for (let j = 1; j < b.count; j++) if ((ofB[j] ?? -1) < 0) ofB[j] = ofB[b.parent[j] ?? 0] ?? 0;
  return {
    count,
    parent: Int32Array.from(columns, (c) => c.parent),
    end: Int32Array.from(columns, (c) => c.end),
    depth: Uint16Array.from(columns, (c) => c.depth),
    kind: Uint8Array.from(columns, (c) => c.kind),
    a: Int32Array.from(columns, (c) => c.a),
    b: Int32Array.from(columns, (c) => c.b),
    ofA,
    ofB,
  };
}

function entryAt<X>(list: readonly X[], at: number): X {
  const entry = list[at];
  if (entry === undefined) throw new RangeError(`no entry ${at}`);
  return entry;
}

/** Rows of the list: entries whose ancestors are all open. With `matches`, only those and their ancestors, whatever is open. */
export function visibleRows(tree: Tree, open: ReadonlySet<number>, options: { readonly data: boolean; readonly matches?: Uint8Array | undefined }): Int32Array {
  const rows: number[] = [];
  const { matches } = options;
  const kept = matches === undefined ? undefined : withAncestors(tree, matches);
  for (let entry = 0; entry < tree.count;) {
    const isData = tree.kind[entry] === KIND.data || tree.kind[entry] === KIND.prim;
    const isKept = kept === undefined ? options.data || !isData : kept[entry] === 1;
    if (isKept) rows.push(entry);
    const isOpen = kept === undefined ? open.has(entry) : kept[entry] === 1;
    entry = isOpen ? entry + 1 : (tree.end[entry] ?? entry + 1);
  }
  return Int32Array.from(rows);
}

function withAncestors(tree: Tree, matches: Uint8Array): Uint8Array {
  const kept = Uint8Array.from(matches);
  for (let entry = tree.count - 1; entry > 0; entry--) if (kept[entry] === 1) kept[tree.parent[entry] ?? 0] = 1;
  kept[0] = 1;
  return kept;
}

/** Row by entry: its own, or that of its nearest ancestor with one. */
export function rowOfEntries(tree: Tree, rows: Int32Array): Int32Array {
  const rowOf = new Int32Array(tree.count).fill(-1);
  rows.forEach((entry, row) => {
    rowOf[entry] = row;
  });
  for (let entry = 1; entry < tree.count; entry++) if ((rowOf[entry] ?? -1) < 0) rowOf[entry] = rowOf[tree.parent[entry] ?? 0] ?? 0;
  return rowOf;
}
