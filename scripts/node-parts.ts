/**
 * What the package's files for Node begin with (`dist/node/parts.js`): it runs the parts of the package as scripts, with the code that the engine made of them when the package was
 * built. Their functions need not be parsed and compiled at their first call, which is half of the time that importing takes. Another version of the engine refuses
 * that code, and compiles them as it does any file.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { runInThisContext, Script } from "node:vm";

/** What a part makes known, by name. */
export type Exports = Readonly<Record<string, unknown>>;
/** A part: it asks for others at once, or when it needs them, and likewise for what is not the package's; `url` is where it seems to lie. */
type Body = (
  part: (name: string) => Exports,
  later: (name: string) => Promise<Exports>,
  require: NodeJS.Require,
  load: (specifier: string) => Promise<unknown>,
  url: string,
) => Exports;

const code = new URL(`./code/${process.versions.v8.replace(/-.*/, "")}/`, import.meta.url); // builds of Node (`-node.38`) differ in no opcode
/**
 * Where the code is that this engine made: under the flags that it starts with; and, of parts that may come later, under those that a `wasm` backend sets. The engine
 * refuses what was made under others.
 */
export const CODE: readonly [URL, URL] = [code, new URL("relaxed-simd/", code)];
/** Scripts in the order in which they were run. */
export const scripts: Map<string, Script> = new Map();

const require = createRequire(import.meta.url);
const known = new Map<string, Exports>();
/** Test runners have a realm for each file, whose arrays are not those of scripts. */
const isOwnRealm = runInThisContext("globalThis") !== globalThis;

function codeOf(name: string, folder: URL): Buffer | undefined {
  try {
    return readFileSync(new URL(name, folder));
  } catch {
    return undefined; // the package was built for another engine
  }
}

function scriptOf(name: string, source: string, filename: string): Script {
  let script: Script | undefined;
  for (const folder of CODE) {
    const cachedData = codeOf(name, folder);
    if (cachedData === undefined) break;
    script = new Script(source, { filename, cachedData });
    if (script.cachedDataRejected === false) return script;
  }
  return script ?? new Script(source, { filename });
}

function bodyOf(name: string): Body {
  const source = readFileSync(new URL(`./parts/${name}`, import.meta.url), "utf8");
  const filename = `opwise/dist/node/parts/${name}`; // the engine keeps it with the code, wherever the package lies later
  // oxlint-disable-next-line no-eval -- the package's own text, as a script of this realm
  if (isOwnRealm) return (0, eval)(`${source}//# sourceURL=${filename}`) as Body; // `build-node.ts` writes them so
  const script = scriptOf(name, source, filename);
  scripts.set(name, script);
  return script.runInThisContext() as Body; // as above
}

/** What a part makes known; it runs when it is first asked for. */
export function part(name: string): Exports {
  let exports = known.get(name);
  if (exports === undefined) known.set(name, (exports = bodyOf(name)(part, later, require, load, import.meta.url)));
  return exports;
}

const later = async (name: string): Promise<Exports> => Promise.resolve(part(name));
const load = async (specifier: string): Promise<unknown> => import(specifier);
