/** The server behind `opwise view`: what it gives, by range, and to whom. And the report's one file. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startView, type View } from "../src/cli/view.ts";
import { reportHtml } from "../src/debug/index.ts";

let folder = "";
let view: View | undefined;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "opwise-view-"));
  writeFileSync(join(folder, "run one.opwtrace"), "0123456789");
  for (const name of ["index.html", "style.css", "main.js", "layout.js", "runtime.js"]) writeFileSync(join(folder, name), name);
  view = await startView([join(folder, "run one.opwtrace")], { page: folder });
});
afterAll(() => {
  view?.server.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

function ask(path: string, options: { readonly headers?: Readonly<Record<string, string>>; readonly method?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const url = new URL(path, view?.address);
    request(url, { ...options, headers: { ...options.headers } }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (body += part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    })
      .on("error", reject)
      .end();
  });
}

const trace = (): string => new URLSearchParams(new URL(view?.address ?? "").search).get("a") ?? "";

test("the address names the trace, and its bytes come by range", async () => {
  expect(await ask(trace())).toMatchObject({ status: 200, body: "0123456789" });
  expect(await ask(trace(), { headers: { range: "bytes=2-4" } })).toMatchObject({ status: 206, body: "234", headers: { "content-range": "bytes 2-4/10" } });
  expect(await ask(trace(), { headers: { range: "bytes=7-" } })).toMatchObject({ status: 206, body: "789" });
  expect((await ask(trace(), { headers: { range: "bytes=10-20" } })).status).toBe(416);
});

test("the page has a policy without inline scripts and foreign places; only the runtime may compile WebAssembly", async () => {
  const page = String((await ask("/")).headers["content-security-policy"]);
  expect(page).toContain("default-src 'none'");
  expect(page).not.toMatch(/unsafe|https?:/);
  expect(String((await ask("/runtime.js")).headers["content-security-policy"])).toContain("'wasm-unsafe-eval'");
});

test("nothing but the page and the traces is served", async () => {
  for (const path of ["/../package.json", "/etc/passwd", "/trace/1/x", "/trace/0/", "/other.js"]) expect((await ask(path)).status).toBe(404);
  expect((await ask("/", { method: "POST" })).status).toBe(403);
});

test("a page of another name that leads here is turned away", async () => {
  expect((await ask("/", { headers: { host: "evil.example" } })).status).toBe(403);
  expect((await ask(trace(), { headers: { host: "evil.example:80" } })).status).toBe(403);
});

test("a file that is not there is told before anything is served", async () => {
  await expect(startView([join(folder, "none.opwtrace")], { page: folder })).rejects.toMatchObject({ code: "missing-file" });
});

test("a report allows exactly what stands in it", async () => {
  const page = {
    html: '<meta http-equiv="Content-Security-Policy" content="x" /><link rel="stylesheet" href="style.css" /><script type="module" src="main.js"></script>',
    style: "body{}",
    script: 'const end = "</script>"; const money = "$&";',
    layout: "/* <!-- */",
  };
  const html = await reportHtml(page, [{ name: 'a"b<c.opwtrace', bytes: Uint8Array.of(1, 2, 3) }]);
  expect(html).toMatch(/script-src 'sha256-[A-Za-z0-9+/=]+'; style-src 'sha256-/);
  expect(html).not.toContain("connect-src 'self'");
  expect(html.match(/<\/script>/g)).toHaveLength(3);
  expect(html).toContain('data-trace="a&quot;b&lt;c.opwtrace">AQID<');
  expect(html).toContain('"$&"');
});

test("a report refuses traces that no browser would open", async () => {
  const huge = { name: "huge.opwtrace", bytes: { length: 400 * 2 ** 20 } as unknown as Uint8Array }; // its length is all that is looked at
  await expect(reportHtml({ html: "", style: "", script: "", layout: "" }, [huge])).rejects.toMatchObject({ code: "limit-exceeded" });
});
