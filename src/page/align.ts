/** Which entries of two runs are one. A comparison by the debugger knows better; this is what the page sees at once, from the traces alone. */

import { KIND, mainOutput, type Run, type ValueFact } from "./run.ts";

/** What makes two entries the same: the kind, the op without its overload and version, and the last part of the module path. */
function keyOf(run: Run, entry: number): string {
  const label = (run.label[entry] ?? "").replace(/@\d+$/, "").replace(/^(\w+::\w+)\..*$/, "$1");
  const kind = run.kind[entry] ?? 0;
  return kind === KIND.module
    ? `m ${(run.path[entry] ?? "").split(".").at(-1) ?? ""} ${label.split(".").slice(1).join(".").replace(/^\d+$/, "")}`
    : `${kind} ${label}`;
}

export function childrenOf(run: Run, entry: number): number[] {
  const children: number[] = [];
  for (let child = entry + 1; child < (run.end[entry] ?? 0); child = run.end[child] ?? child + 1) children.push(child);
  return children;
}

/** Cells of the exact table for a longest common subsequence. */
const MAX_CELLS = 1 << 22;

/** Pairs of positions of two key lists, rising in both. */
export function commonKeys(a: readonly string[], b: readonly string[]): (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = [];
  let low = 0;
  while (low < a.length && low < b.length && a[low] === b[low]) pairs.push([low, low++]);
  let highA = a.length;
  let highB = b.length;
  const tail: (readonly [number, number])[] = [];
  while (highA > low && highB > low && a[highA - 1] === b[highB - 1]) tail.push([--highA, --highB]);
  const middle = (highA - low) * (highB - low) <= MAX_CELLS ? longestCommon(a, b, low, highA, highB) : risingByOrdinal(a, b, low, highA, highB);
  return [...pairs, ...middle, ...tail.reverse()];
}

function longestCommon(a: readonly string[], b: readonly string[], low: number, highA: number, highB: number): (readonly [number, number])[] {
  const [rows, columns] = [highA - low, highB - low];
  if (rows === 0 || columns === 0) return [];
  const width = columns + 1;
  const best = new Uint16Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      best[i * width + j] =
        a[low + i] === b[low + j] ? (best[(i + 1) * width + j + 1] ?? 0) + 1 : Math.max(best[(i + 1) * width + j] ?? 0, best[i * width + j + 1] ?? 0);
    }
  }
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0, j = 0; i < rows && j < columns;) {
    if (a[low + i] === b[low + j]) pairs.push([low + i++, low + j++]);
    else if ((best[(i + 1) * width + j] ?? 0) >= (best[i * width + j + 1] ?? 0)) i++;
    else j++;
  }
  return pairs;
}

/** For lists too long for the exact answer: the n-th of a key goes with the n-th, and what would cross is left out. */
function risingByOrdinal(a: readonly string[], b: readonly string[], low: number, highA: number, highB: number): (readonly [number, number])[] {
  const places = new Map<string, number[]>();
  for (let j = low; j < highB; j++) {
    const key = b[j] ?? "";
    const known = places.get(key);
    if (known === undefined) places.set(key, [j]);
    else known.push(j);
  }
  const taken = new Map<string, number>();
  const pairs: (readonly [number, number])[] = [];
  let last = low - 1;
  for (let i = low; i < highA; i++) {
    const key = a[i] ?? "";
    const nth = taken.get(key) ?? 0;
    const j = places.get(key)?.[nth];
    if (j === undefined) continue;
    taken.set(key, nth + 1);
    if (j > last) pairs.push([i, (last = j)]);
  }
  return pairs;
}

/** Entry of B by entry of A, -1 where there is none. */
export function alignRuns(a: Run, b: Run): Int32Array {
  return a.graph.model.format === b.graph.model.format ? alignByKeys(a, b) : alignByContent(a, b);
}

/** Runs of one program, or of two alike: children of partners are partners where their keys agree in order. */
function alignByKeys(a: Run, b: Run): Int32Array {
  const partner = new Int32Array(a.count).fill(-1);
  const stack: [number, number][] = [[0, 0]];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const [inA, inB] = top;
    partner[inA] = inB;
    const childrenA = childrenOf(a, inA);
    const childrenB = childrenOf(b, inB);
    const keysA = childrenA.map((child) => keyOf(a, child));
    const keysB = childrenB.map((child) => keyOf(b, child));
    for (const [i, j] of commonKeys(keysA, keysB)) stack.push([childrenA[i] ?? 0, childrenB[j] ?? 0]);
  }
  return partner;
}

/** How far apart two sketches may be, of the largest number. */
const ALIKE = 2e-3;

/** Blind to order and layout: count, extremes and moments. Values of few numbers or of one number alone say too little. */
function isAlike(x: ValueFact, y: ValueFact): boolean {
  const [p, q] = [x.health, y.health];
  if (p === undefined || q === undefined || p.n !== q.n || p.n < 2 || (p.std ?? 0) === 0) return false;
  const room = ALIKE * (p.absmax ?? 0);
  const near = (u: number | undefined, v: number | undefined): boolean => Math.abs((u ?? Number.NaN) - (v ?? Number.NaN)) <= room;
  return near(p.min, q.min) && near(p.max, q.max) && near(p.mean, q.mean) && near(p.std, q.std);
}

/** Ops that make a tensor of their own, in order: views repeat the content of their base. */
function makers(run: Run): number[] {
  const out: number[] = [];
  for (let entry = 1; entry < run.count; entry++)
    if (run.kind[entry] === KIND.op && run.end[entry] === entry + 1 && mainOutput(run, entry)?.health !== undefined) out.push(entry);
  return out;
}

/** How far ahead in B a value's partner is looked for. */
const WINDOW = 400;

/** Runs of two formats: ops by what they made, modules by their path. */
function alignByContent(a: Run, b: Run): Int32Array {
  const partner = new Int32Array(a.count).fill(-1);
  partner[0] = 0;
  const [opsA, opsB] = [makers(a), makers(b)];
  let next = 0;
  for (const entry of opsA) {
    const own = mainOutput(a, entry);
    for (let j = next; j < Math.min(opsB.length, next + WINDOW); j++) {
      const other = mainOutput(b, opsB[j] ?? 0);
      if (own === undefined || other === undefined || !isAlike(own, other)) continue;
      partner[entry] = opsB[j] ?? -1;
      next = j + 1;
      break;
    }
  }
  const paths = new Map<string, number[]>();
  for (let j = b.count - 1; j > 0; j--) {
    if (b.kind[j] !== KIND.module) continue;
    const known = paths.get(b.path[j] ?? "");
    if (known === undefined) paths.set(b.path[j] ?? "", [j]);
    else known.push(j);
  }
  for (let i = 1; i < a.count; i++) if (a.kind[i] === KIND.module) partner[i] = paths.get(a.path[i] ?? "")?.pop() ?? -1;
  return partner;
}
