/** The benches' own parts: options, statistics, tables, and what peers are found. Nothing is timed. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BenchArguments, optionsOf, parseBenchArguments, UsageError } from "../bench/arguments.ts";
import { contestants } from "../bench/models/contestants.ts";
import { packageFolder, peerSize } from "../bench/models/peers.ts";
import { modelTable, type Row, sizeTable, summaryTable } from "../bench/models/report.ts";
import { digits, median, tableLines } from "../bench/table.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "opwise-bench-"));
  const web = join(dir, "node_modules/onnxruntime-web");
  mkdirSync(join(web, "dist"), { recursive: true });
  writeFileSync(join(web, "package.json"), JSON.stringify({ name: "onnxruntime-web", version: "9.8.7" }));
  writeFileSync(join(web, "dist/ort-wasm-simd-threaded.wasm"), new Uint8Array(100_000));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("without words the micro comparisons run; models, peers and threads are read", () => {
  expect(parseBenchArguments([]).models).toBeUndefined();
  const args = parseBenchArguments([
    "--models",
    "m",
    "--peers",
    "--threads",
    "1,4",
    "--backends",
    "wasm",
    "--json",
    "out.json",
    "--rounds",
    "3",
    "--starts",
    "1",
  ]);
  expect(args).toMatchObject({
    models: "m",
    peers: { folder: undefined },
    threads: [1, 4],
    backends: ["wasm"],
    json: "out.json",
    starts: 1,
    rounds: 3,
    ms: 100,
  });
  expect(parseBenchArguments(["--models", "m", "--peers", "there"]).peers).toEqual({ folder: "there" });
  expect(parseBenchArguments(["--models", "m"])).toMatchObject({ peers: undefined, threads: [1, 2], backends: ["cpu", "wasm", "tfjs"], starts: 5 });
});

test("wrong words are refused", () => {
  for (const words of [["--model", "m"], ["m"], ["--models"], ["--models", "m", "--threads", "0"], ["--models", "m", "--rounds", "1.5"], ["--peers"]]) {
    expect(() => parseBenchArguments(words), words.join(" ")).toThrow(UsageError);
  }
  expect(() => optionsOf(["--json"], ["json"])).toThrow(UsageError);
  expect(optionsOf(["--only", "x"], ["only", "json"]).get("only")).toBe("x");
});

test("the median is a value, and numbers have the digits that say something", () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([])]).toEqual([2, 3, NaN]);
  expect([0.123, 12.34, 123.4, NaN, Infinity].map(digits)).toEqual(["0.12", "12.3", "123", "-", "-"]);
});

test("columns are as wide as their widest cell, numbers flush right", () => {
  expect(
    tableLines(
      ["name", "ms"],
      [
        ["a", "1"],
        ["longer", "12.5"],
      ],
    ),
  ).toEqual(["  name      ms", "  a          1", "  longer  12.5"]);
});

const row = (contestant: string, file: string, ms: number, more: Partial<Row> = {}): Row => ({
  model: "net",
  file,
  contestant,
  version: "1",
  load: 10,
  first: 20,
  error: 1e-6,
  median: ms,
  min: ms / 2,
  runs: 7,
  memory: 2 ** 26,
  ...more,
});

test("a model's table gives each contestant as multiples of the references on one thread, and calls wrong outputs so", () => {
  const lines = modelTable([row("opwise-wasm@1", "model.pt", 30, { error: 1e-3 }), row("onnxruntime-web@1", "model.onnx", 60), row("torch@1", "model.pt", 15)]);
  expect(lines[0]).toContain("/ torch@1");
  expect(lines[0]).not.toContain("onnxruntime-node");
  expect(lines[1]).toMatch(/^ {2}opwise-wasm@1 +\.pt +30\.0 +15\.0 +0\.50 \/ 0\.50 +2\.00 \/ 2\.00 +10 +20\.0 +64 +7 +1\.0e-3 WRONG$/);
  expect(lines[3]).not.toContain("WRONG");
});

test("an output that is not a number is wrong", () => {
  expect(modelTable([row("opwise-wasm@1", "model.pt", 30, { error: NaN })])[1]).toContain("WRONG");
});

test("the summary compares like numbers of threads", () => {
  const rows = [
    row("opwise-wasm@2", "model.pt", 30),
    row("opwise-cpu@1", "model.pt", 300),
    row("onnxruntime-web@1", "model.onnx", 60),
    row("onnxruntime-web@2", "model.onnx", 40, { load: 40, memory: 2 ** 28 }),
  ];
  const lines = summaryTable(rows);
  expect(lines).toHaveLength(3);
  expect(lines[1]).toMatch(/opwise-wasm@2 +0\.75 \/ 0\.75 +0\.25 +0\.25$/);
  expect(lines[2]).toMatch(/opwise-cpu@1 +5\.00 \/ 5\.00 +1\.00 +1\.00$/);
});

test("peers are found where packages are installed; one that is not there is named", () => {
  const folder = packageFolder("onnxruntime-web", dir);
  expect(folder).toBe(join(dir, "node_modules/onnxruntime-web"));
  const size = peerSize("onnxruntime-web", folder ?? "");
  expect(size.version).toBe("9.8.7");
  expect(size.installed).toBeGreaterThan(100_000);
  expect(size.page).toBeLessThan(1000); // zeros
  const args: BenchArguments = { ...parseBenchArguments(["--models", "m", "--threads", "1,2"]), peers: { folder: dir }, python: join(dir, "python") };
  const { entries, absent } = contestants(args, "contestant.mjs");
  expect(entries.map((e) => e.name)).toEqual(["opwise-cpu@1", "opwise-wasm@1", "opwise-wasm@2", "opwise-tfjs@1", "onnxruntime-web@1", "onnxruntime-web@2"]);
  expect(absent).toHaveLength(2);
  expect(absent.join("\n")).toMatch(/onnxruntime-node is not installed[\s\S]*no Python/);
  expect(contestants({ ...args, contestants: ["opwise-wasm", "onnxruntime-web"] }, "c").entries).toHaveLength(4);
  expect(sizeTable({ "onnxruntime-web": { version: "1", installed: 20 * 2 ** 20, page: 3_690_000 } })[1]).toMatch(/onnxruntime-web +1 +20 +3690 KB$/);
});
