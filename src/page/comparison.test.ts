import { expect, test } from "vitest";
import { generatedTrace } from "../../test/support/generated-trace.ts";
import { alignRuns } from "./align.ts";
import { parseComparison, partnersOf, verdictsOf } from "./comparison.ts";
import { runOfTrace } from "./open-trace.ts";
import { findProblems } from "./problems.ts";
import { mergeRuns } from "./tree.ts";

const [a, b] = [await runOfTrace(generatedTrace({ nodes: 40 }), "a"), await runOfTrace(generatedTrace({ nodes: 40 }), "b")];
const row = (node: number, verdict: string, isolated: number | null, propagated: number | null, partner: number = node): object => ({
  a: { node, nth: 0 },
  b: { node: partner, nth: 0 },
  isolated,
  propagated,
  verdict,
});
const file = parseComparison("c.json", {
  schema: "opwise.compare/1",
  rows: [row(3, "ok", 0.2, 0.3), row(8, "source", 5100, 5200), row(9, "victim", 0.4, null)],
});

test("what compare found stands on the entries of its nodes", () => {
  const tree = mergeRuns(a, b, partnersOf(file, a, b, alignRuns(a, b)));
  const { errors, verdicts } = verdictsOf(file, a, tree);
  const entryOf = (node: number): number => [...a.node].indexOf(node);
  expect(errors[entryOf(3)]).toBe(0.3);
  expect(errors[entryOf(8)]).toBe(5100);
  expect(verdicts.get(entryOf(8))).toBe("source");
  const groups = findProblems(tree, [a, b], errors, verdicts);
  expect(groups[0]?.kind).toBe("source");
  expect(groups[0]?.items.map((item) => item.entry)).toEqual([entryOf(8)]);
  expect(groups.find((group) => group.kind === "victim")?.items).toHaveLength(1);
});

test("its pairs take the place of the page's own, and no entry has two partners", () => {
  const crossed = parseComparison("c.json", { schema: "opwise.compare/1", rows: [row(5, "ok", 0, 0, 6)] });
  const partners = partnersOf(crossed, a, b, alignRuns(a, b));
  const entryOf = (node: number): number => [...a.node].indexOf(node);
  expect(partners[entryOf(5)]).toBe(entryOf(6));
  expect(partners[entryOf(6)]).toBe(-1);
  const used = [...partners].filter((j) => j >= 0);
  expect(new Set(used).size).toBe(used.length);
});

test("anything else is told apart", () => {
  expect(() => parseComparison("x.json", { rows: [] })).toThrow("x.json");
  expect(() => parseComparison("x.json", { schema: "opwise.compare/1" })).toThrow("x.json");
});
