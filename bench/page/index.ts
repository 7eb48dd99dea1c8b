/**
 * `npm run bench:page`: how fast the debugger's page is in headless Chromium, on generated traces of 10,000 and 50,000 nodes.
 * Each figure is the median of several rounds in one browser; the targets are those of the design.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { buildPage } from "../../scripts/build-page.ts";
import { startView } from "../../src/cli/view.ts";
import { rewriteTrace } from "../../src/debug/index.ts";
import { generatedTrace } from "../../test/support/generated-trace.ts";
import { lanesMilliseconds, heatMilliseconds } from "./parts.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const ROUNDS = 5;

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function line(what: string, ms: number, target: number | undefined): void {
  const wanted = target === undefined ? "" : `  target ${String(target).padStart(5)} ms  ${ms <= target ? "ok" : "MISSED"}`;
  console.log(`${what.padEnd(58)} ${ms.toFixed(1).padStart(8)} ms${wanted}`);
}

/** Milliseconds from the start of the navigation to the first painted row. */
async function firstRows(page: Page, address: string): Promise<number> {
  await page.goto("about:blank");
  await page.goto(address, { waitUntil: "commit" });
  await page.waitForSelector("[role=treegrid] [aria-level]");
  return page.evaluate(() => new Promise<number>((done) => requestAnimationFrame(() => done(performance.now()))));
}

/** Milliseconds from a key to the frame that shows its effect. */
function keyToFrame(page: Page, key: string, shift: boolean = false): Promise<number> {
  return page.evaluate(
    ([key, shift]) =>
      new Promise<number>((done) => {
        const start = performance.now();
        document.getElementById("execution")?.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey: shift, bubbles: true, cancelable: true }));
        requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
      }),
    [key, shift] as const,
  );
}

async function measure(browser: Browser, folder: string, nodes: number): Promise<void> {
  const file = join(folder, `generated-${nodes}.opwtrace`);
  writeFileSync(file, await rewriteTrace(generatedTrace({ nodes, fullEvery: 0 })));
  const { server, address } = await startView([file], { page: join(folder, "page") });
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  const opens: number[] = [];
  for (let round = 0; round < ROUNDS; round++) opens.push(await firstRows(page, address));
  line(`${nodes} nodes: navigation to first list`, median(opens), nodes > 10_000 ? undefined : 1000);
  const expands: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    expands.push(await keyToFrame(page, "L", true));
    if (round < ROUNDS - 1) await keyToFrame(page, "H", true);
  }
  line(`${nodes} nodes: expand all, key to frame`, median(expands), nodes > 10_000 ? undefined : 200);
  const moves: number[] = [];
  for (let i = 0; i < 30; i++) moves.push(await keyToFrame(page, "j"));
  line(`${nodes} nodes: selection to inspector, key to second frame`, median(moves), 50);
  const scrolls = await page.evaluate(
    () =>
      new Promise<number[]>((done) => {
        const list = document.querySelector(".list");
        const times: number[] = [];
        let last = performance.now();
        const next = (): void => {
          const now = performance.now();
          times.push(now - last);
          last = now;
          if (list === null || times.length > 60) return done(times.slice(1));
          list.scrollTop += 480;
          requestAnimationFrame(next);
        };
        requestAnimationFrame(next);
      }),
  );
  line(`${nodes} nodes: a frame while scrolling`, median(scrolls), undefined);
  const heap = await page.evaluate(() => (performance as unknown as { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ?? 0); // Chromium's own
  console.log(`${`${nodes} nodes: JavaScript heap`.padEnd(58)} ${(heap / 1e6).toFixed(0).padStart(8)} MB${nodes > 10_000 ? "" : "  target   300 MB"}`);
  server.closeAllConnections();
  server.close();
}

const folder = mkdtempSync(join(tmpdir(), "opwise-bench-page-"));
try {
  await buildPage(join(folder, "page"));
  line("10000 nodes: lanes", lanesMilliseconds(10_000), 150);
  line("50000 nodes: lanes", lanesMilliseconds(50_000), undefined);
  line("heatmap of 1,048,576 elements", heatMilliseconds(), 30);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  for (const nodes of [10_000, 50_000]) await measure(browser, folder, nodes);
  await browser.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
