/**
 * ONNX op schemas of every version, parsed from the generated table on first use. The notation is described in
 * `scripts/generate-onnx-schemas.py`.
 */

import { normalDomain } from "./onnx-domain.ts";
import { ONNX_SCHEMAS, ONNX_TYPE_SETS } from "./onnx-schemas.generated.ts";
export { domainPrefix, normalDomain } from "./onnx-domain.ts";
export { ONNX_NEWEST_OPSET } from "./onnx-schemas.generated.ts";

export type OnnxAttributeKind =
  | "float"
  | "int"
  | "string"
  | "tensor"
  | "graph"
  | "sparse_tensor"
  | "type_proto"
  | "floats"
  | "ints"
  | "strings"
  | "tensors"
  | "graphs"
  | "sparse_tensors"
  | "type_protos";

/** An input or output as the schema declares it. */
export interface OnnxParam {
  readonly name: string;
  readonly option: "single" | "optional" | "variadic";
  /** A type variable of `constraints` (`T`), or a type (`tensor(int64)`). */
  readonly type: string;
  /** Variadic: how many there are at least. */
  readonly min: number;
  /** Variadic: whether all share the one type that `type` stands for. */
  readonly homogeneous: boolean;
}

export interface OnnxAttributeSpec {
  readonly name: string;
  readonly kind: OnnxAttributeKind;
  readonly required: boolean;
  readonly default?: number | string | readonly number[] | readonly string[];
}

export interface OnnxSchema {
  /** Empty for ai.onnx. */
  readonly domain: string;
  readonly name: string;
  /** The opset that brought this version. */
  readonly since: number;
  readonly deprecated: boolean;
  readonly inputs: readonly OnnxParam[];
  readonly outputs: readonly OnnxParam[];
  readonly attributes: ReadonlyMap<string, OnnxAttributeSpec>;
  /** Type variable -> the types it may stand for, in ONNX's notation: `tensor(float)`, `seq(tensor(int64))`. */
  readonly constraints: ReadonlyMap<string, ReadonlySet<string>>;
  readonly minInputs: number;
  /** Infinity where the last is variadic. */
  readonly maxInputs: number;
  readonly minOutputs: number;
  readonly maxOutputs: number;
  /** Known by name only: nothing of inputs, attributes and types can be checked. */
  readonly open: boolean;
}

const KEY = (domain: string, name: string): string => `${domain}::${name}`;

/** Lines of the table by domain and name, oldest version first; parsed schemas replace their text. */
let table: Map<string, (string | OnnxSchema)[]> | undefined;
/** Each a line until it is asked for. */
let typeSets: (string | ReadonlySet<string>)[] | undefined;

/** `seq(float)` -> `seq(tensor(float))`; a map keeps its bare key. */
function longType(text: string): string {
  const seq = /^(seq|optional)\((.*)\)$/.exec(text);
  if (seq !== null) return `${seq[1]}(${longType(seq[2] ?? "")})`;
  return text.startsWith("map(") ? text : `tensor(${text})`;
}

function typeSet(index: number): ReadonlySet<string> {
  typeSets ??= ONNX_TYPE_SETS.split("\n");
  const entry = typeSets[index] ?? "";
  return typeof entry === "string" ? (typeSets[index] = new Set(words(entry).map(longType))) : entry;
}

function open(): Map<string, (string | OnnxSchema)[]> {
  const out = new Map<string, (string | OnnxSchema)[]>();
  let domain = "";
  for (const line of ONNX_SCHEMAS.split("\n")) {
    if (line.startsWith("# ")) {
      domain = normalDomain(line.slice(2));
      continue;
    }
    const name = line.slice(line.startsWith("-") ? 1 : 0, line.indexOf("@"));
    const key = KEY(domain, name);
    const list = out.get(key);
    if (list === undefined) out.set(key, [line]);
    else list.push(line);
  }
  return out;
}

export function openSchema(domain: string, name: string, since: number = 1): OnnxSchema {
  const any: OnnxParam = { name: "any", option: "variadic", type: "", min: 0, homogeneous: false };
  return {
    domain,
    name,
    since,
    deprecated: false,
    inputs: [any],
    outputs: [any],
    attributes: new Map(),
    constraints: new Map(),
    minInputs: 0,
    maxInputs: Infinity,
    minOutputs: 0,
    maxOutputs: Infinity,
    open: true,
  };
}

function parseParam(text: string, letters: ReadonlyMap<string, unknown>): OnnxParam {
  const found = /^(.*?)(\?|[*~]\d+)?:(.*)$/.exec(text);
  const [, name = "", mark = "", type = ""] = found ?? [];
  const variadic = mark.startsWith("*") || mark.startsWith("~");
  return {
    name,
    option: mark === "?" ? "optional" : variadic ? "variadic" : "single",
    type: letters.has(type) ? type : longType(type),
    min: variadic ? Number(mark.slice(1)) : 0,
    homogeneous: !mark.startsWith("~"),
  };
}

