/**
 * The messages of ONNX (onnx.proto and onnx-data.proto) as plain data, read by field number. Tensor data stays a range of the
 * file's bytes. Unknown fields are skipped; training information stays bytes.
 */

import { OpwiseError } from "../tensor/error.ts";
import type { Range, Source } from "../tensor/source.ts";
import { describeFormat, formatHint, SNIFF_BYTES, sniffFormat } from "./format.ts";
import type { Limits } from "./limits.ts";
import { MessageReader } from "./protobuf.ts";
import { readSkeleton } from "./onnx-skeleton.ts";
import { checkSize, readAll } from "./source.ts";

/** An int64: a safe number, else a bigint. */
export type Int = number | bigint;

export interface ModelProto {
  readonly irVersion: Int;
  readonly opsetImport: readonly OperatorSetId[];
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: Int;
  readonly docString: string;
  readonly graph: GraphProto | undefined;
  readonly functions: readonly FunctionProto[];
  readonly metadata: ReadonlyMap<string, string>;
  /** Training information, which is not read: each message's bytes. */
  readonly training: readonly Range[];
}
export interface OperatorSetId {
  readonly domain: string;
  readonly version: Int;
}
export interface GraphProto {
  readonly name: string;
  readonly docString: string;
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly TensorProto[];
  readonly sparseInitializers: readonly SparseTensorProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
  readonly valueInfo: readonly ValueInfoProto[];
  readonly quantization: readonly TensorAnnotation[];
  readonly metadata: ReadonlyMap<string, string>;
}
export interface NodeProto {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly overload: string;
  /** An empty name is an optional operand left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly AttributeProto[];
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
}
export interface AttributeProto {
  readonly name: string;
  /** Name of the enclosing function's attribute that gives the value; then `value` is undefined. */
  readonly refName: string;
  readonly docString: string;
  readonly value: AttributeValue | undefined;
}
/** Strings are bytes: not all of them are text. */
export type AttributeValue =
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "int"; readonly value: Int }
  | { readonly kind: "string"; readonly value: Uint8Array }
  | { readonly kind: "tensor"; readonly value: TensorProto }
  | { readonly kind: "graph"; readonly value: GraphProto }
  | { readonly kind: "sparse"; readonly value: SparseTensorProto }
  | { readonly kind: "type"; readonly value: TypeProto }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "ints"; readonly value: readonly Int[] }
  | { readonly kind: "strings"; readonly value: readonly Uint8Array[] }
  | { readonly kind: "tensors"; readonly value: readonly TensorProto[] }
  | { readonly kind: "graphs"; readonly value: readonly GraphProto[] }
  | { readonly kind: "sparses"; readonly value: readonly SparseTensorProto[] }
  | { readonly kind: "types"; readonly value: readonly TypeProto[] };

/** Which list of a TensorProto holds its elements. */
export type TensorField = "raw" | "float" | "int32" | "string" | "int64" | "double" | "uint64";
export interface TensorProto {
  readonly name: string;
  readonly dims: readonly Int[];
  /** A number of `TensorProto.DataType`; 0 where it is missing. */
  readonly dataType: number;
  /**
   * The lists that are there, each as parts of the file's bytes: the raw bytes, packed or single elements as they are
   * written (varints for the integer lists), or one part per string.
   */
  readonly data: ReadonlyMap<TensorField, readonly Range[]>;
  /** The keys of external data (`location`, `offset`, `length`, `checksum`), where the data lies in another file. */
  readonly external: ReadonlyMap<string, string> | undefined;
  readonly segmented: boolean;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
}
export interface SparseTensorProto {
  readonly values: TensorProto | undefined;
  readonly indices: TensorProto | undefined;
  readonly dims: readonly Int[];
}
export interface ValueInfoProto {
  readonly name: string;
  readonly type: TypeProto | undefined;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
}
export type TypeProto =
  | { readonly kind: "tensor" | "sparse"; readonly elemType: number; readonly shape: readonly DimProto[] | undefined; readonly denotation: string }
  | { readonly kind: "sequence" | "optional"; readonly elem: TypeProto | undefined; readonly denotation: string }
  | { readonly kind: "map"; readonly keyType: number; readonly value: TypeProto | undefined; readonly denotation: string }
  | { readonly kind: "opaque"; readonly domain: string; readonly name: string; readonly denotation: string }
  | { readonly kind: "none"; readonly denotation: string };
