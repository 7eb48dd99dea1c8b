/** How arguments and results nest: torch's pytree specs, `[1, {type, context, children_spec}]`. */

import type { Tree } from "../../ir/graph.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { type Json, type JsonObject, type JsonView, parseJson, showJson } from "./json.ts";

const MAX_DEPTH = 500;

/** Reads a spec text. `namedTuples`: field names by serialised type name. @throws bad-model, unsupported-format for a class of the model's own */
export function parseTree(text: string, view: JsonView, namedTuples: JsonObject): Tree {
  const whole = view.array(parseJson(text, view.record), "treespec");
  if (whole[0] !== 1)
    throw new OpwiseError("unsupported-version", "the treespec is of another protocol", {
      where: { record: view.record },
      wanted: "protocol 1",
      got: showJson(whole[0]),
    });

  const context = (spec: JsonObject): Json => (typeof spec["context"] === "string" ? parseJson(spec["context"], view.record) : (spec["context"] ?? null));
  const read = (json: Json | undefined, depth: number): Tree => {
    if (depth > MAX_DEPTH) throw new OpwiseError("limit-exceeded", `the treespec nests deeper than ${MAX_DEPTH}`, { where: { record: view.record } });
    const spec = view.object(json, "treespec");
    const type = spec["type"] ?? null;
    if (type === null) return { kind: "leaf" };
    const children = view.array(spec["children_spec"], "children_spec").map((child) => read(child, depth + 1));
    switch (view.text(type, "treespec type")) {
      case "builtins.tuple":
      case "torch.Size":
        return { kind: "tuple", children };
      case "builtins.list":
      case "collections.deque":
        return { kind: "list", children };
      case "builtins.dict":
      case "collections.OrderedDict":
      case "torch.fx.immutable_collections.immutable_dict":
        return { kind: "dict", keys: keysOf(context(spec)), children };
      case "torch.fx.immutable_collections.immutable_list":
        return { kind: "list", children };
      case "collections.defaultdict": {
        const parts = view.object(context(spec), "defaultdict");
        return { kind: "dict", keys: keysOf(parts["dict_context"] ?? null), children };
      }
      case "collections.namedtuple": {
        const name = view.text(context(spec), "namedtuple");
        const fields = view.array(view.object(namedTuples[name], `namedtuple ${name}`)["field_names"], "field_names").map((f) => view.text(f, "field_names"));
        return { kind: "namedtuple", name, fields, children };
      }
      default:
        throw new OpwiseError("unsupported-format", `arguments nest in \`${showJson(type)}\`, a class that only the model's Python code knows`, {
          where: { record: view.record },
          wanted: "tuples, lists, dicts, named tuples",
        });
    }
  };
  const keysOf = (json: Json): string[] => view.array(json, "dict keys").map((key) => (typeof key === "string" ? key : showJson(key)));
  return read(whole[1], 0);
}

/** Leaves of a tree. */
export function leafCount(tree: Tree): number {
  if (tree.kind === "leaf") return 1;
  if (tree.kind === "none") return 0;
  return tree.children.reduce((n, child) => n + leafCount(child), 0);
}

/** A readable name per leaf in order: parameters' names, dict keys and positions joined by dots. */
export function leafNames(tree: Tree, prefix = ""): string[] {
  if (tree.kind === "leaf") return [prefix];
  if (tree.kind === "none") return [];
  const key = (i: number): string => (tree.kind === "dict" ? (tree.keys[i] ?? "") : tree.kind === "namedtuple" ? (tree.fields[i] ?? "") : String(i));
  return tree.children.flatMap((child, i) => leafNames(child, prefix === "" ? key(i) : `${prefix}.${key(i)}`));
}
