/** Writes the messages of ONNX that `onnx-proto.ts` reads. */

import type { Range } from "../tensor/source.ts";
import type {
  AttributeProto,
  AttributeValue,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetId,
  SparseTensorProto,
  TensorField,
  TensorProto,
  TypeProto,
  ValueInfoProto,
} from "./onnx-proto.ts";
import { MessageWriter } from "./protobuf-writer.ts";

/** What a tensor's elements are written as, where that is not what the file has: raw bytes, or the keys of external data. */
export type TensorData = Uint8Array | ReadonlyMap<string, string>;

export interface EncodeOptions {
  /** The bytes that the model's ranges point into. */
  readonly bytes: Uint8Array;
  readonly data?: ((tensor: TensorProto) => TensorData | undefined) | undefined;
}

const FIELDS: Readonly<Record<TensorField, number>> = { float: 4, int32: 5, string: 6, int64: 7, raw: 9, double: 10, uint64: 11 };
const KINDS: Readonly<Record<AttributeValue["kind"], number>> = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparse: 11,
  sparses: 12,
  type: 13,
  types: 14,
};

/** A ModelProto as bytes. Fields that have their default are left out. */
export function encodeModel(model: ModelProto, options: EncodeOptions): Uint8Array {
  const w = new MessageWriter();
  new Encoder(options).model(w, model);
  return w.finish();
}

class Encoder {
  readonly #bytes: Uint8Array;
  readonly #data: NonNullable<EncodeOptions["data"]>;
  constructor(options: EncodeOptions) {
    this.#bytes = options.bytes;
    this.#data = options.data ?? ((): undefined => undefined);
  }

