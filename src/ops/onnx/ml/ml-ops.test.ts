import { describe, expect, test } from "vitest";
import { eagerContext } from "../../../../test/support/eager.ts";
import type { Template } from "../../../ir/template.ts";
import { T } from "../../../ir/type.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { Attributes, onnxMeaning, onnxTableOf } from "../define.ts";
import { microsoftOps } from "../microsoft/index.ts";
import { mlOps } from "./index.ts";

const table = onnxTableOf([mlOps, microsoftOps]);
const ctx = eagerContext();

type Plain = number | string | readonly number[] | readonly string[];
function template(value: Plain): Template {
  if (typeof value === "string") return { kind: "str", value };
  if (typeof value === "number") return Number.isInteger(value) ? { kind: "int", value } : { kind: "float", value };
  return { kind: "list", elem: T.Any, items: value.map((item: number | string) => template(item)) };
}
function run(op: string, inputs: readonly Tensor[], values: Readonly<Record<string, Plain>>, outputs = 1): readonly Tensor[] {
  const found = onnxMeaning(table, op);
  if (found === undefined) throw new Error(`no meaning for ${op}`);
  const attributes = new Attributes(op, Object.fromEntries(Object.entries(values).map(([k, v]) => [k, template(v)])), () => null);
  const call = { inputs, attributes, outputs, version: found.version };
  const { meaning } = found;
  let result: unknown;
  if ("run" in meaning) result = meaning.run(ctx, call);
  else {
    const steps = meaning.reads(ctx, call);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    result = step.value;
  }
  return (Array.isArray(result) ? result : [result]).filter((t): t is Tensor => t instanceof Tensor);
}
const f = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor => Tensor.from(Float32Array.from(values), shape);
const list = (t: Tensor | undefined): number[] => Array.from(t?.data ?? [], Number);
const texts = (values: readonly string[]): Tensor => Tensor.from(values, [values.length], "string");

const STUMP = {
  nodes_treeids: [0, 0, 0], nodes_nodeids: [0, 1, 2], nodes_featureids: [1, 0, 0], nodes_values: [0.5, 0, 0], nodes_modes: ["BRANCH_LEQ", "LEAF", "LEAF"],
  nodes_truenodeids: [1, 0, 0], nodes_falsenodeids: [2, 0, 0], target_treeids: [0, 0], target_nodeids: [1, 2], target_ids: [0, 0], target_weights: [10, 20], n_targets: 1,
};
const REGRESSOR = "ai.onnx.ml::TreeEnsembleRegressor@3";

describe("tree ensembles", () => {
  const rows = f([9, 0.5, 9, 0.75, 9, NaN], [3, 2]);
  test("follow the tested feature, and send what is missing where the node says", () => {
    expect(list(run(REGRESSOR, [rows], STUMP)[0])).toEqual([10, 20, 20]);
    expect(list(run(REGRESSOR, [rows], { ...STUMP, nodes_missing_value_tracks_true: [1, 0, 0] })[0])).toEqual([10, 20, 10]);
  });
  test("refuse a tree that comes back to its own node", () => {
    expect(() => run(REGRESSOR, [rows], { ...STUMP, nodes_modes: ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"], nodes_truenodeids: [1, 0, 0], nodes_falsenodeids: [2, 2, 0] })).toThrow(/comes back/);
  });
  test("refuse rows that are too short for the features they look at", () => {
    expect(() => run(REGRESSOR, [f([1, 2], [2, 1])], STUMP)).toThrow(/feature 1 of 1/);
  });
  test("decide between two classes by half of a share of votes", () => {
    const { target_treeids: trees, target_nodeids: nodes, target_ids: ids, target_weights: _weights, n_targets: _count, ...tree } = STUMP;
    const own = { ...tree, class_treeids: trees, class_nodeids: nodes, class_ids: ids, class_weights: [0.25, 0.75], classlabels_int64s: [7, 8] };
    const [labels, scores] = run("ai.onnx.ml::TreeEnsembleClassifier@3", [rows], own, 2);
    expect(list(labels)).toEqual([7, 8, 8]);
    expect(list(scores)).toEqual([0.75, 0.25, 0.25, 0.75, 0.25, 0.75]);
  });
});

describe("lookups", () => {
  test("give the default to what is no key, and the last of equal keys wins", () => {
    const [found] = run("ai.onnx.ml::LabelEncoder@4", [texts(["b", "a", "c"])], { keys_strings: ["a", "b", "a"], values_int64s: [1, 2, 3], default_int64: -9 });
    expect(list(found)).toEqual([2, 3, -9]);
  });
  test("leave a row of zeros for an unknown category, or refuse it", () => {
    const input = Tensor.from([4n, 5n], [2], "int64");
    expect(list(run("ai.onnx.ml::OneHotEncoder@1", [input], { cats_int64s: [3, 4] })[0])).toEqual([0, 1, 0, 0]);
    expect(() => run("ai.onnx.ml::OneHotEncoder@1", [input], { cats_int64s: [3, 4], zeros: 0 })).toThrow(/no category/);
  });
});

describe("com.microsoft", () => {
  test("hashes texts as MurmurHash3 does", () => {
    expect(list(run("com.microsoft::MurmurHash3@1", [texts(["foo", "bär", ""])], { positive: 0, seed: 3 })[0]).slice(0, 2)).toEqual([-1875823318, -1430738098]);
  });
  test("takes the longest separator, drops short tokens and fills up", () => {
    const [tokens] = run("com.microsoft::Tokenizer@1", [texts(["a--bc-d", "xyz"])], { separators: ["-", "--"], mincharnum: 1, pad_value: "#", mark: 0 });
    expect(tokens?.shape).toEqual([2, 3]);
    expect(tokens?.strings()).toEqual(["a", "bc", "d", "xyz", "#", "#"]);
  });
  test("unpacks 4-bit weights from the lowest bits on, around 8 where no zero points are given", () => {
    const bytes = Tensor.from(Uint8Array.from([0x98, 0x07, 0, 0, 0, 0, 0, 0]), [1, 1, 8], "uint8");
    const [y] = run("com.microsoft::MatMulNBits@1", [f([1, 10, 100, 0], [1, 4]), bytes, f([2])], { N: 1, K: 4, bits: 4, block_size: 16 });
    expect(list(y)).toEqual([2 * (0 * 1 + 1 * 10 + -1 * 100)]);
  });
});
