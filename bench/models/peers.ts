/** The other runtimes for JavaScript: where they are installed, and what they weigh. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

export const PEERS = ["onnxruntime-web", "onnxruntime-node"] as const;
export type PeerName = (typeof PEERS)[number];

/** The folder of an installed package, looked for from `from` on as Node does; undefined where there is none. */
export function packageFolder(name: string, from: string): string | undefined {
  const require = createRequire(join(resolve(from), "package.json"));
  for (const base of require.resolve.paths(name) ?? []) {
    const folder = join(base, name);
    if (existsSync(join(folder, "package.json"))) return folder;
  }
  return undefined;
}

export interface PackageSize {
  readonly version: string;
  /** Bytes of its files, without its dependencies. */
  readonly installed: number;
  /** Bytes that a page fetches to run a model, gzipped; undefined where it does not run in one. */
  readonly page: number | undefined;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((file) => join(folder, file))
    .filter((file) => statSync(file).isFile());
}
const gzipped = (file: string): number => gzipSync(readFileSync(file)).length;

/** What onnxruntime-web's wasm build has a page fetch: the script, the glue and the binary. */
const PAGE: Readonly<Partial<Record<PeerName, readonly string[]>>> = {
  "onnxruntime-web": ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"],
};

export function peerSize(name: PeerName, folder: string): PackageSize {
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { readonly version: string }; // every package has one
  const page = PAGE[name]?.map((file) => join(folder, "dist", file)).filter((file) => existsSync(file));
  return {
    version,
    installed: filesBelow(folder).reduce((sum, file) => sum + statSync(file).size, 0),
    page: page === undefined || page.length === 0 ? undefined : page.reduce((sum, file) => sum + gzipped(file), 0),
  };
}

/** Our package as `npm run build` left it; `installed` is NaN where it has not been built. */
export function ownSize(root: string, page: number): PackageSize {
  const dist = join(root, "dist");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
  if (!existsSync(dist)) return { version, installed: NaN, page };
  return { version, installed: filesBelow(dist).reduce((sum, file) => sum + statSync(file).size, 0), page };
}
