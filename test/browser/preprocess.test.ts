/**
 * The preprocessing corpus in a page of headless Chromium, in WebAssembly kernels and in JavaScript alone. Skipped where the machine has no
 * Chromium (`CHROMIUM` names another path) or the corpus does not lie beside the checkout.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { build } from "vite";
import { describe, expect, test } from "vitest";
import { ROOT } from "../support/package.ts";
import type { Answer } from "./preprocess/main.ts";
import { serve } from "./site.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const CORPUS = join(ROOT, "../shared/corpus/preprocess");
/** As strict as the other page's, but for the one word that lets a page compile WebAssembly. */
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; base-uri 'none'; form-action 'none'";

function countOf(file: string, key: string): number {
  return (JSON.parse(readFileSync(join(CORPUS, file), "utf8")) as Readonly<Record<string, readonly unknown[]>>)[key]?.length ?? 0;
}

describe.skipIf(!existsSync(CHROMIUM) || !existsSync(CORPUS))("pictures in a page", () => {
  test("are decoded and transformed to the bytes of Pillow and torchvision", { timeout: 240_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "opwise-pictures-"));
    await build({
      root: join(import.meta.dirname, "preprocess"),
      configFile: false,
      logLevel: "error",
      build: { target: "es2022", modulePreload: false, assetsInlineLimit: 0, outDir: folder, emptyOutDir: true },
    });
    const site = await serve([folder, CORPUS], POLICY);
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
    try {
      const page = await browser.newPage();
      await page.goto(`${site.origin}/`);
      await page.waitForFunction("globalThis.answer !== undefined");
      const answer = await page.evaluate<Answer>("globalThis.answer");
      expect(answer.failed).toEqual([]);
      expect(answer.kernels).toBe(true);
      expect(answer.checked).toBe(2 * (countOf("images.json", "files") + countOf("bad.json", "files") + countOf("cases.json", "cases")));
    } finally {
      await browser.close();
      site.server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
