/** Builds ONNX graphs: typed values, nested scopes, shared constants, one node for equal computations. */

import type { AttributeProto, AttributeValue, GraphProto, NodeProto, TensorProto, TypeProto, ValueInfoProto } from "../bytes/onnx-proto.ts";
import { type DType, onnxOfDtype } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { kernelDtype } from "./kernels.ts";

/** A tensor, or a sequence of tensors, of the graph that is being built. */
export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  readonly sequence: boolean;
  readonly scope: Scope;
}

/** A graph under construction: the main one, or the body of an If or Loop. */
export class Scope {
  readonly parent: Scope | undefined;
  readonly nodes: NodeProto[] = [];
  /** int64 zeros whose computation fails where the model raises; they are tied to the outputs. */
  readonly checks: OnnxValue[] = [];
  /** Values by what computes them. */
  readonly known: Map<string, readonly OnnxValue[]> = new Map();
  constructor(parent?: Scope) {
    this.parent = parent;
  }
}

/** Attribute values as numbers, strings, lists, tensors and graphs; a number is an int where it is marked by `int`. */
export type Attribute = AttributeValue | number | string | readonly number[];
export type Attributes = Readonly<Record<string, Attribute | undefined>>;

const encoder = new TextEncoder();
export function floatAttribute(value: number): AttributeValue {
  return { kind: "float", value };
}
const NONE: ReadonlyMap<string, string> = new Map();

export interface NodeOrigin {
  /** TorchScript's op, its line in the archive's code and in the author's source. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The op that is being exported, for counts and messages. */
  readonly op: string;
}

/** A constant of the main graph. */
export interface Initializer {
  readonly name: string;
  readonly tensor: Tensor;
}

export interface Results {
  /** Dtypes of the results, first to last. */
  readonly dtypes: readonly DType[];
  readonly attributes?: Attributes;
  readonly domain?: string;
  /** Not merged with an equal node: it draws random numbers. */
  readonly unique?: boolean;
}

export class GraphBuilder {
  readonly opset: number;
  scope: Scope = new Scope();
  readonly root: Scope = this.scope;
  readonly initializers: Map<string, Initializer> = new Map();
  origin: NodeOrigin | undefined;
  #names = new Map<string, number>();
  #constants = new Map<string, OnnxValue>();
  #tensors = new Map<Tensor, OnnxValue>();

  constructor(opset: number) {
    this.opset = opset;
  }

  /** A name that nothing has yet. */
  fresh(hint: string): string {
    const clean = hint === "" ? "v" : hint;
    const n = this.#names.get(clean);
    this.#names.set(clean, (n ?? 0) + 1);
    if (n === undefined) return clean;
    return this.fresh(`${clean}_${n}`);
  }

  value(name: string, dtype: DType, sequence = false): OnnxValue {
    return { name, dtype, sequence, scope: this.scope };
  }

  /** Whether the value may be used where nodes are added now. */
  visible(value: OnnxValue): boolean {
    for (let s: Scope | undefined = this.scope; s !== undefined; s = s.parent) if (s === value.scope) return true;
    return false;
  }

  /** A node; equal ones that are visible are shared. */
  node(type: string, inputs: readonly (OnnxValue | undefined)[], results: Results): readonly OnnxValue[] {
    for (const input of inputs) {
      if (input !== undefined && !this.visible(input)) throw new OpwiseError("internal", `\`${input.name}\` is used outside of the block that computes it`);
    }
    const attributes = attributesOf(results.attributes ?? {});
    const hasGraph = attributes.some((a) => a.value?.kind === "graph");
    const key =
      results.unique === true || hasGraph
        ? undefined
        : `${type}(${inputs.map((i) => i?.name ?? "").join(",")})${attributes.map(attributeText).join(",")}>${results.dtypes.join(",")}`;
    if (key !== undefined) {
      for (let s: Scope | undefined = this.scope; s !== undefined; s = s.parent) {
        const known = s.known.get(key);
        if (known !== undefined) return known;
      }
    }
    const outputs = results.dtypes.map((dtype): OnnxValue => this.value(this.fresh(type.toLowerCase()), dtype));
    this.push(type, inputs, outputs, attributes, results.domain);
    if (key !== undefined) this.scope.known.set(key, outputs);
    return outputs;
  }

  push(type: string, inputs: readonly (OnnxValue | undefined)[], outputs: readonly OnnxValue[], attributes: readonly AttributeProto[], domain = ""): void {
    this.scope.nodes.push({
      name: this.fresh(`${type}_node`),
      opType: type,
      domain,
      overload: "",
      docString: "",
      inputs: trimmed(inputs.map((i) => i?.name ?? "")),
      outputs: outputs.map((o) => o.name),
      attributes,
      metadata: this.origin?.metadata ?? NONE,
    });
  }