/** Fewest and most of a parameter list: optional ones may be left out at the end only, empty names in the middle count as given. */
function counts(params: readonly OnnxParam[]): readonly [number, number] {
  let min = 0;
  let max = 0;
  for (const p of params) {
    if (p.option === "variadic") {
      min = p.min > 0 ? max + p.min : min;
      max = Infinity;
    } else {
      max++;
      if (p.option === "single") min = max;
    }
  }
  return [min, max];
}

function words(text: string | undefined): string[] {
  return text === undefined || text === "" ? [] : text.split(" ");
}

/** Attribute texts split at spaces outside JSON strings. */
function attributeWords(text: string | undefined): string[] {
  return text === undefined ? [] : (text.match(/(?:"[^"]*"|[^ "])+/g) ?? []);
}

function parseLine(domain: string, line: string): OnnxSchema {
  const [head = "", inputText, outputText, attributeText, constraintText] = line.split("\t");
  const deprecated = head.startsWith("-");
  const at = head.indexOf("@");
  const constraints = new Map<string, ReadonlySet<string>>();
  for (const word of words(constraintText)) {
    const [letter = "", index = ""] = word.split("=");
    constraints.set(letter, typeSet(Number(index)));
  }
  const inputs = words(inputText).map((w) => parseParam(w, constraints));
  const outputs = words(outputText).map((w) => parseParam(w, constraints));
  const attributes = new Map<string, OnnxAttributeSpec>();
  for (const word of attributeWords(attributeText)) {
    const found = /^(\w+)(!?):(\w+)(?:=(.*))?$/s.exec(word);
    const [, name = "", required = "", kind = "", value] = found ?? [];
    attributes.set(name, {
      name,
      kind: kind as OnnxAttributeKind,
      required: required === "!", // the table is generated from the same list of kinds
      ...(value === undefined ? {} : { default: JSON.parse(value) as number | string }), // written by json.dumps from scalars and lists of them
    });
  }
  const [minInputs, maxInputs] = counts(inputs);
  const [minOutputs, maxOutputs] = counts(outputs);
  return {
    domain,
    name: head.slice(deprecated ? 1 : 0, at),
    since: Number(head.slice(at + 1)),
    deprecated,
    inputs,
    outputs,
    attributes,
    constraints,
    minInputs,
    maxInputs,
    minOutputs,
    maxOutputs,
    open: false,
  };
}

function sinceOf(entry: string | OnnxSchema): number {
  return typeof entry === "string" ? Number.parseInt(entry.slice(entry.indexOf("@") + 1), 10) : entry.since;
}

/** The schema that `opset` means: the newest version not newer than it. Undefined: no such op at that opset. */
export function onnxSchema(domain: string, name: string, opset: number): OnnxSchema | undefined {
  table ??= open();
  const normal = normalDomain(domain);
  const versions = table.get(KEY(normal, name));
  if (versions === undefined) return undefined;
  let best = -1;
  for (let i = 0; i < versions.length; i++) if (sinceOf(versions[i] ?? "") <= opset) best = i;
  const entry = versions[best];
  if (entry === undefined || typeof entry !== "string") return entry;
  const schema = parseLine(normal, entry);
  versions[best] = schema;
  return schema;
}

/** Opsets at which versions of an op came, ascending; empty for an unknown op. */
export function onnxVersions(domain: string, name: string): readonly number[] {
  table ??= open();
  return (table.get(KEY(normalDomain(domain), name)) ?? []).map(sinceOf);
}

/** Whether any op of `domain` is known. */
export function knowsDomain(domain: string): boolean {
  table ??= open();
  const prefix = `${normalDomain(domain)}::`;
  for (const key of table.keys()) if (key.startsWith(prefix)) return true;
  return false;
}

/** Known op names of a domain that resemble `name`, for hints. */
export function similarOnnxOps(domain: string, name: string): readonly string[] {
  table ??= open();
  const prefix = `${normalDomain(domain)}::`;
  const wanted = name.toLowerCase();
  const out: string[] = [];
  for (const key of table.keys()) {
    if (!key.startsWith(prefix)) continue;
    const candidate = key.slice(prefix.length);
    const lower = candidate.toLowerCase();
    if (lower === wanted || (wanted.length > 3 && lower.length > 3 && (lower.includes(wanted) || wanted.includes(lower)))) out.push(candidate);
    if (out.length >= 3) break;
  }
  return out;
}

/** Every op of the table at its newest version: `[domain, name, newest since]`. */
export function allOnnxOps(): readonly (readonly [string, string, number])[] {
  table ??= open();
  return [...table].map(([key, versions]) => {
    const at = key.indexOf("::");
    return [key.slice(0, at), key.slice(at + 2), sinceOf(versions.at(-1) ?? "")] as const;
  });
}
