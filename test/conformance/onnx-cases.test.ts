/** Recorded cases of ops that ONNX's own tests do not hold: com.microsoft, withdrawn experiments, old versions (made by scripts/onnx-fuzz). */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { unzipSync } from "fflate";
import { afterAll, expect, test } from "vitest";
import { runOnnxTest } from "../../scripts/runner/onnx-test.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";

const files = Object.entries(unzipSync(readFileSync(new URL("../golden/onnx-cases.zip", import.meta.url))));
const root = mkdtempSync(join(tmpdir(), "opwise-cases-"));
for (const [name, bytes] of files) {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), bytes);
}
afterAll(() => rmSync(root, { recursive: true }));

const names = files.flatMap(([name]) => (name.endsWith("/model.onnx") ? [dirname(name)] : []));
/** The op's name and version, of `test_com_microsoft_BiasGelu_1_4`. */
const ops = [...new Set(names.map((name) => name.slice("test_".length, name.lastIndexOf("_"))))];

test.each(ops)("%s", async (op) => {
  const backend = cpu();
  for (const name of names.filter((n) => n.slice("test_".length, n.lastIndexOf("_")) === op)) {
    const spec: unknown = JSON.parse(readFileSync(join(root, name, "tolerance.json"), "utf8"));
    const { failures } = await runOnnxTest(join(root, name), name, spec, backend);
    expect(failures).toEqual([]);
  }
});
