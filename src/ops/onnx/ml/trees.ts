/**
 * Tree ensembles. Every op is one forest in the same tables; a program walks each row down each tree, another joins the leaves' weights
 * per target.
 */

import { binary, cast, constant, type Expr, fold, index, load, select, unary } from "../../../expr/expr.ts";
import type { Context } from "../../../prims/context.ts";
import { compute } from "../../../prims/calls.ts";
import { computeType, type Program } from "../../../prims/program.ts";
import { reshaped } from "../../../prims/views.ts";
import { type DType, isFloat } from "../../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../../tensor/error.ts";
import { type Tensor } from "../../../tensor/tensor.ts";
import { addOf, memo, size } from "../../aten/memo.ts";
import { castTo } from "../casts.ts";
import { type Attributes, type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { floatsOf, integersOf, tensorAt } from "../inputs.ts";
import { computeOf, mapOf } from "../programs.ts";
import { doubles, integers, labelsIn, numbersIn, perNode } from "./attributes.ts";
import { bestLabel, labelAbove, oneSided, pairOf, type Transform, transformed, transformedPair, transformOf } from "./scores.ts";

const MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF"] as const;
const MEMBER = 6;
const LEAF = 7;
const AGGREGATES = ["AVERAGE", "SUM", "MIN", "MAX"] as const;
type Aggregate = (typeof AGGREGATES)[number];

/** A node: its test and where it leads; a leaf: its weights, in the forest's list. */
interface TreeNode {
  feature: number;
  value: number;
  mode: number;
  yes: number;
  no: number;
  missing: boolean;
  /** Range of set members (BRANCH_MEMBER) or of weights (LEAF). */
  start: number;
  count: number;
}
interface Weight {
  readonly target: number;
  readonly value: number;
}
interface Forest {
  readonly features: Tensor;
  readonly values: Tensor;
  readonly modes: Tensor;
  readonly yes: Tensor;
  readonly no: Tensor;
  readonly missing: Tensor;
  readonly starts: Tensor;
  readonly counts: Tensor;
  readonly roots: Tensor;
  readonly targets: Tensor;
  readonly weights: Tensor;
  readonly members: Tensor;
  readonly hasMembers: boolean;
  readonly depth: number;
  readonly width: number;
}

const bad = (message: string): OpwiseError => new OpwiseError("bad-onnx", `a tree ensemble ${message}`);

/** The longest way down, at most one step per node. @throws bad-onnx for edges that lead nowhere or in circles */
function depthOf(nodes: readonly TreeNode[], roots: readonly number[]): number {
  const depth = new Int32Array(nodes.length).fill(-1);
  const open: number[] = [];
  const onPath = new Uint8Array(nodes.length);
  let deepest = 0;
  for (const root of roots) {
    open.push(root);
    while (open.length > 0) {
      const at = open[open.length - 1] ?? 0;
      const node = nodes[at];
      if (node === undefined) throw bad(`refers to node ${at} of ${nodes.length}`);
      const children = node.mode === LEAF ? [] : [node.yes, node.no];
      for (const child of children) {
        if (nodes[child] === undefined) throw bad(`refers to node ${child} of ${nodes.length}`);
        if (onPath[child] === 1 || child === at) throw bad("has a path that comes back to its own node");
      }
      const waiting = children.filter((c) => depth[c] === -1);
      if (waiting.length === 0) {
        depth[at] = children.reduce((d, c) => Math.max(d, (depth[c] ?? 0) + 1), 0);
        onPath[at] = 0;
        open.pop();
      } else {
        onPath[at] = 1;
        open.push(waiting[0] ?? 0);
      }
    }
    deepest = Math.max(deepest, depth[root] ?? 0);
  }
  return deepest;
}

function forestOf(nodes: readonly TreeNode[], roots: readonly number[], weights: readonly Weight[], members: readonly number[]): Forest {
  return {
    features: integers(nodes.map((n) => n.feature)), values: doubles(nodes.map((n) => n.value)), modes: integers(nodes.map((n) => n.mode)), yes: integers(nodes.map((n) => n.yes)),
    no: integers(nodes.map((n) => n.no)), missing: integers(nodes.map((n) => (n.missing ? 1 : 0))), starts: integers(nodes.map((n) => n.start)), counts: integers(nodes.map((n) => n.count)),
    roots: integers(roots), targets: integers(weights.map((w) => w.target)), weights: doubles(weights.map((w) => w.value)), members: doubles(members.length > 0 ? members : [0]),
    hasMembers: nodes.some((n) => n.mode === MEMBER), depth: depthOf(nodes, roots), width: nodes.reduce((w, n) => (n.mode === LEAF ? w : Math.max(w, n.feature + 1)), 0),
  };
}

/** The tuples of versions before TreeEnsemble-5: nodes by tree and node id, weights by the same pair. */
function pairedForest(a: Attributes, prefix: "target" | "class"): Forest {
  const [trees, ids] = [a.ints("nodes_treeids") ?? [], a.ints("nodes_nodeids") ?? []];
  const position = new Map(ids.map((id, i) => [`${trees[i]}:${id}`, i]));
  const modes = a.strings("nodes_modes") ?? [];
  const [features, yes, no, missing] = [a.ints("nodes_featureids") ?? [], a.ints("nodes_truenodeids") ?? [], a.ints("nodes_falsenodeids") ?? [], a.ints("nodes_missing_value_tracks_true") ?? []];
  const values = numbersIn(a, "nodes_values");
  const nodes = ids.map((_, i): TreeNode => {
    const mode = MODES.findIndex((m) => m === modes[i]);
    if (mode < 0) throw bad(`has a node of mode \`${modes[i]}\``);
    const child = (list: readonly number[]): number => position.get(`${trees[i]}:${list[i]}`) ?? -1;
    return { feature: features[i] ?? 0, value: values[i] ?? 0, mode, yes: mode === LEAF ? -1 : child(yes), no: mode === LEAF ? -1 : child(no), missing: (missing[i] ?? 0) !== 0, start: 0, count: 0 };
  });
  const children = new Set(nodes.flatMap((n) => [n.yes, n.no]));
  const roots: number[] = [];
  const rooted = new Set<number>();
  nodes.forEach((_, i) => {
    const tree = trees[i] ?? 0;
    if (!rooted.has(tree) && !children.has(i)) {
      rooted.add(tree);
      roots.push(i);
    }
  });
  if (rooted.size !== new Set(trees).size) throw bad("has a tree without a root: every node of it comes back to its own");
  const [weightTrees, weightNodes, targets] = [a.ints(`${prefix}_treeids`) ?? [], a.ints(`${prefix}_nodeids`) ?? [], a.ints(`${prefix}_ids`) ?? []];
  const numbers = numbersIn(a, `${prefix}_weights`);
  const byNode = new Map<number, Weight[]>();
  targets.forEach((target, k) => {
    const at = position.get(`${weightTrees[k]}:${weightNodes[k]}`);
    if (at === undefined) throw bad(`has a weight for node ${weightNodes[k]} of tree ${weightTrees[k]}, which is none`);
    byNode.set(at, [...(byNode.get(at) ?? []), { target, value: numbers[k] ?? 0 }]);
  });
  const weights: Weight[] = [];
  for (const [at, list] of byNode) {
    const node = nodes[at];
    if (node?.mode !== LEAF) continue; // weights of inner nodes are never reached
    node.start = weights.length;
    node.count = list.length;
    weights.push(...list);
  }
  return forestOf(nodes, roots, weights, []);
}

/** TreeEnsemble-5: inner nodes and leaves apart, leaves come after the nodes here. */
function splitForest(a: Attributes): Forest {
  const need = (name: string): Tensor => a.tensor(name) ?? unreachableAttribute(name);
  const list = (name: string): readonly number[] => a.ints(name) ?? [];
  const [splits, modes] = [floatsOf(need("nodes_splits")), integersOf(need("nodes_modes"))];
  const [features, yes, no, yesLeaf, noLeaf, missing] = [list("nodes_featureids"), list("nodes_truenodeids"), list("nodes_falsenodeids"), list("nodes_trueleafs"), list("nodes_falseleafs"), list("nodes_missing_value_tracks_true")];
  const targets = list("leaf_targetids");
  const values = floatsOf(need("leaf_weights"));
  const members: number[] = [];
  const sets = setsOf(a.tensor("membership_values"));
  const child = (to: readonly number[], leaf: readonly number[], i: number): number => (to[i] ?? 0) + ((leaf[i] ?? 0) !== 0 ? modes.length : 0);
  const nodes = modes.map((mode, i): TreeNode => {
    if (!(mode >= 0 && mode <= MEMBER)) throw bad(`has a node of mode ${mode}`);
    const own = mode === MEMBER ? (sets.shift() ?? []) : [];
    const start = members.length;
    members.push(...own);
    return { feature: features[i] ?? 0, value: splits[i] ?? 0, mode, yes: child(yes, yesLeaf, i), no: child(no, noLeaf, i), missing: (missing[i] ?? 0) !== 0, start, count: own.length };
  });
  const weights = targets.map((target, i): Weight => ({ target, value: values[i] ?? 0 }));
  weights.forEach((_, i) => nodes.push({ feature: 0, value: 0, mode: LEAF, yes: -1, no: -1, missing: false, start: i, count: 1 }));
  return forestOf(nodes, list("tree_roots"), weights, members);
}
function unreachableAttribute(name: string): never {
  throw new OpwiseError("bad-onnx", `TreeEnsemble lacks \`${name}\``);
}
/** Sets of members, each ended by a NaN. */
function setsOf(values: Tensor | undefined): number[][] {
  const sets: number[][] = [];
  let own: number[] = [];
  for (const v of values === undefined ? [] : floatsOf(values)) {
    if (Number.isNaN(v)) {
      sets.push(own);
      own = [];
    } else own.push(v);
  }
  if (own.length > 0) sets.push(own);
  return sets;
}

const entry = (slot: number, at: Expr): Expr => cast(load(slot, "i32", [at]), "index");
const wholeOf = (value: number): Expr => constant(value, "index");

/** The leaf of every row in every tree, `[N, trees]`. */
function leavesOf(ctx: Context, x: Tensor, f: Forest): Tensor {
  if (f.width > (x.shape[1] ?? 0)) throw new OpwiseError("shape-mismatch", `a tree ensemble looks at feature ${f.width - 1} of ${x.shape[1] ?? 0}`);
  const operands = [x, f.features, f.values, f.modes, f.yes, f.no, f.missing, f.roots, ...(f.hasMembers ? [f.starts, f.counts, f.members] : [])];
  return computeOf(ctx, "tree_leaves", String(f.hasMembers), [x.shape[0] ?? 0, f.roots.numel], operands, "int32", ["index"], [f.depth], () => {
    const isLeaf = (at: Expr): Expr => binary("eq", entry(3, at), wholeOf(LEAF));
    const [leaf = wholeOf(0)] = fold(0, size(0), [entry(7, index(1))], ([at = wholeOf(0)]) => {
      const feature = select(isLeaf(at), wholeOf(0), entry(1, at));
      const value = cast(load(0, computeType(x.dtype), [index(0), feature]), "f64");
      const bound = load(2, "f64", [at]);
      const mode = entry(3, at);
      const tests = (["le", "lt", "ge", "gt", "eq", "ne"] as const).map((fn) => binary(fn, value, bound));
      let holds = tests.reduceRight((rest, test, k) => select(binary("eq", mode, wholeOf(k)), test, rest));
      if (f.hasMembers) {
        const [found = constant(false, "bool")] = fold(1, select(binary("eq", mode, wholeOf(MEMBER)), entry(9, at), wholeOf(0)), [constant(false, "bool")], ([seen = constant(false, "bool")], k) =>
          [binary("or", seen, binary("eq", load(10, "f64", [addOf(entry(8, at), k)]), value))]);
        holds = select(binary("eq", mode, wholeOf(MEMBER)), found, holds);
      }
      const follows = binary("or", holds, binary("and", unary("isnan", value), binary("ne", entry(6, at), wholeOf(0))));
      return [select(isLeaf(at), at, select(follows, entry(4, at), entry(5, at)))];
    });
    return { parts: [cast(leaf, "i32")] };
  });
}

const programs = memo<Program>();

/** Weights joined per target: scores `[N, targets]` in double, and whether any weight took part. */
function scoresOf(ctx: Context, leaves: Tensor, f: Forest, targets: number, aggregate: Aggregate, anyTarget: boolean): [Tensor, Tensor] {
  const program = programs(`${aggregate} ${anyTarget}`, (): Program => {
    const zero = constant(0, "f64");
    const none = constant(false, "bool");
    const [score = zero, has = none] = fold(0, size(0), [zero, none], (outer, tree) => {
      const at = cast(load(0, "i32", [index(0), tree]), "index");
      return fold(1, entry(2, at), outer, ([sum = zero, seen = none], k) => {
        const w = addOf(entry(1, at), k);
        const own = anyTarget ? constant(true, "bool") : binary("eq", entry(3, w), index(1));
        const value = load(4, "f64", [w]);
        const joined = aggregate === "MIN" || aggregate === "MAX" ? select(seen, binary(aggregate === "MIN" ? "min" : "max", sum, value), value) : binary("add", sum, value);
        return [select(own, joined, sum), binary("or", seen, own)];
      });
    });
    return { name: "tree_scores", operands: ["int32", "int32", "int32", "int32", "float64"], scalars: ["index"], outputs: [{ dtype: "float64", parts: [score] }, { dtype: "bool", parts: [has] }], messages: [] };
  });
  const [score = unreachable("scores"), has = unreachable("scores")] = compute(ctx, program, [leaves.shape[0] ?? 0, targets], [leaves, f.starts, f.counts, f.targets, f.weights], [f.roots.numel]);
  return [aggregate === "AVERAGE" ? mapOf(ctx, "tree_average", [score], "float64", (v, n) => v.div(n), [f.roots.numel]) : score, has];
}

/** Rows as they are compared: integers as float32. */
function rowsOf(ctx: Context, x: Tensor): Tensor {
  const wide = isFloat(x.dtype) ? x : castTo(ctx, x, "float32");
  return x.rank === 1 ? reshaped(ctx, wide, [1, x.numel]) : wide;
}

/** Base values: one per target, or one for all. */
function based(ctx: Context, scores: Tensor, bases: Tensor, dtype: DType): Tensor {
  return bases.numel === 0 ? castTo(ctx, scores, dtype) : mapOf(ctx, "base_values", [scores, bases], dtype, (v, b) => v.add(b));
}

function aggregateOf(value: string | number): Aggregate {
  const found = typeof value === "number" ? AGGREGATES[value] : AGGREGATES.find((a) => a === value);
  if (found === undefined) throw new OpwiseError("bad-onnx", "`aggregate_function` is unknown", { wanted: AGGREGATES.join(", "), got: String(value) });
  return found;
}

const regression = perNode((a) => ({ forest: pairedForest(a, "target"), bases: doubles(numbersIn(a, "base_values")) }));

function regressor(ctx: Context, call: OnnxCall): Tensor {
  const { forest, bases } = regression(call);
  const targets = call.attributes.int("n_targets", 1);
  const leaves = leavesOf(ctx, rowsOf(ctx, tensorAt(call, 0)), forest);
  const [scores, has] = scoresOf(ctx, leaves, forest, targets, aggregateOf(call.attributes.string("aggregate_function", "SUM")), false);
  const transform = transformOf(call.attributes.string("post_transform", "NONE"));
  // As onnxruntime has it: a target that no leaf speaks of gets no base value, and a single target's score is transformed by PROBIT alone.
  const held = bases.numel === 0 ? castTo(ctx, scores, "float32") : mapOf(ctx, "base_values_where", [scores, bases, has], "float32", (v, b, h) => h.where(v.add(b), v));
  return transformed(ctx, held, targets === 1 && transform !== "PROBIT" ? "NONE" : transform);
}

const ensembles = perNode(splitForest);

function ensemble(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const forest = ensembles(call);
  const leaves = leavesOf(ctx, rowsOf(ctx, x), forest);
  const [scores] = scoresOf(ctx, leaves, forest, call.attributes.int("n_targets", 1), aggregateOf(call.attributes.int("aggregate_function", 1)), false);
  return transformed(ctx, castTo(ctx, scores, x.dtype), transformOf(call.attributes.int("post_transform", 0)));
}

const classification = perNode((a) => {
  const weights = numbersIn(a, "class_weights");
  return {
    forest: pairedForest(a, "class"), labels: labelsIn(a, "classlabels_int64s", "classlabels_strings"), bases: numbersIn(a, "base_values"),
    oneClass: new Set(a.ints("class_ids") ?? []).size <= 1, only: a.ints("class_ids")?.[0] ?? 0, positive: weights.every((w) => w >= 0),
  };
});
type Classification = ReturnType<typeof classification>;

/**
 * Two classes whose weights are all of one of them: its score decides by 0.5 (a share of votes) or by its sign. A score of the first class stands for
 * both, as onnxruntime has it; one of the second stands beside 0, and so does one with two base values.
 */
function twoClasses(ctx: Context, leaves: Tensor, c: Classification, transform: Transform): Tensor[] {
  const [sums] = scoresOf(ctx, leaves, c.forest, 1, "SUM", true);
  const base = c.bases[c.only === 1 && c.bases.length > 1 ? 1 : 0];
  const scores = based(ctx, sums, doubles(base === undefined ? [] : [base]), "float32");
  const label = labelAbove(ctx, c.labels, scores, c.positive ? 0.5 : 0);
  if (c.only === 1) return [label, transformed(ctx, pairOf(ctx, scores, "second"), transform)];
  if (c.bases.length > 1) return [label, transformed(ctx, pairOf(ctx, scores, "first"), transform)];
  return [label, transformedPair(ctx, scores, c.positive ? "complement" : "opposite", transform)];
}

function classifier(ctx: Context, call: OnnxCall): Tensor[] {
  const own = classification(call);
  const transform = transformOf(call.attributes.string("post_transform", "NONE"));
  const leaves = leavesOf(ctx, rowsOf(ctx, tensorAt(call, 0)), own.forest);
  const count = own.labels.numel;
  if (count === 2 && own.oneClass) return twoClasses(ctx, leaves, own, transform);
  const [sums, has] = scoresOf(ctx, leaves, own.forest, count, "SUM", false);
  const scores = based(ctx, sums, doubles(own.bases), "float32");
  // A class that got no weight at all cannot win, unless base values give it one.
  const contest = own.bases.length > 0 ? scores : mapOf(ctx, "tree_contest", [scores, has], "float32", (v, h) => h.where(v, v.lit(-Infinity)));
  const label = count === 1 ? labelAbove(ctx, oneSided(own.labels), scores, 0) : bestLabel(ctx, own.labels, contest);
  return [label, transformed(ctx, scores, transform)];
}

export const treeOps: readonly OnnxOp[] = [
  onnxOp("ai.onnx.ml::TreeEnsembleRegressor", { 1: { run: regressor } }),
  onnxOp("ai.onnx.ml::TreeEnsembleClassifier", { 1: { run: classifier } }),
  onnxOp("ai.onnx.ml::TreeEnsemble", { 5: { run: ensemble } }),
];
