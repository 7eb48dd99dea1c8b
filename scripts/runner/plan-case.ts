/**
 * Runs one recorded case with planning and without: every call three times over has to give the same bits, texts and errors. With the pass that rounds differently,
 * where there is something for it, numbers have to be as close as whole models of single precision have to be.
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readNpz } from "../../src/bytes/npz.ts";
import { openSource } from "../../src/bytes/source.ts";
import type { Datum } from "../../src/ir/datum.ts";
import { load } from "../../src/model.ts";
import type { Backend } from "../../src/prims/backend.ts";
import type { PlanOptions } from "../../src/run/plan/planner.ts";
import { ROUNDING } from "../../src/run/plan/passes.ts";
import { dtypeInfo } from "../../src/tensor/dtype.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Outcome } from "./outcome.ts";
import { CASE_FILES, failureOf } from "./torch-case.ts";
import { type Arrays, array, elements, inputOf, type Json, object } from "./value.ts";

const ROUNDS = 3;

/** All of a value as a text: bits of tensors, their strides, shared objects by number. Where `floats` is given, they are put there instead, and no part of the text. */
export function textOf(value: unknown, seen: Map<unknown, number> = new Map(), floats?: number[][]): string {
  if (typeof value === "number" && !Number.isInteger(value) && floats !== undefined) return `#${floats.push([value])}`;
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : typeof value === "bigint" ? `${value}n` : String(value);
  const number = seen.get(value);
  if (number !== undefined) return `@${number}`;
  seen.set(value, seen.size);
  if (value instanceof Tensor) {
    if (floats !== undefined && (dtypeInfo(value.dtype).class === "float" || dtypeInfo(value.dtype).class === "complex")) {
      return `${value.dtype}[${value.shape.join(",")}](${value.strides.join(",")})#${floats.push(Array.from(elements(value), Number))}`;
    }
    const data = value.data.slice();
    // Which of the NaNs an operation gives, nobody promises.
    if (data instanceof Float32Array || data instanceof Float64Array) for (let i = 0; i < data.length; i++) if (Number.isNaN(data[i])) data[i] = NaN;
    const hash = value.dtype === "string" ? value.strings().join("|") : createHash("sha256").update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)).digest("hex").slice(0, 16);
    return `${value.dtype}[${value.shape.join(",")}](${value.strides.join(",")})${hash}`;
  }
  if (value instanceof Map) return `{${[...(value as Map<unknown, unknown>)].map(([k, v]) => `${textOf(k, seen, floats)}:${textOf(v, seen, floats)}`).join(",")}}`;
  if (Array.isArray(value)) return `[${value.map((v: unknown) => textOf(v, seen, floats)).join(",")}]`;
  if ("kind" in value && value.kind === "instance" && "slots" in value) return `object${textOf(value.slots, seen, floats)}`;
  const items = "items" in value ? value.items : "entries" in value ? value.entries : "value" in value ? value.value : undefined;
  return `${"kind" in value ? String(value.kind) : "?"}${textOf(items, seen, floats)}`;
}

/** What a run gave: a text with all bits, and one without floats beside these. */
interface Result {
  readonly exact: string;
  readonly rest: string;
  readonly floats: readonly (readonly number[])[];
}

export function resultOf(value: unknown): Result {
  const floats: number[][] = [];
  return { exact: textOf(value), rest: textOf(value, new Map(), floats), floats };
}

/** The design's tolerances have outputs of whole models in single precision agree to 100 dB: an error of 1e-5 in L2. */
const CLOSE = 1e-5;

/** Why the numbers are no rounding of each other. */
export function apart(got: Result, want: Result): string | undefined {
  if (got.rest !== want.rest) return `planned ${got.rest.slice(0, 160)} | unplanned ${want.rest.slice(0, 160)}`;
  for (const [i, wanted] of want.floats.entries()) {
    let [error, size] = [0, 0];
    for (const [k, y] of wanted.entries()) {
      const x = got.floats[i]?.[k] ?? NaN;
      if (Object.is(x, y) || x === y) continue;
      error += (x - y) ** 2;
    }
    for (const y of wanted) if (Number.isFinite(y)) size += y * y;
    if (!(error <= CLOSE ** 2 * size)) return `planned differs from unplanned by ${Math.sqrt(error / size)} of its size`;
  }
  return undefined;
}

const ROUNDED: PlanOptions = { with: ROUNDING };

export async function runPlanCase(folder: string, name: string, backend: Backend): Promise<Outcome> {
  const spec = object(JSON.parse(readFileSync(join(folder, "case.json"), "utf8")) as Json);
  const file = CASE_FILES.map((f) => join(folder, f)).find((f) => existsSync(f));
  const calls = array(spec["calls"] ?? []).map(object);
  if (file === undefined || file.endsWith(".pth")) return { name, callsPassed: 0, callsFailed: 0, failures: [] };
  const arrays: Arrays = existsSync(join(folder, "data.npz")) ? await readNpz(await openSource(join(folder, "data.npz"))) : new Map();
  /** Whether maps run behind convolutions: they may fold. */
  let hasMaps = false;
  const run = async (plan: boolean | PlanOptions): Promise<Result[]> => {
    const session = await (await load(file)).session({ backend, plan });
    const out: Result[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const call of calls) {
        const args = array(call["args"]).map((a) => inputOf(a, arrays));
        const kwargs = Object.fromEntries(Object.entries(object(call["kwargs"] ?? {})).map(([k, v]) => [k, inputOf(v, arrays)]));
        try {
          const { value } = await session.invoke(String(call["method"]), args, kwargs);
          out.push(resultOf([value, args as unknown as Datum]));
        } catch (error) {
          out.push(resultOf(error instanceof Error ? `${error.message} ${"trace" in error ? textOf(error.trace) : ""}` : String(error)));
        }
      }
    }
    out.push(resultOf(session.roots[0] ?? null));
    hasMaps ||= session.plans().some(({ steps }) => steps.some(({ what }) => what.kind === "convolve" && what.epilogue !== undefined));
    session.dispose();
    return out;
  };
  const differing = (on: readonly Result[], off: readonly Result[], why: (got: Result, want: Result) => string | undefined): { readonly where: string; readonly reason: string }[] =>
    off.flatMap((want, i) => {
      const got = on[i];
      const reason = got === undefined ? "nothing" : why(got, want);
      return reason === undefined ? [] : [{ where: i === off.length - 1 ? "state" : `round ${Math.floor(i / calls.length)}, call ${i % calls.length}`, reason }];
    });
  const bits = (got: Result, want: Result): string | undefined => (got.exact === want.exact ? undefined : `planned ${got.exact.slice(0, 160)} | unplanned ${want.exact.slice(0, 160)}`);
  try {
    const [on, off] = [await run(true), await run(false)];
    const differ = differing(on, off, bits);
    if (hasMaps) differ.push(...differing(await run(ROUNDED), off, apart));
    return { name, callsPassed: Math.max(0, off.length - differ.length), callsFailed: differ.length, failures: differ };
  } catch (error) {
    return { name, callsPassed: 0, callsFailed: calls.length, failures: [failureOf("plan", error)] };
  }
}
