/** `opwise view`: serves the page and the traces to this machine's own browser, by range, under a strict policy. */

import { spawn } from "node:child_process";
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { basename, extname, join } from "node:path";
import { OpwiseError } from "../index.ts";
import { type FileArguments, UsageError } from "./arguments.ts";
import { pageFolder } from "./page-files.ts";

/** Everything from the page's own origin. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; worker-src 'self'; connect-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** The worker that runs models compiles WebAssembly; it reaches no place but its own. */
const RUNTIME_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' blob:";

const PAGE: ReadonlySet<string> = new Set(["index.html", "style.css", "main.js", "layout.js", "runtime.js"]);
const TYPES: Readonly<Record<string, string>> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css; charset=utf-8" };

export interface View {
  readonly server: Server;
  /** The page with the traces open. */
  readonly address: string;
}

/** Starts a server for this machine alone. Without files the page waits for some to be dropped. @throws missing-file */
export async function startView(
  files: readonly string[],
  options: { readonly port?: number; readonly page?: string; readonly compare?: string } = {},
): Promise<View> {
  const page = options.page ?? pageFolder();
  const { compare } = options;
  for (const file of compare === undefined ? files : [...files, compare]) {
    // Read once now, so that a wrong name is an error here and not in the page.
    try {
      const fd = openSync(file, "r");
      readSync(fd, Buffer.alloc(1));
      closeSync(fd);
    } catch (cause) {
      throw new OpwiseError("missing-file", `\`${file}\` cannot be read`, { where: { file }, cause });
    }
  }
  const names = files.map((file, i) => `trace/${i}/${encodeURIComponent(basename(file))}`);
  const served = new Map(names.map((name, i) => [`/${name}`, files[i] ?? ""]));
  if (compare !== undefined) served.set("/compare.json", compare);
  const server = createServer((request, response) => answer(request, response, page, served));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new OpwiseError("internal", "the server has no port");
  const parts = names.map((name, i) => `${i === 0 ? "a" : "b"}=${encodeURIComponent(name)}`);
  const query = [...parts, ...(compare === undefined ? [] : ["c=compare.json"])].join("&");
  return { server, address: `http://127.0.0.1:${address.port}/${query === "" ? "" : `?${query}`}` };
}

function answer(request: IncomingMessage, response: ServerResponse, page: string, traces: ReadonlyMap<string, string>): void {
  const host = request.headers.host ?? "";
  // Another site's page must not reach this server by a name of its own that leads here.
  if (!/^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(host) || (request.method !== "GET" && request.method !== "HEAD")) {
    response.writeHead(403).end();
    return;
  }
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  response.setHeader("x-content-type-options", "nosniff");
  // Isolated from other sites, the page's workers get clocks of microseconds.
  response.setHeader("cross-origin-resource-policy", "same-origin");
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("cross-origin-embedder-policy", "require-corp");
  response.setHeader("cache-control", "no-store");
  const trace = traces.get(pathname);
  if (trace !== undefined) {
    sendRange(request, response, trace);
    return;
  }
  const name = pathname === "/" ? "index.html" : pathname.slice(1);
  if (!PAGE.has(name)) {
    response.writeHead(404).end();
    return;
  }
  response.setHeader("content-security-policy", name === "runtime.js" ? RUNTIME_POLICY : POLICY);
  response.setHeader("content-type", TYPES[extname(name)] ?? "application/octet-stream");
  response.end(request.method === "HEAD" ? undefined : readFileSync(join(page, name)));
}

function sendRange(request: IncomingMessage, response: ServerResponse, file: string): void {
  const { size } = statSync(file);
  response.setHeader("content-type", "application/octet-stream");
  response.setHeader("accept-ranges", "bytes");
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const from = range === null ? 0 : Number(range[1]);
  const to = range === null || range[2] === "" ? size - 1 : Math.min(Number(range[2]), size - 1);
  if (from > to) {
    response.writeHead(size === 0 ? 200 : 416, size === 0 ? {} : { "content-range": `bytes */${size}` }).end();
    return;
  }
  response.writeHead(range === null ? 200 : 206, {
    "content-length": to - from + 1,
    ...(range === null ? {} : { "content-range": `bytes ${from}-${to}/${size}` }),
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const stream = createReadStream(file, { start: from, end: to });
  stream.on("error", () => response.destroy());
  stream.pipe(response);
}

/** The command that opens an address on this system. */
function opener(): readonly string[] {
  return process.platform === "darwin" ? ["open"] : process.platform === "win32" ? ["cmd", "/c", "start", ""] : ["xdg-open"];
}

export async function view(args: FileArguments): Promise<number> {
  const { files } = args;
  if (files.length > 2) throw new UsageError(`at most two traces are wanted, got ${files.length}`);
  const port = args.options.get("port");
  if (port !== undefined && !/^\d{1,5}$/.test(port)) throw new UsageError(`\`--port ${port}\` is no port`);
  const compare = args.options.get("compare");
  const { server, address } = await startView(files, { ...(port === undefined ? {} : { port: Number(port) }), ...(compare === undefined ? {} : { compare }) });
  console.log(args.flags.has("json") ? JSON.stringify({ schema: "opwise.view/1", address, traces: files }) : address);
  console.error("serving this machine only; Ctrl-C ends it");
  if (args.flags.has("open")) {
    const [command = "", ...rest] = opener();
    spawn(command, [...rest, address], { stdio: "ignore", detached: true }).on("error", () =>
      console.error(`\`${command}\` is not here: open the address yourself`),
    );
  }
  await new Promise<void>((resolve) => {
    server.once("close", resolve);
    process.once("SIGINT", () => {
      server.closeAllConnections();
      server.close();
    });
  });
  return 0;
}
