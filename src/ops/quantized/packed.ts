/**
 * Packed parameters: host objects made by prepack ops, or read from archives as the state that LibTorch's classes pickle.
 * Nothing is packed here: the object holds the weight and what goes with it, and backends lay it out as they like.
 */

import { type Datum, type Host, makeList, makeTuple } from "../../ir/datum.ts";
import { T } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";

const PREFIX = "__torch__.torch.classes.";
export const LINEAR: string = `${PREFIX}quantized.LinearPackedParamsBase`;
export const CONV2D: string = `${PREFIX}quantized.Conv2dPackedParamsBase`;
export const CONV3D: string = `${PREFIX}quantized.Conv3dPackedParamsBase`;
export const EMBEDDING: string = `${PREFIX}quantized.EmbeddingPackedParamsBase`;
export const CELL: string = `${PREFIX}rnn.CellParamsBase`;

export interface LinearParams {
  /** `[N, K]`: codes, or float32 numbers that are rounded to half precision. */
  readonly weight: Tensor;
  readonly bias: Tensor | null;
}

export interface ConvolutionParams extends LinearParams {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly outputPadding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
  readonly transposed: boolean;
}

export interface EmbeddingParams {
  readonly weight: Tensor;
  readonly bits: number;
  readonly version: number;
}

/** Parameters of a recurrent cell: `linear_dynamic` (or half precision) on both sides. */
export interface CellParams {
  readonly kind: "dynamic" | "half";
  readonly input: LinearParams;
  readonly hidden: LinearParams;
  readonly reduceRange: boolean;
}

function hostOf(value: Datum, name: string): Host {
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "host" && value.name === name) return value;
  throw new OpwiseError("type-mismatch", "an argument is no packed parameters of this kind", { wanted: name });
}

function malformed(name: string): OpwiseError {
  return new OpwiseError("bad-model", `the state of \`${name}\` is not what LibTorch writes`);
}

function itemsOf(value: unknown): readonly Datum[] | undefined {
  return typeof value === "object" && value !== null && "items" in value && Array.isArray(value.items) ? value.items : undefined;
}

const tensorOrNull = (value: Datum | undefined): Tensor | null => (value instanceof Tensor ? value : null);
const numbers = (value: readonly Datum[]): number[] => value.map(Number);

const parsed = new WeakMap<Host, unknown>();
/** What `read` makes of a host object's state, kept by the object's identity. */
function known<P>(host: Host, read: (state: readonly Datum[]) => P | undefined): P {
  const found = parsed.get(host);
  if (found !== undefined) return found as P; // each class has one reader
  const state = itemsOf(host.value);
  const made = state === undefined ? undefined : read(state);
  if (made === undefined) throw malformed(host.name);
  parsed.set(host, made);
  return made;
}

function readLinear([weight, bias]: readonly Datum[]): LinearParams | undefined {
  return weight instanceof Tensor ? { weight, bias: tensorOrNull(bias) } : undefined;
}

/** @throws type-mismatch, bad-model */
export function linearParams(value: Datum): LinearParams {
  return known(hostOf(value, LINEAR), readLinear);
}
export function packLinear(weight: Tensor, bias: Tensor | null): Host {
  return { kind: "host", name: LINEAR, value: makeTuple([weight, bias]) };
}

/** `[axes, stride…, padding…, dilation…, output padding…, groups, transposed]` as pickled. */
function settings(config: readonly number[]): Omit<ConvolutionParams, "weight" | "bias"> | undefined {
  const [axes = 0] = config;
  if (config.length < 4 * axes + 3) return undefined;
  const part = (k: number): number[] => config.slice(1 + k * axes, 1 + (k + 1) * axes);
  return {
    stride: part(0),
    padding: part(1),
    dilation: part(2),
    outputPadding: part(3),
    groups: config[4 * axes + 1] ?? 1,
    transposed: ((config[4 * axes + 2] ?? 0) & 1) === 1,
  };
}

/** Ours: (weight, bias, settings); version 2: ("2", [settings as int16, weight], [bias]); version 3: (3, settings, [None, weight, bias]). */
function readConvolution([first, second, third]: readonly Datum[]): ConvolutionParams | undefined {
  const [list, rest] = [itemsOf(second), itemsOf(third)];
  if (first instanceof Tensor) {
    const how = rest === undefined ? undefined : settings(numbers(rest));
    return how === undefined ? undefined : { weight: first, bias: tensorOrNull(second), ...how };
  }
  if (list === undefined || rest === undefined) return undefined;
  if (first === "2") {
    const [config, weight] = list;
    const how = config instanceof Tensor ? settings(Array.from(config.data, Number)) : undefined;
    return how === undefined || !(weight instanceof Tensor) ? undefined : { weight, bias: tensorOrNull(rest[0]), ...how };
  }
  const how = settings(numbers(list));
  const [, weight, bias] = rest;
  return first !== 3 || how === undefined || !(weight instanceof Tensor) ? undefined : { weight, bias: tensorOrNull(bias), ...how };
}

/** @throws type-mismatch, bad-model */
export function convolutionParams(value: Datum, axes: number): ConvolutionParams {
  return known(hostOf(value, axes === 3 ? CONV3D : CONV2D), readConvolution);
}
export function packConvolution(p: ConvolutionParams): Host {
  const axes = p.weight.rank - 2;
  const config = [axes, ...p.stride, ...p.padding, ...p.dilation, ...p.outputPadding, p.groups, p.transposed ? 1 : 0];
  return { kind: "host", name: axes === 3 ? CONV3D : CONV2D, value: makeTuple([p.weight, p.bias, makeList(T.int, config)]) };
}

function readEmbedding([version, tensors, , ints]: readonly Datum[]): EmbeddingParams | undefined {
  const [weight] = itemsOf(tensors) ?? [];
  const [bits] = itemsOf(ints) ?? [];
  return weight instanceof Tensor ? { weight, bits: Number(bits ?? 8), version: Number(version) } : undefined;
}

/** @throws type-mismatch, bad-model */
export function embeddingParams(value: Datum): EmbeddingParams {
  return known(hostOf(value, EMBEDDING), readEmbedding);
}
export function packEmbedding(weight: Tensor, bits: number): Host {
  return { kind: "host", name: EMBEDDING, value: makeTuple([1, makeList(T.Tensor, [weight]), makeList(T.float, []), makeList(T.int, [bits])]) };
}

function readCell([kind, , , ints, packed]: readonly Datum[]): CellParams | undefined {
  const [input, hidden] = itemsOf(packed) ?? [];
  const [reduceRange] = itemsOf(ints) ?? [];
  if (input === undefined || hidden === undefined || (kind !== "quantized_dynamic" && kind !== "quantized_fp16")) return undefined;
  return {
    kind: kind === "quantized_fp16" ? "half" : "dynamic",
    input: linearParams(input),
    hidden: linearParams(hidden),
    reduceRange: Number(reduceRange ?? 0) !== 0,
  };
}

/** @throws type-mismatch, bad-model */
export function cellParams(value: Datum): CellParams {
  return known(hostOf(value, CELL), readCell);
}
export function packCell(kind: "quantized_dynamic" | "quantized_fp16", input: Datum, hidden: Datum, biases: readonly Tensor[], reduceRange: boolean): Host {
  return {
    kind: "host",
    name: CELL,
    value: makeTuple([kind, makeList(T.Tensor, [...biases]), makeList(T.float, []), makeList(T.int, [reduceRange ? 1 : 0]), makeList(T.Any, [input, hidden])]),
  };
}
