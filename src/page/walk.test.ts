import fc from "fast-check";
import { expect, test } from "vitest";
import { backward, forward, runOn, type Preorder } from "./walk.ts";

/** root(a(b c) d): 0(1(2 3) 4). */
const small: Preorder = { count: 5, parent: Int32Array.of(-1, 0, 1, 1, 0), end: Int32Array.of(5, 4, 3, 4, 5) };

test("over passes what is inside, in enters it, out leaves it", () => {
  expect(forward(small, 1, "over")).toBe(4);
  expect(forward(small, 1, "in")).toBe(2);
  expect(forward(small, 2, "out")).toBe(4);
  expect(forward(small, 0, "over")).toBe(1);
  expect(forward(small, 4, "over")).toBe(5);
  expect(forward(small, 4, "out")).toBe(5);
});

test("backwards over goes to the sibling before, in to what ran last, out to the caller", () => {
  expect(backward(small, 4, "over")).toBe(1);
  expect(backward(small, 4, "in")).toBe(3);
  expect(backward(small, 3, "out")).toBe(1);
  expect(backward(small, 5, "over")).toBe(4);
  expect(backward(small, 1, "over")).toBe(0);
  expect(backward(small, 0, "over")).toBe(0);
});

test("entries that are no stops are passed both ways", () => {
  const isStop = (entry: number): boolean => entry !== 2;
  expect(forward(small, 1, "in", isStop)).toBe(3);
  expect(backward(small, 3, "in", isStop)).toBe(1);
});

test("running on stops at the first breakpoint, else at the end or the start", () => {
  expect(runOn(small, 0, 1, (entry) => entry === 3)).toBe(3);
  expect(runOn(small, 3, 1, (entry) => entry === 3)).toBe(5);
  expect(runOn(small, 5, -1, (entry) => entry === 3)).toBe(3);
  expect(runOn(small, 3, -1, () => false)).toBe(0);
});

/** Any tree in preorder: each entry's parent is one before it, on the path of the last. */
const anyTree = fc.array(fc.nat(6), { minLength: 1, maxLength: 40 }).map((ups): Preorder => {
  const parent = [-1];
  for (const up of ups) {
    let at = parent.length - 1;
    for (let i = 0; i < up && at > 0; i++) at = parent[at] ?? 0;
    parent.push(at);
  }
  const end = parent.map((_, i) => i + 1);
  for (let i = parent.length - 1; i > 0; i--) end[parent[i] ?? 0] = Math.max(end[parent[i] ?? 0] ?? 0, end[i] ?? 0);
  return { count: parent.length, parent: Int32Array.from(parent), end: Int32Array.from(end) };
});

test("a step into and a step back into undo each other, all the way through any tree", () => {
  fc.assert(
    fc.property(anyTree, (tree) => {
      let at = 0;
      while (at < tree.count) {
        const next = forward(tree, at, "in");
        expect(backward(tree, next, "in")).toBe(at);
        at = next;
      }
    }),
  );
});