/** A dimension: a number, a symbol, or neither where it is not known. */
export interface DimProto {
  readonly value: Int | undefined;
  readonly param: string | undefined;
  readonly denotation: string;
}
export interface TensorAnnotation {
  readonly tensorName: string;
  readonly parameters: ReadonlyMap<string, string>;
}
export interface FunctionProto {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Names of attributes without a default. */
  readonly attributes: readonly string[];
  /** Attributes with their defaults. */
  readonly attributeDefaults: readonly AttributeProto[];
  readonly nodes: readonly NodeProto[];
  readonly opsetImport: readonly OperatorSetId[];
  readonly valueInfo: readonly ValueInfoProto[];
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
}

/** A decoded model, and the bytes that its ranges point into. */
export interface OnnxFile {
  readonly model: ModelProto;
  readonly bytes: Uint8Array;
}

export interface DecodeOptions {
  readonly limits?: Limits | undefined;
  /** The file's name, for errors. */
  readonly file?: string | undefined;
}

const NO_METADATA: ReadonlyMap<string, string> = new Map();

/** Reads a whole source and decodes it as a ModelProto; ranges in the model are ranges of the source. @throws bad-onnx, limit-exceeded */
export async function readOnnx(source: Source, limits?: Limits): Promise<OnnxFile> {
  const bytes = await readAll(source, limits?.maxFileBytes);
  return { model: decodeModel(bytes, { limits, file: source.name }), bytes };
}

/** As `readOnnx`, without the large data of tensors where the source is a file: `bytes` are zero there. Their ranges are to be read from the source. @throws as `readOnnx` */
export async function readOnnxOutline(source: Source, limits?: Limits): Promise<OnnxFile> {
  if (source.readSync === undefined || source.memory !== undefined) return readOnnx(source, limits);
  checkSize(source, limits?.maxFileBytes);
  const bytes = readSkeleton(source);
  return { model: decodeModel(bytes, { limits, file: source.name }), bytes };
}

/** Decodes a ModelProto. @throws bad-onnx, limit-exceeded */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): ModelProto {
  const format = sniffFormat(bytes.subarray(0, SNIFF_BYTES), bytes.length);
  if (format !== "onnx" && format !== "unknown" && format !== "text") {
    throw new OpwiseError("bad-onnx", "the file is not an ONNX model", {
      where: { file: options.file },
      wanted: "a protobuf of ONNX's ModelProto",
      got: describeFormat(format),
      hint: format === "zip" ? "open it as a TorchScript archive" : formatHint(format),
    });
  }
  return readModel(MessageReader.open(bytes, "ModelProto", options));
}

/** Decodes a TensorProto, as the files of ONNX's test data hold. @throws bad-onnx */
export function decodeTensor(bytes: Uint8Array, options: DecodeOptions = {}): TensorProto {
  return readTensor(MessageReader.open(bytes, "TensorProto", options));
}

