/**
 * `npm run docs:page`: pictures of the debugger's page for the documentation, from committed models and generated traces in headless Chromium.
 * Writes docs/images/page-*.png, each below 200 KB.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { startView } from "../src/cli/view.ts";
import { recordBytes, rewriteTrace } from "../src/debug/index.ts";
import { decodePng, load, Tensor, wasm } from "../src/index.ts";
import { generatedTrace } from "../test/support/generated-trace.ts";
import { buildPage } from "./build-page.ts";
import { writePng } from "./write-png.ts";

const ROOT = join(import.meta.dirname, "..");
const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const MAX_BYTES = 200_000;

interface Scene {
  readonly name: string;
  readonly traces: readonly string[];
  readonly scheme: "dark" | "light";
  readonly prepare: (page: Page) => Promise<void>;
}

async function press(page: Page, keys: readonly string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key);
}

/** The demo's picture as its model wants it: one channel of 32 x 32, from 0 to 1. */
function pictureOf(file: string): Tensor {
  const picture = decodePng(new Uint8Array(readFileSync(file)));
  const channels = picture.data.length / (picture.width * picture.height);
  const numbers = Float32Array.from({ length: picture.width * picture.height }, (_, i) => (picture.data[i * channels] ?? 0) / 255);
  return Tensor.from(numbers, [1, 1, picture.height, picture.width]);
}

const SCENES: readonly Scene[] = [
  {
    name: "list",
    traces: ["encoder.opwtrace"],
    scheme: "dark",
    prepare: async (page) => {
      await press(page, ["i", "i", "n", "i", "i", "i", "i", "b", "i", "i", "i", "i"]);
      await page.keyboard.press("n");
    },
  },
  {
    name: "compare",
    traces: ["encoder.opwtrace", "encoder-wrong.opwtrace"],
    scheme: "light",
    prepare: async (page) => {
      await page.waitForTimeout(600);
      await press(page, ["3", "]", "d", "d"]);
      await page.locator("#inspector canvas.heat").scrollIntoViewIfNeeded();
    },
  },
  {
    name: "channels",
    traces: ["shapes.opwtrace"],
    scheme: "dark",
    prepare: async (page) => {
      await page.locator("#search").fill("aten::*conv*");
      await page.keyboard.press("Enter");
      await page.locator("#inspector [role=tab]", { hasText: "Channels" }).click();
      await page.locator("#inspector canvas.heat").scrollIntoViewIfNeeded();
      await page.locator("#pane-source").click();
    },
  },
  {
    name: "graph",
    traces: ["encoder.opwtrace"],
    scheme: "light",
    prepare: async (page) => {
      await press(page, ["i", "i", "i", "n", "i", "1", "v"]);
    },
  },
];

async function shoot(browser: Browser, folder: string, out: string, scene: Scene): Promise<void> {
  const { server, address } = await startView(
    scene.traces.map((name) => join(folder, name)),
    { page: join(folder, "page") },
  );
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 860 }, colorScheme: scene.scheme })).newPage();
  await page.goto(address);
  await page.waitForSelector("[role=treegrid] [aria-level]");
  await scene.prepare(page);
  await page.mouse.move(0, 0);
  await page.waitForTimeout(700);
  const file = join(out, `page-${scene.name}.png`);
  const picture = decodePng(new Uint8Array(await page.screenshot()));
  const channels = picture.data.length / (picture.width * picture.height);
  const rgb = Uint8Array.from({ length: picture.width * picture.height * 3 }, (_, i) => picture.data[Math.floor(i / 3) * channels + (i % 3)] ?? 0);
  const bytes = writePng(picture.width, picture.height, rgb);
  writeFileSync(file, bytes);
  const size = bytes.length;
  console.log(`${file.slice(ROOT.length + 1)}: ${Math.round(size / 1000)} KB`);
  if (size > MAX_BYTES) throw new Error(`${file} is larger than ${MAX_BYTES} bytes`);
  server.closeAllConnections();
  server.close();
}

const folder = mkdtempSync(join(tmpdir(), "opwise-shots-"));
try {
  await buildPage(join(folder, "page"));
  writeFileSync(join(folder, "encoder.opwtrace"), await rewriteTrace(generatedTrace({ nodes: 120, fullEvery: 1 })));
  writeFileSync(join(folder, "encoder-wrong.opwtrace"), await rewriteTrace(generatedTrace({ nodes: 120, fullEvery: 1, wrongFrom: 3, nanAt: 5 })));
  const session = await (await load(join(ROOT, "examples/shapes/model.pt"))).session({ backend: wasm(), plan: false });
  writeFileSync(
    join(folder, "shapes.opwtrace"),
    (await recordBytes(session, { args: [pictureOf(join(ROOT, "examples/shapes/ring.png"))] }, { values: "full" })).bytes,
  );
  const out = join(ROOT, "docs/images");
  mkdirSync(out, { recursive: true });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  for (const scene of SCENES) await shoot(browser, folder, out, scene);
  await browser.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
