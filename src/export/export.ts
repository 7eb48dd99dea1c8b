/** Converts one method of a model, with its state as it is, to an ONNX model. */

import { type Datum, type Instance, makeDict, makeList, makeTuple } from "../ir/datum.ts";
import { printDim } from "../ir/dim.ts";
import { T, type Type } from "../ir/type.ts";
import type { OpTable } from "../ops/registry.ts";
import type { Input } from "../run/convert.ts";
import type { Session } from "../run/session.ts";
import { isComplex } from "../tensor/dtype.ts";
import { isOpwiseError, OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { abstracted, addCheck } from "./meaning.ts";
import { Exporter } from "./exporter.ts";
import { graphProto, infoOf, type OnnxValue, tensorType, valueInfo } from "./graph.ts";
import { TEXT } from "./data-ops.ts";
import { AbstractMachine } from "./machine.ts";
import { sumOfChecks } from "./places.ts";
import { type Written, writeModel } from "./write.ts";
import { laneOf } from "./waist.ts";
import { DTYPE_OF, isSym, isSymTensor, refuse, type Root, Sym, SymList, type SymTensor } from "./values.ts";
import type { ValueInfoProto } from "../bytes/onnx-proto.ts";

export interface ExportOptions {
  readonly opset: number;
  readonly method: string;
  readonly args: readonly Input[];
  readonly kwargs: Readonly<Record<string, Input>>;
  /** Whether sizes of inputs stay open; false: all are those of the examples. */
  readonly dynamic: boolean;
  readonly ops: OpTable;
}

/** How a value of the model lies in the graph's outputs. */
export type Leaves =
  | { readonly kind: "tensor" | "int" | "float" | "bool"; readonly name: string }
  /** A tensor of complex numbers as pairs along a further last axis. */
  | { readonly kind: "complex"; readonly name: string }
  | { readonly kind: "none" }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "list" | "tuple"; readonly items: readonly Leaves[]; readonly fields?: readonly string[] }
  | { readonly kind: "dict"; readonly entries: readonly (readonly [string | number, Leaves])[] }
  /** A list whose length the graph computes: a sequence, or a 1-dim tensor, per leaf of an item. */
  | { readonly kind: "columns"; readonly item: Leaves; readonly names: readonly string[] };

/** An input of the graph, and the example's value of it. */
export interface GraphInput {
  readonly name: string;
  readonly kind: "tensor" | "int" | "float" | "bool";
  readonly example: Tensor;
  /** Sizes: numbers, or the names of open ones. */
  readonly dims: readonly (number | string | undefined)[];
  /** Path of the module's attribute whose value it is. */
  readonly state: string | undefined;
}

export interface Exported {
  readonly model: Written;
  readonly inputs: readonly GraphInput[];
  /** Names of the graph's outputs. */
  readonly outputs: readonly string[];
  /** How the method's result lies in them. */
  readonly output: Leaves;
  /** What the call leaves in attributes of the module, and in the caller's tensors. */
  readonly state: readonly { readonly path: string; readonly value: Leaves }[];
  readonly mutated: readonly { readonly input: string; readonly value: Leaves }[];
  /** Sizes and numbers of the examples that the graph holds for alone, and the op that needed each. */
  readonly fixed: readonly { readonly name: string; readonly value: string; readonly op: string }[];
  readonly spelled: ReadonlyMap<string, number>;
  readonly nodes: number;
}

const MAX_ATTEMPTS = 12;

/** The versions of ai.onnx that add what some models need, oldest first. */
const OPSETS: readonly number[] = [17, 18, 19, 20, 21, 22, 23];

