/** What a model's weights are made of (F13, `inspect --sizes`): by module and dtype, alike, unused, all zero. */

import type { Session } from "../run/session.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { elementBytes } from "./elements.ts";
import { graphOf, type TraceGraph } from "./graph.ts";
import { hashBytes } from "./hash.ts";

export interface WeightSize {
  readonly name: string;
  readonly role: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly hash: string;
  /** No code reads it. */
  readonly unused: boolean;
  /** The one value that all its elements have, as its bytes in hexadecimal; undefined where they differ. */
  readonly constant: string | undefined;
  readonly zero: boolean;
}
export interface Sizes {
  readonly bytes: number;
  readonly weights: readonly WeightSize[];
  readonly byModule: readonly { readonly module: string; readonly bytes: number; readonly count: number }[];
  readonly byDtype: readonly { readonly dtype: string; readonly bytes: number; readonly count: number }[];
  /** Weights of equal contents in memory of their own: all but one could go. */
  readonly duplicates: readonly { readonly names: readonly string[]; readonly bytes: number }[];
  /** Names that share one storage. */
  readonly shared: readonly (readonly string[])[];
}

/** Attributes that code reads, as `class.name`, and values that have a use. */
function readAttributes(graph: TraceGraph): { readonly attributes: ReadonlySet<string>; readonly values: ReadonlySet<string> } {
  const attributes = new Set<string>();
  const used = new Set<number>(graph.blocks.flatMap((block) => block.outputs));
  for (const node of graph.nodes) {
    for (const id of node.operands) if (id !== null) used.add(id);
    const self = node.op === "prim::GetAttr" ? node.operands[0] : undefined;
    if (self !== undefined && self !== null) attributes.add(`${graph.values[self]?.type ?? ""}.${JSON.parse(node.attributes["name"] ?? '""') as string}`); // the printer writes a JSON text
  }
  return { attributes, values: new Set(graph.values.flatMap((value) => (used.has(value.id) ? [value.name] : []))) };
}

/** The one value of all elements, in hexadecimal. */
function constantOf(bytes: Uint8Array, width: number): string | undefined {
  if (bytes.length <= width) return undefined;
  for (let i = width; i < bytes.length; i++) if (bytes[i] !== bytes[i - width]) return undefined;
  return Array.from(bytes.subarray(0, width), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Reads every weight once. @throws what reading the model's file throws */
export async function sizesOf(session: Session): Promise<Sizes> {
  const { program } = session;
  const graph = graphOf(program);
  const read = readAttributes(graph);
  const classes = new Map(graph.modules.map((module) => [module.path, module.class]));
  const isUnused = (name: string): boolean => {
    if (program.root === undefined) return !read.values.has(name);
    const at = name.lastIndexOf(".");
    return !read.attributes.has(`${classes.get(name.slice(0, Math.max(0, at))) ?? ""}.${name.slice(at + 1)}`);
  };
  const weights: WeightSize[] = [];
  const owners = new Map<Tensor["storage"], string[]>();
  for (const { name, tensor, role } of session.tensors()) {
    const bytes = await tensor.storage.peek();
    const { bytes: elements } = elementBytes(tensor, bytes);
    const constant = constantOf(elements, tensor.numel === 0 ? 1 : elements.length / tensor.numel);
    weights.push({
      name,
      role,
      dtype: tensor.dtype,
      shape: tensor.shape,
      bytes: tensor.nbytes,
      hash: hashBytes(elements, `${tensor.dtype}[${tensor.shape.join(",")}]`),
      unused: isUnused(name),
      constant,
      zero: elements.length > 0 && elements.every((byte) => byte === 0),
    });
    const names = owners.get(tensor.storage);
    if (names === undefined) owners.set(tensor.storage, [name]);
    else names.push(name);
  }
  const storages = new Map([...owners].flatMap(([storage, names]) => names.map((name) => [name, storage] as const)));
  const alike = new Map<string, WeightSize[]>();
  for (const weight of weights) alike.set(weight.hash, [...(alike.get(weight.hash) ?? []), weight]);
  const duplicates = [...alike.values()].flatMap((same) => {
    const places = new Set(same.map((weight) => storages.get(weight.name)));
    const [one] = same;
    return places.size > 1 && one !== undefined && one.bytes > 0 ? [{ names: same.map((weight) => weight.name), bytes: one.bytes * (places.size - 1) }] : [];
  });
  return {
    bytes: [...owners.keys()].reduce((n, storage) => n + storage.nbytes, 0),
    weights,
    byModule: grouped(weights, (weight) => weight.name.split(".").slice(0, -1).join(".")).map(([module, rest]) => ({ module, ...rest })),
    byDtype: grouped(weights, (weight) => weight.dtype).map(([dtype, rest]) => ({ dtype, ...rest })),
    duplicates: duplicates.toSorted((a, b) => b.bytes - a.bytes),
    shared: [...owners.values()].filter((names) => names.length > 1),
  };
}

function grouped(weights: readonly WeightSize[], key: (weight: WeightSize) => string): [string, { bytes: number; count: number }][] {
  const sums = new Map<string, { bytes: number; count: number }>();
  for (const weight of weights) {
    const so = sums.get(key(weight)) ?? { bytes: 0, count: 0 };
    sums.set(key(weight), { bytes: so.bytes + weight.bytes, count: so.count + 1 });
  }
  return [...sums].toSorted((a, b) => b[1].bytes - a[1].bytes || (a[0] < b[0] ? -1 : 1));
}
