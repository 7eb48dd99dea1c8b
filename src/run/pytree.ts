/** Arguments to leaves along a program's tree, and results back: torch's pytrees, checked by name. */

import type { Datum } from "../ir/datum.ts";
import type { Program, Tree } from "../ir/graph.ts";
import { printType, T, type Type } from "../ir/type.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { coercion } from "./coerce.ts";
import type { Input } from "./convert.ts";

/**
 * The leaves of a call in the program's order. Arguments may come in order or by name, those by name in any order.
 * @throws bad-argument for one that is missing, unknown or given twice; type-mismatch for a container of another form
 */
export function flattenArguments(program: Program, args: readonly Input[], kwargs: Readonly<Record<string, Input>>): Input[] {
  const { inputTree } = program;
  if (inputTree?.kind !== "tuple") return [...args];
  const [positional, named] = inputTree.children;
  const ordered = positional !== undefined && "children" in positional ? positional.children : [];
  const keyed = named?.kind === "dict" ? named : undefined;
  const names = ordered.map((_, i) => program.argumentNames?.[i] ?? `arg${i}`);
  const all = [...names, ...(keyed?.keys ?? []).map(String)];
  const trees = [...ordered, ...(keyed?.children ?? [])];
  const wanted = all.join(", ") || "none";
  if (args.length > all.length) throw new OpwiseError("bad-argument", `the program takes ${all.length} arguments`, { wanted, got: `${args.length}` });
  for (const name of Object.keys(kwargs)) {
    const at = all.indexOf(name);
    if (at < 0) throw new OpwiseError("bad-argument", `the program has no argument \`${name}\``, { wanted });
    if (at < args.length) throw new OpwiseError("bad-argument", `the argument \`${name}\` is given twice`);
  }
  const leaves: Input[] = [];
  trees.forEach((tree, i) => {
    const name = all[i] ?? "";
    if (i >= args.length && !Object.hasOwn(kwargs, name)) {
      const got = [...all.slice(0, args.length), ...Object.keys(kwargs)].join(", ") || "nothing";
      throw new OpwiseError("bad-argument", `the argument \`${name}\` is missing`, { wanted, got });
    }
    flatten(i < args.length ? args[i] : kwargs[name], tree, name, leaves);
  });
  return leaves;
}

function describe(value: Input): string {
  if (value === null || value === undefined) return "None";
  if (value instanceof Tensor) return "a Tensor";
  if (Array.isArray(value)) return `${value.length} items`;
  if (value instanceof Map) return `the keys ${[...value.keys()].map((key) => keyText(key as Input)).join(", ") || "none"}`;
  return typeof value === "object" && !("kind" in value) ? `the keys ${Object.keys(value).join(", ") || "none"}` : typeof value;
}
const keyText = (key: Input): string => (typeof key === "string" || typeof key === "number" ? String(key) : "?");

function flatten(value: Input, tree: Tree, where: string, into: Input[]): void {
  const wrong = (wanted: string): never => {
    throw new OpwiseError("type-mismatch", `the argument \`${where}\` does not have the form that the program was exported with`, {
      wanted,
      got: describe(value),
    });
  };
  switch (tree.kind) {
    case "leaf":
      into.push(value);
      return;
    case "none":
      if (value !== null && value !== undefined) wrong("None");
      return;
    case "tuple":
    case "list": {
      const items: readonly Input[] = Array.isArray(value) ? value : wrong(`${tree.children.length} items`);
      if (items.length !== tree.children.length) wrong(`${tree.children.length} items`);
      tree.children.forEach((child, i) => flatten(items[i], child, `${where}.${i}`, into));
      return;
    }
    case "namedtuple": {
      const { fields } = tree;
      if (Array.isArray(value)) {
        if (value.length !== fields.length) wrong(`${fields.length} fields: ${fields.join(", ")}`);
        tree.children.forEach((child, i) => flatten((value as readonly Input[])[i], child, `${where}.${fields[i] ?? ""}`, into));
        return;
      }
      // A field that was None may be left out.
      flattenKeyed(value, fields, tree.children, where, into, wrong);
      return;
    }
    case "dict":
      flattenKeyed(value, tree.keys, tree.children, where, into, wrong);
      return;
    default:
      tree satisfies never;
  }
}

function flattenKeyed(
  value: Input,
  keys: readonly (string | number)[],
  children: readonly Tree[],
  where: string,
  into: Input[],
  wrong: (wanted: string) => never,
): void {
  const text = `the keys ${keys.join(", ") || "none"}`;
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Tensor) return wrong(text);
  const given: ReadonlyMap<Input, Input> = value instanceof Map ? (value as ReadonlyMap<Input, Input>) : new Map(Object.entries(value));
  const find = (key: string | number): Input => (given.has(key) ? given.get(key) : given.get(String(key)));
  const has = (key: string | number): boolean => given.has(key) || given.has(String(key));
  for (const key of given.keys()) if (!keys.some((k) => k === key || String(k) === key)) wrong(text);
  children.forEach((child, i) => {
    const key = keys[i] ?? "";
    if (!has(key) && child.kind !== "none") wrong(text);
    flatten(find(key), child, `${where}.${key}`, into);
  });
}

/** A value with the static type that says what kinds its scalars are. */
export interface Typed {
  readonly value: Datum;
  readonly type: Type;
}

/** The nest of `tree` with leaves taken from `next` in order. */
export function unflatten(tree: Tree, next: () => Typed): Typed {
  switch (tree.kind) {
    case "leaf":
      return next();
    case "none":
      return { value: null, type: T.None };
    case "dict": {
      const parts = tree.children.map((child) => unflatten(child, next));
      const key = tree.keys.length > 0 && tree.keys.every((k) => typeof k === "number") ? T.int : T.str;
      const { elem: value, items } = alike(parts);
      const entries = new Map<unknown, [Datum, Datum]>(tree.keys.map((k, i) => [k, [k, items[i] ?? null]]));
      return { value: { kind: "dict", key, value, entries }, type: { kind: "Dict", key, value } };
    }
    default: {
      const parts = tree.children.map((child) => unflatten(child, next));
      const items = parts.map((part) => part.value);
      const elems = parts.map((part) => part.type);
      if (tree.kind === "list") {
        const { elem, items: same } = alike(parts);
        return { value: { kind: "list", elem, items: same }, type: { kind: "List", elem } };
      }
      if (tree.kind === "namedtuple") {
        const type: Type = { kind: "NamedTuple", name: tree.name, fields: tree.fields, elems };
        return { value: { kind: "tuple", type, items }, type };
      }
      return { value: { kind: "tuple", type: undefined, items }, type: { kind: "Tuple", elems } };
    }
  }
}

/** The type that all parts have; where they differ it is Any, and scalars carry their kinds. */
function alike(parts: readonly Typed[]): { readonly elem: Type; readonly items: Datum[] } {
  const [first] = parts;
  const items = parts.map((part) => part.value);
  if (first === undefined) return { elem: T.Any, items };
  if (parts.every((part) => part.type.kind === "Tensor")) return { elem: T.Tensor, items };
  const text = printType(first.type);
  if (parts.every((part) => printType(part.type) === text)) return { elem: first.type, items };
  return { elem: T.Any, items: parts.map((part) => coercion(part.type, T.Any)?.(part.value) ?? part.value) };
}
