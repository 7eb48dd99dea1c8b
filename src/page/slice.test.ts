import { expect, test } from "vitest";
import { generatedTrace } from "../../test/support/generated-trace.ts";
import { runOfTrace } from "./open-trace.ts";
import { mainOutput } from "./run.ts";
import { sliceOf } from "./slice.ts";

const run = await runOfTrace(generatedTrace({ nodes: 60 }), "run.opwtrace");
const softmax = run.label.indexOf("aten::softmax");
const value = mainOutput(run, softmax)?.index ?? -1;
const labels = (slice: Uint8Array): string[] => run.label.filter((label, entry) => slice[entry] === 1 && label.startsWith("aten::"));

test("what leads to a value are the ops before it that it was made from", () => {
  const found = labels(sliceOf(run, value, "back"));
  expect(found).toEqual(["aten::layer_norm", "aten::linear", "aten::linear", "aten::linear", "aten::matmul", "aten::div", "aten::softmax"]);
});

test("what follows from a value is everything after it that takes it, to the output", () => {
  const found = sliceOf(run, value, "forth");
  expect(found[softmax]).toBe(1);
  expect(found[softmax - 1]).toBe(0);
  expect(run.values.filter((v) => v.isOutput).every((v) => found[v.maker] === 1)).toBe(true);
});
