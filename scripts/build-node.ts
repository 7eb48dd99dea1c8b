/**
 * The package for Node: `npm run build` writes `dist/node`, which the condition `node` of `package.json` names. Its parts are scripts, not modules, so that what the engine makes of them
 * can lie beside them (`node-parts.ts`): Node has that for modules only where the user asks for it, from version 22 on. An entry point is a module of names, as any other is.
 */

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Script } from "node:vm";
import { build } from "esbuild";
import { type Bundled, bundle, FOR_NODE, THREAD_WORKER } from "./bundle-node.ts";

const ROOT = join(import.meta.dirname, "..");

/** Entry points by the name of their file. */
const ENTRIES = {
  index: "src/index.ts",
  core: "src/core.ts",
  debug: "src/debug/index.ts",
  preprocess: "src/preprocess/index.ts",
  cli: "src/cli/main.ts",
} as const;

/** What a part calls what it is given: see `Body` in `node-parts.ts`. */
const GIVEN = { part: "__part", later: "__later", require: "__require", load: "__load", url: "__url" } as const;

const partName = (name: string): string => name.replace(/^\.\/|\.js$/g, "").concat(".cjs");

/** `a, b as c` of an import or an export: names before and behind. */
const pairs = (list: string): (readonly [string, string])[] =>
  [...list.matchAll(/([\w$]+)(?: as ([\w$]+))?/g)].map(([, one = "", other = one]) => [one, other] as const);
/** The same as members of an object pattern, or of an object whose names come behind. */
const members = (list: string, isObject: boolean): string =>
  pairs(list)
    .map(([one, other]) => (one === other ? one : isObject ? `${other}: ${one}` : `${one}: ${other}`))
    .join(", ");

const IMPORT = /^import (?:(?:(?<whole>[\w$]+)|\* as (?<all>[\w$]+)|\{(?<names>[^}]*)\}) from )?"(?<from>[^"]+)";$/gm;
const EXPORT = /^export \{(?<names>[^}]*)\};$/gm;

/** A module of a bundle as an expression that is a function: it gets what it imports, and gives what it exports. @throws for what no such function can be */
export function scriptOf({ name, text, imports, exports }: Bundled): string {
  const heads: string[] = [];
  const seen = new Set<string>();
  const exported: string[] = [];
  const body = text
    .replace(/^#!.*\n/, "")
    .replace(IMPORT, (_, ...found) => {
      const { whole, all, names, from } = found.at(-1) as Readonly<Record<"whole" | "all" | "names", string | undefined>> & { readonly from: string };
      seen.add(from);
      const value = from.startsWith("./") ? `${GIVEN.part}(${JSON.stringify(partName(from))})` : `${GIVEN.require}(${JSON.stringify(from)})`;
      heads.push(
        names === undefined
          ? (whole ?? all) === undefined
            ? `${value};`
            : `const ${whole ?? all} = ${value};`
          : `const { ${members(names, false)} } = ${value};`,
      );
      return "";
    })
    .replace(EXPORT, (_, list: string) => {
      exported.push(list);
      return "";
    })
    .replace(/\bimport\("(\.\/[^"]+)"\)/g, (_, from: string) => `${GIVEN.later}(${JSON.stringify(partName(from))})`)
    .replace(/\bimport\((?=\s*(?:\/\*.*?\*\/\s*)?[\w$]+\s*\))/g, `${GIVEN.load}(`);
  const fail = (why: string): never => {
    throw new Error(`${name} can be no script: ${why}`);
  };
  if (seen.size !== imports.size || ![...seen].every((one) => imports.has(one)))
    fail(`it imports ${[...imports].join(", ")}, of which ${[...seen].join(", ")} were found`);
  const given = exported.flatMap(pairs);
  if (given.length !== exports.length || !given.every(([, known]) => exports.includes(known)))
    fail(`it exports ${exports.join(", ")}, of which ${given.map(([, known]) => known).join(", ")} were found`);
  if (/\bimport\(/.test(body)) fail("it imports something in another way than by the name of a file, or of a variable");
  // A variable that gets its value later would be read too early.
  for (const [own] of given)
    if (new RegExp(`^(?:var|let) ${own.replaceAll("$", "\\$")};$`, "m").test(body)) fail(`\`${own}\` changes after it has been imported`);
  const script = `(function (${Object.values(GIVEN).join(", ")}) {
"use strict";
${heads.join("\n")}
${body}
return { ${exported.map((list) => members(list, true)).join(", ")} };
})
`;
  void new Script(script, { filename: name }); // an `await` that no function is around is an error
  return script;
}

/** @throws where files import each other: of two functions one would have to run first */
function refuseCycles(files: readonly Bundled[]): void {
  const byName = new Map(files.map((file) => [`./${file.name}`, file]));
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) throw new Error(`files import each other: ${[...path, name].join(" -> ")}`);
    if (done.has(name)) return;
    for (const next of byName.get(name)?.imports ?? []) if (byName.has(next)) visit(next, [...path, name]);
    done.add(name);
  };
  for (const name of byName.keys()) visit(name, []);
}

/** Writes the package's files for Node into the folder `to`, which is emptied first, and what this version of Node makes of them. */
export async function packageForNode(to: string): Promise<void> {
  const cache = join(ROOT, ".cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "package-")); // it runs, so it lies where its dependencies are found
  try {
    await write(folder);
    rmSync(to, { recursive: true, force: true });
    cpSync(folder, to, { recursive: true });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function write(folder: string): Promise<void> {
  mkdirSync(join(folder, "parts"));
  const files = await bundle(ENTRIES, { "import.meta.url": GIVEN.url });
  refuseCycles(files);
  for (const file of files) {
    writeFileSync(join(folder, "parts", partName(file.name)), scriptOf(file));
    if (!file.isEntry) continue;
    const head = /^#!.*\n/.exec(file.text)?.[0] ?? "";
    const run = `part(${JSON.stringify(partName(file.name))})`;
    const names = file.exports.length === 0 ? `${run};` : `export const { ${file.exports.join(", ")} } = ${run};`;
    writeFileSync(join(folder, file.name), `${head}import { part } from "./parts.js";\n${names}\n`);
  }
  const modules = { parts: "scripts/node-parts.ts", "thread-worker": THREAD_WORKER };
  await build({ ...FOR_NODE, entryPoints: modules, outdir: folder });
  await keepCode(folder);
}

/** Has a process run the package in `folder` on samples, and keep there what this version of Node makes of it. */
async function keepCode(folder: string): Promise<void> {
  const program = join(folder, "keep-code.js");
  await build({ ...FOR_NODE, entryPoints: [join(ROOT, "scripts/keep-code.ts")], outfile: program });
  // Code is for the flags that the engine has: none.
  const { status, stderr } = spawnSync(process.execPath, [program], { encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "" } });
  rmSync(program);
  if (status !== 0) throw new Error(`the package did not run on its samples:\n${stderr}`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [what] = process.argv.slice(2);
  const built = join(ROOT, "dist/node");
  // For a release: the package that another version of Node has built gets this one's code besides.
  await (what === "--code" ? keepCode(built) : packageForNode(what ?? built));
}