  /** One result of one node of a plain op, computed in a dtype that kernels have where they lack `dtype`. */
  op(type: string, inputs: readonly (OnnxValue | undefined)[], attributes: Attributes = {}, dtype?: DType): OnnxValue {
    const first = (type === "Where" ? inputs[1] : inputs[0])?.dtype ?? dtype ?? "float32";
    const wide = kernelDtype(type, first);
    if (type === "Where" && first === "bool") {
      const [cond, a, b] = inputs;
      const not = this.#only("Not", [cond], { dtypes: ["bool"] });
      return this.#only("Or", [this.#only("And", [cond, a], { dtypes: ["bool"] }), this.#only("And", [not, b], { dtypes: ["bool"] })], { dtypes: ["bool"] });
    }
    const given = wide === first ? inputs : inputs.map((v, i) => (v?.dtype === first && !(type === "Where" && i === 0) ? this.cast(v, wide) : v));
    const own = type === "Where" ? first : (dtype ?? first);
    const made = this.#only(type, given, { dtypes: [own === first ? wide : own], attributes });
    return own === first ? this.cast(made, first) : made;
  }

  #only(type: string, inputs: readonly (OnnxValue | undefined)[], results: Results): OnnxValue {
    const [value] = this.node(type, inputs, results);
    if (value === undefined) throw new OpwiseError("internal", `${type} has no result`);
    return value;
  }

  cast(value: OnnxValue, dtype: DType): OnnxValue {
    if (value.dtype === dtype) return value;
    const to = onnxOfDtype(dtype);
    if (to === undefined) throw new OpwiseError("unsupported-dtype", `ONNX has no dtype for ${dtype}`);
    // NaN and infinities have no bool in some kernels' casts; `x != 0` has.
    if (dtype === "bool" && (value.dtype === "float16" || value.dtype === "bfloat16")) return this.cast(this.cast(value, "float32"), dtype);
    if (dtype === "bool" && value.dtype.startsWith("float")) return this.op("Not", [this.op("Equal", [value, this.scalar(0, value.dtype)], {}, "bool")]);
    return this.#only("Cast", [value], { dtypes: [dtype], attributes: { to } });
  }

  /** A constant tensor; equal small ones are one. */
  constant(tensor: Tensor, name = "c"): OnnxValue {
    const known = this.#tensors.get(tensor);
    if (known !== undefined) return known;
    const small = tensor.numel <= 64;
    const key = small ? `${tensor.dtype}[${tensor.shape.join(",")}]${bitsText(tensor)}` : "";
    const equal = small ? this.#constants.get(key) : undefined;
    if (equal !== undefined) return equal;
    const label = this.fresh(name);
    const value: OnnxValue = { name: label, dtype: tensor.dtype, sequence: false, scope: this.root };
    this.initializers.set(label, { name: label, tensor });
    if (small) this.#constants.set(key, value);
    else this.#tensors.set(tensor, value);
    return value;
  }
  /** A 0-dim constant. */
  scalar(value: number | bigint | boolean, dtype: DType): OnnxValue {
    return this.constant(scalarTensor(value, dtype));
  }
  /** A 1-dim int64 constant. */
  ints(values: readonly (number | bigint)[]): OnnxValue {
    return this.constant(
      Tensor.from(
        BigInt64Array.from(values, (v) => BigInt(v)),
        [values.length],
      ),
    );
  }

  /** Runs `body` with a new scope for nodes. */
  within<X>(scope: Scope, body: () => X): X {
    const outer = this.scope;
    this.scope = scope;
    try {
      return body();
    } finally {
      this.scope = outer;
    }
  }
}

/** What a loop's body gives: whether to go on, the next state, and values that are stacked along a new first axis. */
export interface LoopEnd {
  readonly go: OnnxValue | undefined;
  readonly state: readonly OnnxValue[];
  readonly stacked: readonly OnnxValue[];
}

