/** `npm run demo`: both example models from their TorchScript and their ONNX files, beside what PyTorch gave. Exit status 1 where they part. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodePng, load, type Model, type Output, type Session, Tensor } from "../src/index.ts";

/** Values may part from PyTorch's by this much, or by this part of theirs. */
const TOLERANCE = 1e-4;

const here = import.meta.dirname;
let diverged = 0;

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(here, path), "utf8"));
}

/** A float32 tensor's elements. */
function numbers(value: Output | undefined): number[] {
  if (!(value instanceof Tensor)) throw new Error("a tensor was expected");
  return Array.from(value.data, Number);
}

/** One file's two forms, opened, with a session each. */
async function open(folder: string): Promise<{ readonly torch: Session; readonly onnx: Session }> {
  const sessions: Session[] = [];
  for (const file of ["model.pt", "model.onnx"]) {
    const started = performance.now();
    const model: Model = await load(join(here, folder, file));
    sessions.push(await model.session());
    console.log(`  ${folder}/${file}: ${model.format}, ${model.program.version}; ready in ${(performance.now() - started).toFixed(0)} ms`);
  }
  const [torch, onnx] = sessions;
  if (torch === undefined || onnx === undefined) throw new Error("two sessions were expected");
  return { torch, onnx };
}

interface Row {
  readonly input: string;
  readonly eager: readonly number[];
  readonly torch: readonly number[];
  readonly onnx: readonly number[];
}

/** Largest difference of two lists of numbers from the wanted ones, as it is and as a part of the wanted number; counts what is too far. */
function errors(row: Row): { readonly absolute: number; readonly relative: number; readonly isFar: boolean } {
  let absolute = 0;
  let relative = 0;
  let isFar = row.torch.length !== row.eager.length || row.onnx.length !== row.eager.length;
  row.eager.forEach((want, i) => {
    for (const got of [row.torch[i] ?? NaN, row.onnx[i] ?? NaN]) {
      const error = Math.abs(got - want);
      absolute = Math.max(absolute, error);
      relative = Math.max(relative, error / Math.abs(want));
      if (!(error <= TOLERANCE * Math.max(1, Math.abs(want)))) isFar = true;
    }
  });
  return { absolute, relative, isFar };
}

/** The comparison: of each output its largest number, and the largest errors of all its numbers. */
function printTable(output: string, rows: readonly Row[]): void {
  const width = Math.max(...rows.map((row) => row.input.length));
  const cell = (x: number | undefined): string => (x ?? NaN).toPrecision(8).padStart(14);
  console.log(`\n  ${"".padEnd(width)}   the largest of each output (${output}):                 largest error in all of it:`);
  console.log(`  ${"".padEnd(width)}  ${["PyTorch eager", "TorchScript", "ONNX", "absolute", "relative"].map((title) => title.padStart(14)).join("")}`);
  for (const row of rows) {
    const { absolute, relative, isFar } = errors(row);
    const at = row.eager.indexOf(Math.max(...row.eager));
    const error = [absolute, relative].map((e) => e.toExponential(1).padStart(14)).join("");
    console.log(`  ${row.input.padEnd(width)}  ${cell(row.eager[at])}${cell(row.torch[at])}${cell(row.onnx[at])}${error}${isFar ? "   DIVERGED" : ""}`);
    if (isFar) diverged++;
  }
}

interface ShapesExpected {
  readonly labels: readonly string[];
  readonly cases: readonly { readonly file: string; readonly label: string; readonly predicted: string; readonly logits: readonly number[] }[];
}

async function shapes(): Promise<void> {
  console.log("shapes: which shape is drawn in a picture?");
  const expected = readJson("shapes/expected.json") as ShapesExpected;
  const { torch, onnx } = await open("shapes");
  const rows: Row[] = [];
  console.log("");
  for (const { file, label, predicted, logits } of expected.cases) {
    const picture = decodePng(readFileSync(join(here, "shapes", file)), { name: file });
    const x = Tensor.from(
      Float32Array.from(picture.data, (sample) => sample / 255),
      [1, 1, picture.height, picture.width],
    );
    const row: Row = { input: file, eager: logits, torch: numbers(await torch.forward(x)), onnx: numbers((await onnx.run({ picture: x }))["logits"]) };
    rows.push(row);
    const [first, second] = [row.torch, row.onnx].map((values) => expected.labels[values.indexOf(Math.max(...values))] ?? "?");
    const agrees = first === predicted && second === predicted;
    if (!agrees) diverged++;
    console.log(
      `  ${file.padEnd(14)} ${String(first).padEnd(9)}${first === label ? "right" : `it is a ${label}`}${agrees ? "" : `   DIVERGED: PyTorch said ${predicted}, ONNX ${second}`}`,
    );
  }
  printTable("6 logits", rows);
  torch.dispose();
  onnx.dispose();
}

interface ReplicasExpected {
  readonly capacity: number;
  readonly cases: readonly { readonly file: string; readonly forecast: readonly number[]; readonly replicas: number }[];
}

async function replicas(): Promise<void> {
  console.log("\nreplicas: how many replicas does a service need in the next 15 minutes?");
  const expected = readJson("replicas/expected.json") as ReplicasExpected;
  const { torch, onnx } = await open("replicas");
  const rows: Row[] = [];
  console.log("");
  for (const { file, forecast, replicas: wanted } of expected.cases) {
    const input = readJson(`replicas/${file}`) as { readonly minute: number; readonly rates: readonly number[] };
    const rates = Tensor.from(input.rates, [1, input.rates.length], "float32");
    const minute = Tensor.from([input.minute], [1], "float32");
    const row: Row = {
      input: file,
      eager: forecast,
      torch: numbers(await torch.forward(rates, minute)),
      onnx: numbers((await onnx.run({ rates, minute }))["forecast"]),
    };
    rows.push(row);
    // The scripted model has a second method for it; from the ONNX file it is computed here.
    const scripted = await torch.call("replicas", [rates, minute], { capacity: expected.capacity });
    const first = Array.isArray(scripted) ? Number(scripted[0]) : NaN;
    const second = Math.max(1, Math.ceil(Math.max(...row.onnx) / expected.capacity));
    const agrees = first === wanted && second === wanted;
    if (!agrees) diverged++;
    const now = input.rates.at(-1) ?? NaN;
    console.log(
      `  ${file.padEnd(18)} now ${String(now).padStart(5)} requests a minute, up to ${Math.max(...row.torch)
        .toFixed(0)
        .padStart(5)} ahead: ${String(first).padStart(2)} replicas${agrees ? "" : `   DIVERGED: PyTorch said ${wanted}, ONNX ${second}`}`,
    );
  }
  printTable("15 rates", rows);
  torch.dispose();
  onnx.dispose();
}

await shapes();
await replicas();
console.log(diverged === 0 ? `\nAll agree with PyTorch within ${TOLERANCE}.` : `\n${diverged} differ from PyTorch by more than ${TOLERANCE}.`);
process.exitCode = diverged === 0 ? 0 : 1;
