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

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "array" : typeof value === "number" && Number.isInteger(value) ? "integer" : typeof value;
}

/** A check made once of a schema; definitions are those of `root`. */
export function checkOf(schema: JsonSchema, root: JsonSchema = schema, made: Map<string, Check> = new Map()): Check {
  const { $ref } = schema;
  if ($ref !== undefined) {
    const name = $ref.replace("#/$defs/", "");
    return (value, path) => {
      let check = made.get(name);
      if (check === undefined) made.set(name, (check = checkOf(root.$defs?.[name] ?? {}, root, made)));
      return check(value, path);
    };
  }
  if (schema.anyOf !== undefined) {
    const checks = schema.anyOf.map((one) => checkOf(one, root, made));
    return (value, path) => (checks.some((check) => check(value, path) === undefined) ? undefined : `${path}: none of the allowed forms`);
  }
  const types = schema.type === undefined ? undefined : typeof schema.type === "string" ? [schema.type] : schema.type;
  const properties = Object.entries(schema.properties ?? {}).map(([name, one]) => [name, checkOf(one, root, made)] as const);
  const required = schema.required ?? [];
  const known = new Set(properties.map(([name]) => name));
  const rest = schema.additionalProperties === undefined ? undefined : checkOf(schema.additionalProperties, root, made);
  const items = schema.items === undefined ? undefined : checkOf(schema.items, root, made);
  return (value, path) => {
    const kind = kindOf(value);
    if (types !== undefined && !types.includes(kind) && !(kind === "integer" && types.includes("number")))
      return `${path}: ${types.join(" or ")} is wanted, not ${kind}`;
    if (schema.const !== undefined && value !== schema.const) return `${path}: ${JSON.stringify(schema.const)} is wanted`;
    if (schema.enum !== undefined && (typeof value !== "string" || !schema.enum.includes(value))) return `${path}: one of ${schema.enum.join(", ")} is wanted`;
    if (schema.minimum !== undefined && typeof value === "number" && value < schema.minimum) return `${path}: at least ${schema.minimum} is wanted`;
    if (Array.isArray(value)) {
      if (schema.minItems !== undefined && value.length < schema.minItems) return `${path}: at least ${schema.minItems} items are wanted`;
      if (schema.maxItems !== undefined && value.length > schema.maxItems) return `${path}: at most ${schema.maxItems} items are wanted`;
      if (items === undefined) return undefined;
      for (let i = 0; i < value.length; i++) {
        const fault = items(value[i], `${path}[${i}]`);
        if (fault !== undefined) return fault;
      }
      return undefined;
    }
    if (kind !== "object") return undefined;
    const object = value as Readonly<Record<string, unknown>>; // its kind says so
    for (const name of required) if (!Object.hasOwn(object, name)) return `${path}: \`${name}\` is missing`;
    for (const [name, check] of properties) {
      if (!Object.hasOwn(object, name)) continue;
      const fault = check(object[name], `${path}.${name}`);
      if (fault !== undefined) return fault;
    }
    if (rest === undefined) return undefined;
    for (const [name, one] of Object.entries(object)) {
      const fault = known.has(name) ? undefined : rest(one, `${path}.${name}`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}