function readModel(r: MessageReader): ModelProto {
  let irVersion: Int = 0;
  let modelVersion: Int = 0;
  let graph: GraphProto | undefined;
  const training: Range[] = [];
  const text = { producerName: "", producerVersion: "", domain: "", docString: "" };
  const opsetImport: OperatorSetId[] = [];
  const functions: FunctionProto[] = [];
  const metadata = new Map<string, string>();
  const budget: Budget = { nodes: 0 };
  while (r.next()) {
    switch (r.field) {
      case 1: irVersion = r.int64(); break;
      case 2: text.producerName = r.string(); break;
      case 3: text.producerVersion = r.string(); break;
      case 4: text.domain = r.string(); break;
      case 5: modelVersion = r.int64(); break;
      case 6: text.docString = r.string(); break;
      case 7:
        if (graph !== undefined) throw r.error("the model has two graphs");
        graph = readGraph(r.message("GraphProto"), budget);
        break;
      case 8: opsetImport.push(readOpset(r.message("OperatorSetIdProto"))); break;
      case 14: addEntry(r, metadata); break;
      case 20: training.push(r.range()); break;
      case 25: functions.push(readFunction(r.message("FunctionProto"), budget)); break;
      default:
    }
  }
  return { irVersion, modelVersion, ...text, opsetImport, graph, functions, metadata, training };
}

/** Nodes read so far, in all graphs. */
interface Budget {
  nodes: number;
}

function readOpset(r: MessageReader): OperatorSetId {
  let domain = "";
  let version: Int = 0;
  while (r.next()) {
    if (r.field === 1) domain = r.string();
    else if (r.field === 2) version = r.int64();
  }
  return { domain, version };
}

/** Adds a StringStringEntryProto to `map`; a later key replaces an earlier one. */
function addEntry(outer: MessageReader, map: Map<string, string>): void {
  const r = outer.message("StringStringEntryProto");
  let key = "";
  let value = "";
  while (r.next()) {
    if (r.field === 1) key = r.string();
    else if (r.field === 2) value = r.string();
  }
  map.set(key, value);
}

/** A map for metadata; nodes mostly have none, and share one. */
function withEntry(outer: MessageReader, map: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const grown = new Map(map);
  addEntry(outer, grown);
  return grown;
}

function readGraph(r: MessageReader, budget: Budget): GraphProto {
  let name = "";
  let docString = "";
  const nodes: NodeProto[] = [];
  const initializers: TensorProto[] = [];
  const sparseInitializers: SparseTensorProto[] = [];
  const inputs: ValueInfoProto[] = [];
  const outputs: ValueInfoProto[] = [];
  const valueInfo: ValueInfoProto[] = [];
  const quantization: TensorAnnotation[] = [];
  const metadata = new Map<string, string>();
  while (r.next()) {
    switch (r.field) {
      case 1: nodes.push(readNode(r.message("NodeProto"), budget)); break;
      case 2: name = r.string(); break;
      case 5: initializers.push(readTensor(r.message("TensorProto"))); break;
      case 10: docString = r.string(); break;
      case 11: inputs.push(readValueInfo(r.message("ValueInfoProto"))); break;
      case 12: outputs.push(readValueInfo(r.message("ValueInfoProto"))); break;
      case 13: valueInfo.push(readValueInfo(r.message("ValueInfoProto"))); break;
      case 14: quantization.push(readAnnotation(r.message("TensorAnnotation"))); break;
      case 15: sparseInitializers.push(readSparse(r.message("SparseTensorProto"))); break;
      case 16: addEntry(r, metadata); break;
      default:
    }
  }
  return { name, docString, nodes, initializers, sparseInitializers, inputs, outputs, valueInfo, quantization, metadata };
}

function readAnnotation(r: MessageReader): TensorAnnotation {
  let tensorName = "";
  const parameters = new Map<string, string>();
  while (r.next()) {
    if (r.field === 1) tensorName = r.string();
    else if (r.field === 2) addEntry(r, parameters);
  }
  return { tensorName, parameters };
}