/** With no opset given: the oldest from 17 on that has all nodes that are needed. */
export function exportMethod(session: Session, options: Omit<ExportOptions, "opset"> & { readonly opset: number | undefined }): Exported {
  const { opset } = options;
  if (opset !== undefined) return exportAt(session, { ...options, opset });
  let least = 17;
  for (;;) {
    try {
      return exportAt(session, { ...options, opset: least });
    } catch (error) {
      const wanted = isOpwiseError(error) ? /^opset (\d+)$/.exec(error.wanted ?? "")?.[1] : undefined;
      if (wanted === undefined || Number(wanted) <= least || !OPSETS.includes(Number(wanted))) throw error;
      least = Number(wanted);
    }
  }
}

function exportAt(session: Session, options: ExportOptions): Exported {
  const open = new Set<string>();
  const fixed = new Set<string>();
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const run = new Export(session, options, open, fixed);
    const done = run.run();
    for (const name of run.fixedNames) fixed.add(name);
    if (done !== undefined) return done;
    for (const path of run.touched) open.add(path);
  }
  throw new OpwiseError("unsupported-op", "the state that the method changes takes no lasting form");
}

class Export {
  readonly #session: Session;
  readonly #options: ExportOptions;
  /** Attributes that the method writes, found in earlier attempts. */
  readonly #open: ReadonlySet<string>;
  readonly #preFixed: ReadonlySet<string>;
  readonly touched = new Set<string>();
  readonly fixedNames = new Set<string>();
  readonly #x: Exporter;
  readonly #inputs: { readonly info: () => ValueInfoProto; readonly input: Omit<GraphInput, "dims">; readonly shape: () => GraphInput["dims"] }[] = [];
  readonly #clones = new Map<object, Datum>();
  readonly #paths = new Map<object, string>();
  readonly #checks: (() => void)[] = [];
  readonly #written = new Set<SymTensor>();

  constructor(session: Session, options: ExportOptions, open: ReadonlySet<string>, fixed: ReadonlySet<string>) {
    this.#session = session;
    this.#options = options;
    this.#open = open;
    this.#preFixed = fixed;
    this.#x = new Exporter(options.opset, { context: session.executor, ops: options.ops });
  }

