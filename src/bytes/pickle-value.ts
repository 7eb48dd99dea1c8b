/** What a pickle holds, as plain data. Identity is kept: a value met twice is one object, and lists and dicts may hold themselves. */

import { OpwiseError } from "../tensor/error.ts";

export type PickleValue =
  | PickleNone | PickleBool | PickleInt | PickleFloat | PickleString | PickleBytes
  | PickleTuple | PickleList | PickleDict | PickleSet
  | PickleGlobal | PickleObject | PickleReduce | PicklePersistent;

export interface PickleNone {
  readonly kind: "none";
}
export interface PickleBool {
  readonly kind: "bool";
  readonly value: boolean;
}
/** A safe number, else a bigint; of any size. */
export interface PickleInt {
  readonly kind: "int";
  readonly value: number | bigint;
}
export interface PickleFloat {
  readonly kind: "float";
  readonly value: number;
}
export interface PickleString {
  readonly kind: "string";
  readonly value: string;
}
/** Bytes of the pickle itself, as a view. */
export interface PickleBytes {
  readonly kind: "bytes";
  readonly value: Uint8Array;
}
export interface PickleTuple {
  readonly kind: "tuple";
  readonly items: readonly PickleValue[];
}
export interface PickleList {
  readonly kind: "list";
  readonly items: readonly PickleValue[];
}
/** Pairs in the order they were set; a key may come twice, and the later value counts. */
export interface PickleDict {
  readonly kind: "dict";
  readonly entries: readonly PickleEntry[];
}
export type PickleEntry = readonly [key: PickleValue, value: PickleValue];
export interface PickleSet {
  readonly kind: "set";
  readonly frozen: boolean;
  readonly items: readonly PickleValue[];
}
/** A name of the allow-list, `module.name`. */
export interface PickleGlobal {
  readonly kind: "global";
  readonly module: string;
  readonly name: string;
  readonly fullName: string;
}
/** `class.__new__(class, *args)`, with what was put into it later. */
export interface PickleObject {
  readonly kind: "object";
  readonly class: PickleGlobal;
  readonly args: PickleValue;
  /** Keyword arguments of NEWOBJ_EX. */
  readonly kwargs: PickleValue | undefined;
  readonly state: PickleValue | undefined;
  readonly items: readonly PickleValue[] | undefined;
  readonly entries: readonly PickleEntry[] | undefined;
}
/** `callable(*args)`, not called. `args` mostly is a tuple; TorchScript enums have the value itself there. */
export interface PickleReduce {
  readonly kind: "reduce";
  readonly callable: PickleGlobal;
  readonly args: PickleValue;
  readonly state: PickleValue | undefined;
  readonly items: readonly PickleValue[] | undefined;
  readonly entries: readonly PickleEntry[] | undefined;
}
/** A reference to something outside, as `("storage", torch.FloatStorage, "0", "cpu", 12)`. */
export interface PicklePersistent {
  readonly kind: "persistent";
  readonly id: PickleValue;
}

/** A few words for messages: `an int`, `the global torch.float32`. */
export function describePickle(value: PickleValue): string {
  switch (value.kind) {
    case "none": return "None";
    case "int": return `the int ${value.value}`;
    case "object": return `an object of class ${value.class.fullName}`;
    case "global": return `the global ${value.fullName}`;
    case "reduce": return `a call of ${value.callable.fullName}`;
    case "persistent": return "a persistent id";
    case "bytes": return "bytes";
    default: return `a ${value.kind}`;
  }
}

function wrongKind(value: PickleValue, wanted: string): OpwiseError {
  return new OpwiseError("bad-pickle", `the pickle holds ${describePickle(value)} where ${wanted} belongs`, { wanted, got: describePickle(value) });
}

/** The pairs of a dict whose keys are strings; a later value of a key replaces the earlier in its place. @throws bad-pickle */
export function stringEntries(entries: readonly PickleEntry[]): Map<string, PickleValue> {
  const map = new Map<string, PickleValue>();
  for (const [key, value] of entries) {
    if (key.kind !== "string") throw wrongKind(key, "a string key");
    map.set(key.value, value);
  }
  return map;
}