  #part(range: Range): Uint8Array {
    return this.#bytes.subarray(range.offset, range.offset + range.length);
  }
  #text(w: MessageWriter, field: number, text: string): void {
    if (text !== "") w.string(field, text);
  }
  #entries(w: MessageWriter, field: number, map: ReadonlyMap<string, string>): void {
    for (const [key, value] of map) w.message(field, (e) => e.string(1, key).string(2, value));
  }

  model(w: MessageWriter, m: ModelProto): void {
    w.int(1, m.irVersion);
    this.#text(w, 2, m.producerName);
    this.#text(w, 3, m.producerVersion);
    this.#text(w, 4, m.domain);
    if (m.modelVersion !== 0) w.int(5, m.modelVersion);
    this.#text(w, 6, m.docString);
    const { graph } = m;
    if (graph !== undefined) w.message(7, (g) => this.#graph(g, graph));
    for (const opset of m.opsetImport) w.message(8, (o) => this.#opset(o, opset));
    this.#entries(w, 14, m.metadata);
    for (const range of m.training) w.bytes(20, this.#part(range));
    for (const fn of m.functions) w.message(25, (f) => this.#function(f, fn));
  }

  #opset(w: MessageWriter, o: OperatorSetId): void {
    this.#text(w, 1, o.domain);
    w.int(2, o.version);
  }

  #graph(w: MessageWriter, g: GraphProto): void {
    for (const node of g.nodes) w.message(1, (n) => this.#node(n, node));
    this.#text(w, 2, g.name);
    for (const tensor of g.initializers) w.message(5, (t) => this.#tensor(t, tensor));
    this.#text(w, 10, g.docString);
    for (const value of g.inputs) w.message(11, (v) => this.#value(v, value));
    for (const value of g.outputs) w.message(12, (v) => this.#value(v, value));
    for (const value of g.valueInfo) w.message(13, (v) => this.#value(v, value));
    for (const a of g.quantization) {
      w.message(14, (q) => {
        this.#text(q, 1, a.tensorName);
        this.#entries(q, 2, a.parameters);
      });
    }
    for (const sparse of g.sparseInitializers) w.message(15, (s) => this.#sparse(s, sparse));
    this.#entries(w, 16, g.metadata);
  }

  #node(w: MessageWriter, n: NodeProto): void {
    for (const name of n.inputs) w.string(1, name);
    for (const name of n.outputs) w.string(2, name);
    this.#text(w, 3, n.name);
    this.#text(w, 4, n.opType);
    for (const attribute of n.attributes) w.message(5, (a) => this.#attribute(a, attribute));
    this.#text(w, 6, n.docString);
    this.#text(w, 7, n.domain);
    this.#text(w, 8, n.overload);
    this.#entries(w, 9, n.metadata);
  }

  #attribute(w: MessageWriter, a: AttributeProto): void {
    w.string(1, a.name);
    this.#text(w, 13, a.docString);
    this.#text(w, 21, a.refName);
    if (a.value === undefined) return;
    w.int(20, KINDS[a.value.kind]);
    this.#attributeValue(w, a.value);
  }

  #attributeValue(w: MessageWriter, v: AttributeValue): void {
    switch (v.kind) {
      case "float":
        w.float(2, v.value);
        return;
      case "int":
        w.int(3, v.value);
        return;
      case "string":
        w.bytes(4, v.value);
        return;
      case "tensor":
        w.message(5, (t) => this.#tensor(t, v.value));
        return;
      case "graph":
        w.message(6, (g) => this.#graph(g, v.value));
        return;
      case "floats":
        w.packedFloats(7, v.value);
        return;
      case "ints":
        w.packedInts(8, v.value);
        return;
      case "strings":
        for (const text of v.value) w.bytes(9, text);
        return;
      case "tensors":
        for (const tensor of v.value) w.message(10, (t) => this.#tensor(t, tensor));
        return;
      case "graphs":
        for (const graph of v.value) w.message(11, (g) => this.#graph(g, graph));
        return;
      case "type":
        w.message(14, (t) => this.#type(t, v.value));
        return;
      case "types":
        for (const type of v.value) w.message(15, (t) => this.#type(t, type));
        return;
      case "sparse":
        w.message(22, (s) => this.#sparse(s, v.value));
        return;
      case "sparses":
        for (const sparse of v.value) w.message(23, (s) => this.#sparse(s, sparse));
        return;
      default:
        v satisfies never;
    }
  }

  #tensor(w: MessageWriter, t: TensorProto): void {
    w.packedInts(1, t.dims);
    w.int(2, t.dataType);
    this.#text(w, 8, t.name);
    this.#text(w, 12, t.docString);
    this.#entries(w, 16, t.metadata);
    const given = this.#data(t);
    if (given instanceof Uint8Array) {
      w.bytes(FIELDS.raw, given);
      return;
    }
    const external = given ?? t.external;
    if (external !== undefined) {
      this.#entries(w, 13, external);
      w.int(14, 1);
      return;
    }
    for (const [field, parts] of t.data) {
      // Single elements and packed ones are the same bytes, but for the tags between them.
      if (field === "raw" || field === "string") for (const part of parts) w.bytes(FIELDS[field], this.#part(part));
      else w.bytes(FIELDS[field], joined(parts.map((part) => this.#part(part))));
    }
  }

  #sparse(w: MessageWriter, s: SparseTensorProto): void {
    const { values, indices } = s;
    if (values !== undefined) w.message(1, (t) => this.#tensor(t, values));
    if (indices !== undefined) w.message(2, (t) => this.#tensor(t, indices));
    w.packedInts(3, s.dims);
  }

  #value(w: MessageWriter, v: ValueInfoProto): void {
    this.#text(w, 1, v.name);
    const { type } = v;
    if (type !== undefined) w.message(2, (t) => this.#type(t, type));
    this.#text(w, 3, v.docString);
    this.#entries(w, 4, v.metadata);
  }

  #type(w: MessageWriter, type: TypeProto): void {
    switch (type.kind) {
      case "tensor":
      case "sparse":
        w.message(type.kind === "tensor" ? 1 : 8, (t) => {
          t.int(1, type.elemType);
          const { shape } = type;
          if (shape === undefined) return;
          t.message(2, (s) => {
            for (const dim of shape) {
              s.message(1, (d) => {
                if (dim.value !== undefined) d.int(1, dim.value);
                else if (dim.param !== undefined) d.string(2, dim.param);
                this.#text(d, 3, dim.denotation);
              });
            }
          });
        });
        break;
      case "sequence":
      case "optional": {
        const { elem } = type;
        w.message(type.kind === "sequence" ? 4 : 9, (t) => {
          if (elem !== undefined) t.message(1, (e) => this.#type(e, elem));
        });
        break;
      }
      case "map": {
        const { value } = type;
        w.message(5, (t) => {
          t.int(1, type.keyType);
          if (value !== undefined) t.message(2, (v) => this.#type(v, value));
        });
        break;
      }
      case "opaque":
        w.message(7, (t) => {
          this.#text(t, 1, type.domain);
          this.#text(t, 2, type.name);
        });
        break;
      case "none":
        break;
      default:
        (type) satisfies never;
    }
    this.#text(w, 6, type.denotation);
  }

  #function(w: MessageWriter, f: FunctionProto): void {
    this.#text(w, 1, f.name);
    for (const name of f.inputs) w.string(4, name);
    for (const name of f.outputs) w.string(5, name);
    for (const name of f.attributes) w.string(6, name);
    for (const node of f.nodes) w.message(7, (n) => this.#node(n, node));
    this.#text(w, 8, f.docString);
    for (const opset of f.opsetImport) w.message(9, (o) => this.#opset(o, opset));
    this.#text(w, 10, f.domain);
    for (const attribute of f.attributeDefaults) w.message(11, (a) => this.#attribute(a, attribute));
    for (const value of f.valueInfo) w.message(12, (v) => this.#value(v, value));
    this.#text(w, 13, f.overload);
    this.#entries(w, 14, f.metadata);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
