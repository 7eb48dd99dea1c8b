import { expect, test } from "vitest";
import { RunBuilder } from "./run-builder.ts";
import { KIND, type Run } from "./run.ts";
import { alignRuns, commonKeys } from "./align.ts";
import { mergeRuns, treeOf, visibleRows } from "./tree.ts";

/** A run of nested names: `a(b c) d`. */
function runOf(text: string): Run {
  const builder = new RunBuilder("forward");
  for (const token of text.match(/[a-z]+|[()]/g) ?? []) {
    if (token === "(") continue;
    if (token === ")") builder.close(0);
    else {
      const isModule = new RegExp(`\\b${token}\\(`).test(text);
      builder.open({ kind: isModule ? KIND.module : KIND.op, label: token, t: 0 });
      if (!isModule) builder.close(0);
    }
  }
  const graph = { model: { name: "", format: "", version: "" }, functions: [], blocks: [], nodes: [], values: [], modules: [], weights: [] };
  return builder.finish({
    name: text,
    graph,
    nodeFact: () => undefined,
    backend: "cpu",
    facts: [],
    dropped: [],
    sources: new Map(),
    bytes: () => Promise.reject(new Error("none")),
  });
}

function merged(a: Run, b: Run): string[] {
  const tree = mergeRuns(a, b, alignRuns(a, b));
  return Array.from({ length: tree.count - 1 }, (_, i) => {
    const at = i + 1;
    const [inA, inB] = [tree.a[at] ?? -1, tree.b[at] ?? -1];
    return `${".".repeat((tree.depth[at] ?? 1) - 1)}${inA >= 0 ? a.label[inA] : b.label[inB]}${inA < 0 ? " B" : inB < 0 ? " A" : ""}`;
  });
}

test("the longest common keys are paired in order", () => {
  expect(commonKeys(["a", "b", "c", "d"], ["a", "x", "c", "d"])).toEqual([
    [0, 0],
    [2, 2],
    [3, 3],
  ]);
  expect(commonKeys(["a"], [])).toEqual([]);
});

test("two runs of one program lie over each other entry by entry", () => {
  const [a, b] = [runOf("p(q r) s"), runOf("p(q r) s")];
  expect(merged(a, b)).toEqual(["p", ".q", ".r", "s"]);
});

test("what only one of two runs has stands where it ran", () => {
  expect(merged(runOf("p(q r) s"), runOf("p(q x r) y s"))).toEqual(["p", ".q", ".x B", ".r", "y B", "s"]);
  expect(merged(runOf("p(q r) s"), runOf("s"))).toEqual(["p A", ".q A", ".r A", "s"]);
  expect(merged(runOf("s"), runOf("p(q r) s"))).toEqual(["p B", ".q B", ".r B", "s"]);
});

test("every entry of either run is in the tree once, and knows its place there", () => {
  const [a, b] = [runOf("p(q r) s t"), runOf("p(r u) v s")];
  const tree = mergeRuns(a, b, alignRuns(a, b));
  expect([...tree.a].filter((i) => i >= 0).sort((x, y) => x - y)).toEqual([...a.label.keys()]);
  expect([...tree.b].filter((i) => i >= 0).sort((x, y) => x - y)).toEqual([...b.label.keys()]);
  tree.ofA.forEach((at, i) => expect(tree.a[at]).toBe(i));
  tree.ofB.forEach((at, i) => expect(tree.b[at]).toBe(i));
});

test("a module of B whose ops all have partners elsewhere is no row", () => {
  const [a, b] = [runOf("p q"), runOf("m(p q)")];
  const partner = Int32Array.of(0, 2, 3);
  const tree = mergeRuns(a, b, partner);
  expect(tree.count).toBe(3);
  expect([...tree.b]).toEqual([0, 2, 3]);
  expect([...tree.ofB]).toEqual([0, 0, 1, 2]);
});

test("rows are what open entries hold; a search shows its finds and their ancestors", () => {
  const tree = treeOf(runOf("p(q r) s"));
  expect([...visibleRows(tree, new Set([0]), { data: false })]).toEqual([0, 1, 4]);
  expect([...visibleRows(tree, new Set([0, 1]), { data: false })]).toEqual([0, 1, 2, 3, 4]);
  expect([...visibleRows(tree, new Set(), { data: false, matches: Uint8Array.of(0, 0, 0, 1, 0) })]).toEqual([0, 1, 3]);
});
