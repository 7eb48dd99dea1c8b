/**
 * The packed tarball in a real page: bundled by Vite, served under a strict Content-Security-Policy, run in a module worker of headless
 * Chromium. Skipped where the machine has no Chromium (`CHROMIUM` names another path).
 */

import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { install, pack, readJson, ROOT } from "../support/package.ts";
import { POLICY, serve } from "./site.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

interface Result {
  readonly name: string;
  readonly folder: string;
  readonly file: string;
  readonly values: readonly number[];
}
interface Answer {
  readonly results: readonly Result[];
  readonly violations: readonly string[];
  readonly error?: string;
}
interface Case {
  readonly file: string;
  readonly logits?: readonly number[];
  readonly forecast?: readonly number[];
}

function casesOf(folder: string): readonly Case[] {
  return (readJson(`examples/${folder}/expected.json`) as { readonly cases: readonly Case[] }).cases;
}

describe.skipIf(!existsSync(CHROMIUM))("a page with a strict Content-Security-Policy", () => {
  let folder = "";
  let server: Server | undefined;
  let browser: Browser | undefined;
  let answer: Answer = { results: [], violations: [] };
  let policy = "";
  const complaints: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "opwise-browser-"));
    const app = join(folder, "app");
    mkdirSync(app);
    cpSync(join(import.meta.dirname, "app"), app, { recursive: true });
    install(pack(folder), app);
    await build({
      root: app,
      configFile: false,
      logLevel: "error",
      worker: { format: "es" },
      build: { target: "es2022", modulePreload: false, assetsInlineLimit: 0 },
    });
    const site = await serve([join(app, "dist"), join(ROOT, "examples")]);
    server = site.server;
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
    const page = await browser.newPage();
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    const response = await page.goto(`${site.origin}/`);
    policy = response?.headers()["content-security-policy"] ?? "";
    await page.waitForFunction("globalThis.answer !== undefined");
    answer = await page.evaluate<Answer>("globalThis.answer");
    complaints.push(...(await page.evaluate<string[]>("globalThis.violations")));
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("the worker runs every case of both demo models from both formats", () => {
    expect(answer.error).toBeUndefined();
    expect(answer.results).toHaveLength(2 * (casesOf("shapes").length + casesOf("replicas").length));
  });

  test("its numbers are PyTorch's, to 1e-4 of the largest", () => {
    for (const { name, folder: of, file, values } of answer.results) {
      const known = casesOf(of).find((one) => one.file === file);
      const want = known?.logits ?? known?.forecast ?? [];
      const largest = Math.max(...want.map(Math.abs));
      expect(values, name).toHaveLength(want.length);
      expect(Math.max(...want.map((value, i) => Math.abs((values[i] ?? NaN) - value))) / largest, name).toBeLessThan(1e-4);
    }
  });

  test("nothing breaks the policy, and the console stays quiet", () => {
    expect(policy).toBe(POLICY);
    expect([...answer.violations, ...complaints.filter((text) => !text.includes("favicon.ico"))]).toEqual([]);
  });
});
