/** Arguments and results of a .pt2 program: nested values to its flat inputs, flat outputs to nested values. */

import type { Datum } from "../ir/datum.ts";
import type { Tree } from "../ir/graph.ts";
import { T, type Type } from "../ir/type.ts";
import { OpwiseError } from "../tensor/error.ts";
import type { Input } from "./convert.ts";

/** The leaves of a value in the order of the program's tree. @throws type-mismatch where it has another form */
export function flatten(value: Input, tree: Tree, where: string, into: Input[]): void {
  const wrong = (wanted: string): never => {
    throw new OpwiseError("type-mismatch", `${where} does not have the form the program was exported with`, { wanted });
  };
  switch (tree.kind) {
    case "leaf":
      into.push(value);
      return;
    case "none":
      return;
    case "tuple":
    case "list": {
      const items: readonly Input[] = Array.isArray(value) ? value : wrong(`${tree.children.length} items`);
      if (items.length !== tree.children.length) wrong(`${tree.children.length} items, got ${items.length}`);
      tree.children.forEach((child, i) => flatten(items[i], child, `${where}[${i}]`, into));
      return;
    }
    case "namedtuple":
    case "dict": {
      const keys = tree.kind === "dict" ? tree.keys : tree.fields;
      if (typeof value !== "object" || value === null) return wrong(`an object with ${keys.join(", ")}`);
      tree.children.forEach((child, i) => {
        const key = keys[i] ?? "";
        const item =
          value instanceof Map
            ? (value as ReadonlyMap<Input, Input>).get(key)
            : Array.isArray(value)
              ? (value as readonly Input[])[i]
              : (value as { readonly [key: string]: Input })[key];
        flatten(item, child, `${where}.${key}`, into);
      });
      return;
    }
    default:
      tree satisfies never;
  }
}

/** The value of a tree whose leaves `next` gives, with its type. */
export function unflatten(tree: Tree, next: () => { value: Datum; type: Type }): { value: Datum; type: Type } {
  switch (tree.kind) {
    case "leaf":
      return next();
    case "none":
      return { value: null, type: T.None };
    case "dict": {
      const parts = tree.children.map((c) => unflatten(c, next));
      const entries = new Map<unknown, [Datum, Datum]>(tree.keys.map((k, i) => [k, [k, parts[i]?.value ?? null]]));
      return { value: { kind: "dict", key: T.str, value: T.Any, entries }, type: { kind: "Dict", key: T.str, value: parts[0]?.type ?? T.Any } };
    }
    default: {
      const parts = tree.children.map((c) => unflatten(c, next));
      const items = parts.map((p) => p.value);
      const elems = parts.map((p) => p.type);
      if (tree.kind === "list") return { value: { kind: "list", elem: elems[0] ?? T.Any, items }, type: { kind: "List", elem: elems[0] ?? T.Any } };
      if (tree.kind === "namedtuple") {
        const type: Type = { kind: "NamedTuple", name: tree.name, fields: tree.fields, elems };
        return { value: { kind: "tuple", type, items }, type };
      }
      return { value: { kind: "tuple", type: undefined, items }, type: { kind: "Tuple", elems } };
    }
  }
}
