/** Holds the layers of ARCHITECTURE.md: who may import whom, who prints, who touches files and network, how long a file may be. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { expect, test } from "vitest";

const SRC = join(import.meta.dirname, "../src");

/** Each folder under src/ and what it may import besides itself: the table of ARCHITECTURE.md. */
const BELOW_RUN = ["tensor", "numeric", "bytes", "wasm", "codecs", "expr", "prims", "ir", "ops"];
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  tensor: [],
  numeric: ["tensor"],
  bytes: ["tensor"],
  wasm: [],
  codecs: ["bytes", "numeric", "wasm", "tensor"],
  expr: ["tensor"],
  prims: ["expr", "tensor"],
  ir: ["tensor"],
  ops: ["ir", "prims", "expr", "numeric", "codecs", "tensor"],
  loaders: ["ir", "bytes", "tensor"],
  backends: ["prims", "expr", "numeric", "wasm", "tensor"],
  run: BELOW_RUN,
  debug: ["run", ...BELOW_RUN],
  export: ["run", ...BELOW_RUN],
  preprocess: ["codecs", "numeric", "wasm", "tensor"],
  cli: ["index.ts", "debug"],
  page: ["index.ts", "debug", "run", ...BELOW_RUN],
};

/** Packages and the places that may import them; type-only imports count too. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  fflate: ["bytes/"],
  protobufjs: ["bytes/"],
  "@tensorflow/tfjs-core": ["backends/tfjs/"],
  preact: ["page/"],
  "@preact/signals": ["page/"],
  uplot: ["page/timeline.tsx"],
  "@dagrejs/dagre": ["page/graph-layout.ts"],
  "@vscode/debugprotocol": ["debug/dap/"], // types alone
};

const LINES = 600;

interface SourceFile {
  /** Below src/, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

const files: readonly SourceFile[] = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => ({ path: file.split(sep).join("/"), text: readFileSync(join(SRC, file), "utf8") }));
const shipped = files.filter((file) => !isTest(file.path));

function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || path.endsWith(".samples.ts");
}

/** Folder of a path below src/; a file that lies in src/ itself is its own. */
function layerOf(path: string): string {
  return path.split("/")[0] ?? path;
}

/** The text without comments; strings stay. */
function code(text: string): string {
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (_, literal: string | undefined) => literal ?? " ",
  );
}

/** Every module that a file names in an import or export, static or dynamic. */
function importsOf(text: string): string[] {
  const statement = /(?:^|\n)\s*(?:import|export)\s(?:[^;"'`=()]*?\sfrom\s*)?["']([^"'\n]+)["']|\bimport\s*\(\s*["']([^"'\n]+)["']/g;
  return [...code(text).matchAll(statement)].map((match) => match[1] ?? match[2] ?? "");
}

/** A relative specifier as a path below src/; undefined for what lies outside src/. */
function resolveIn(from: string, specifier: string): string | undefined {
  const path = posix.normalize(posix.join(posix.dirname(from), specifier));
  return path.startsWith("..") ? undefined : path;
}

/** What is wrong with one import, or undefined. */
function fault(from: string, specifier: string): string | undefined {
  const layer = layerOf(from);
  if (!specifier.startsWith(".")) {
    if (isTest(from) || layer === "cli" || specifier.startsWith("node:")) return undefined;
    const name = specifier
      .split("/")
      .slice(0, specifier.startsWith("@") ? 2 : 1)
      .join("/");
    return (PACKAGES[name] ?? []).some((place) => from.startsWith(place)) ? undefined : `${from} imports the package ${specifier}`;
  }
  const target = resolveIn(from, specifier);
  if (target === undefined) return isTest(from) ? undefined : `${from} imports ${specifier}, which is not in src/`;
  if (isTest(target) && !isTest(from)) return `${from} imports the test file ${target}`;
  const other = layerOf(target);
  if (layer === other || !(layer in MAY_IMPORT)) return undefined; // src/index.ts and its like stand on top
  return (MAY_IMPORT[layer] ?? []).includes(other) ? undefined : `${from} imports ${target}: ${layer}/ may not import ${other}`;
}