/** The items of a tuple or a list. @throws bad-pickle */
export function itemsOf(value: PickleValue): readonly PickleValue[] {
  if (value.kind === "tuple" || value.kind === "list") return value.items;
  throw wrongKind(value, "a tuple");
}
/** @throws bad-pickle */
export function stringOf(value: PickleValue): string {
  if (value.kind === "string") return value.value;
  throw wrongKind(value, "a string");
}
/** An int as a safe number. @throws bad-pickle */
export function safeIntOf(value: PickleValue): number {
  if (value.kind === "int" && typeof value.value === "number") return value.value;
  throw wrongKind(value, "an int below 2^53");
}
/** @throws bad-pickle */
export function boolOf(value: PickleValue): boolean {
  if (value.kind === "bool") return value.value;
  throw wrongKind(value, "a bool");
}
/** A float, or an int as one. @throws bad-pickle */
export function numberOf(value: PickleValue): number {
  if (value.kind === "float" || value.kind === "int") return Number(value.value);
  throw wrongKind(value, "a number");
}
/** The full name of a global. @throws bad-pickle */
export function globalOf(value: PickleValue): string {
  if (value.kind === "global") return value.fullName;
  throw wrongKind(value, "a global");
}

/** The children of a value, in order. */
export function childrenOf(value: PickleValue): readonly PickleValue[] {
  switch (value.kind) {
    case "tuple": case "list": case "set": return value.items;
    case "dict": {
      const children: PickleValue[] = [];
      for (const entry of value.entries) children.push(entry[0], entry[1]);
      return children;
    }
    case "persistent": return [value.id];
    case "object": case "reduce": {
      const children: PickleValue[] = [value.kind === "object" ? value.class : value.callable, value.args];
      if (value.kind === "object" && value.kwargs !== undefined) children.push(value.kwargs);
      if (value.items !== undefined) for (const item of value.items) children.push(item);
      if (value.entries !== undefined) for (const entry of value.entries) children.push(entry[0], entry[1]);
      if (value.state !== undefined) children.push(value.state);
      return children;
    }
    case "none": case "bool": case "int": case "float": case "string": case "bytes": case "global": return NOTHING;
    default: return value satisfies never;
  }
}
const NOTHING: readonly PickleValue[] = [];

/**
 * How deep the values lie inside each other on the longest path from `root`; a step that closes a cycle does not count.
 * Takes time in proportion to the number of values, shared ones once, and no stack.
 */
export function depthOf(root: PickleValue): number {
  const depths = new Map<PickleValue, number>();
  interface Visit {
    readonly value: PickleValue;
    readonly children: readonly PickleValue[];
    next: number;
    deepest: number;
  }
  const path: Visit[] = [];
  const enter = (value: PickleValue): void => {
    depths.set(value, 0); // on the path: a cycle ends here
    path.push({ value, children: childrenOf(value), next: 0, deepest: 0 });
  };
  enter(root);
  for (;;) {
    const visit = path.at(-1);
    if (visit === undefined) return depths.get(root) ?? 0;
    const child = visit.children[visit.next++];
    if (child === undefined) {
      path.pop();
      const depth = visit.deepest + 1;
      depths.set(visit.value, depth);
      const parent = path.at(-1);
      if (parent !== undefined) parent.deepest = Math.max(parent.deepest, depth);
    } else if (isLeaf(child)) {
      visit.deepest = Math.max(visit.deepest, 1);
    } else {
      const known = depths.get(child);
      if (known === undefined) enter(child);
      else visit.deepest = Math.max(visit.deepest, known);
    }
  }
}

/** Whether a value is of a kind that has no children. */
export function isLeaf(value: PickleValue): boolean {
  switch (value.kind) {
    case "none": case "bool": case "int": case "float": case "string": case "bytes": case "global": return true;
    default: return false;
  }
}
