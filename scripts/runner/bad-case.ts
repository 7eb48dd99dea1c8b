/** Runs one damaged file by its entry in cases.json: an error with a code, or a load, as the entry says. */

import { load, type Model } from "../../src/model.ts";
import type { Backend } from "../../src/prims/backend.ts";
import { isOpwiseError } from "../../src/tensor/error.ts";
import { DTYPES } from "../../src/tensor/dtype.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Outcome } from "./outcome.ts";
import { array, close, type Json, type JsonObject, object } from "./value.ts";
import { elementsOf } from "../../src/tensor/text.ts";

const STEPS = 2_000_000;
const BYTES = 2 ** 31;

function inlineTensor(v: JsonObject): Tensor {
  const dtype = DTYPES.find((d) => d === v["dtype"]);
  if (dtype === undefined) throw new Error(`no dtype ${String(v["dtype"])}`);
  const data = [v["data"]].flat(9).map((x) => (dtype === "string" ? String(x) : dtype === "bool" ? Boolean(x) : Number(x)));
  const shape = array(v["shape"]).map(Number);
  return dtype === "string" ? Tensor.from(data.map(String), shape, dtype) : Tensor.from(data.map(Number), shape, dtype);
}

function verdict(name: string, ok: boolean, reason: string): Outcome {
  return { name, callsPassed: ok ? 1 : 0, callsFailed: ok ? 0 : 1, failures: ok ? [] : [{ where: "verdict", reason }] };
}

/** The error of `run`, or undefined. An error without a code is a failure by itself. */
async function errorOf(run: () => Promise<void>): Promise<{ code: string; message: string; typed: boolean } | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    const typed = isOpwiseError(error) && error.code !== "internal";
    return { typed, code: isOpwiseError(error) ? error.code : "none", message: error instanceof Error ? error.message : String(error) };
  }
}

export async function runBadFile(path: string, name: string, spec: unknown, backend: Backend): Promise<Outcome> {
  const entry = object(spec as Json); // an entry of cases.json
  const expect = String(entry["expect"]);
  return expect === "error" || expect === "loads" || expect === "either" ? torchFile(path, name, entry, expect, backend) : onnxFile(path, name, entry, expect, backend);
}

async function torchFile(path: string, name: string, entry: JsonObject, expect: string, backend: Backend): Promise<Outcome> {
  let model: Model | undefined;
  const atLoad = await errorOf(async () => {
    model = await load(path, { format: "torchscript" });
    (await model.session({ backend })).dispose();
  });
  if (atLoad !== undefined && !atLoad.typed) return verdict(name, false, `untyped error: ${atLoad.message}`);
  if (expect === "error") {
    if (atLoad !== undefined) return verdict(name, true, "");
    // What the loader may leave to the first call is checked there.
    const atRun = await errorOf(() => callForward(model, backend));
    return atRun?.typed === true ? verdict(name, true, "") : verdict(name, false, atRun === undefined ? "no error at load or at the first call" : `untyped error: ${atRun.message}`);
  }
  if (expect === "loads" && atLoad !== undefined) return verdict(name, false, `[${atLoad.code}] ${atLoad.message}`);
  if (model !== undefined && typeof entry["call"] === "string") {
    const atRun = await errorOf(() => callForward(model, backend));
    if (atRun !== undefined && !atRun.typed) return verdict(name, false, `untyped error: ${atRun.message}`);
    const limits = entry["kind"] === "limit";
    if (expect === "loads" && !limits && atRun !== undefined) return verdict(name, false, `the call failed: [${atRun.code}] ${atRun.message}`);
    if (expect === "loads" && limits && atRun === undefined) return verdict(name, false, "the call had to end with an error");
  }
  return verdict(name, true, "");
}

async function callForward(model: Model | undefined, backend: Backend): Promise<void> {
  if (model === undefined) throw new Error("no model");
  const session = await model.session({ backend });
  await session.invoke("forward", [Tensor.from(new Float32Array([1, 1, 1]), [1, 3])], {}, { maxSteps: STEPS, maxBytes: BYTES });
}

async function onnxFile(path: string, name: string, entry: JsonObject, expect: string, backend: Backend): Promise<Outcome> {
  const accepted = [expect, entry["also_accepted"]].filter((e) => e !== undefined && e !== null).map(String);
  let model: Model | undefined;
  const atLoad = await errorOf(async () => {
    model = await load(path);
    (await model.session({ backend })).dispose();
  });
  if (atLoad !== undefined) {
    if (!atLoad.typed) return verdict(name, false, `untyped error at load: ${atLoad.message}`);
    return verdict(name, accepted.includes("error_at_load"), `refused at load: [${atLoad.code}] ${atLoad.message}`);
  }
  let difference: string | undefined;
  const atRun = await errorOf(async () => {
    const session = await (model as Model).session({ backend }); // loaded above
    const feeds = Object.fromEntries(Object.entries(object(entry["inputs"])).map(([k, v]) => [k, inlineTensor(object(v))]));
    const outputs = await session.run(feeds, { maxSteps: STEPS, maxBytes: BYTES });
    for (const [key, want] of Object.entries(object(entry["outputs"] ?? {}))) {
      const got = outputs[key];
      const wanted = inlineTensor(object(want));
      if (!(got instanceof Tensor)) difference = `no output ${key}`;
      else {
        const [a, b] = [elementsOf(got), elementsOf(wanted)];
        if (a.length !== b.length || b.some((y, i) => !close(Number(a[i]), Number(y), { atol: 1e-6, rtol: 1e-6 }))) difference = `output ${key} differs`;
      }
    }
  });
  if (atRun !== undefined) {
    if (!atRun.typed) return verdict(name, false, `untyped error at run: ${atRun.message}`);
    return verdict(name, accepted.includes("error_at_run"), `error at run: [${atRun.code}] ${atRun.message}`);
  }
  if (!accepted.includes("loads_and_runs")) return verdict(name, false, "loaded and ran");
  return verdict(name, difference === undefined, difference ?? "");
}