function readNode(r: MessageReader, budget: Budget): NodeProto {
  if (++budget.nodes > r.limits.maxNodes) {
    throw new OpwiseError("limit-exceeded", "the model has too many nodes", { wanted: `at most ${r.limits.maxNodes}`, hint: "raise `maxNodes`" });
  }
  let [name, opType, domain, overload, docString] = ["", "", "", "", ""];
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: AttributeProto[] = [];
  let metadata = NO_METADATA;
  while (r.next()) {
    switch (r.field) {
      case 1: inputs.push(r.string()); break;
      case 2: outputs.push(r.string()); break;
      case 3: name = r.string(); break;
      case 4: opType = r.string(); break;
      case 5: attributes.push(readAttribute(r.message("AttributeProto"), budget)); break;
      case 6: docString = r.string(); break;
      case 7: domain = r.string(); break;
      case 8: overload = r.string(); break;
      case 9: metadata = withEntry(r, metadata); break;
      default:
    }
  }
  return { name, opType, domain, overload, inputs, outputs, attributes, docString, metadata };
}

/** `AttributeProto.AttributeType` by number. */
const ATTRIBUTE_KINDS: readonly (AttributeValue["kind"] | undefined)[] = [
  undefined, "float", "int", "string", "tensor", "graph", "floats", "ints", "strings", "tensors", "graphs", "sparse", "sparses", "type", "types",
];

function readAttribute(r: MessageReader, budget: Budget): AttributeProto {
  let [name, refName, docString] = ["", "", ""];
  let type = 0;
  let f: number | undefined;
  let i: Int | undefined;
  let s: Uint8Array | undefined;
  let t: TensorProto | undefined;
  let g: GraphProto | undefined;
  let sparse: SparseTensorProto | undefined;
  let tp: TypeProto | undefined;
  const floats: number[] = [];
  const ints: Int[] = [];
  const strings: Uint8Array[] = [];
  const tensors: TensorProto[] = [];
  const graphs: GraphProto[] = [];
  const sparses: SparseTensorProto[] = [];
  const types: TypeProto[] = [];
  while (r.next()) {
    switch (r.field) {
      case 1: name = r.string(); break;
      case 2: f = r.float(); break;
      case 3: i = r.int64(); break;
      case 4: s = r.bytes(); break;
      case 5: t = readTensor(r.message("TensorProto")); break;
      case 6: g = readGraph(r.message("GraphProto"), budget); break;
      case 7: r.addFloats(floats); break;
      case 8: r.addInt64s(ints); break;
      case 9: strings.push(r.bytes()); break;
      case 10: tensors.push(readTensor(r.message("TensorProto"))); break;
      case 11: graphs.push(readGraph(r.message("GraphProto"), budget)); break;
      case 13: docString = r.string(); break;
      case 14: tp = readType(r.message("TypeProto")); break;
      case 15: types.push(readType(r.message("TypeProto"))); break;
      case 20: type = r.int32(); break;
      case 21: refName = r.string(); break;
      case 22: sparse = readSparse(r.message("SparseTensorProto")); break;
      case 23: sparses.push(readSparse(r.message("SparseTensorProto"))); break;
      default:
    }
  }
  if (refName !== "") return { name, refName, docString, value: undefined };

  const valueOf = (kind: AttributeValue["kind"]): AttributeValue | undefined => {
    switch (kind) {
      // proto3 writers leave out a scalar that is zero: the type alone says it is there.
      case "float": return { kind, value: f ?? 0 };
      case "int": return { kind, value: i ?? 0 };
      case "string": return { kind, value: s ?? new Uint8Array(0) };
      case "tensor": return t && { kind, value: t };
      case "graph": return g && { kind, value: g };
      case "sparse": return sparse && { kind, value: sparse };
      case "type": return tp && { kind, value: tp };
      case "floats": return { kind, value: floats };
      case "ints": return { kind, value: ints };
      case "strings": return { kind, value: strings };
      case "tensors": return { kind, value: tensors };
      case "graphs": return { kind, value: graphs };
      case "sparses": return { kind, value: sparses };
      case "types": return { kind, value: types };
      default: return kind satisfies never;
    }
  };
  /** Files of IR version 1 have no type: the field that is there says it. */
  const kindByField = (): AttributeValue["kind"] | undefined => {
    if (f !== undefined) return "float";
    if (i !== undefined) return "int";
    if (s !== undefined) return "string";
    if (t !== undefined) return "tensor";
    if (g !== undefined) return "graph";
    if (sparse !== undefined) return "sparse";
    if (tp !== undefined) return "type";
    const lists: readonly (readonly [AttributeValue["kind"], readonly unknown[]])[] = [
      ["floats", floats], ["ints", ints], ["strings", strings], ["tensors", tensors], ["graphs", graphs], ["sparses", sparses], ["types", types],
    ];
    return lists.find(([, list]) => list.length > 0)?.[0];
  };
  const kind = type === 0 ? kindByField() : ATTRIBUTE_KINDS[type];
  if (kind === undefined && type !== 0) throw r.error(`the attribute \`${name}\` has an unknown type`, { got: `${type}` });
  const value = kind === undefined ? undefined : valueOf(kind);
  if (value === undefined && kind !== undefined) throw r.error(`the attribute \`${name}\` says that it is a ${kind}, and holds none`);
  return { name, refName, docString, value };
}

