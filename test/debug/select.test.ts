/** What selectors match in graphs and in runs. */

import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  graphOf,
  matchesOp,
  parseSelector,
  record,
  selectExecutions,
  selectNodes,
  selectValues,
  suggestions,
  type TraceGraph,
  type TraceRun,
} from "../../src/debug/index.ts";
import { load } from "../../src/model.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

let graph: TraceGraph;
let run: TraceRun;
let views: TraceRun;

beforeAll(async () => {
  const steps = await load(join(import.meta.dirname, "../golden/models/steps/model.pt"));
  graph = graphOf(steps.program);
  run = (await record(await steps.session(), { args: [Tensor.from([0.5, -1, 2, 0.25], [4], "float32"), 3] }, { prims: true })).run;
  const inplace = await load(join(import.meta.dirname, "../golden/models/inplace_views/model.pt"));
  views = (
    await record(await inplace.session(), {
      args: [
        Tensor.from(
          Float32Array.from({ length: 12 }, (_, i) => i - 5),
          [3, 4],
        ),
      ],
    })
  ).run;
});

const nodes = (text: string): string[] => selectNodes(graph, parseSelector(text)).map(({ node, sure }) => `${node.op}${sure ? "" : "?"}`);
const executed = (text: string, of: TraceRun = run): string[] => selectExecutions(of, parseSelector(text)).map((e) => `${of.node(e.node).op}[${e.nth}]`);

describe("selecting", () => {
  it("finds nodes by number, op, module, and line of either source", () => {
    expect(nodes("#1")).toHaveLength(1);
    expect(new Set(nodes("aten::mul"))).toEqual(new Set(["aten::mul.Tensor", "aten::mul.Scalar", "aten::mul.float_int"]));
    expect(new Set(nodes("aten::mul.Tensor"))).toEqual(new Set(["aten::mul.Tensor"]));
    expect(nodes("aten::nothing")).toEqual([]);
    const scale = selectNodes(graph, parseSelector("scale")).flatMap((m) => (m.sure ? [m.node] : []));
    expect(scale.length).toBeGreaterThan(0);
    expect(scale.every((node) => node.module === "scale")).toBe(true);
    const place = scale[0]?.source.author?.[0];
    expect(nodes(`model_cases.py:${place?.line ?? 0} & scale`).length).toBeGreaterThan(0);
    const archive = graph.nodes[3]?.source.archive;
    expect(selectNodes(graph, parseSelector(`${archive?.file ?? ""}:${archive?.line ?? 0}`)).map((m) => m.node.id)).toContain(4);
    expect(nodes("!aten::*").length + nodes("aten::*").length).toBe(graph.nodes.length);
  });

  it("leaves open what only a run can tell", () => {
    expect(nodes("#1[0]")).toEqual(["prim::GetAttr?"]);
    expect(nodes("aten::mul & {nan>0}").every((name) => name.endsWith("?"))).toBe(true);
    expect(nodes("aten::nothing & {nan>0}")).toEqual([]);
  });

  it("finds executions: the nth, at a step, with facts about their values, by primitive call", () => {
    const id = run.executions.find((e) => run.executionsOf(e.node).length === 3 && run.node(e.node).op === "aten::mul.Tensor")?.node ?? 0;
    expect(executed(`#${id}`)).toEqual(["aten::mul.Tensor[0]", "aten::mul.Tensor[1]", "aten::mul.Tensor[2]"]);
    expect(executed(`#${id}[1]`)).toEqual(["aten::mul.Tensor[1]"]);
    const t = run.execution(id, 2)?.t ?? 0;
    expect(executed(`@${t} & aten::*`)).toEqual(["aten::mul.Tensor[2]"]);
    expect(executed(`#${id} & {nth>=1 & absmax>0}`).length).toBeGreaterThan(0);
    expect(executed(`#${id} & {dtype=f16}`)).toEqual([]);
    expect(executed(`#${id} & {shape=[4]}`)).toHaveLength(3);
    expect(executed(`#${id} & {shape!=[*]}`)).toEqual([]);
    expect(executed(`#${id} & {shape=[4,...]}`)).toHaveLength(3);
    expect(executed("kind:map & aten::mul").length).toBeGreaterThan(2);
    expect(executed("kind:reduce & aten::mul")).toEqual([]);
  });

  it("finds the writers of a version, by any name of the storage", () => {
    const writers = executed("%x~", views);
    expect(writers.length).toBe(views.writesOf(views.value(selectValues(views.graph, parseSelector("%x"))[0] ?? 0)?.storage ?? 0).length);
    expect(executed("%x~2", views)).toEqual([writers[1]]);
    expect(executed("%rows~1", views)).toEqual([writers[0]]);
  });

  it("names what is near where nothing matches", () => {
    expect(suggestions(graph, parseSelector("aten::mull"))).toContain("aten::mul");
    expect(suggestions(graph, parseSelector("scales & {nan>0}"))).toContain("scale");
    expect(suggestions(graph, parseSelector("aten::mul"))).toEqual([]);
  });

  it("takes an op's name for all its overloads and versions", () => {
    expect(matchesOp("aten::add", "aten::add.Tensor")).toBe(true);
    expect(matchesOp("aten::add", "aten::add_.Tensor")).toBe(false);
    expect(matchesOp("aten::add.Scalar", "aten::add.Tensor")).toBe(false);
    expect(matchesOp("onnx::Conv", "onnx::Conv@11")).toBe(true);
    expect(matchesOp("onnx::Conv@1", "onnx::Conv@11")).toBe(false);
    expect(matchesOp("onnx::*Conv", "onnx::QLinearConv@10")).toBe(true);
  });
});
