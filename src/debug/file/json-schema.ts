/** The part of JSON Schema that the trace's files are described in, and a check of values against it. */

export interface JsonSchema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly title?: string;
  readonly description?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  /** `#/$defs/NAME`. */
  readonly $ref?: string;
  readonly type?: "object" | "array" | "string" | "number" | "integer" | "boolean" | "null" | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  /** Of an object's values whose names `properties` does not have. */
  readonly additionalProperties?: JsonSchema;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly anyOf?: readonly JsonSchema[];
}

/** What is wrong with a value, as `$.nodes[3].op: a string is wanted`; undefined where nothing is. */
export type Check = (value: unknown, path: string) => string | undefined;

/** The same without the path before it, `[3].op: a string is wanted`: a path is put together only where something is wrong. */
type Inner = (value: unknown) => string | undefined;

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "array" : typeof value === "number" && Number.isInteger(value) ? "integer" : typeof value;
}

/** A check made once of a schema; definitions are those of `root`. */
export function checkOf(schema: JsonSchema, root: JsonSchema = schema): Check {
  const check = innerOf(schema, root, new Map());
  return (value, path) => {
    const fault = check(value);
    return fault === undefined ? undefined : path + fault;
  };
}

function innerOf(schema: JsonSchema, root: JsonSchema, made: Map<string, Inner>): Inner {
  const { $ref } = schema;
  if ($ref !== undefined) {
    const name = $ref.replace("#/$defs/", "");
    return (value) => {
      let check = made.get(name);
      if (check === undefined) made.set(name, (check = innerOf(root.$defs?.[name] ?? {}, root, made)));
      return check(value);
    };
  }
  if (schema.anyOf !== undefined) {
    const checks = schema.anyOf.map((one) => innerOf(one, root, made));
    return (value) => (checks.some((check) => check(value) === undefined) ? undefined : ": none of the allowed forms");
  }
  const types = schema.type === undefined ? undefined : typeof schema.type === "string" ? [schema.type] : schema.type;
  const properties = Object.entries(schema.properties ?? {}).map(([name, one]) => [name, innerOf(one, root, made)] as const);
  const required = schema.required ?? [];
  const known = new Set(properties.map(([name]) => name));
  const rest = schema.additionalProperties === undefined ? undefined : innerOf(schema.additionalProperties, root, made);
  const items = schema.items === undefined ? undefined : innerOf(schema.items, root, made);
  return (value) => {
    const kind = kindOf(value);
    if (types !== undefined && !types.includes(kind) && !(kind === "integer" && types.includes("number")))
      return `: ${types.join(" or ")} is wanted, not ${kind}`;
    if (schema.const !== undefined && value !== schema.const) return `: ${JSON.stringify(schema.const)} is wanted`;
    if (schema.enum !== undefined && (typeof value !== "string" || !schema.enum.includes(value))) return `: one of ${schema.enum.join(", ")} is wanted`;
    if (schema.minimum !== undefined && typeof value === "number" && value < schema.minimum) return `: at least ${schema.minimum} is wanted`;
    if (Array.isArray(value)) {
      if (schema.minItems !== undefined && value.length < schema.minItems) return `: at least ${schema.minItems} items are wanted`;
      if (schema.maxItems !== undefined && value.length > schema.maxItems) return `: at most ${schema.maxItems} items are wanted`;
      if (items === undefined) return undefined;
      for (let i = 0; i < value.length; i++) {
        const fault = items(value[i]);
        if (fault !== undefined) return `[${i}]${fault}`;
      }
      return undefined;
    }
    if (kind !== "object") return undefined;
    const object = value as Readonly<Record<string, unknown>>; // its kind says so
    for (const name of required) if (!Object.hasOwn(object, name)) return `: \`${name}\` is missing`;
    for (const [name, check] of properties) {
      if (!Object.hasOwn(object, name)) continue;
      const fault = check(object[name]);
      if (fault !== undefined) return `.${name}${fault}`;
    }
    if (rest === undefined) return undefined;
    for (const [name, one] of Object.entries(object)) {
      const fault = known.has(name) ? undefined : rest(one);
      if (fault !== undefined) return `.${name}${fault}`;
    }
    return undefined;
  };
}
