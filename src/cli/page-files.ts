/** Where the debugger's page lies: beside the built command, or in `dist/` of a checkout. */

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import type { PageText } from "../debug/index.ts";
import { OpwiseError } from "../index.ts";

/** The folder of the built page. @throws missing-file where the page has not been built */
export function pageFolder(): string {
  const folders = ["../page/", "../../dist/page/"].map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = folders.find((folder) => existsSync(join(folder, "main.js")));
  if (found === undefined) throw new OpwiseError("missing-file", "the debugger's page has not been built", { hint: "`npm run build` makes it" });
  return found;
}

export function pageText(folder: string = pageFolder()): PageText {
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  return { html: read("index.html"), style: read("style.css"), script: read("main.js"), layout: read("layout.js") };
}
