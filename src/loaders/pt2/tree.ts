/** How arguments and results nest: torch's pytree specs, `[1, {type, context, children_spec}]`. */

import type { Tree } from "../../ir/graph.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { type Json, type JsonObject, type JsonView, parseJson, showJson } from "./json.ts";

const MAX_DEPTH = 500;

/** Reads a spec text. `namedTuples`: field names by serialised type name. @throws bad-model, unsupported-version */
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
    const name = view.text(type, "treespec type");
    switch (name) {
      case "builtins.tuple":
      case "torch.Size":
        return { kind: "tuple", children };
      case "builtins.list":
      case "collections.deque":
      case "torch.fx.immutable_collections.immutable_list":
        return { kind: "list", children };
      case "builtins.dict":
      case "collections.OrderedDict":
      case "torch.fx.immutable_collections.immutable_dict":
        return { kind: "dict", keys: keysOf(context(spec)), children };
      case "collections.defaultdict":
        return { kind: "dict", keys: keysOf(defaultdictKeys(context(spec))), children };
      case "collections.namedtuple": {
        const own = view.text(spec["context"] ?? null, "namedtuple").replace(/^"(.*)"$/, "$1");
        const fields = view.array(view.object(namedTuples[own], `namedtuple ${own}`)["field_names"], "field_names").map((f) => view.text(f, "field_names"));
        return { kind: "namedtuple", name: own, fields, children };
      }
      default:
        return registered(name, spec["context"] ?? null, children, view);
    }
  };
  const keysOf = (json: Json): (string | number)[] =>
    view.array(json, "dict keys").map((key) => (typeof key === "string" || typeof key === "number" ? key : showJson(key)));
  /** `{default_factory_module, default_factory_name, dict_context}`. */
  const defaultdictKeys = (json: Json): Json => view.object(json, "defaultdict")["dict_context"] ?? null;
  return read(whole[1], 0);
}

/**
 * A class that Python code registered. What its context says is the class's own; the usual ones are a dict's keys (results of
 * transformers) and `[fields, fields that are None]` (`torch.export.register_dataclass`). Else the parts are counted.
 */
function registered(name: string, context: Json, children: readonly Tree[], view: JsonView): Tree {
  const counted = children.map((_, i) => String(i));
  let fields: Json = context;
  try {
    if (typeof context === "string") fields = parseJson(context, view.record);
  } catch {
    fields = null; // a context need not be JSON
  }
  const named = (json: Json | undefined): string[] | undefined => (isTexts(json) ? [...json] : undefined);
  const own = named(fields);
  if (own?.length === children.length && children.length > 0) return { kind: "dict", keys: own, children };
  if (Array.isArray(fields) && fields.length === 2) {
    const [present, absent] = [named(fields[0] as Json), named(fields[1] as Json)]; // parsed JSON
    if (present?.length === children.length && absent !== undefined) {
      return { kind: "namedtuple", name, fields: [...present, ...absent], children: [...children, ...absent.map((): Tree => ({ kind: "none" }))] };
    }
  }
  return { kind: "namedtuple", name, fields: counted, children };
}

function isTexts(json: Json | undefined): json is readonly string[] {
  return Array.isArray(json) && json.every((item) => typeof item === "string");
}

/** Leaves of a tree. */
export function leafCount(tree: Tree): number {
  if (tree.kind === "leaf") return 1;
  if (tree.kind === "none") return 0;
  return tree.children.reduce((n, child) => n + leafCount(child), 0);
}

/** The keys that lead to each leaf in order: dict keys, fields and positions. */
export function leafPaths(tree: Tree, prefix: readonly string[] = []): (readonly string[])[] {
  if (tree.kind === "leaf") return [prefix];
  if (tree.kind === "none") return [];
  const key = (i: number): string => String((tree.kind === "dict" ? tree.keys[i] : tree.kind === "namedtuple" ? tree.fields[i] : i) ?? "");
  return tree.children.flatMap((child, i) => leafPaths(child, [...prefix, key(i)]));
}
