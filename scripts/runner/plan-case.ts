/** Runs one recorded case with planning and without: every call three times over has to give the same bits, texts and errors. */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readNpz } from "../../src/bytes/npz.ts";
import { openSource } from "../../src/bytes/source.ts";
import type { Datum } from "../../src/ir/datum.ts";
import { load } from "../../src/model.ts";
import type { Backend } from "../../src/prims/backend.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Outcome } from "./outcome.ts";
import { CASE_FILES, failureOf } from "./torch-case.ts";
import { type Arrays, array, inputOf, type Json, object } from "./value.ts";

const ROUNDS = 3;

/** All of a value as a text: bits of tensors, their strides, shared objects by number. */
export function textOf(value: unknown, seen: Map<unknown, number> = new Map()): string {
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : typeof value === "bigint" ? `${value}n` : String(value);
  const number = seen.get(value);
  if (number !== undefined) return `@${number}`;
  seen.set(value, seen.size);
  if (value instanceof Tensor) {
    const data = value.data.slice();
    // Which of the NaNs an operation gives, nobody promises.
    if (data instanceof Float32Array || data instanceof Float64Array) for (let i = 0; i < data.length; i++) if (Number.isNaN(data[i])) data[i] = NaN;
    const hash = value.dtype === "string" ? value.strings().join("|") : createHash("sha256").update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)).digest("hex").slice(0, 16);
    return `${value.dtype}[${value.shape.join(",")}](${value.strides.join(",")})${hash}`;
  }
  if (value instanceof Map) return `{${[...(value as Map<unknown, unknown>)].map(([k, v]) => `${textOf(k, seen)}:${textOf(v, seen)}`).join(",")}}`;
  if (Array.isArray(value)) return `[${value.map((v: unknown) => textOf(v, seen)).join(",")}]`;
  if ("kind" in value && value.kind === "instance" && "slots" in value) return `object${textOf(value.slots, seen)}`;
  const items = "items" in value ? value.items : "entries" in value ? value.entries : "value" in value ? value.value : undefined;
  return `${"kind" in value ? String(value.kind) : "?"}${textOf(items, seen)}`;
}

export async function runPlanCase(folder: string, name: string, backend: Backend): Promise<Outcome> {
  const spec = object(JSON.parse(readFileSync(join(folder, "case.json"), "utf8")) as Json);
  const file = CASE_FILES.map((f) => join(folder, f)).find((f) => existsSync(f));
  const calls = array(spec["calls"] ?? []).map(object);
  if (file === undefined || file.endsWith(".pth")) return { name, callsPassed: 0, callsFailed: 0, failures: [] };
  const arrays: Arrays = existsSync(join(folder, "data.npz")) ? await readNpz(await openSource(join(folder, "data.npz"))) : new Map();
  const run = async (plan: boolean): Promise<string[]> => {
    const session = await (await load(file)).session({ backend, plan });
    const out: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const call of calls) {
        const args = array(call["args"]).map((a) => inputOf(a, arrays));
        const kwargs = Object.fromEntries(Object.entries(object(call["kwargs"] ?? {})).map(([k, v]) => [k, inputOf(v, arrays)]));
        let text: string;
        try {
          const { value } = await session.invoke(String(call["method"]), args, kwargs);
          text = textOf([value, args as unknown as Datum]);
        } catch (error) {
          text = error instanceof Error ? `${error.message} ${"trace" in error ? textOf(error.trace) : ""}` : String(error);
        }
        out.push(text);
      }
    }
    out.push(textOf(session.roots[0] ?? null));
    session.dispose();
    return out;
  };
  try {
    const [on, off] = [await run(true), await run(false)];
    const differ = off.flatMap((text, i) => (text === on[i] ? [] : [{ where: i === off.length - 1 ? "state" : `round ${Math.floor(i / calls.length)}, call ${i % calls.length}`, reason: `planned ${(on[i] ?? "").slice(0, 160)} | unplanned ${text.slice(0, 160)}` }]));
    return { name, callsPassed: off.length - differ.length, callsFailed: differ.length, failures: differ };
  } catch (error) {
    return { name, callsPassed: 0, callsFailed: calls.length, failures: [failureOf("plan", error)] };
  }
}
