/**
 * Bundles programs for Node: an entry point is one file with what it needs at once, and parts that are imported when a model needs them are a few more.
 * A file for each module, as bundlers want them, costs Node a third of a millisecond each: most of what it took to import opwise and to load a model.
 * Kernels that do not depend on a model are printed here, so that a process need not.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { type Form, printFamilies } from "../src/backends/wasm/dense.ts";
import { features } from "../src/backends/wasm/features.ts";
import { literalWords } from "../src/backends/wasm/literals.ts";
import { sampleKernels } from "./kernel-samples.ts";

const ROOT = join(import.meta.dirname, "..");

/** The program of a thread. */
export const THREAD_WORKER = "src/backends/wasm/thread-worker.ts";

/** The kernels for machines with a fused multiply-add, which nearly all are, in the place of none. */
const kernelsAhead: Plugin = {
  name: "kernels-ahead",
  setup: ({ onLoad }) => onLoad({ filter: /backends[\\/]wasm[\\/]ahead\.ts$/ }, async () => ({ loader: "js", contents: await aheadModule() })),
};

/** The module that stands for `src/backends/wasm/ahead.ts` in bundles. */
export async function aheadModule(): Promise<string> {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const table = (form: Form): string =>
    JSON.stringify(Object.fromEntries([...printFamilies(form)].map(([family, { bytes, needs }]) => [family, { text: text(bytes), needs }])));
  // Samples are printed as this machine runs them.
  const printed = features().fusedMultiplyAdd ? [...(await sampleKernels())] : [];
  const kernels = printed.map(([identity, bytes]) => [identity, text(bytes)]);
  // The first backend of a process has a shared memory; when there is another, what prints kernels is fast.
  return `const own = ${table({ shared: false, fused: true })};
const shared = ${table({ shared: true, fused: true })};
const kernels = ${JSON.stringify(Object.fromEntries(kernels))};
const bytesOf = (text) => Buffer.from(text, "base64");
export const ahead = {
  literals: ${JSON.stringify(literalWords())},
  family(name, form) {
    const { text, needs } = (form.shared ? shared : own)[name];
    return form.fused ? { bytes: bytesOf(text), needs } : undefined;
  },
  kernel(identity, form) {
    return form.fused && form.shared && Object.hasOwn(kernels, identity) ? bytesOf(kernels[identity]) : undefined;
  },
};`;
}

const inSource = (file: string): string => join(ROOT, "src", file);

/**
 * What pages fetch when they need it, and every model needs in Node: read with what asks for it. A file of its own costs more than what is in it, since the turn of the event loop that
 * it waits for comes when the rest of the model has been read.
 */
const AT_ONCE: ReadonlySet<string> = new Set(
  ["bytes/file.ts", "ops/registry.ts", "ops/core-families.ts", "loaders/torchscript/loader.ts", "loaders/onnx/loader.ts"].map(inSource),
);
/** What several loaders share, little of which would be a file for each set of them. */
const WITH_LOADERS: readonly string[] = [
  "ir/author.ts",
  "ir/builder.ts",
  "ir/onnx-domain.ts",
  "ir/template-type.ts",
  "ir/verifier.ts",
  "loaders/author.ts",
  "tensor/device.ts",
].map(inSource);

/** `import("./file.ts")` of a module of `AT_ONCE` as a promise of the module, which is then imported as others are; `WITH_LOADERS` where loaders are chosen. */
const readAtOnce: Plugin = {
  name: "read-at-once",
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: /^at-once:/ }, ({ path }) => ({ path: path.slice("at-once:".length), sideEffects: true }));
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      const imports: string[] = [];
      const contents = readFileSync(path, "utf8").replace(/(?<!typeof )\bimport\("([^"]+)"\)/g, (whole, name: string) => {
        if (!AT_ONCE.has(join(dirname(path), name))) return whole;
        imports.push(`import * as atOnce${imports.length} from "${name}";`);
        return `Promise.resolve(atOnce${imports.length - 1})`;
      });
      if (path === inSource("loaders/load.ts")) for (const file of WITH_LOADERS) imports.push(`import ${JSON.stringify(`at-once:${file}`)};`);
      return imports.length === 0 ? undefined : { contents: [contents, ...imports].join("\n"), loader: "ts" };
    });
  },
};

/** What Node runs the same, whoever bundles it. */
export const FOR_NODE: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  packages: "external",
  format: "esm",
  platform: "node",
  target: "node20.19",
  legalComments: "none",
  logLevel: "error",
};

/** A file of a bundle. */
export interface Bundled {
  readonly name: string;
  readonly text: string;
  /** Names of other files of it, and of packages, that it imports when it begins. */
  readonly imports: ReadonlySet<string>;
  /** What it makes known. */
  readonly exports: readonly string[];
  readonly isEntry: boolean;
}

/** Bundles entry points (file name to source). Names and lines stay as they are written: they are what Node shows of an error that nothing catches. */
export async function bundle(entries: Readonly<Record<string, string>>, define: Readonly<Record<string, string>> = {}): Promise<readonly Bundled[]> {
  const { outputFiles, metafile } = await build({
    ...FOR_NODE,
    entryPoints: { ...entries },
    define: { ...define },
    outdir: ROOT,
    splitting: true,
    metafile: true,
    write: false,
    plugins: [kernelsAhead, readAtOnce],
  });
  return outputFiles.map(({ path, text }) => {
    const name = basename(path);
    const { imports = [], exports = [] } = metafile.outputs[name] ?? {};
    const first = imports.filter(({ kind }) => kind === "import-statement").map((one) => (one.external === true ? one.path : `./${one.path}`));
    return {
      name,
      text: ownNames(text),
      imports: new Set(first),
      exports,
      isEntry: Object.hasOwn(entries, name.replace(/\.js$/, "")),
    };
  });
}

/** Bundles entry points into `folder`, which is emptied first, with the program of threads, which lies beside whatever starts it. */
export async function bundleForNode(entries: Readonly<Record<string, string>>, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { name, text } of await bundle({ ...entries, "thread-worker": THREAD_WORKER })) writeFileSync(join(folder, name), text);
}

/** esbuild calls a class that mentions itself `_Tensor` inside: consoles and stack traces would show that. */
function ownNames(code: string): string {
  return [...code.matchAll(/^var (\w+) = class _\1\b/gm)].reduce((text, [, name = ""]) => text.replace(new RegExp(`\\b_${name}\\b`, "g"), name), code);
}
