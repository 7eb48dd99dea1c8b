/** The tarball that `npm pack` makes: what is in it, and that plain Node imports and runs it. */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PAGE_FILES } from "../scripts/build-page.ts";
import { load, Tensor, wasm, writeNpz } from "../src/index.ts";
import { install, pack, PAPERS, readJson, ROOT } from "./support/package.ts";

let folder = "";
let target = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "opwise-package-"));
  mkdirSync(join(folder, "app"));
  target = install(pack(folder), join(folder, "app"));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(dir.length + 1)
        .split(sep)
        .join("/"),
    );
}

test("the package holds built code, its declarations and its papers, and nothing else", () => {
  const odd = filesBelow(target).filter(
    (file) =>
      !/^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.*\.(?:js|d\.ts)|dist\/page\/(?:index\.html|style\.css)|dist\/node\/(?:parts|code\/[\d.]+(?:\/relaxed-simd)?)\/[\w-]+\.cjs)$/.test(
        file,
      ),
  );
  expect(odd).toEqual([]);
  expect(filesBelow(target)).toEqual(
    expect.arrayContaining(["package.json", "dist/index.js", "dist/index.d.ts", ...PAGE_FILES.map((file) => `dist/page/${file}`), ...PAPERS]),
  );
  expect(filesBelow(target).filter((file) => /\.(?:test|samples)\.|\/support\//.test(file))).toEqual([]);
});

test("no file of the package names a place on the machine that built it", () => {
  const naming = filesBelow(target).filter((file) => [ROOT, folder].some((place) => readFileSync(join(target, file), "utf8").includes(place)));
  expect(naming).toEqual([]);
});

test("every path that package.json names is in the package", () => {
  const manifest = readJson("package.json") as { readonly exports: unknown; readonly bin: unknown };
  const paths = [...JSON.stringify([manifest.exports, manifest.bin]).matchAll(/"((?:\.\/)?dist\/[^"]+)"/g)].map((match) => (match[1] ?? "").replace("./", ""));
  expect(paths.length).toBeGreaterThan(1);
  expect(paths.filter((path) => !filesBelow(target).includes(path))).toEqual([]);
});

test("threads of the wasm backend start from the package", () => {
  const code = `
    import { wasm } from "opwise/core";
    const backend = wasm({ threads: 2 });
    for (let i = 0; i < 400 && backend.threads.running < 2; i++) await new Promise((resolve) => setTimeout(resolve, 25));
    process.stdout.write(JSON.stringify(backend.threads));
    backend.dispose();`;
  writeFileSync(join(folder, "app/threads.mjs"), code);
  expect(JSON.parse(execFileSync(process.execPath, ["threads.mjs"], { cwd: join(folder, "app"), encoding: "utf8" }))).toMatchObject({ running: 2 });
});

/** What a script of the application prints, of JSON. */
function said(name: string, code: string, options: readonly string[] = []): unknown {
  writeFileSync(join(folder, "app", name), code);
  return JSON.parse(execFileSync(process.execPath, [...options, name], { cwd: join(folder, "app"), encoding: "utf8" }));
}

/** Runs a model of the package at `place`, and tells what comes out and what became of the code of each part. */
const runOf = (place: string): string => `
    import { load, Tensor, wasm } from "${place}/index.js";
    import { scripts } from "${place}/parts.js";
    const session = await (await load(${JSON.stringify(join(ROOT, "examples/shapes/model.pt"))})).session({ backend: wasm() });
    const out = await session.forward(Tensor.from(Float32Array.from({ length: 2048 }, (_, i) => Math.sin(i)), [2, 1, 32, 32]));
    const refused = [...scripts].filter(([, script]) => script.cachedDataRejected !== false).map(([name]) => name);
    process.stdout.write(JSON.stringify({ out: [...out.data], refused, count: scripts.size }));`;

test("the engine takes the code that the build kept for it, and gives the same without, or where it is something else", () => {
  const own = said("kept.mjs", runOf("./node_modules/opwise/dist/node")) as { readonly out: number[]; readonly refused: string[]; readonly count: number }; // what the script printed
  expect(own.count).toBeGreaterThan(5);
  expect(own.refused).toEqual([]);
  cpSync(join(target, "dist/node"), join(folder, "app/node_modules/other"), { recursive: true, dereference: true });
  const code = join(folder, "app/node_modules/other/code", process.versions.v8.replace(/-.*/, ""));
  rmSync(join(code, "relaxed-simd"), { recursive: true });
  const all = readdirSync(code);
  for (const name of all) cpSync(join(target, "dist/node/parts", name), join(code, name)); // no code at all
  const foreign = said("foreign.mjs", runOf("./node_modules/other")) as typeof own;
  expect(foreign.out).toEqual(own.out);
  expect(foreign.refused).toHaveLength(own.count);
  rmSync(code, { recursive: true });
  const without = said("without.mjs", runOf("./node_modules/other")) as typeof own;
  expect(without.out).toEqual(own.out);
});

test("a peer is found from where the package lies, wherever it runs", () => {
  const peer = join(folder, "app/node_modules/@jsquash/webp");
  mkdirSync(join(peer, "codec/dec"), { recursive: true });
  writeFileSync(join(peer, "package.json"), '{"name":"@jsquash/webp","type":"module"}');
  writeFileSync(join(peer, "codec/dec/webp_dec.js"), "export default async () => { throw new Error('the peer was here'); };");
  writeFileSync(join(peer, "codec/dec/webp_dec.wasm"), "");
  const code = `
    import { loadDecoder } from "opwise";
    process.chdir("/");
    const error = await loadDecoder("webp").catch((e) => e);
    process.stdout.write(JSON.stringify(String(error.cause?.message)));`;
  expect(said("peer.mjs", code)).toBe("the peer was here");
});

test("in a realm of its own, as test runners make them, the package has the arrays of that realm", () => {
  const code = `
    import * as vm from "node:vm";
    import { readFileSync } from "node:fs";
    const context = vm.createContext({ process, URL, TextDecoder, WebAssembly, performance, setTimeout, clearTimeout, Buffer });
    const link = async (specifier) => {
      if (specifier.endsWith("parts.js")) return make(new URL("./node_modules/opwise/dist/node/parts.js", import.meta.url));
      const all = await import(specifier);
      return new vm.SyntheticModule(Object.keys(all), function () { for (const [name, value] of Object.entries(all)) this.setExport(name, value); }, { context });
    };
    const make = (url) => new vm.SourceTextModule(readFileSync(url, "utf8"), { context, identifier: url.href, initializeImportMeta: (meta) => { meta.url = url.href; } });
    const entry = make(new URL("./node_modules/opwise/dist/node/core.js", import.meta.url));
    await entry.link(link);
    await entry.evaluate();
    const tensor = entry.namespace.Tensor.from(vm.runInContext("Float32Array.of(1, 2)", context), [2]);
    process.stdout.write(JSON.stringify(tensor.data.constructor === vm.runInContext("Float32Array", context)));`;
  expect(said("realm.mjs", code, ["--experimental-vm-modules", "--no-warnings"])).toBe(true);
});

test("kernels that the build printed give the bits of those that a process prints", async () => {
  const sizes = [2, 1, 32, 32];
  const values = Float32Array.from({ length: 2048 }, (_, i) => Math.sin(i * 1.7));
  const code = `
    import { load, Tensor, wasm } from "opwise";
    const session = await (await load(${JSON.stringify(join(ROOT, "examples/shapes/model.pt"))})).session({ backend: wasm() });
    const out = await session.forward(Tensor.from(Float32Array.from(${JSON.stringify([...values])}), ${JSON.stringify(sizes)}));
    process.stdout.write(JSON.stringify([...out.data]));`;
  writeFileSync(join(folder, "app/kernels.mjs"), code);
  const session = await (await load(join(ROOT, "examples/shapes/model.pt"))).session({ backend: wasm() });
  const want = await session.forward(Tensor.from(values, sizes));
  const got = JSON.parse(execFileSync(process.execPath, ["kernels.mjs"], { cwd: join(folder, "app"), encoding: "utf8" })) as number[]; // what the script printed
  expect(got).toEqual(want instanceof Tensor ? [...want.data] : undefined);
});

test("the command records a run and makes a report with the debugger's page", () => {
  const app = join(folder, "app");
  const { bin } = readJson("package.json") as { readonly bin: { readonly opwise: string } };
  const opwise = (...args: string[]): string => execFileSync(process.execPath, [join(target, bin.opwise), ...args], { cwd: app, encoding: "utf8" });
  const rates = Float32Array.from({ length: 120 }, (_, minute) => 400 + minute);
  writeFileSync(join(app, "in.npz"), writeNpz({ rates: Tensor.from(rates, [1, 120]), minute: Tensor.from(Float32Array.of(720), [1]) }));
  opwise("trace", join(ROOT, "examples/replicas/model.pt"), "-i", "in.npz", "-o", "run.opwtrace");
  expect(opwise("report", "run.opwtrace", "-o", "run.html")).toContain("1 trace");
});

test("plain Node imports the installed package and runs a demo model", () => {
  const app = join(folder, "app");
  cpSync(join(ROOT, "examples/replicas"), join(app, "replicas"), { recursive: true });
  const code = `
    import { readFileSync } from "node:fs";
    import { load, Tensor } from "opwise";
    const series = JSON.parse(readFileSync("replicas/night.json", "utf8"));
    const session = await (await load("replicas/model.pt")).session();
    const out = await session.forward(Tensor.from(Float32Array.from(series.rates), [1, 120]), Tensor.from(Float32Array.of(series.minute), [1]));
    process.stdout.write(JSON.stringify([...out.data]));`;
  writeFileSync(join(app, "main.mjs"), code);
  const got = JSON.parse(execFileSync(process.execPath, ["main.mjs"], { cwd: app, encoding: "utf8" })) as number[]; // what the script printed
  const expected = readJson("examples/replicas/expected.json") as {
    readonly cases: readonly { readonly file: string; readonly forecast: readonly number[] }[];
  };
  const want = expected.cases.find((one) => one.file === "night.json")?.forecast ?? [];
  expect(got).toHaveLength(want.length);
  want.forEach((value, i) => expect(Math.abs((got[i] ?? NaN) - value)).toBeLessThan(1e-4 * value));
});
