/** `report`: the page and its traces as one HTML file that needs no server and no network (F18). */

import { OpwiseError } from "../tensor/error.ts";

/** The page's built files as text. */
export interface PageText {
  readonly html: string;
  readonly style: string;
  readonly script: string;
  /** The worker that lays out lanes and graphs. */
  readonly layout: string;
}

export interface ReportTrace {
  readonly name: string;
  /** A trace file. */
  readonly bytes: Uint8Array;
}

/** What stands in a script element must not end it. */
function inScript(text: string): string {
  return text.replaceAll(/<\/script/gi, String.raw`<\/script`).replaceAll("<!--", String.raw`<\!--`);
}

/** JSON that ends no element: its strings say `<` by number. */
function inJson(text: string): string {
  return text.replaceAll("<", String.raw`\u003c`);
}

function inAttribute(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}

/** Bytes as base64, without one long argument list. */
export function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(binary);
}

/** Bytes of traces that one file of text can hold, and a browser open. */
const MAX_TRACE_BYTES = 300 * 2 ** 20;

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `'sha256-${base64(new Uint8Array(digest))}'`;
}

/**
 * One HTML file with the page and up to two traces in it, and the JSON of `opwise compare` where there is one. Its policy allows exactly the script and style that it holds, workers made of them, and no
 * connection of any kind.
 * @throws limit-exceeded for more than 300 MiB of traces
 */
export async function reportHtml(page: PageText, traces: readonly ReportTrace[], comparison?: string): Promise<string> {
  const total = traces.reduce((sum, trace) => sum + trace.bytes.length, 0);
  if (total > MAX_TRACE_BYTES) {
    throw new OpwiseError("limit-exceeded", "the traces are too large for one file", {
      wanted: `at most ${MAX_TRACE_BYTES} bytes`,
      got: `${total}`,
      hint: "`--no-values` leaves out the numbers; `opwise view` reads traces of any size",
    });
  }
  const script = inScript(page.script);
  const policy = `default-src 'none'; script-src ${await hashOf(script)}; style-src ${await hashOf(page.style)}; img-src data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'`;
  const data = traces.map(({ name, bytes }) => `<script type="application/octet-stream" data-trace="${inAttribute(name)}">${base64(bytes)}</script>`);
  if (comparison !== undefined) data.push(`<script type="application/json" id="comparison">${inJson(comparison)}</script>`);
  // Functions as replacements: `$` in the bundle is no pattern.
  return page.html
    .replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, () => `<meta http-equiv="Content-Security-Policy" content="${policy}" />`)
    .replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${page.style}</style>`)
    .replace(
      /<script type="module"[^>]*><\/script>/,
      () =>
        `<script type="text/plain" id="worker-layout">${inScript(page.layout)}</script>\n    ${data.join("\n    ")}\n    <script type="module">${script}</script>`,
    );
}