  /** The converted model; undefined where state was found that has to be an input. */
  run(): Exported | undefined {
    const { method, args, kwargs } = this.#options;
    const x = this.#x;
    const entry = this.#session.entry(method, args, kwargs);
    const { program } = this.#session;
    const isFlat = program.root === undefined;
    const own = entry.args.slice(0, entry.own).map((d, i) => this.#clone(d, isFlat ? (program.state?.[i]?.name ?? "") : ""));
    const params = entry.fn.params.slice(entry.own);
    const given = entry.args.slice(entry.own).map((d, i) => {
      const name = params[i]?.name ?? `input${i}`;
      const type = isFlat ? (program.inputs?.[i]?.type ?? params[i]?.type ?? T.Any) : (params[i]?.type ?? T.Any);
      return this.#openInput(d, name, type, isFlat ? program.inputs?.[i]?.dim : undefined);
    });
    const machine = new AbstractMachine(x);
    machine.onTouch = (place) => {
      if (place.kind !== "slot") return;
      const path = this.#paths.get(place.target);
      const name = place.target.class.attributes[place.slot]?.name;
      if (path !== undefined && name !== undefined) this.touched.add(path === "" ? name : `${path}.${name}`);
    };
    x.onContainer = (container) => {
      const path = typeof container === "object" && container !== null ? this.#paths.get(container) : undefined;
      if (path !== undefined) this.touched.add(path);
    };
    let values: readonly Datum[] = [...own, ...given];
    for (const hook of entry.before) {
      const [out = null] = machine.call(hook, [values[0] ?? null, makeTuple(values.slice(1))]);
      if (out !== null) values = [values[0] ?? null, ...(typeof out === "object" && "kind" in out && out.kind === "tuple" ? out.items : [out])];
    }
    let results: readonly Datum[];
    try {
      results = machine.call(entry.fn, values);
      for (const hook of entry.after) {
        const [out = null] = machine.call(hook, [values[0] ?? null, makeTuple(values.slice(1)), results[0] ?? null]);
        if (out !== null) results = [out];
      }
    } catch (error) {
      if (typeof error === "object" && error !== null && "error" in error && isOpwiseError(error.error)) throw error.error;
      throw error;
    }
    for (const [root] of x.fixed) this.fixedNames.add(root.name);
    const missing = [...this.touched].filter((p) => !this.#open.has(p));
    if (missing.length > 0) return undefined;
    return this.#finish(results, entry.fn.decl.returns, own, isFlat);
  }

  #finish(results: readonly Datum[], returns: Type, own: readonly Datum[], isFlat: boolean): Exported {
    const x = this.#x;
    const { g } = x;
    const { program } = this.#session;
    for (const check of this.#checks) check();
    const outputs: { readonly name: string; readonly value: OnnxValue; readonly shape: readonly (number | undefined)[] | undefined }[] = [];
    const leaf = (name: string, value: OnnxValue, shape?: readonly (number | undefined)[]): string => {
      const unique = g.fresh(name);
      outputs.push({ name: unique, value, shape });
      return unique;
    };
    const mutations = isFlat ? (program.mutations ?? []) : [];
    const state: { path: string; value: Leaves }[] = [];
    const mutated: { input: string; value: Leaves }[] = [];
    let output: Leaves;
    if (isFlat) {
      const user = results.slice(mutations.length);
      let at = 0;
      const types = (program.outputs ?? []).map((o) => o.type);
      output =
        program.outputTree === undefined
          ? this.#leaves(makeTuple(user), { kind: "Tuple", elems: types }, "output", leaf)
          : this.#treeLeaves(program.outputTree, () => [user[at] ?? null, types[at++] ?? T.Any], "output", leaf);
      mutations.forEach((m, i) => {
        const value = results[i] ?? null;
        if (m.kind === "buffer") state.push({ path: m.name, value: this.#leaves(value, T.Tensor, `state.${m.name}.next`, leaf) });
        else {
          const name = program.inputs?.[m.index]?.name ?? "";
          mutated.push({ input: name, value: this.#leaves(value, T.Tensor, `${name}.next`, leaf) });
        }
      });
    } else {
      output = this.#leaves(results[0] ?? null, returns, "output", leaf);
    }
    for (const path of [...this.#open].filter((p) => ![...this.#open].some((q) => q !== p && p.startsWith(`${q}.`)))) {
      const found = this.#attribute(own, path, isFlat);
      if (found !== undefined) state.push({ path, value: this.#leaves(found.value, found.type, `state.${path}.next`, leaf) });
    }
    for (const t of this.#written) mutated.push({ input: t.storage.label, value: this.#leaves(t, T.Tensor, `${t.storage.label}.next`, leaf) });

    if (g.root.checks.length > 0) {
      const sum = x.op("Reshape", [sumOfChecks(x, g.root), g.ints([])]);
      const at = outputs.findIndex((o) => !o.value.sequence);
      const tied = outputs[at];
      if (tied === undefined) refuse("a check has no output to hang on");
      else {
        const cond = x.op("Equal", [sum, g.scalar(0, "int64")], {}, "bool");
        // The value itself, once the checks have been computed.
        const kept = tied.value.dtype === "bool" ? x.op("And", [tied.value, x.op("Or", [cond, g.scalar(true, "bool")])]) : this.#tie(tied.value, sum);
        outputs[at] = { ...tied, value: kept };
      }
    }
    // A model has an output at least.
    if (outputs.length === 0) leaf("nothing", g.scalar(true, "bool"), []);
    for (const o of outputs) g.push("Identity", [o.value], [{ name: o.name, dtype: o.value.dtype, sequence: o.value.sequence, scope: g.root }], []);
    const infos = outputs.map((o) => (o.value.sequence ? infoOf(o.value, o.name) : valueInfo(o.name, tensorType(o.value.dtype, o.shape))));
    const signature = { inputs: this.#inputs.map((i) => ({ name: i.input.name, kind: i.input.kind, state: i.input.state })), output, state, mutated };
    const graph = graphProto(
      "main",
      g.root,
      this.#inputs.map((i) => i.info()),
      infos,
    );
    const model = writeModel(
      graph,
      x.g,
      this.#options.opset,
      new Map([
        ["opwise.method", this.#options.method],
        ["opwise.signature", JSON.stringify(signature)],
      ]),
    );
    return {
      model,
      inputs: this.#inputs.map((i) => ({ ...i.input, dims: i.shape() })),
      outputs: outputs.map((o) => o.name),
      output,
      state,
      mutated,
      spelled: x.spelled,
      nodes: model.nodes,
      fixed: [...x.fixed].map(([root, op]) => ({ name: root.name, value: String(root.hint), op })),
    };
  }
  /** `value`, gathered at positions that are only had after the check. */
  #tie(value: OnnxValue, sum: OnnxValue): OnnxValue {
    const x = this.#x;
    const lifted = x.op("Unsqueeze", [value, x.g.ints([0])]);
    return x.op("Gather", [lifted, sum], { axis: 0 });
  }

  /** An attribute of the module as the call left it. */
  #attribute(own: readonly Datum[], path: string, isFlat: boolean): { readonly value: Datum; readonly type: Type } | undefined {
    if (isFlat) {
      const at = (this.#session.program.state ?? []).findIndex((s) => s.name === path);
      return at < 0 ? undefined : { value: own[at] ?? null, type: T.Tensor };
    }
    let value: Datum | undefined = own[0];
    let type: Type = T.Any;
    for (const part of path.split(".")) {
      if (typeof value !== "object" || value === null || !("kind" in value)) return undefined;
      if (value.kind === "instance") {
        const slot: number | undefined = value.class.slots.get(part);
        if (slot === undefined) return undefined;
        type = value.class.attributes[slot]?.type ?? T.Any;
        value = value.slots[slot];
      } else if (value.kind === "list" || value.kind === "tuple") {
        type = value.kind === "list" ? value.elem : T.Any;
        value = value.items[Number(part)];
      } else if (value.kind === "dict") {
        type = value.value;
        value = [...value.entries.values()].find(([k]) => keyText(k) === part)?.[1];
      } else return undefined;
    }
    return value === undefined ? undefined : { value, type };
  }

  #treeLeaves(tree: import("../ir/graph.ts").Tree, next: () => readonly [Datum, Type], name: string, leaf: LeafMaker): Leaves {
    switch (tree.kind) {
      case "leaf": {
        const [d, type] = next();
        return this.#leaves(d, type, name, leaf);
      }
      case "none":
        return { kind: "none" };
      case "tuple":
      case "list":
        return { kind: tree.kind, items: tree.children.map((c, i) => this.#treeLeaves(c, next, `${name}.${i}`, leaf)) };
      case "namedtuple":
        return { kind: "tuple", fields: tree.fields, items: tree.children.map((c, i) => this.#treeLeaves(c, next, `${name}.${tree.fields[i] ?? i}`, leaf)) };
      case "dict":
        return {
          kind: "dict",
          entries: tree.children.map((c, i) => [tree.keys[i] ?? i, this.#treeLeaves(c, next, `${name}.${tree.keys[i] ?? i}`, leaf)] as const),
        };
      default:
        return tree satisfies never;
    }
  }

  #leaves(given: Datum, type: Type, name: string, leaf: LeafMaker): Leaves {
    const x = this.#x;
    const d = abstracted(x, given);
    const bare = type.kind === "Optional" ? type.elem : type;
    if (d === null) return { kind: "none" };
    if (typeof d === "string") return { kind: "text", value: d };
    if (d === TEXT) return refuse("a text that numbers of the graph are part of is returned");
    if (isSymTensor(d))
      return {
        kind: isComplex(d.dtype) ? "complex" : "tensor",
        name: leaf(name, x.valueOf(d), d.anyRank ? undefined : isComplex(d.dtype) ? [...d.dims, 2] : d.dims),
      };
    if (isSym(d)) return { kind: d.type, name: leaf(name, d.onnx, []) };
    if (typeof d === "boolean") return { kind: "bool", name: leaf(name, x.g.scalar(d, "bool"), []) };
    if (typeof d === "bigint") return { kind: "int", name: leaf(name, x.g.scalar(d, "int64"), []) };
    if (typeof d === "number") {
      const isFloat = bare.kind === "float" || !Number.isInteger(d);
      return { kind: isFloat ? "float" : "int", name: leaf(name, x.g.scalar(d, isFloat ? "float64" : "int64"), []) };
    }
    if (d instanceof SymList) {
      const names = d.columns.map((c, i) => leaf(d.columns.length === 1 ? name : `${name}.${i}`, c, c.sequence ? undefined : [undefined]));
      return { kind: "columns", item: itemKind(d.item), names };
    }
    if (d instanceof Tensor) return refuse("a tensor of the model itself");
    switch (d.kind) {
      case "int":
      case "float":
      case "bool":
        return { kind: d.kind, name: leaf(name, x.g.scalar(d.value, DTYPE_OF[d.kind]), []) };
      case "list":
        return { kind: "list", items: d.items.map((i, k) => this.#leaves(i, d.elem, `${name}.${k}`, leaf)) };
      case "tuple": {
        const named = d.type?.kind === "NamedTuple" ? d.type : bare.kind === "NamedTuple" ? bare : undefined;
        const elems = bare.kind === "Tuple" || bare.kind === "NamedTuple" ? bare.elems : [];
        const items = d.items.map((i, k) => this.#leaves(i, elems[k] ?? T.Any, `${name}.${named?.fields[k] ?? k}`, leaf));
        return { kind: "tuple", items, ...(named === undefined ? {} : { fields: named.fields }) };
      }
      case "dict":
        return {
          kind: "dict",
          entries: [...d.entries.values()].map(
            ([k, v]) => [typeof k === "number" ? k : keyText(k), this.#leaves(v, d.value, `${name}.${keyText(k)}`, leaf)] as const,
          ),
        };
      default:
        return refuse(`an output of the kind \`${d.kind}\` has no form in ONNX`);
    }
  }

  // ---- inputs and state ------------------------------------------------------------------------------------------------------------

  #input(name: string, kind: GraphInput["kind"], example: Tensor, state: string | undefined, shape: () => readonly (number | string | undefined)[]): OnnxValue {
    const g = this.#x.g;
    const label = g.fresh(name);
    const dtype = laneOf(example.dtype);
    const value: OnnxValue = { name: label, dtype, sequence: false, scope: g.root };
    this.#inputs.push({ input: { name: label, kind, example, state }, info: () => valueInfo(label, tensorType(dtype, shape())), shape });
    return value;
  }
  #root(name: string, hint: Root["hint"], fix: () => void): Root {
    const root: Root = { name, hint, fix, fixed: false };
    if (this.#preFixed.has(name) || (!this.#options.dynamic && !name.endsWith("()"))) {
      if (this.#preFixed.has(name)) {
        root.fixed = true;
        fix();
        this.#x.fixed.set(root, "");
      }
    }
    return root;
  }

  /** A tensor of the caller or of the module as an input, with open sizes. */
  #tensorInput(t: Tensor, name: string, state: string | undefined, sizes?: readonly (number | string)[]): SymTensor {
    const x = this.#x;
    if (t.quantizer !== undefined) return refuse(`the input \`${name}\` is quantised`);
    const fixedAxes = t.shape.map(() => false);
    const isOpen = this.#options.dynamic;
    const roots = t.shape.map((n, i) => {
      const own = sizes?.[i];
      if (typeof own === "number" || (!isOpen && sizes === undefined)) return undefined;
      const label = own ?? `${name}_${i}`;
      const known = this.#symbols.get(label);
      if (known !== undefined) return known;
      const root = this.#root(label, n, () => void this.#fixedSizes.set(label, n));
      this.#symbols.set(label, root);
      return root;
    });
    void fixedAxes;
    const value = this.#input(name, "tensor", t, state, () => {
      const shape = roots.map((r, i) => (r === undefined ? (t.shape[i] ?? 0) : this.#fixedSizes.has(r.name) ? (t.shape[i] ?? 0) : r.name));
      return isComplex(t.dtype) ? [...shape, 2] : shape;
    });
    const dims = roots.map((r, i) => (r === undefined || r.fixed ? (t.shape[i] ?? 0) : undefined));
    const made = x.open(
      t,
      value,
      name,
      dims,
      new Set(roots.filter((r): r is Root => r !== undefined)),
      state === undefined ? () => this.#written.add(made) : undefined,
    );
    return made;
  }
  readonly #symbols = new Map<string, Root>();
  readonly #fixedSizes = new Map<string, number>();

  #numberInput(d: number | bigint | boolean, type: Sym["type"], name: string, state: string | undefined): Sym | number | bigint | boolean {
    const x = this.#x;
    const example = numberTensor(d, type);
    const value = this.#input(name, type, example, state, () => []);
    const root = this.#root(`${name}()`, d, () => {
      const same = (): OnnxValue =>
        Number.isNaN(Number(d)) ? x.op("IsNaN", [value], {}, "bool") : x.op("Equal", [value, x.g.scalar(d, DTYPE_OF[type])], {}, "bool");
      this.#checks.push(() => addCheck(x, same()));
    });
    return new Sym(type, value, d, new Set([root]));
  }

  #openInput(d: Datum, name: string, type: Type, dim: unknown, state?: string): Datum {
    const bare = type.kind === "Optional" ? type.elem : type;
    void dim;
    if (d instanceof Tensor) {
      const sizes =
        bare.kind === "Tensor" && bare.shape !== undefined && this.#session.program.format === "pt2"
          ? bare.shape.map((s) => (typeof s === "number" ? s : printDim(s)))
          : undefined;
      return this.#tensorInput(d, name, state, sizes);
    }
    if (d === null || typeof d === "string") return d;
    if (typeof d === "boolean") return this.#numberInput(d, "bool", name, state);
    if (typeof d === "bigint") return this.#numberInput(d, "int", name, state);
    if (typeof d === "number") return this.#numberInput(d, bare.kind === "float" || !Number.isInteger(d) ? "float" : "int", name, state);
    switch (d.kind) {
      case "int":
      case "float":
      case "bool":
        return this.#numberInput(d.value, d.kind, name, state);
      case "list":
        return this.#like(
          d,
          makeList(
            d.elem,
            d.items.map((i, k) => this.#openInput(i, `${name}.${k}`, d.elem, undefined, state)),
          ),
        );
      case "tuple": {
        const named = d.type?.kind === "NamedTuple" ? d.type : bare.kind === "NamedTuple" ? bare : undefined;
        const elems = bare.kind === "Tuple" || bare.kind === "NamedTuple" ? bare.elems : [];
        return makeTuple(
          d.items.map((i, k) => this.#openInput(i, `${name}.${named?.fields[k] ?? k}`, elems[k] ?? T.Any, undefined, state)),
          d.type,
        );
      }
      case "dict":
        return this.#like(
          d,
          makeDict(
            d.key,
            d.value,
            [...d.entries.values()].map(([k, v]) => [k, this.#openInput(v, `${name}.${keyText(k)}`, d.value, undefined, state)] as const),
          ),
        );
      default:
        return d;
    }
  }
  #like(given: Datum, made: Datum): Datum {
    const path = typeof given === "object" && given !== null ? this.#paths.get(given) : undefined;
    if (path !== undefined && typeof made === "object" && made !== null) this.#paths.set(made, path);
    return made;
  }

  /** The module's own data, copied, so that the session's stay as they are; what the method writes becomes inputs. */
  #clone(d: Datum, path: string, type: Type = T.Any): Datum {
    const x = this.#x;
    if (typeof d !== "object" || d === null) return this.#open.has(path) ? this.#openInput(d, `state.${path}`, type, undefined, path) : d;
    const known = this.#clones.get(d);
    if (known !== undefined) return known;
    if (d instanceof Tensor) {
      let made: SymTensor;
      if (this.#open.has(path) && d.quantizer === undefined) {
        const value = this.#input(`state.${path}`, "tensor", d, path, () => (isComplex(d.dtype) ? [...d.shape, 2] : d.shape));
        made = x.open(d, value, path, d.shape, new Set());
      } else made = x.wrap(d, path, () => this.touched.add(path));
      this.#clones.set(d, made);
      return made;
    }
    if (!("kind" in d)) return d;
    if (this.#open.has(path) && path !== "" && d.kind !== "instance") {
      this.#paths.set(d, path);
      const made = this.#openInput(d, `state.${path}`, type, undefined, path);
      this.#clones.set(d, made);
      if (typeof made === "object" && made !== null) this.#paths.set(made, path);
      return made;
    }
    const below = (name: string): string => (path === "" ? name : `${path}.${name}`);
    switch (d.kind) {
      case "instance": {
        const made: Instance = { kind: "instance", class: d.class, slots: [] };
        this.#clones.set(d, made);
        this.#paths.set(made, path);
        d.slots.forEach((value, i) => {
          const attribute = d.class.attributes[i];
          made.slots[i] = value === undefined ? undefined : this.#clone(value, below(attribute?.name ?? String(i)), attribute?.type ?? T.Any);
        });
        return made;
      }
      case "list": {
        const made = makeList(d.elem, []);
        this.#clones.set(d, made);
        this.#paths.set(made, path);
        made.items = d.items.map((i, k) => this.#clone(i, below(String(k)), d.elem));
        return made;
      }
      case "tuple":
        return makeTuple(
          d.items.map((i, k) => this.#clone(i, below(String(k)))),
          d.type,
        );
      case "dict": {
        const made = makeDict(d.key, d.value, []);
        this.#clones.set(d, made);
        this.#paths.set(made, path);
        for (const [key, [k, v]] of d.entries) made.entries.set(key, [k, this.#clone(v, below(keyText(k)), d.value)]);
        return made;
      }
      default:
        return d;
    }
  }
}

type LeafMaker = (name: string, value: OnnxValue, shape?: readonly (number | undefined)[]) => string;

/** A dict's key as part of a name. */
function keyText(key: Datum): string {
  return typeof key === "string" || typeof key === "number" || typeof key === "bigint" || typeof key === "boolean"
    ? `${key}`
    : refuse("a dict whose keys are neither texts nor numbers");
}
function itemKind(d: Datum): Leaves {
  if (isSymTensor(d)) return { kind: "tensor", name: "" };
  if (isSym(d)) return { kind: d.type, name: "" };
  if (typeof d === "object" && d !== null && "kind" in d && d.kind === "tuple") return { kind: "tuple", items: d.items.map(itemKind) };
  if (d instanceof SymList) return { kind: "columns", item: itemKind(d.item), names: [] };
  if (typeof d === "object" && d !== null && "kind" in d && d.kind === "list") return { kind: "columns", item: itemKind(d.items[0] ?? 0), names: [] };
  if (typeof d === "boolean") return { kind: "bool", name: "" };
  if (typeof d === "object" && d !== null && "kind" in d && (d.kind === "int" || d.kind === "float" || d.kind === "bool")) return { kind: d.kind, name: "" };
  return { kind: typeof d === "number" && !Number.isInteger(d) ? "float" : "int", name: "" };
}
function numberTensor(d: number | bigint | boolean, type: Sym["type"]): Tensor {
  if (type === "int") return Tensor.from(BigInt64Array.of(BigInt(d)), []);
  if (type === "float") return Tensor.from(Float64Array.of(Number(d)), []);
  return Tensor.from([Boolean(d)], [], "bool");
}
