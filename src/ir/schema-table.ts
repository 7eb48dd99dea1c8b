/**
 * All TorchScript schemas by name, parsed on first use. Those of common operators are here; the others are imported where one is asked for, see `SchemaTable.complete`.
 * Custom ones belong to one load: make a `SchemaTable` for it.
 */

import { once } from "../tensor/once.ts";
import { COMMON_TORCH_SCHEMAS } from "./common-schemas.generated.ts";
import { fullName, parseSchema, type Schema, schemaOfText } from "./schema.ts";

/** The name part of a schema text, `aten::add` of `aten::add.Tensor(...)`. */
function nameOf(text: string): string {
  const end = text.search(/[.(]/);
  return end < 0 ? text : text.slice(0, end).trim();
}

function index(texts: Iterable<string>): Map<string, string[]> {
  const byName = new Map<string, string[]>();
  for (const text of texts) {
    if (text === "") continue;
    const name = nameOf(text);
    const list = byName.get(name);
    if (list === undefined) byName.set(name, [text]);
    else list.push(text);
  }
  return byName;
}

/** Namespaces of the other schemas. All of `prim` are here: what code is made of. */
const OTHER_NAMESPACES: ReadonlySet<string> = new Set(
  "aten prims quantized _quantized quantization quantized_decomposed sparse profiler torchvision image".split(" "),
);

/** What code calls and no schema is of: PyTorch defines it in the language (`loaders/torchscript/builtin-functions.ts`). */
const IN_THE_LANGUAGE: ReadonlySet<string> = new Set(["aten::_assert", "aten::_assert_int_or_pair", "aten::list_with_default", "aten::type"]);

/** The texts of `other-schemas.ts`, once they are here. */
let others: readonly string[] | undefined;

/** Makes the other schemas known, which their importer has at hand. */
export function addSchemas(texts: readonly string[]): void {
  others = texts;
}

/** Imports the other schemas: afterwards every name is answered. */
export const fetchSchemas: () => Promise<void> = once(async () => addSchemas((await import("./other-schemas.ts")).OTHER_SCHEMAS));

/** A name was asked for that is none of the common ones, and the others have not been imported: what it means cannot be said yet. */
class NotFetched extends Error {
  constructor(what: string) {
    super(`${what}: the schemas of operators that are not common have not been imported`);
  }
}

/** @throws NotFetched */
function otherSchemas(what: string): readonly string[] {
  if (others === undefined) throw new NotFetched(what);
  return others;
}

function linesOfText(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** All lines in the order in which PyTorch registers them: `+3` among the others stands for the next three of the common ones. @throws NotFetched */
export function builtinLines(): string[] {
  const common = linesOfText(COMMON_TORCH_SCHEMAS);
  let at = 0;
  return otherSchemas("all schemas")
    .flatMap(linesOfText)
    .flatMap((line) => (line.startsWith("+") ? common.slice(at, (at += Number(line))) : [line]));
}

/** The tables that may have a name, the likeliest first. @throws NotFetched when all of them are asked for */
function* tablesOf(name: string): Generator<string> {
  yield COMMON_TORCH_SCHEMAS;
  if (OTHER_NAMESPACES.has(name.split("::", 1)[0] ?? "") && !IN_THE_LANGUAGE.has(name)) yield* otherSchemas(`\`${name}\``);
}

/** The lines of a name. They are searched for: a program asks for a few dozen of 2,200 names, and an index of all would take longer, and stay. @throws NotFetched */
function linesOf(name: string): string[] {
  const lines: string[] = [];
  if (name.includes(".") || name.includes("(")) return lines;
  const start = `\n${name}`;
  for (const table of tablesOf(name)) {
    const isItsLine = (at: number): boolean => {
      const next = table[at + start.length];
      return next === "." || next === "(";
    };
    let at = table.indexOf(start);
    while (at >= 0 && !isItsLine(at)) at = table.indexOf(start, at + 1);
    // Overloads of a name follow each other.
    while (at >= 0 && table.startsWith(start, at) && isItsLine(at)) {
      const end = table.indexOf("\n", at + 1);
      lines.push(table.slice(at + 1, end));
      at = end;
    }
    if (lines.length > 0) break;
  }
  return lines;
}

/** Lists of the built-in table; pure data, so sharing them between loads is safe. */
const builtinLists = new Map<string, readonly Schema[]>();

/** @param given the lines of the name, where they are at hand */
function builtinSchemas(name: string, given?: readonly string[]): readonly Schema[] {
  const known = builtinLists.get(name);
  if (known !== undefined) return known;
  const list = (given ?? linesOf(name)).map(schemaOfText);
  if (list.length > 0) builtinLists.set(name, list);
  return list;
}

/** The built-in schemas, and those of one load's custom ops. */
export class SchemaTable {
  readonly #extra: Map<string, string[]>;
  readonly #lists = new Map<string, readonly Schema[]>();
  readonly #uncommon: (() => void) | undefined;

  /**
   * @param extra schema texts of custom ops; they follow the built-in overloads of their name
   * @param uncommon told when the other schemas are about to be imported, since the model has an op that is not common
   */
  constructor(extra: readonly string[] = [], uncommon?: () => void) {
    this.#extra = index(extra);
    this.#uncommon = uncommon;
  }

  /**
   * What `work` gives, which asks for schemas. Where it asks for one that is not common, the others are imported and it is done again: what it has done by then must
   * stand, or not matter. Models that have common ops alone wait for nothing.
   */
  async complete<X>(work: () => X): Promise<X> {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof NotFetched)) throw error;
      this.#uncommon?.();
      await fetchSchemas();
      return work();
    }
  }

  /** The complete list of overloads of `aten::add`, in registration order; empty for an unknown name. @throws bad-code for a custom text that cannot be parsed, NotFetched */
  schemasOf(name: string): readonly Schema[] {
    const extra = this.#extra.get(name);
    if (extra === undefined) return builtinSchemas(name);
    let list = this.#lists.get(name);
    if (list === undefined) {
      list = [...builtinSchemas(name), ...extra.map(parseSchema)];
      this.#lists.set(name, list);
    }
    return list;
  }

  /** The schema of `aten::add.Tensor`, or undefined. */
  schemaOf(full: string): Schema | undefined {
    return this.schemasOf(nameOf(full)).find((schema) => fullName(schema) === full);
  }

  /** Names of the namespace that resemble `name`, for hints. @throws NotFetched */
  similar(name: string): readonly string[] {
    const wanted = name.slice(name.indexOf("::") + 2).toLowerCase();
    const out: string[] = [];
    for (const names of [this.#extra.keys(), index(builtinLines()).keys()]) {
      for (const key of names) {
        const short = key.slice(key.indexOf("::") + 2).toLowerCase();
        if (
          short.replace(/_/g, "") === wanted.replace(/_/g, "") ||
          (wanted.length > 4 && Math.abs(short.length - wanted.length) < 3 && (short.startsWith(wanted) || wanted.startsWith(short)))
        )
          out.push(key);
        if (out.length >= 5) return out;
      }
    }
    return out;
  }
}

const builtin = new SchemaTable();

/** The complete ordered overload list of a built-in name. @throws NotFetched */
export function schemasOf(name: string): readonly Schema[] {
  return builtin.schemasOf(name);
}

/** All built-in schemas, overloads of a name in registration order. @throws NotFetched */
export function allSchemas(): readonly Schema[] {
  return [...index(builtinLines())].flatMap(([name, lines]) => builtinSchemas(name, lines));
}

/** The built-in schema of a full name, or undefined. @throws NotFetched */
export function schemaOf(full: string): Schema | undefined {
  return builtin.schemaOf(full);
}