/** Reads a TensorProto's fields; the data stays where it is. */
export function readTensor(r: MessageReader): TensorProto {
  let [name, docString] = ["", ""];
  const dims: Int[] = [];
  let dataType = 0;
  let location = 0;
  let segmented = false;
  const data = new Map<TensorField, Range[]>();
  const external = new Map<string, string>();
  let metadata = NO_METADATA;
  const add = (field: TensorField, range: Range): void => {
    const parts = data.get(field);
    if (parts === undefined) data.set(field, [range]);
    else parts.push(range);
  };
  while (r.next()) {
    switch (r.field) {
      case 1: r.addInt64s(dims); break;
      case 2: dataType = r.int32(); break;
      case 3: segmented = true; break;
      case 4: add("float", r.fixed(4)); break;
      case 5: add("int32", r.varints()); break;
      case 6: add("string", r.range()); break;
      case 7: add("int64", r.varints()); break;
      case 8: name = r.string(); break;
      case 9: data.set("raw", [r.range()]); break;
      case 10: add("double", r.fixed(8)); break;
      case 11: add("uint64", r.varints()); break;
      case 12: docString = r.string(); break;
      case 13: addEntry(r, external); break;
      case 14: location = r.int32(); break;
      case 16: metadata = withEntry(r, metadata); break;
      default:
    }
  }
  return { name, dims, dataType, data, external: location === 1 ? external : undefined, segmented, docString, metadata };
}

/** Reads a SparseTensorProto's fields. */
export function readSparse(r: MessageReader): SparseTensorProto {
  let values: TensorProto | undefined;
  let indices: TensorProto | undefined;
  const dims: Int[] = [];
  while (r.next()) {
    if (r.field === 1) values = readTensor(r.message("TensorProto"));
    else if (r.field === 2) indices = readTensor(r.message("TensorProto"));
    else if (r.field === 3) r.addInt64s(dims);
  }
  return { values, indices, dims };
}

function readValueInfo(r: MessageReader): ValueInfoProto {
  let name = "";
  let docString = "";
  let type: TypeProto | undefined;
  let metadata = NO_METADATA;
  while (r.next()) {
    if (r.field === 1) name = r.string();
    else if (r.field === 2) type = readType(r.message("TypeProto"));
    else if (r.field === 3) docString = r.string();
    else if (r.field === 4) metadata = withEntry(r, metadata);
  }
  return { name, type, docString, metadata };
}

type Undenoted = TypeProto extends infer T ? (T extends TypeProto ? Omit<T, "denotation"> : never) : never;