test("every folder of src/ has its row in the table", () => {
  const folders = new Set(files.filter((file) => file.path.includes("/")).map((file) => layerOf(file.path)));
  expect([...folders].filter((folder) => !(folder in MAY_IMPORT))).toEqual([]);
});

test("the table has no cycle", () => {
  const cyclesFrom = (layer: string, above: readonly string[]): string[] =>
    above.includes(layer) ? [[...above, layer].join(" -> ")] : (MAY_IMPORT[layer] ?? []).flatMap((next) => cyclesFrom(next, [...above, layer]));
  expect(Object.keys(MAY_IMPORT).flatMap((layer) => cyclesFrom(layer, []))).toEqual([]);
});

test("no file imports what the table does not let it", () => {
  const faults = files.flatMap((file) => importsOf(file.text).map((specifier) => fault(file.path, specifier)));
  expect(faults.filter((one) => one !== undefined)).toEqual([]);
});

test("relative imports name a file with its extension", () => {
  const known = new Set(files.map((file) => file.path));
  const missing = files.flatMap((file) =>
    importsOf(file.text)
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => resolveIn(file.path, specifier))
      .filter((target) => target !== undefined && !known.has(target))
      .map((target) => `${file.path} -> ${target ?? ""}`),
  );
  expect(missing).toEqual([]);
});

test("a forbidden import is noticed", () => {
  expect(fault("tensor/tensor.ts", "../ir/graph.ts")).toBe("tensor/tensor.ts imports ir/graph.ts: tensor/ may not import ir");
  expect(fault("backends/cpu/map.ts", "../../ops/registry.ts")).toContain("backends/ may not import ops");
  expect(fault("run/machine.ts", "../backends/cpu/cpu.ts")).toContain("run/ may not import backends");
  expect(fault("ops/add.ts", "lodash/fp")).toContain("lodash/fp");
  expect(fault("ops/add.ts", "./add.samples.ts")).toContain("test file");
  expect(importsOf('import type { A } from "../a.ts";\nexport * from "./b.ts";\nawait import("./c.ts"); // from "./d.ts"')).toEqual([
    "../a.ts",
    "./b.ts",
    "./c.ts",
  ]);
});

/** Files whose code, comments apart, matches. */
function matching(pattern: RegExp): string[] {
  return shipped.filter((file) => pattern.test(code(file.text))).map((file) => file.path);
}

test("only cli/ prints", () => {
  const printing = matching(/\bconsole\s*\.|\bprocess\s*\.\s*(?:stdout|stderr)\b/);
  expect(printing.filter((path) => !path.startsWith("cli/"))).toEqual([]);
});

test("only bytes/source.ts and bytes/file.ts touch files and network; a backend may load its own engine", () => {
  const modules = matching(/["']node:(?!zlib)|\bXMLHttpRequest\b|\bWebSocket\b|\bglobalThis\s*\.\s*fetch\b/);
  const own = new Set(matching(/\b(?:function|const|let)\s+fetch\b/)); // a function of their own that has the name
  const touching = [...modules, ...matching(/(?<![.#\w])fetch\s*\(/).filter((path) => !own.has(path))];
  expect(touching.filter((path) => path !== "bytes/source.ts" && path !== "bytes/file.ts" && !/^(?:cli|backends)\//.test(path))).toEqual([]);
});

test("nothing prints code at run time but the cpu backend", () => {
  const evaluating = matching(/(?<![.#\w])eval\s*\((?!\)\s*:)|\bnew\s+Function\b|\bFunction\s*\(/);
  expect(evaluating.filter((path) => !path.startsWith("backends/cpu/"))).toEqual([]);
});

test(`no file is longer than ${LINES} lines, generated tables apart`, () => {
  const long = files.filter((file) => !file.path.endsWith(".generated.ts") && file.text.split("\n").length > LINES + 1);
  expect(long.map((file) => `${file.path}: ${file.text.split("\n").length - 1} lines`)).toEqual([]);
});

test("file names are kebab-case", () => {
  const odd = files.filter((file) => !/^(?:[a-z0-9]+(?:[-_][a-z0-9]+)*\/)*[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|samples|generated))?\.tsx?$/.test(file.path));
  expect(odd.map((file) => relative(dirname(SRC), join(SRC, file.path)))).toEqual([]);
});
