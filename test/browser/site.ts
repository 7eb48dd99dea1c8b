/** A small file server with a strict Content-Security-Policy on every answer, ranges included. */

import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join, normalize, sep } from "node:path";

/** No inline script, no code from text, no blob worker, no WebAssembly from bytes; everything from the page's own origin. */
export const POLICY = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".wasm": "application/wasm",
};

/** Serves the folders, the first that has a file wins; `address` is the origin. */
export async function serve(folders: readonly string[], policy: string = POLICY): Promise<{ readonly origin: string; readonly server: Server }> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = pathname === "/" ? "/index.html" : decodeURIComponent(pathname);
    const body = find(folders, path);
    response.setHeader("content-security-policy", policy);
    if (body === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream");
    response.setHeader("accept-ranges", "bytes");
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (range === null) {
      response.setHeader("content-length", body.length);
      response.end(request.method === "HEAD" ? undefined : body);
      return;
    }
    const from = Number(range[1]);
    const to = range[2] === "" ? body.length - 1 : Math.min(Number(range[2]), body.length - 1);
    response.writeHead(206, { "content-range": `bytes ${from}-${to}/${body.length}`, "content-length": to - from + 1 });
    response.end(body.subarray(from, to + 1));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return { origin: `http://127.0.0.1:${address.port}`, server };
}

function find(folders: readonly string[], path: string): Buffer | undefined {
  for (const folder of folders) {
    const file = normalize(join(folder, path));
    if (!file.startsWith(folder + sep)) continue;
    try {
      return readFileSync(file);
    } catch {
      continue; // not in this folder: look in the next
    }
  }
  return undefined;
}
