import { expect, test } from "vitest";
import { generatedTrace } from "../../test/support/generated-trace.ts";
import { findProblems } from "./problems.ts";
import { columnOf } from "./overlays.ts";
import { runOfTrace } from "./open-trace.ts";
import { entryName, KIND, mainOutput, type Run } from "./run.ts";
import { treeOf } from "./tree.ts";

const read = (options: Parameters<typeof generatedTrace>[0]): Promise<Run> => runOfTrace(generatedTrace(options), "run.opwtrace");

test("calls nest, and ops lie in the module that ran them", async () => {
  const run = await read({ nodes: 40 });
  const softmax = run.label.indexOf("aten::softmax");
  const attention = run.parent[softmax] ?? -1;
  expect(run.label[attention]).toBe("attn");
  expect(run.path[attention]).toBe("encoder.layers.0.attn");
  expect(run.detail[attention]).toBe("Attention");
  expect(run.label[run.parent[attention] ?? -1]).toBe("layers.0");
  expect(run.kind[0]).toBe(KIND.root);
  expect(run.end[0]).toBe(run.count);
});

test("an op's operand is the value that the op before made, and a call gives what its last op made", async () => {
  const run = await read({ nodes: 40 });
  const softmax = run.label.indexOf("aten::softmax");
  const [taken] = run.ins[softmax] ?? [];
  expect(run.label[run.values[taken ?? -1]?.maker ?? -1]).toBe("aten::div");
  const norm = run.label.indexOf("attn_norm");
  expect(run.values[run.outs[norm]?.[0] ?? -1]?.maker).toBe(norm + 1);
  expect(mainOutput(run, norm)?.shape).toEqual([1, 8, 16]);
});

test("the inputs of the run are values of the root, the outputs are marked", async () => {
  const run = await read({ nodes: 40 });
  expect(run.values[0]).toMatchObject({ name: "%tokens", role: "input", maker: 0 });
  const outputs = run.values.filter((value) => value.isOutput);
  expect(outputs.map((value) => run.label[value.maker])).toEqual(["aten::linear"]);
});

test("statistics, histogram and bytes of a value are those that were recorded", async () => {
  const run = await read({ nodes: 40, fullEvery: 1 });
  const value = mainOutput(run, run.label.indexOf("aten::gelu"));
  if (value === undefined) throw new Error("no value");
  expect(value.health?.n).toBe(128);
  expect(value.health?.histogram?.reduce((a, b) => a + b, 0)).toBe(128);
  expect((await run.bytes(value)).length).toBe(512);
});

test("modules have the time of what is below them", async () => {
  const run = await read({ nodes: 40 });
  const tree = treeOf(run);
  const column = columnOf("time", tree, [run], undefined);
  const sum = [...run.ms].reduce((total, ms, i) => total + (run.kind[i] === KIND.op && run.end[i] === i + 1 ? ms : 0), 0);
  expect(column?.values[0]).toBeCloseTo(sum, 6);
});

test("a NaN is born once, at the op whose inputs were finite", async () => {
  const run = await read({ nodes: 120, nanAt: 2 });
  const groups = findProblems(treeOf(run), [run], undefined);
  const born = groups.find((group) => group.kind === "nan");
  expect(born?.items.map((item) => item.title.replace(/#\d+ /, ""))).toEqual(["aten::div"]);
  expect(born?.items[0]?.detail).toBe("4 NaN of 64");
});

test("the same trace gives the same run", async () => {
  const [one, two] = [await read({ nodes: 60 }), await read({ nodes: 60 })];
  expect(one.label).toEqual(two.label);
  expect([...one.end]).toEqual([...two.end]);
  expect(one.values.map((value) => [value.name, value.users])).toEqual(two.values.map((value) => [value.name, value.users]));
  expect(entryName(one, 3)).toBe(entryName(two, 3));
});