/** Reads a TypeProto: of its alternatives the last one counts. */
export function readType(r: MessageReader): TypeProto {
  let type: Undenoted = { kind: "none" };
  let denotation = "";
  while (r.next()) {
    switch (r.field) {
      case 1: type = readTensorType(r.message("TypeProto.Tensor"), "tensor"); break;
      case 4: type = readElemType(r.message("TypeProto.Sequence"), "sequence"); break;
      case 5: type = readMapType(r.message("TypeProto.Map")); break;
      case 6: denotation = r.string(); break;
      case 7: type = readOpaqueType(r.message("TypeProto.Opaque")); break;
      case 8: type = readTensorType(r.message("TypeProto.SparseTensor"), "sparse"); break;
      case 9: type = readElemType(r.message("TypeProto.Optional"), "optional"); break;
      default:
    }
  }
  return { ...type, denotation };
}

function readTensorType(r: MessageReader, kind: "tensor" | "sparse"): Undenoted {
  let elemType = 0;
  let shape: DimProto[] | undefined;
  while (r.next()) {
    if (r.field === 1) elemType = r.int32();
    else if (r.field === 2) shape = readShape(r.message("TensorShapeProto"));
  }
  return { kind, elemType, shape };
}

function readShape(r: MessageReader): DimProto[] {
  const dims: DimProto[] = [];
  while (r.next()) if (r.field === 1) dims.push(readDim(r.message("TensorShapeProto.Dimension")));
  return dims;
}

function readDim(r: MessageReader): DimProto {
  let value: Int | undefined;
  let param: string | undefined;
  let denotation = "";
  while (r.next()) {
    if (r.field === 1) [value, param] = [r.int64(), undefined];
    else if (r.field === 2) [value, param] = [undefined, r.string()];
    else if (r.field === 3) denotation = r.string();
  }
  return { value, param, denotation };
}

function readElemType(r: MessageReader, kind: "sequence" | "optional"): Undenoted {
  let elem: TypeProto | undefined;
  while (r.next()) if (r.field === 1) elem = readType(r.message("TypeProto"));
  return { kind, elem };
}

function readMapType(r: MessageReader): Undenoted {
  let keyType = 0;
  let value: TypeProto | undefined;
  while (r.next()) {
    if (r.field === 1) keyType = r.int32();
    else if (r.field === 2) value = readType(r.message("TypeProto"));
  }
  return { kind: "map", keyType, value };
}

function readOpaqueType(r: MessageReader): Undenoted {
  let domain = "";
  let name = "";
  while (r.next()) {
    if (r.field === 1) domain = r.string();
    else if (r.field === 2) name = r.string();
  }
  return { kind: "opaque", domain, name };
}

function readFunction(r: MessageReader, budget: Budget): FunctionProto {
  let [name, domain, overload, docString] = ["", "", "", ""];
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: string[] = [];
  const attributeDefaults: AttributeProto[] = [];
  const nodes: NodeProto[] = [];
  const opsetImport: OperatorSetId[] = [];
  const valueInfo: ValueInfoProto[] = [];
  const metadata = new Map<string, string>();
  while (r.next()) {
    switch (r.field) {
      case 1: name = r.string(); break;
      case 4: inputs.push(r.string()); break;
      case 5: outputs.push(r.string()); break;
      case 6: attributes.push(r.string()); break;
      case 7: nodes.push(readNode(r.message("NodeProto"), budget)); break;
      case 8: docString = r.string(); break;
      case 9: opsetImport.push(readOpset(r.message("OperatorSetIdProto"))); break;
      case 10: domain = r.string(); break;
      case 11: attributeDefaults.push(readAttribute(r.message("AttributeProto"), budget)); break;
      case 12: valueInfo.push(readValueInfo(r.message("ValueInfoProto"))); break;
      case 13: overload = r.string(); break;
      case 14: addEntry(r, metadata); break;
      default:
    }
  }
  return { name, domain, overload, inputs, outputs, attributes, attributeDefaults, nodes, opsetImport, valueInfo, docString, metadata };
}
