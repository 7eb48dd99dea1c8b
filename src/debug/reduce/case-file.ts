/** `*.opwcase`: a case as a file. A zip of `case.json`, the graph's text, and one .npy for every input and for what is expected. */

import { limitsWith } from "../../bytes/limits.ts";
import { readNpy, writeNpy } from "../../bytes/npy.ts";
import { bytesSource } from "../../bytes/source.ts";
import { openZip } from "../../bytes/zip.ts";
import { MemoryBytes, ZipWriter } from "../../bytes/zip-writer.ts";
import type { Program } from "../../ir/graph.ts";
import { printFunction } from "../../ir/printer.ts";
import { SchemaTable } from "../../ir/schema-table.ts";
import { parseFunction } from "../../ir/text-parser.ts";
import { T } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Storage } from "../../tensor/storage.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type Case, programOf } from "./case.ts";

/** What is wrong, as `case.json` has it. */
export interface CaseFailure {
  readonly op: string;
  /** How far over the budget, at least, for it to count as the same failure. */
  readonly atLeast: number;
  readonly times: number;
  /** Run specs of both sides, without the model. */
  readonly a: string;
  readonly b: string;
}

export interface CaseFile {
  readonly program: Program;
  readonly inputs: readonly Tensor[];
  readonly expected: Tensor;
  readonly output: number;
  readonly failure: CaseFailure;
}

const VERSION = 1;

function npy(t: Tensor): Uint8Array {
  const { data } = t;
  return writeNpy({ dtype: t.dtype, shape: t.shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) });
}

/** The case with side A's answer, as a file. @throws bad-argument for arguments that a case cannot hold */
export function writeCase(one: Case, expected: Tensor, failure: CaseFailure, name: string): Uint8Array {
  const { program, names } = programOf(one, name);
  const sink = new MemoryBytes();
  const zip = new ZipWriter(sink);
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const opaque: never[] = [];
  const inputs = [...one.inputs].map(([t, value]) => ({
    name: names.get(t) ?? "",
    dtype: value.dtype,
    shape: value.shape,
    wrapped: value.wrappedNumber,
    quantizer: value.quantizer?.scheme === "per_tensor_affine" ? value.quantizer : undefined,
  }));
  if ([...one.inputs.values()].some((t) => t.quantizer !== undefined && t.quantizer.scheme !== "per_tensor_affine"))
    throw new OpwiseError("bad-argument", "a case cannot hold a tensor quantised per channel");
  const graph = program.main === undefined ? "" : printFunction(program.main, { opaque, bare: true });
  if (opaque.length > 0) throw new OpwiseError("bad-argument", "a case cannot hold an attribute that is a tensor or an object");
  zip.add(
    "case.json",
    text(`${JSON.stringify({ format: "opwcase", version: VERSION, name, world: program.format, inputs, output: one.output, failure }, undefined, 2)}\n`),
    { deflate: true },
  );
  zip.add("graph.txt", text(graph), { deflate: true });
  for (const [t, value] of one.inputs) zip.add(`inputs/${names.get(t) ?? ""}.npy`, npy(value), { deflate: true });
  zip.add("expected.npy", npy(expected), { deflate: true });
  zip.finish();
  return sink.bytes();
}

interface CaseJson {
  readonly format: string;
  readonly version: number;
  readonly name: string;
  readonly world: Program["format"];
  readonly inputs: readonly {
    readonly name: string;
    readonly wrapped: boolean;
    readonly quantizer?: { readonly scheme: "per_tensor_affine"; readonly scale: number; readonly zeroPoint: number };
  }[];
  readonly output: number;
  readonly failure: CaseFailure;
}

function caseJson(bytes: Uint8Array): CaseJson {
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (typeof json !== "object" || json === null || !("format" in json) || json.format !== "opwcase" || !("inputs" in json) || !Array.isArray(json.inputs)) {
    throw new OpwiseError("unsupported-format", "the file is no case", { where: { record: "case.json" } });
  }
  if (!("version" in json) || json.version !== VERSION)
    throw new OpwiseError("unsupported-format", "the case has another version", {
      wanted: String(VERSION),
      got: String("version" in json ? json.version : "none"),
    });
  return json as unknown as CaseJson; // the format and version say so; what is missing shows when it is read
}

/** Reads a case. @throws unsupported-format, bad-zip, bad-code and what reading arrays throws */
export async function readCase(bytes: Uint8Array, name = "case"): Promise<CaseFile> {
  const zip = await openZip(bytesSource(bytes, name), limitsWith({}));
  const json = caseJson(await zip.read("case.json"));
  const array = async (record: string): Promise<Tensor> => {
    const a = readNpy(await zip.read(record), { name: record });
    return new Tensor(Storage.wrap(new Uint8Array(a.data), false), a.dtype, [...a.shape]);
  };
  const inputs: Tensor[] = [];
  for (const input of json.inputs) {
    const t = await array(`inputs/${input.name}.npy`);
    t.wrappedNumber = input.wrapped;
    t.quantizer = input.quantizer;
    inputs.push(t);
  }
  const text = new TextDecoder().decode(await zip.read("graph.txt"));
  const schemas = new SchemaTable();
  const main = await schemas.complete(() => parseFunction(text, { schemaOf: (op) => schemas.schemaOf(op) }));
  const count = main.graph().outputs.length;
  const program: Program = {
    format: json.world,
    version: "case",
    name,
    classes: new Map(),
    functions: new Map(),
    main,
    inputs: json.inputs.map((input) => ({ name: input.name, type: T.Tensor })),
    outputs: Array.from({ length: count }, (_, i) => ({ name: `y${i}`, type: T.Tensor })),
    extra: new Map(),
  };
  return { program, inputs, expected: await array("expected.npy"), output: json.output, failure: json.failure };
}
