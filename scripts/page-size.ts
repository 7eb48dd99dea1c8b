/** What a page fetches to run a TorchScript model on wasm: the library's entry bundled, minified and split as bundlers do, and gzipped. */

import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const ROOT = join(import.meta.dirname, "..");

export interface PageSize {
  /** Gzipped bytes of the chunks that are fetched. */
  readonly bytes: number;
  /** Minified bytes by source file, without compression, the largest first. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
}

const ENTRY = `import { load, Tensor, wasm } from "./src/core.ts"; globalThis.opwise = { load, Tensor, wasm };`;

/**
 * Bundles an entry of `contents` and adds up its chunk, those that it imports, and the chunks (with their own imports) that begin with one of the modules in `lazily`:
 * what is imported when a model needs it.
 */
export async function pageSize(contents: string = ENTRY, lazily: readonly string[] = ["src/loaders/torchscript/loader.ts"]): Promise<PageSize> {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    platform: "browser",
    outdir: join(ROOT, ".cache/page"),
    absWorkingDir: ROOT,
    write: false,
    metafile: true,
    logLevel: "error",
  });
  const outputs = new Map(Object.entries(metafile.outputs));
  const pending = [...outputs].filter(([, o]) => o.entryPoint === "<stdin>" || lazily.some((path) => o.entryPoint === path)).map(([path]) => path);
  const fetched = new Set<string>();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (fetched.has(next)) continue;
    fetched.add(next);
    for (const { path, kind } of outputs.get(next)?.imports ?? []) if (kind === "import-statement") pending.push(path);
  }
  const chunks = outputFiles.filter((file) => [...fetched].some((path) => file.path === join(ROOT, path)));
  const files = new Map<string, number>();
  for (const path of fetched)
    for (const [input, { bytesInOutput }] of Object.entries(outputs.get(path)?.inputs ?? {})) files.set(input, (files.get(input) ?? 0) + bytesInOutput);
  return {
    bytes: chunks.reduce((sum, chunk) => sum + gzipSync(chunk.contents, { level: 9 }).length, 0),
    files: [...files].map(([path, bytes]) => ({ path, bytes })).toSorted((a, b) => b.bytes - a.bytes),
  };
}
