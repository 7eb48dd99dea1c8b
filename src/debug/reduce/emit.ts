/** A case in other words: a PyTorch script, or a test of this project's. */

import type { Datum } from "../../ir/datum.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type Case, programOf } from "./case.ts";
import type { CaseFailure } from "./case-file.ts";

function python(value: Datum, names: ReadonlyMap<Tensor, string>): string {
  if (value === null) return "None";
  if (value instanceof Tensor) return names.get(value) ?? "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number" || typeof value === "bigint")
    return value === Infinity ? 'float("inf")' : value === -Infinity ? '-float("inf")' : Number.isNaN(value) ? 'float("nan")' : String(value);
  if (typeof value === "string") return JSON.stringify(value);
  switch (value.kind) {
    case "list":
      return `[${value.items.map((item) => python(item, names)).join(", ")}]`;
    case "tuple":
      return `(${value.items.map((item) => `${python(item, names)},`).join(" ")})`;
    case "int":
    case "float":
    case "bool":
      return python(value.value, names);
    case "complex":
      return `complex(${value.re}, ${value.im})`;
    case "device":
      return JSON.stringify(value.name);
    default:
      throw new OpwiseError("bad-argument", "an argument that Python text cannot say", { got: value.kind });
  }
}

/** A script for the real PyTorch that runs the steps on the case's inputs and compares with what is expected. TorchScript cases only. @throws unsupported-format */
export function caseAsPython(one: Case, file: string): string {
  if (one.steps.some((step) => step.node.schema === undefined))
    throw new OpwiseError("unsupported-format", "an ONNX case has no PyTorch script", { wanted: "a case of TorchScript ops" });
  const names = new Map<Tensor, string>([...programOf(one, file).names]);
  const lines = [
    "import io, sys, zipfile",
    "import numpy as np",
    "import torch",
    "",
    `case = zipfile.ZipFile(sys.argv[1] if len(sys.argv) > 1 else ${JSON.stringify(file)})`,
    "def array(name):",
    "    return torch.from_numpy(np.load(io.BytesIO(case.read(name))))",
    "",
  ];
  for (const name of names.values()) lines.push(`${name} = array("inputs/${name}.npy")`);
  let count = 0;
  let result = "None";
  for (const step of one.steps) {
    const { schema } = step.node;
    const [namespace = "aten", full = ""] = step.node.op.split("::");
    const [name = "", overload = "default"] = full.split(".");
    const args = step.args.map((arg, i) => {
      const formal = schema?.args[i];
      return formal?.kwargOnly === true ? `${formal.name}=${python(arg, names)}` : python(arg, names);
    });
    result = `y${count++}`;
    lines.push(`${result} = torch.ops.${namespace}.${name}.${overload}(${args.join(", ")})`);
    step.outs.forEach((out, i) => {
      if (out instanceof Tensor) names.set(out, step.outs.length === 1 ? result : `${result}[${i}]`);
      else if (typeof out === "object" && out !== null && (out.kind === "list" || out.kind === "tuple"))
        out.items.forEach((item, k) => void (item instanceof Tensor && names.set(item, `${result}[${k}]`)));
    });
  }
  const outs = one.steps.at(-1)?.outs.length ?? 1;
  lines.push(
    `got = ${result}${outs > 1 ? `[${one.output}]` : ""}`,
    'want = array("expected.npy")',
    "error = (got.double() - want.double()).abs().max().item()",
    'print(f"largest difference from the reference side: {error:.3e}")',
    "",
  );
  return lines.join("\n");
}

/** A test that fails as long as the two sides differ. */
export function caseAsTest(file: string, failure: CaseFailure): string {
  const line = (names: string, from: string): string => `import { ${names} } from "${from}";`;
  return `${line("readFileSync", ["node", "fs"].join(":"))}
${line("expect, it", "vitest")}
${line("cpu, modelOf", "opwise")}
${line("checkCase", "opwise/debug")}

it("${failure.op} on ${failure.b} agrees with ${failure.a}", async () => {
  const [backendA, backendB] = [cpu(), cpu()]; // put ${failure.b}'s backend in the second place
  const sessionOf = async (one, backend) => (await modelOf(one.program)).session({ backend });
  const { times } = await checkCase(new Uint8Array(readFileSync(${JSON.stringify(file)})), sessionOf, { backendA, backendB, cpu: backendA });
  expect(times).toBeLessThanOrEqual(1);
});
`;
}
