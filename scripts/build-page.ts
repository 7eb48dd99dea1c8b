/**
 * Bundles the debugger's page into a folder: `index.html`, `style.css`, `main.js`, two workers, and their sizes on the terminal.
 * `npm run build` writes `dist/page`.
 */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const ROOT = join(import.meta.dirname, "..");
const PAGE = join(ROOT, "src/page");

/** What the page is made of, by its place in the folder. `runtime.js` runs models and is loaded when one is dropped. */
export const PAGE_FILES = ["index.html", "style.css", "main.js", "layout.js", "runtime.js"] as const;
export type PageFile = (typeof PAGE_FILES)[number];

/** Everything from the page's own origin; workers may compile WebAssembly under their own policy. */
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; worker-src 'self'; connect-src 'self' blob:; base-uri 'none'; form-action 'none'";

/** Builds the page into `folder` and gives the bytes of each file after gzip. */
export async function buildPage(folder: string): Promise<Readonly<Record<PageFile, number>>> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const common = {
    bundle: true,
    minify: true,
    target: "es2022",
    legalComments: "none",
    logLevel: "error",
    jsx: "automatic",
    jsxImportSource: "preact",
    absWorkingDir: ROOT,
  } as const;
  await build({ ...common, format: "esm", entryPoints: { main: join(PAGE, "main.tsx") }, outdir: folder });
  await build({ ...common, format: "iife", entryPoints: { layout: join(PAGE, "layout-worker.ts") }, outdir: folder });
  await build({ ...common, format: "esm", entryPoints: { runtime: join(PAGE, "runtime-worker.ts") }, outdir: folder, external: ["node:*"] });
  cpSync(join(ROOT, "node_modules/uplot/dist/uPlot.min.css"), join(folder, "uplot.css"));
  const css = `${readFileSync(join(folder, "uplot.css"), "utf8")}\n${readFileSync(join(PAGE, "style.css"), "utf8")}`;
  rmSync(join(folder, "uplot.css"));
  writeFileSync(join(folder, "style.css"), css);
  const html = readFileSync(join(PAGE, "index.html"), "utf8");
  writeFileSync(join(folder, "index.html"), html.replace("<!--policy-->", `<meta http-equiv="Content-Security-Policy" content="${PAGE_POLICY}" />`));
  const sizes = PAGE_FILES.map((file) => [file, gzipSync(readFileSync(join(folder, file))).length] as const);
  return Object.fromEntries(sizes) as Record<PageFile, number>; // one size for each file
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const sizes = await buildPage(process.argv[2] ?? join(ROOT, "dist/page"));
  for (const [file, bytes] of Object.entries(sizes)) console.log(`${file.padEnd(12)} ${(bytes / 1000).toFixed(1).padStart(7)} KB gzip`);
}