/** A Loop node over values; `limit` is a 0-dim int64. */
export function loopNode(
  g: GraphBuilder,
  limit: OnnxValue,
  init: readonly OnnxValue[],
  body: (trip: OnnxValue, state: readonly OnnxValue[]) => LoopEnd,
): { readonly state: readonly OnnxValue[]; readonly stacked: readonly OnnxValue[] } {
  const scope = new Scope(g.scope);
  const inner = (name: string, dtype: DType): OnnxValue => ({ name: g.fresh(name), dtype, sequence: false, scope });
  const [trip, go] = [inner("trip", "int64"), inner("go", "bool")];
  const state = init.map((v) => inner("state", v.dtype));
  const end = g.within(scope, () => {
    const made = body(trip, state);
    const out = (v: OnnxValue): OnnxValue => {
      const own = inner("out", v.dtype);
      g.push("Identity", [v], [own], []);
      return own;
    };
    return { go: out(made.go ?? g.scalar(true, "bool")), state: made.state.map(out), stacked: made.stacked.map(out) };
  });
  const outer = (v: OnnxValue): OnnxValue => ({ name: g.fresh("loop"), dtype: v.dtype, sequence: false, scope: g.scope });
  const results = { state: end.state.map(outer), stacked: end.stacked.map(outer) };
  const graph = graphProto(
    g.fresh("body"),
    scope,
    [infoOf(trip, trip.name, []), infoOf(go, go.name, []), ...state.map((v) => infoOf(v))],
    [infoOf(end.go, end.go.name, []), ...end.state.map((v) => infoOf(v)), ...end.stacked.map((v) => infoOf(v))],
  );
  g.push("Loop", [limit, undefined, ...init], [...results.state, ...results.stacked], attributesOf({ body: { kind: "graph", value: graph } }));
  return results;
}

/** A 0-dim tensor of any dtype that ONNX has. */
export function scalarTensor(value: number | bigint | boolean, dtype: DType): Tensor {
  const plain = dtype === "float16" || dtype === "bfloat16" || dtype.startsWith("float8") ? undefined : dtype;
  if (plain === undefined) throw new OpwiseError("internal", `no constant of ${dtype}`);
  const whole = dtype === "int64" || dtype === "uint64";
  const exact = typeof value === "boolean" ? Number(value) : value;
  return Tensor.from([whole ? BigInt(typeof exact === "number" ? Math.trunc(exact) : exact) : Number(exact)] as readonly number[], [], plain);
}

function bitsText(tensor: Tensor): string {
  if (tensor.numel === 0) return "";
  const { data } = tensor;
  return String.fromCharCode(...new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function trimmed(names: string[]): string[] {
  while (names.length > 0 && names[names.length - 1] === "") names.pop();
  return names;
}

export function attributesOf(attributes: Attributes): AttributeProto[] {
  const out: AttributeProto[] = [];
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    out.push({ name, refName: "", docString: "", value: attributeValue(value) });
  }
  return out;
}
function attributeValue(value: Attribute): AttributeValue {
  if (typeof value === "number") return { kind: "int", value };
  if (typeof value === "string") return { kind: "string", value: encoder.encode(value) };
  if (!("kind" in value)) return { kind: "ints", value };
  return value;
}
function attributeText(a: AttributeProto): string {
  const v = a.value;
  if (v === undefined || v.kind === "graph") return a.name;
  if (v.kind === "string") return `${a.name}=${new TextDecoder().decode(v.value)}`;
  if (v.kind === "tensor") return `${a.name}=t:${v.value.name}`;
  if (v.kind === "float" || v.kind === "int") return `${a.name}=${v.value}`;
  if (v.kind === "floats" || v.kind === "ints") return `${a.name}=${v.value.join(",")}`;
  if (v.kind === "strings") return `${a.name}=${v.value.map((t) => new TextDecoder().decode(t)).join(",")}`;
  throw new OpwiseError("internal", `an attribute of the kind ${v.kind}`);
}

export function tensorType(dtype: DType, shape?: readonly (number | string | undefined)[]): TypeProto {
  return {
    kind: "tensor",
    elemType: onnxOfDtype(dtype) ?? 0,
    denotation: "",
    shape: shape?.map((d) => ({ value: typeof d === "number" ? d : undefined, param: typeof d === "string" ? d : undefined, denotation: "" })),
  };
}
export function valueInfo(name: string, type: TypeProto): ValueInfoProto {
  return { name, type, docString: "", metadata: NONE };
}
export function infoOf(value: OnnxValue, name: string = value.name, shape?: readonly number[]): ValueInfoProto {
  const tensor = tensorType(value.dtype, shape);
  return valueInfo(name, value.sequence ? { kind: "sequence", elem: tensor, denotation: "" } : tensor);
}
export function graphProto(
  name: string,
  scope: Scope,
  inputs: readonly ValueInfoProto[],
  outputs: readonly ValueInfoProto[],
  initializers: readonly TensorProto[] = [],
): GraphProto {
  return { name, docString: "", nodes: scope.nodes, initializers, sparseInitializers: [], inputs, outputs, valueInfo: [], quantization: [], metadata: NONE };
}
export function tensorProto({ name, tensor }: Initializer): TensorProto {
  return {
    name,
    dims: [...tensor.shape],
    dataType: onnxOfDtype(tensor.dtype) ?? 0,
    data: new Map(),
    external: undefined,
    segmented: false,
    docString: "",
    metadata: NONE,
  };
}
