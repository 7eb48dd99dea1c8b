/** Runs one test of ONNX's standard layout: `model.onnx` and `test_data_set_*` with inputs and outputs by position. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeMap, decodeOptional, decodeSequence, type MapProto, type OptionalProto, type SequenceProto } from "../../src/bytes/onnx-data.ts";
import { decodeTensor, type TensorProto } from "../../src/bytes/onnx-proto.ts";
import { tensorContent } from "../../src/bytes/onnx-tensor.ts";
import { type Datum, makeDict, makeList } from "../../src/ir/datum.ts";
import { T, type Type } from "../../src/ir/type.ts";
import { load } from "../../src/model.ts";
import type { Backend } from "../../src/prims/backend.ts";
import { dtypeInfo } from "../../src/tensor/dtype.ts";
import { internString } from "../../src/tensor/strings.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Failure, Outcome } from "./outcome.ts";
import { textOf } from "./plan-case.ts";
import { failureOf } from "./torch-case.ts";
import { compareTensors, type Tolerance } from "./value.ts";

/** Tolerances of a test, found by the runner beside it. */
export interface OnnxSpec {
  readonly rtol: number;
  readonly atol: number;
  /** Random by nature: shape, dtype, and 0 or 1 count. */
  readonly random?: boolean;
}

function tensorFrom(proto: TensorProto, bytes: Uint8Array): Tensor {
  const content = tensorContent(proto, bytes);
  if (content.kind === "strings") {
    const ids = new Int32Array(content.strings.map((s) => internString(new TextDecoder().decode(s))));
    return new Tensor(Storage.wrap(new Uint8Array(ids.buffer), false), "string", content.shape);
  }
  if (content.kind === "external") throw new Error("test data in another file");
  const data = content.kind === "bytes" ? content.bytes : bytes.subarray(content.range.offset, content.range.offset + content.range.length);
  return new Tensor(Storage.wrap(new Uint8Array(data), false), content.dtype, content.shape);
}

function sequenceFrom(proto: SequenceProto, bytes: Uint8Array): Datum {
  const items: Datum[] = [
    ...proto.tensors.map((t) => tensorFrom(t, bytes)), ...proto.sequences.map((s) => sequenceFrom(s, bytes)),
    ...proto.maps.map((m) => mapFrom(m, bytes)), ...proto.optionals.map((o) => optionalFrom(o, bytes)),
  ];
  return makeList(T.Any, items);
}
function mapFrom(proto: MapProto, bytes: Uint8Array): Datum {
  const values = proto.values === undefined ? [] : proto.values.tensors.map((t) => tensorFrom(t, bytes));
  const keys: Datum[] = proto.stringKeys.length > 0 ? proto.stringKeys.map((k) => new TextDecoder().decode(k)) : proto.keys.map((k) => (typeof k === "bigint" && Number.isSafeInteger(Number(k)) ? Number(k) : k));
  return makeDict(T.Any, T.Tensor, keys.map((k, i) => [k, values[i] ?? null] as const));
}
function optionalFrom(proto: OptionalProto, bytes: Uint8Array): Datum {
  if (proto.tensor !== undefined) return tensorFrom(proto.tensor, bytes);
  if (proto.sequence !== undefined) return sequenceFrom(proto.sequence, bytes);
  return proto.map === undefined ? null : mapFrom(proto.map, bytes);
}

/** A data file's value by the declared type. */
function datumFrom(bytes: Uint8Array, type: Type): Datum {
  switch (type.kind) {
    case "List": return sequenceFrom(decodeSequence(bytes), bytes);
    case "Dict": return mapFrom(decodeMap(bytes), bytes);
    case "Optional": return optionalFrom(decodeOptional(bytes), bytes);
    default: return tensorFrom(decodeTensor(bytes), bytes);
  }
}

