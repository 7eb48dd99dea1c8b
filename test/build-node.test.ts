/** Modules of a bundle as scripts, for the package's files for Node. */

import { runInThisContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { scriptOf } from "../scripts/build-node.ts";

const made = (text: string, imports: readonly string[] = [], exports: readonly string[] = []): string =>
  scriptOf({ name: "some.js", text, imports: new Set(imports), exports, isEntry: false });

/** Runs it, with parts and packages by name. */
function run(script: string, parts: Readonly<Record<string, object>> = {}, packages: Readonly<Record<string, object>> = {}): Readonly<Record<string, unknown>> {
  const body = runInThisContext(script) as (...given: readonly unknown[]) => Readonly<Record<string, unknown>>; // what `scriptOf` writes
  const part = (name: string): unknown => parts[name];
  return body(
    part,
    async (name: string) => Promise.resolve(part(name)),
    (name: string) => packages[name],
    async (name: string) => Promise.resolve(packages[name]),
  );
}

describe("a module as a script", () => {
  it("gets what it imports under the names it gave, and gives what it exports under those that it is known by", () => {
    const text = `import {\n  a,\n  b as c\n} from "./x.js";\nimport * as all from "node:y";\nimport whole from "z";\nvar $d = [a, c, all.one, whole.two];\nexport {\n  $d as list,\n  a\n};\n`;
    const script = made(text, ["./x.js", "node:y", "z"], ["list", "a"]);
    expect(run(script, { "x.cjs": { a: 1, b: 2 } }, { "node:y": { one: 3 }, z: { two: 4 } })).toEqual({ list: [1, 2, 3, 4], a: 1 });
  });

  it("runs what it imports for its effects, and before itself, wherever that stands", () => {
    const order: string[] = [];
    const script = made(`var x = note("own");\nimport "./first.js";\nimport { note } from "p";\n`, ["./first.js", "p"]);
    const body = runInThisContext(script) as (part: unknown, later: unknown, require: unknown) => unknown; // as above
    body(
      (name: string) => order.push(name),
      undefined,
      () => ({ note: (what: string) => order.push(what) }),
    );
    expect(order).toEqual(["first.cjs", "own"]);
  });

  it("asks for parts that it needs later when it does", async () => {
    const { get } = run(made(`var get = () => import("./late.js");\nexport {\n  get\n};\n`, [], ["get"]), { "late.cjs": { there: true } });
    expect(await (get as () => Promise<unknown>)()).toEqual({ there: true }); // the function above
  });

  it("has what else it imports looked for by who runs it", async () => {
    const text =
      "var peer = async (name) => {\n  const { default: made } = await import(\n    /* @vite-ignore */\n    name\n  );\n  return made;\n};\nexport {\n  peer\n};\n";
    const { peer } = run(made(text, [], ["peer"]), {}, { there: { default: 7 } });
    expect(await (peer as (name: string) => Promise<unknown>)("there")).toBe(7); // the function above
    expect(() => made('var text = "await import(`x`)";\n')).toThrow("it imports something in another way");
  });

  it("is refused where a text only looks like an import or an export", () => {
    expect(() => made('var text = `\nimport { a } from "b";\n`;\n')).toThrow("it imports , of which b were found");
    expect(() => made("var text = `\nexport { a };\n`;\n")).toThrow("it exports , of which a were found");
  });

  it("is refused where its importers would miss a later value, or where it waits", () => {
    expect(() => made("var kit;\nfunction set(to) { kit = to; }\nexport {\n  kit,\n  set\n};\n", [], ["kit", "set"])).toThrow(
      "`kit` changes after it has been imported",
    );
    expect(() => made("await 1;\n")).toThrow(SyntaxError);
  });
});
