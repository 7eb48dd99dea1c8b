/** What is done with a damaged file: everything that a caller may do with one that it does not trust. */

import { Buffer } from "node:buffer";
import {
  decodePng,
  loadImage,
  readWav,
  isOpwiseError,
  load,
  type Model,
  printProgram,
  readNpy,
  readNpz,
  readStateDict,
  Tensor,
  type Input,
  type OpwiseError,
} from "../../../src/index.ts";
import type { Type } from "../../../src/ir/type.ts";
import { numelOf } from "../../../src/tensor/shape.ts";

/** What a round ended with. `fault` is a finding: an error of no kind, or of kind `internal`. */
export interface Verdict {
  readonly outcome: "accepted" | "refused" | "fault";
  /** The error's code, or its text and stack for a fault. */
  readonly text: string;
  /** Milliseconds it took. */
  readonly time: number;
}

/** Bounds of every run. */
const STEPS = 3000;
const BYTES = 2 ** 26;
const WORK = 2 ** 24;

/** A small value of a type. */
function sample(type: Type, depth = 0): Input {
  if (depth > 4) return null;
  switch (type.kind) {
    case "Tensor": {
      const shape = type.shape?.map((d) => (typeof d === "number" ? d : 2)) ?? [1, 3];
      return numelOf(shape) > 10_000 || shape.some((n) => n < 0) ? null : Tensor.zeros(shape, type.dtype ?? "float32");
    }
    case "int":
    case "number":
      return 1;
    case "float":
      return 0.5;
    case "bool":
      return true;
    case "str":
      return "a";
    case "List":
      return [sample(type.elem, depth + 1)];
    case "Tuple":
      return type.elems.map((t) => sample(t, depth + 1));
    case "Optional":
      return null;
    default:
      return null;
  }
}

async function tryMethods(model: Model): Promise<void> {
  using session = await model.session({ maxSteps: STEPS, maxBytes: BYTES, maxWork: WORK });
  session.tensors();
  const limits = { maxSteps: STEPS, maxBytes: BYTES, maxWork: WORK };
  if (model.format === "torchscript") {
    const root = model.program.root?.kind === "object" ? model.program.root.class : undefined;
    for (const method of session.methods.slice(0, 3)) {
      const params = root?.methods.get(method)?.params.slice(1) ?? [];
      await session.call(
        method,
        params.map((p) => sample(p.type)),
        {},
        limits,
      );
    }
  } else if (model.format === "onnx") {
    await session.run(Object.fromEntries((model.program.inputs ?? []).map((i) => [i.name, sample(i.type)])), limits);
  } else {
    await session.call(
      "forward",
      (model.program.inputs ?? []).map((i) => sample(i.type)),
      {},
      limits,
    );
  }
}

const PICTURE = /\.(?:png|jpe?g|gif|bmp|tiff?|p[bgpn]m|webp)$/;
/** Pictures that declare more are refused: what is allocated for a declared size is known. */
const PIXELS = 1 << 22;

/** The decoder that a file's first bytes choose, and the strict one of PNG. */
async function tryPicture(bytes: Uint8Array, name: string): Promise<void> {
  if (name.endsWith(".png")) {
    try {
      decodePng(bytes);
    } catch (error) {
      if (!isOpwiseError(error) || error.code === "internal") throw error;
    }
  }
  await loadImage(bytes, { name, maxPixels: PIXELS });
}

async function everything(bytes: Uint8Array, name: string): Promise<void> {
  if (name.endsWith(".npy")) return void readNpy(bytes);
  if (name.endsWith(".npz")) return void (await readNpz(bytes));
  if (name.endsWith(".wav")) return void readWav(bytes);
  if (PICTURE.test(name)) return tryPicture(bytes, name);
  let model: Model;
  try {
    model = await load(bytes, { name });
  } catch (error) {
    if (!isOpwiseError(error) || error.code !== "unsupported-format") throw error;
    await readStateDict(bytes, { name });
    return;
  }
  try {
    model.summary();
    printProgram(model.program);
  } catch (error) {
    if (!isOpwiseError(error) || error.code === "internal") throw error;
  }
  await tryMethods(model);
}

/** One line of the stack that is ours: faults of one place are one finding. */
export function placeOf(text: string): string {
  const first = text.split("\n")[0] ?? "";
  const frame = /src\/[\w./-]+\.ts:\d+/.exec(text.slice(first.length))?.[0] ?? "";
  return `${first.replace(/\d+/g, "#").slice(0, 80)} @ ${frame}`;
}

function faultText(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  const { cause } = error;
  const inner = cause instanceof Error ? cause : error;
  return `${inner.name}: ${inner.message.slice(0, 300)}\n${(inner.stack ?? "")
    .split("\n")
    .filter((l) => l.trimStart().startsWith("at "))
    .slice(0, 8)
    .join("\n")}`;
}

export async function probe(bytes: Uint8Array, name: string): Promise<Verdict> {
  const started = performance.now();
  const done = (outcome: Verdict["outcome"], text: string): Verdict => ({ outcome, text, time: performance.now() - started });
  try {
    await everything(new Uint8Array(Buffer.from(bytes)), name);
    return done("accepted", "");
  } catch (error) {
    // The net under stack overflows is for callers; here each of them is found.
    if (!isOpwiseError(error) || error.code === "internal" || error.cause instanceof RangeError) return done("fault", faultText(error));
    const known: OpwiseError = error;
    // Making the text is part of reading the error.
    return done("refused", `${known.code} ${known.message.slice(0, 120)}`);
  }
}
