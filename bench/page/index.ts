/**
 * `npm run bench:page`: how fast the debugger's page is in headless Chromium, on generated traces of 10,000 and 50,000 nodes.
 * Each figure is the median of several rounds in one browser; the targets are those of the design. Beside the time on the clock stands
 * what the page's main thread computed: on a busy machine that alone says how fast the page is, and it is what is held to the target.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, type CDPSession, chromium, type Page } from "playwright-core";
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

/** Time on the clock and time of the main thread, both in milliseconds. */
interface Taken {
  readonly wall: number;
  readonly cpu: number;
}

function line(what: string, taken: readonly Taken[], target: number | undefined): void {
  const wall = median(taken.map((one) => one.wall));
  const cpu = median(taken.map((one) => one.cpu));
  const wanted = target === undefined ? "" : `  target ${String(target).padStart(4)} ms  ${cpu <= target ? "ok" : "MISSED"}`;
  console.log(`${what.padEnd(52)} ${cpu.toFixed(1).padStart(7)} ms computed ${wall.toFixed(1).padStart(8)} ms on the clock${wanted}`);
}

/** Milliseconds that the page's main thread has computed since it was opened. */
async function computed(cdp: CDPSession): Promise<number> {
  const { metrics } = await cdp.send("Performance.getMetrics");
  return 1000 * (metrics.find((metric) => metric.name === "TaskDuration")?.value ?? Number.NaN);
}

/** From the start of the navigation to the first painted row. */
async function firstRows(page: Page, cdp: CDPSession, address: string): Promise<Taken> {
  await page.goto("about:blank");
  await page.goto(address, { waitUntil: "commit" });
  await page.waitForSelector("[role=treegrid] [aria-level]");
  const wall = await page.evaluate(() => new Promise<number>((done) => requestAnimationFrame(() => done(performance.now()))));
  return { wall, cpu: await computed(cdp) };
}

/** From a key to the frame that shows its effect. */
async function keyToFrame(page: Page, cdp: CDPSession, key: string, shiftKey: boolean = false): Promise<Taken> {
  const before = await computed(cdp);
  const wall = await page.evaluate(
    ([key, shiftKey]) =>
      new Promise<number>((done) => {
        const start = performance.now();
        document.getElementById("execution")?.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true, cancelable: true }));
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
      }),
    [key, shiftKey] as const,
  );
  return { wall, cpu: (await computed(cdp)) - before };
}

async function scrollFrames(page: Page, cdp: CDPSession): Promise<Taken[]> {
  const before = await computed(cdp);
  const frames = 60;
  const wall = await page.evaluate(
    (frames) =>
      new Promise<number>((done) => {
        const list = document.querySelector(".list");
        const start = performance.now();
        let count = 0;
        const next = (): void => {
          if (list === null || count++ === frames) return done((performance.now() - start) / frames);
          list.scrollTop += 480;
          requestAnimationFrame(next);
        };
        requestAnimationFrame(next);
      }),
    frames,
  );
  return [{ wall, cpu: ((await computed(cdp)) - before) / frames }];
}

async function measure(browser: Browser, folder: string, nodes: number): Promise<void> {
  const file = join(folder, `generated-${nodes}.opwtrace`);
  writeFileSync(file, await rewriteTrace(generatedTrace({ nodes, fullEvery: 0 })));
  const { server, address } = await startView([file], { page: join(folder, "page") });
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  // The functions below are sent as text, in which the compiler has named them with this.
  await page.addInitScript("globalThis.__name = (of) => of");
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  const isHeld = nodes <= 10_000;
  const opens: Taken[] = [];
  for (let round = 0; round < ROUNDS; round++) opens.push(await firstRows(page, cdp, address));
  line(`${nodes} nodes: navigation to first list`, opens, isHeld ? 1000 : undefined);
  await page.waitForTimeout(500);
  const expands: Taken[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    expands.push(await keyToFrame(page, cdp, "L", true));
    await page.waitForTimeout(200);
    if (round < ROUNDS - 1) await keyToFrame(page, cdp, "H", true);
    await page.waitForTimeout(200);
  }
  line(`${nodes} nodes: expand all, key to frame`, expands, isHeld ? 200 : undefined);
  const moves: Taken[] = [];
  for (let i = 0; i < 30; i++) moves.push(await keyToFrame(page, cdp, "j"));
  line(`${nodes} nodes: selection to inspector, key to frame`, moves, 50);
  line(`${nodes} nodes: a frame while scrolling`, await scrollFrames(page, cdp), 16);
  const heap = await page.evaluate(() => (performance as unknown as { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ?? 0); // Chromium's own
  console.log(`${`${nodes} nodes: JavaScript heap`.padEnd(52)} ${(heap / 1e6).toFixed(0).padStart(7)} MB${isHeld ? "  target 300 MB" : ""}`);
  server.closeAllConnections();
  server.close();
}

const folder = mkdtempSync(join(tmpdir(), "opwise-bench-page-"));
try {
  await buildPage(join(folder, "page"));
  const plain = (ms: number): readonly Taken[] => [{ wall: ms, cpu: ms }];
  line("10000 nodes: lanes", plain(lanesMilliseconds(10_000)), 150);
  line("50000 nodes: lanes", plain(lanesMilliseconds(50_000)), undefined);
  line("heatmap of 1,048,576 elements", plain(heatMilliseconds()), 30);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  for (const nodes of [10_000, 50_000]) await measure(browser, folder, nodes);
  await browser.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
