/**
 * `npm run docs:ops [-- --check]`: writes `docs/ops.md`, or says whether it is up to date.
 *
 * The list comes from the declarations, the dtypes from `docs/opinfo.json` (written by `npm run opinfo -- --checked docs/opinfo.json`),
 * and where calls run from replaying one recorded call of each op on each backend. No Python is needed.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cpu } from "../src/backends/cpu/cpu.ts";
import { type Operator, operators } from "../src/index.ts";
import { seedTwister } from "../src/numeric/mt19937.ts";
import { Executor } from "../src/run/executor.ts";
import { type Golden, goldens, replay } from "../test/support/golden.ts";
import { makeBackend } from "./runner/backend.ts";

const ROOT = join(import.meta.dirname, "..");
const PAGE = join(ROOT, "docs/ops.md");
const BACKENDS = ["wasm", "tfjs"];

/** Where the calls of an op ran. */
type Placed = "native" | "composed" | "partly" | "cpu" | "view";

/** The recorded call that stands for an op: of float32 tensors where there is one, without an error. */
function chosen(cases: Iterable<Golden>): Map<string, Golden> {
  const found = new Map<string, Golden>();
  const wide = (golden: Golden): boolean => golden.sample.args.some((arg) => "tensor" in arg && arg.tensor.dtype === "float32");
  for (const golden of cases) {
    const { op } = golden.sample;
    const before = found.get(op);
    if (golden.raises === undefined && (before === undefined || (!wide(before) && wide(golden)))) found.set(op, golden);
  }
  return found;
}

async function placements(name: string, cases: ReadonlyMap<string, Golden>): Promise<Map<string, Placed>> {
  const [backend, host] = [await makeBackend(name), cpu()];
  const out = new Map<string, Placed>();
  for (const [op, golden] of cases) {
    if (!op.includes("::") || /^(?:onnx|ai\.onnx|com\.)/.test(op)) continue;
    const ctx = new Executor({ backend, cpu: host, generator: seedTwister(7) });
    await replay(golden, ctx, name);
    const lines = [...ctx.placements.lines()];
    const [own, all] = [lines.filter((l) => l.backend !== "cpu").reduce((n, l) => n + l.count, 0), lines.reduce((n, l) => n + l.count, 0)];
    out.set(op, all === 0 ? "view" : own === 0 ? "cpu" : own < all ? "partly" : all === 1 ? "native" : "composed");
  }
  return out;
}

/** Overloads of one name on a line: `aten::add` `.Tensor` `.out`. */
function missingLines(missing: readonly Operator[]): string[] {
  const names = new Map<string, string[]>();
  for (const { name } of missing) {
    const [bare = name, overload] = name.split(".");
    names.set(bare, [...(names.get(bare) ?? []), ...(overload === undefined ? [] : [overload])]);
  }
  return [...names].map(([name, overloads]) => (overloads.length === 0 ? `\`${name}\`` : `\`${name}\` (${overloads.join(", ")})`));
}

async function page(): Promise<string> {
  const all = operators();
  const checked: { readonly torch: string; readonly overloads: Readonly<Record<string, string>> } = JSON.parse(
    readFileSync(join(ROOT, "docs/opinfo.json"), "utf8"),
  );
  const cases = chosen([...goldens().values()].flat());
  const placed = new Map<string, Map<string, Placed>>();
  for (const name of BACKENDS) placed.set(name, await placements(name, cases));

  const forms = new Map<string, string[]>();
  for (const op of all)
    if ((op.state === "in-place" || op.state === "out") && op.of !== undefined)
      forms.set(op.of, [...(forms.get(op.of) ?? []), `\`${op.name.replace(/^\w+::/, "")}\``]);
  const counts = new Map<string, { have: number; of: number }>();
  for (const op of all) {
    const space = op.name.split("::")[0] ?? "";
    const line = counts.get(space) ?? { have: 0, of: 0 };
    counts.set(space, { have: line.have + (op.state === "missing" ? 0 : 1), of: line.of + 1 });
  }
  const families = new Map<string, Operator[]>();
  for (const op of all) if (op.state === "declared") families.set(op.family ?? "", [...(families.get(op.family ?? "") ?? []), op]);

  const lines = [
    "# Operators",
    "",
    "Written by `npm run docs:ops`; `opwise ops` prints the list, `opwise ops --missing MODEL` what a model wants and this build lacks.",
    "",
    "Overloads that PyTorch 2.13 registers for models, and how many of them this build has. In-place and `out=` forms follow from the declared op.",
    "",
    "| namespace | here | of |",
    "| --- | --- | --- |",
    ...[...counts].map(([space, { have, of }]) => `| \`${space}\` | ${have} | ${of} |`),
    "",
    `The dtypes are those that PyTorch ${checked.torch.replace(/\+.*$/, "")}'s operator database has samples of, for the overload that an entry is about: how many of them agree`,
    "in value, dtype and shape (`torch.testing.assert_close` with its defaults). One number: all of so many.",
    "",
    "The `cpu` backend runs every op. For the others, one recorded call of each op says where its calls run: **native**: the backend has a kernel for the whole of it; **composed**:",
    "several calls, all on the backend; **partly**: some calls fall back to cpu; **cpu**: all do; **view**: no element is touched.",
  ];
  for (const [family, own] of [...families].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(
      "",
      `## ${family}`,
      "",
      `| overload | forms | ${BACKENDS.join(" | ")} | samples that agree |`,
      `| --- | --- | ${BACKENDS.map(() => "---").join(" | ")} | --- |`,
    );
    for (const op of own.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const where = BACKENDS.map((b) => placed.get(b)?.get(op.name) ?? "").join(" | ");
      const dtypes = (checked.overloads[op.name] ?? "").replace(/:/g, " ").replace(/(\d) (?=\D)/g, "$1, ");
      lines.push(`| \`${op.name}\` | ${(forms.get(op.name) ?? []).join(" ")} | ${where} | ${dtypes} |`);
    }
  }
  const machine = all.filter((op) => op.state === "machine").map((op) => `\`${op.name}\``);
  lines.push("", "## The machine itself", "", machine.join(", "));
  const missing = all.filter((op) => op.state === "missing");
  lines.push("", "## Missing", "", `${missing.length} overloads.`);
  for (const space of counts.keys()) {
    const own = missing.filter((op) => op.name.startsWith(`${space}::`));
    if (own.length > 0) lines.push("", `**${space}** (${own.length}): ${missingLines(own).join(", ")}`);
  }
  return `${lines.join("\n")}\n`;
}

const text = await page();
if (process.argv.includes("--check")) {
  const written = readFileSync(PAGE, "utf8");
  if (written !== text) {
    const [a, b] = [written.split("\n"), text.split("\n")];
    const at = b.findIndex((line, i) => line !== a[i]);
    console.error(`docs/ops.md is not what \`npm run docs:ops\` writes; line ${at + 1}:\n- ${a[at] ?? ""}\n+ ${b[at] ?? ""}`);
    process.exit(1);
  }
  console.log("docs/ops.md is up to date");
} else {
  writeFileSync(PAGE, text);
  console.log(`docs/ops.md: ${text.split("\n").length} lines`);
}
process.exit(0);
