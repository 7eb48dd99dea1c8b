/**
 * The debugger's page in headless Chromium: served by `view`, opened as a report, fed with models. Skipped where the machine has no Chromium
 * (`CHROMIUM` names another path).
 */

import { createRequire } from "node:module";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { buildPage } from "../../scripts/build-page.ts";
import { pageText } from "../../src/cli/page-files.ts";
import { startView, type View } from "../../src/cli/view.ts";
import { recordBytes, reportHtml, rewriteTrace } from "../../src/debug/index.ts";
import { load, Tensor } from "../../src/index.ts";
import { generatedTrace } from "../support/generated-trace.ts";
import { ROOT } from "../support/package.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
/** What the page may weigh without the runtime. */
const GZIP_LIMIT = 150_000;

describe.skipIf(!existsSync(CHROMIUM))("the debugger's page", () => {
  let folder = "";
  let sizes: Awaited<ReturnType<typeof buildPage>>;
  let browser: Browser | undefined;
  const views: View[] = [];
  const contexts: BrowserContext[] = [];
  /** What went wrong, and what was asked of the network, in the page under test. */
  let complaints: string[] = [];
  let requests: string[] = [];

  const file = (name: string): string => join(folder, name);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "opwise-page-"));
    sizes = await buildPage(file("page"));
    const session = await (await load(join(ROOT, "examples/shapes/model.pt"))).session();
    const picture = Tensor.from(
      Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i / 7)),
      [1, 1, 32, 32],
    );
    writeFileSync(file("shapes.opwtrace"), (await recordBytes(session, { args: [picture] }, { values: "full" })).bytes);
    writeFileSync(file("good.opwtrace"), await rewriteTrace(generatedTrace({ nodes: 60, fullEvery: 1 })));
    writeFileSync(file("wrong.opwtrace"), await rewriteTrace(generatedTrace({ nodes: 60, fullEvery: 1, wrongFrom: 1, nanAt: 2 })));
    writeFileSync(file("large.opwtrace"), await rewriteTrace(generatedTrace({ nodes: 10_000, fullEvery: 0 })));
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  }, 120_000);

  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    for (const { server } of views.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function newPage(options: { readonly colorScheme?: "dark" | "light" } = {}): Promise<Page> {
    if (browser === undefined) throw new Error("no browser");
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    contexts.push(context);
    const page = await context.newPage();
    complaints = [];
    requests = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => requests.push(request.url()));
    return page;
  }

  async function view(names: readonly string[], options: Parameters<typeof newPage>[0] = {}): Promise<Page> {
    const opened = await startView(names.map(file), { page: file("page") });
    views.push(opened);
    const page = await newPage(options);
    await page.goto(opened.address);
    if (names.length > 0) await page.waitForSelector("[role=treegrid] [aria-level]");
    return page;
  }

  const rowTexts = (page: Page): Promise<string[]> => page.locator("[role=treegrid] [aria-level] .name").allInnerTexts();
  const step = (page: Page): Promise<number> => page.locator(".clock strong").innerText().then(Number);
  const selectedRow = (page: Page): Promise<string> => page.locator("[role=row][aria-selected=true] .name").innerText();
  const press = async (page: Page, ...keys: readonly string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key);
  };

  test("weighs less than its limit without the runtime", () => {
    const { "runtime.js": _, ...rest } = sizes;
    expect(Object.values(rest).reduce((a, b) => a + b, 0)).toBeLessThan(GZIP_LIMIT);
  });

  test("opens a real trace by range, and asks nobody else for anything", async () => {
    const page = await view(["shapes.opwtrace"]);
    const rows = await rowTexts(page);
    expect(rows[0]).toContain("forward");
    expect(rows.length).toBeGreaterThan(3);
    expect(await page.locator("#inspector").innerText()).toContain("f32[1,");
    expect(requests.every((url) => url.startsWith("http://127.0.0.1:"))).toBe(true);
    expect(complaints).toEqual([]);
  });

  test("steps, stops at a breakpoint, and goes back, by keys alone", async () => {
    const page = await view(["good.opwtrace"]);
    await press(page, "Tab");
    expect(await step(page)).toBe(0);
    await press(page, "i", "i", "i", "i");
    const inside = await step(page);
    expect(await selectedRow(page)).toContain("attn");
    await press(page, "n");
    expect(await step(page)).toBeGreaterThan(inside);
    await press(page, "Shift+N");
    expect(await step(page)).toBe(inside);
    await press(page, "n", "Shift+I");
    expect(await step(page)).toBeGreaterThan(inside);
    // A breakpoint on the second softmax, set by searching for it.
    await press(page, "/");
    await page.keyboard.type("aten::softmax");
    await press(page, "Shift+Enter", "Escape");
    await press(page, "c");
    expect(await selectedRow(page)).toContain("softmax");
    const first = await step(page);
    await press(page, "c");
    const second = await step(page);
    expect(second).toBeGreaterThan(first);
    await press(page, "Shift+C");
    expect(await step(page)).toBe(first);
    expect(await page.locator("[aria-live=polite]").innerText()).toMatch(/breakpoint, backwards: #\d+ aten::softmax, f32\[/);
    await press(page, "Shift+O");
    expect(await selectedRow(page)).toContain("attn");
    expect(complaints).toEqual([]);
  });

  test("lays two runs over each other and names the first op that differs", async () => {
    const page = await view(["good.opwtrace", "wrong.opwtrace"]);
    await page.waitForSelector(".problem-group");
    await page.locator("#tab-problems").click();
    const groups = await page.locator(".problem-group h2").allInnerTexts();
    expect(groups[0]).toContain("First to differ");
    const first = page.locator(".problem").first();
    expect(await first.innerText()).toContain("aten::layer_norm");
    await first.click();
    expect(await selectedRow(page)).toContain("layer_norm");
    await press(page, "3");
    expect(await page.locator("[role=row][aria-selected=true] .meter").innerText()).toMatch(/✗ \d+×/);
    await press(page, "d", "d");
    expect(await page.locator("#inspector [aria-pressed=true]").first().innerText()).toBe("A−B");
    await page.waitForSelector("#inspector canvas.heat");
    expect(await page.locator("#inspector h3", { hasText: "Numbers" }).innerText()).toContain("A−B".toUpperCase());
    expect(complaints).toEqual([]);
  });

  test("a dropped model runs in a worker of the page", async () => {
    const page = await view([]);
    const bytes = [...readFileSync(join(ROOT, "examples/shapes/model.pt"))];
    await page.evaluate((numbers) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(numbers)], "model.pt"));
      dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
    }, bytes);
    const input = page.locator("dialog[open] input.mono");
    await input.waitFor();
    await input.fill("f32[1,1,32,32]");
    await page.locator("dialog[open] button[type=submit]").click();
    await page.waitForSelector("[role=treegrid] [aria-level]");
    expect((await rowTexts(page)).length).toBeGreaterThan(3);
    await press(page, "i", "i", "i");
    expect(await step(page)).toBeGreaterThan(0);
    expect(page.workers().map((worker) => new URL(worker.url()).pathname)).toContain("/runtime.js");
    // Once more on the other backend: the two runs stand beside each other and agree.
    await page.locator("button", { hasText: "Compare with wasm" }).click();
    await page.waitForSelector(".file.b");
    await press(page, "3");
    await page.locator("[role=treegrid] [aria-level] .meter").first().waitFor();
    expect(await page.locator("[role=treegrid] [aria-level] .meter").first().innerText()).toContain("✓");
    expect(requests.every((url) => /^(?:http:\/\/127\.0\.0\.1:\d+\/|data:,$)/.test(url))).toBe(true);
    expect(complaints).toEqual([]);
  });

  test("what is no model and no trace is told apart, and a model's own error is shown", async () => {
    const page = await view([]);
    await page
      .locator("input[type=file]")
      .first()
      .setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("x") });
    expect(await page.locator("[role=alert]").innerText()).toContain("neither a trace");
    await page
      .locator("input[type=file]")
      .first()
      .setInputFiles({ name: "bad.pt", mimeType: "", buffer: Buffer.from("not a model") });
    await page.locator("[role=alert]", { hasText: "bad.pt" }).waitFor();
  });

  test("searches by the terminal's selectors, and says where one is wrong", async () => {
    const page = await view(["wrong.opwtrace"]);
    await page.locator("#search").fill("{nan>0}");
    await page.locator(".hits", { hasText: "found" }).waitFor();
    expect((await rowTexts(page)).some((text) => text.includes("div"))).toBe(true);
    await page.locator("#search").fill("{nan>");
    await page.locator("#search[aria-invalid=true]").waitFor();
  });

  test("shows what leads to a value, and numbers from a file, and everything again", async () => {
    const page = await view(["good.opwtrace"]);
    await page.locator("#search").fill("aten::gelu");
    await press(page, "Enter", "Escape");
    const all = (await rowTexts(page)).length;
    await page.locator("#execution").focus();
    await press(page, "s");
    await page.locator(".status", { hasText: "what leads to" }).waitFor();
    const ops = await rowTexts(page);
    expect(ops.some((text) => text.includes("gelu"))).toBe(true);
    expect(ops.at(-1)).toContain("gelu");
    await page
      .locator("input[type=file]")
      .first()
      .setInputFiles({ name: "mine.csv", mimeType: "text/csv", buffer: Buffer.from("aten::gelu,42\n") });
    await page.locator(".meter", { hasText: "42" }).first().waitFor();
    await page.locator("#execution").focus();
    await press(page, "Escape");
    await page.waitForFunction((count) => document.querySelectorAll("[role=treegrid] [aria-level]").length >= count, all);
    expect(await page.locator(".status", { hasText: "what leads to" }).count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test("the address brings back the place", async () => {
    const page = await view(["good.opwtrace"]);
    await press(page, "i", "i", "i", "i", "b", "2");
    const at = await step(page);
    await page.waitForFunction(() => location.hash.includes("break"));
    await page.reload();
    await page.waitForSelector("[role=treegrid] [aria-level]");
    expect(await step(page)).toBe(at);
    expect(await page.locator("[role=treegrid] .dot.on").count()).toBe(1);
    expect(await page.locator("select[aria-label=Overlay]").inputValue()).toBe("memory");
  });

  test("a list of ten thousand ops keeps few rows in the document, and its lanes come from a worker", async () => {
    const page = await view(["large.opwtrace"]);
    await page.locator("#execution").focus();
    await press(page, "Shift+L");
    await page.waitForFunction(() => Number(document.querySelector("[role=treegrid]")?.getAttribute("aria-rowcount")) > 9_000);
    expect(await page.locator("[role=treegrid] [aria-level]").count()).toBeLessThan(120);
    await press(page, "End");
    await page.waitForFunction(
      () =>
        document.querySelector("[role=row][aria-selected=true]")?.getAttribute("aria-rowindex") ===
        document.querySelector("[role=treegrid]")?.getAttribute("aria-rowcount"),
    );
    expect(page.workers().map((worker) => new URL(worker.url()).pathname)).toContain("/layout.js");
    expect(complaints).toEqual([]);
  });

  test("a report is one file that works without a network and holds no more than was asked for", async () => {
    const whole = new Uint8Array(readFileSync(file("shapes.opwtrace")));
    const html = await reportHtml(pageText(file("page")), [{ name: "shapes.opwtrace", bytes: whole }]);
    writeFileSync(file("report.html"), html);
    const page = await newPage();
    await page.context().setOffline(true);
    await page.goto(pathToFileURL(file("report.html")).href);
    await page.waitForSelector("[role=treegrid] [aria-level]");
    await press(page, "i", "i", "i", "i");
    await page.waitForSelector("#inspector canvas.heat");
    expect(page.workers()).toHaveLength(1);
    expect(requests.filter((url) => !/^(?:file|blob|data):/.test(url))).toEqual([]);
    expect(complaints).toEqual([]);
    // It has no runtime, and says so.
    await page.locator("input[type=file]").first().setInputFiles(join(ROOT, "examples/shapes/model.pt"));
    await page.locator("[role=alert]", { hasText: "made without the runtime" }).waitFor();
  });

  describe.each(["dark", "light"] as const)("in %s", (colorScheme) => {
    test.each([
      ["one run", ["good.opwtrace"], ["i", "i", "i", "i"]],
      ["two runs with errors", ["good.opwtrace", "wrong.opwtrace"], ["3", "]"]],
      ["the graph", ["good.opwtrace"], ["v"]],
      ["the help", ["good.opwtrace"], ["?"]],
      ["nothing open", [], []],
    ] as const)("axe finds nothing wrong with %s", async (_, names, keys) => {
      const page = await view(names, { colorScheme });
      await press(page, ...keys);
      await page.waitForTimeout(150);
      await page.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
      const found = await page.evaluate<{ id: string; nodes: { html: string; failureSummary?: string }[] }[]>(
        "axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations)",
      );
      expect(
        found.map(
          (one) =>
            `${one.id}: ${one.nodes
              .map((node) => `${node.html.slice(0, 160)} ${node.failureSummary ?? ""}`)
              .slice(0, 3)
              .join(" | ")}`,
        ),
      ).toEqual([]);
    });
  });
});