/** A number in a list or dict that the op gave bare, as a 0-dim tensor of the wanted dtype. */
function same(got: Datum, want: Datum, tol: Tolerance): string | undefined {
  if (want instanceof Tensor) {
    if (typeof got === "number" || typeof got === "bigint") return Math.abs(Number(got) - Number(want.item())) <= tol.atol + tol.rtol * Math.abs(Number(want.item())) ? undefined : `${String(got)}, wanted ${String(want.item())}`;
    if (!(got instanceof Tensor)) return "no tensor";
    const wide = want.dtype === "bfloat16" ? { ...tol, rtol: Math.max(tol.rtol, 2 ** -6) } : tol;
    return compareTensors(got, want, wide);
  }
  if (want === null) return got === null ? undefined : "a value, wanted none";
  if (typeof want === "object" && "kind" in want && want.kind === "list") {
    if (typeof got !== "object" || got === null || !("kind" in got) || got.kind !== "list") return "no sequence";
    if (got.items.length !== want.items.length) return `${got.items.length} items, wanted ${want.items.length}`;
    for (let i = 0; i < want.items.length; i++) {
      const difference = same(got.items[i] ?? null, want.items[i] ?? null, tol);
      if (difference !== undefined) return `[${i}]: ${difference}`;
    }
    return undefined;
  }
  if (typeof want === "object" && "kind" in want && want.kind === "dict") {
    if (typeof got !== "object" || got === null || !("kind" in got) || got.kind !== "dict") return "no map";
    if (got.entries.size !== want.entries.size) return `${got.entries.size} entries, wanted ${want.entries.size}`;
    for (const [key, [, value]] of want.entries) {
      const difference = same(got.entries.get(key)?.[1] ?? null, value, tol);
      if (difference !== undefined) return `${String(key)}: ${difference}`;
    }
    return undefined;
  }
  return `a value of kind ${typeof want}`;
}

/** Runs the test; with `plans`, three times over with planning and three times without, which has to give the same bits. */
export async function runOnnxTest(folder: string, name: string, spec: unknown, backend: Backend, plans = false): Promise<Outcome> {
  const tolerance = spec as OnnxSpec; // made by scripts/onnx-tests.ts
  const sets = readdirSync(folder).filter((f) => f.startsWith("test_data_set_")).sort();
  const failures: Failure[] = [];
  let passed = 0;
  let session;
  let unplanned;
  try {
    const model = await load(join(folder, "model.onnx"));
    session = await model.session({ backend });
    if (plans) unplanned = await model.session({ backend, plan: false });
  } catch (error) {
    return { name, callsPassed: 0, callsFailed: Math.max(sets.length, 1), failures: [failureOf("load", error)] };
  }
  const { program } = session;
  const inputs = program.inputs ?? [];
  const outputs = program.outputs ?? [];
  for (const set of sets) {
    const at = join(folder, set);
    const files = readdirSync(at);
    const numbered = (prefix: string): string[] => files.filter((f) => f.startsWith(prefix) && f.endsWith(".pb")).sort((a, b) => Number(a.slice(prefix.length, -3)) - Number(b.slice(prefix.length, -3)));
    const given = numbered("input_");
    // Fewer data files than inputs: they belong to the inputs without initialisers, in order.
    const takers = given.length < inputs.length ? inputs.filter((i) => i.optional !== true) : inputs;
    try {
      const feeds = Object.fromEntries(given.flatMap((f, i) => {
        const input = takers[i];
        return input === undefined ? [] : [[input.name, datumFrom(readFileSync(join(at, f)), input.type)] as const];
      }));
      if (unplanned !== undefined) {
        let difference: string | undefined;
        for (let round = 0; round < 3; round++) {
          const [on, off] = [textOf((await session.invoke("forward", [], feeds)).value), textOf((await unplanned.invoke("forward", [], feeds)).value)];
          if (on !== off) difference ??= `round ${round}: planned ${on.slice(0, 160)} | unplanned ${off.slice(0, 160)}`;
        }
        if (difference === undefined) passed++;
        else failures.push({ where: set, reason: difference });
        continue;
      }
      const { value } = await session.invoke("forward", [], feeds);
      const got = typeof value === "object" && value !== null && "kind" in value && value.kind === "tuple" ? value.items : [];
      const want = numbered("output_");
      let difference = got.length === want.length || outputs.length >= want.length ? undefined : `${got.length} outputs, wanted ${want.length}`;
      for (const [i, f] of want.entries()) {
        const wanted = datumFrom(readFileSync(join(at, f)), outputs[i]?.type ?? T.Tensor);
        const have = got[i] ?? null;
        if (tolerance.random === true && wanted instanceof Tensor && have instanceof Tensor) {
          difference ??= compareTensors(have, wanted, { atol: 0, rtol: 0, shapesOnly: true });
          if ([...have.data].some((x) => dtypeInfo(have.dtype).class === "float" && dtypeInfo(have.dtype).itemsize >= 4 && x !== 0 && x !== 1)) difference ??= "a value that is neither 0 nor 1";
          continue;
        }
        const d = same(have, wanted, tolerance);
        if (d !== undefined) difference ??= `output ${i}: ${d}`;
      }
      if (difference === undefined) passed++;
      else failures.push({ where: set, reason: difference });
    } catch (error) {
      failures.push(failureOf(set, error));
    }
  }
  session.dispose();
  unplanned?.dispose();
  return { name, callsPassed: passed, callsFailed: sets.length - passed, failures };
}
