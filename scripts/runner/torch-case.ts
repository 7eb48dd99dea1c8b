/** Runs one recorded case: `.pt`, `.ptl`, `.pt2` with calls in order on one instance, or a `.pth` tree. */

import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { openSource } from "../../src/bytes/source.ts";
import { readNpz } from "../../src/bytes/npz.ts";
import { T } from "../../src/ir/type.ts";
import { load } from "../../src/model.ts";
import type { Backend } from "../../src/prims/backend.ts";
import { isOpwiseError } from "../../src/tensor/error.ts";
import type { Failure, Outcome } from "./outcome.ts";
import { compareStateDict } from "./state-dict-case.ts";
import { type Arrays, array, compare, inputOf, type Json, object, type Tolerance } from "./value.ts";

export const CASE_FILES: readonly string[] = ["model.pt", "model.ptl", "model.pt2", "model.pth"];

export function failureOf(where: string, error: unknown): Failure {
  if (isOpwiseError(error)) {
    const op = error.where.op;
    const missing = error.code === "unsupported-op" ? [op ?? error.got ?? error.message] : undefined;
    return { where: op === undefined ? where : `${where}, ${op}`, reason: `[${error.code}] ${error.message}`, ...(missing === undefined ? {} : { missing }) };
  }
  return { where, reason: error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 3).join(" | ") : String(error) };
}

export async function runTorchCase(folder: string, backend: Backend): Promise<Outcome> {
  const name = basename(folder);
  const spec = object(JSON.parse(readFileSync(join(folder, "case.json"), "utf8")) as Json);
  const file = CASE_FILES.map((f) => join(folder, f)).find((f) => existsSync(f));
  const failures: Failure[] = [];
  if (file === undefined) return { name, callsPassed: 0, callsFailed: 1, failures: [{ where: "files", reason: "no model file" }] };
  const arrays: Arrays = existsSync(join(folder, "data.npz")) ? await readNpz(await openSource(join(folder, "data.npz"))) : new Map();
  const tolerance: Tolerance = { atol: Number(spec["atol"] ?? 0), rtol: Number(spec["rtol"] ?? 0) };
  if (file.endsWith(".pth")) return compareStateDict(name, file, spec, arrays);
  const calls = array(spec["calls"]).map(object);
  let passed = 0;
  let session;
  try {
    const model = await load(file);
    session = await model.session({ backend });
    for (const [key, text] of Object.entries(spec["extra_files"] ?? {})) {
      if (model.extra.get(key) !== text) failures.push({ where: `extra file ${key}`, reason: "another text" });
    }
  } catch (error) {
    return { name, callsPassed: 0, callsFailed: calls.length, failures: [failureOf("load", error)] };
  }
  const checkAttributes = (which: "attributes" | "attributes_after"): void => {
    for (const [path, want] of Object.entries(object(spec[which] ?? {}))) {
      try {
        const { value, type } = session.attribute(path);
        const difference = compare(value, type, want, arrays, tolerance);
        if (difference !== undefined) failures.push({ where: `${which} ${path}`, reason: difference });
      } catch (error) {
        failures.push(failureOf(`${which} ${path}`, error));
      }
    }
  };
  checkAttributes("attributes");
  for (const [i, call] of calls.entries()) {
    const where = `call ${i} ${String(call["method"])}`;
    const tol: Tolerance = { atol: Number(call["atol"] ?? tolerance.atol), rtol: Number(call["rtol"] ?? tolerance.rtol), shapesOnly: call["check"] === "shape_dtype", sequencesAlike: spec["category"] === "opdb" };
    try {
      const args = array(call["args"]).map((a) => inputOf(a, arrays));
      const kwargs = Object.fromEntries(Object.entries(object(call["kwargs"] ?? {})).map(([k, v]) => [k, inputOf(v, arrays)]));
      const returned = await session.invoke(String(call["method"]), args, kwargs, { maxSteps: 20_000_000 });
      if ("raises" in call) {
        failures.push({ where, reason: `no error, wanted ${JSON.stringify(call["raises"]).slice(0, 120)}` });
        continue;
      }
      let difference = compare(returned.value, returned.type, call["returns"] ?? null, arrays, tol);
      if (difference === undefined && call["args_after"] !== undefined) {
        for (const [k, want] of array(call["args_after"]).entries()) {
          const given = args[k];
          const after = object(want);
          // Tensors and what holds them are the caller's own objects; scalars cannot change.
          if (given !== undefined && given !== null && typeof given === "object" && ("tensor" in after)) {
            difference ??= compare(given as never, T.Any, want, arrays, tol);
          }
        }
      }
      if (difference === undefined) passed++;
      else failures.push({ where, reason: difference });
    } catch (error) {
      const raises = call["raises"];
      if (raises === undefined) {
        failures.push(failureOf(where, error));
        continue;
      }
      const wanted = object(raises);
      // As torch.jit.Error shows it: the class that the model named, then its text.
      const raised = isOpwiseError(error) && error.code === "model-raised" ? `${(error.raisedClass ?? "RuntimeError").replace(/^.*\./, "")}: ` : "";
      const text = raised + (error instanceof Error ? error.message : String(error));
      if (isOpwiseError(error) && (error.code === "unsupported-op" || error.code === "internal")) failures.push(failureOf(where, error));
      else if (wanted["type"] === "torch.jit.Error" && typeof wanted["contains"] === "string" && !text.includes(wanted["contains"])) {
        failures.push({ where, reason: `message ${JSON.stringify(text)}, wanted ${JSON.stringify(wanted["contains"])}` });
      } else passed++;
    }
  }
  checkAttributes("attributes_after");
  session.dispose();
  return { name, callsPassed: passed, callsFailed: calls.length - passed, failures };
}
