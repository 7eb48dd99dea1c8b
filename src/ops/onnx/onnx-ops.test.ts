import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eagerContext } from "../../../test/support/eager.ts";
import { makeList, type Datum } from "../../ir/datum.ts";
import type { Node } from "../../ir/graph.ts";
import { onnxVersions } from "../../ir/onnx-schema.ts";
import type { Template } from "../../ir/template.ts";
import { T } from "../../ir/type.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { bindOnnx, onnxTableOf } from "./define.ts";
import { onnxFamilies } from "./index.ts";

const table = onnxTableOf(onnxFamilies);
const ctx = eagerContext();

type Plain = number | string | readonly number[] | readonly string[];
function template(value: Plain): Template {
  if (typeof value === "string") return { kind: "str", value };
  if (typeof value === "number") return Number.isInteger(value) ? { kind: "int", value } : { kind: "float", value };
  return { kind: "list", elem: T.Any, items: value.map((item: number | string) => template(item)) };
}

/** Results of one node, run outside any graph. */
function run(op: string, inputs: readonly Datum[], attributes: Readonly<Record<string, Plain>> = {}, outputs = 1): readonly Datum[] {
  const node = {
    op: `onnx::${op}`,
    operands: [],
    blocks: [],
    attributes: Object.fromEntries(Object.entries(attributes).map(([k, v]) => [k, template(v)])),
    results: Array.from({ length: outputs }, (_, id) => ({ id, type: T.Tensor })),
  } as unknown as Node; // a node as far as binding looks at it
  const bound = bindOnnx(table, node, () => null);
  if (bound === undefined) throw new Error(`no meaning for ${op}`);
  if (!bound.reads) return bound.run(ctx, inputs);
  const steps = bound.run(ctx, inputs);
  for (let s = steps.next(); ; s = steps.next()) if (s.done === true) return s.value;
}
function tensor(results: readonly Datum[], at = 0): Tensor {
  const t = results[at];
  if (t instanceof Tensor) return t;
  throw new Error("no tensor");
}
const list = (results: readonly Datum[], at = 0): number[] => Array.from(tensor(results, at).data, Number);
const f = (values: readonly number[], shape?: readonly number[]): Tensor => Tensor.from(Float32Array.from(values), shape);
const i64 = (...values: number[]): Tensor => Tensor.from(values.map(BigInt), [values.length], "int64");

describe("ONNX ops", () => {
  test("of the standard are all declared, but for those that hold graphs", () => {
    const open = ["If", "Loop", "Scan", "SequenceMap"];
    const declared = [...table.keys()].filter((name) => name.startsWith("onnx::")).map((name) => name.slice(6));
    for (const name of declared) expect(onnxVersions("", name).length, name).toBeGreaterThan(0);
    expect(declared.some((name) => open.includes(name))).toBe(false);
  });
  test("recurrent layers that PyTorch has are what their steps say", () => {
    const shape = fc.record({
      op: fc.constantFrom("LSTM", "GRU", "RNN"), directions: fc.constantFrom("forward", "reverse", "bidirectional"), time: fc.integer({ min: 1, max: 3 }), batch: fc.integer({ min: 1, max: 3 }),
      hidden: fc.integer({ min: 1, max: 5 }), layout: fc.constantFrom(0, 1), states: fc.boolean(), biases: fc.boolean(),
    });
    fc.assert(
      fc.property(shape, ({ op, directions, time, batch, hidden, layout, states, biases }) => {
        const [d, gates] = [directions === "bidirectional" ? 2 : 1, { LSTM: 4, GRU: 3, RNN: 1 }[op] ?? 1];
        let seed = 0;
        const made = (...sizes: number[]): Tensor => f(Array.from({ length: sizes.reduce((a, b) => a * b) }, () => Math.sin(++seed * 12.9898) * 0.8), sizes);
        const state = (): Tensor | null => (states ? (layout === 1 ? made(batch, d, hidden) : made(d, batch, hidden)) : null);
        const x = layout === 1 ? made(batch, time, 3) : made(time, batch, 3);
        const inputs = [x, made(d, gates * hidden, 3), made(d, gates * hidden, hidden), biases ? made(d, 2 * gates * hidden) : null, null, state(), ...(op === "LSTM" ? [state()] : [])];
        const attributes = { direction: directions, hidden_size: hidden, layout, linear_before_reset: 1 };
        const outputs = op === "LSTM" ? 3 : 2;
        const [whole, stepwise] = [attributes, { ...attributes, clip: 1e6 + 0.5 }].map((a) => run(op, inputs, a, outputs));
        for (let i = 0; i < outputs; i++) {
          const [got, want] = [list(whole ?? [], i), list(stepwise ?? [], i)];
          expect(tensor(whole ?? [], i).shape).toEqual(tensor(stepwise ?? [], i).shape);
          got.forEach((value, k) => expect(value).toBeCloseTo(want[k] ?? NaN, 5));
        }
      }),
      { numRuns: 60 },
    );
  });
  test("slice backwards as numpy does", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: -9, max: 9 }),
        fc.integer({ min: -9, max: 9 }),
        fc.constantFrom(-3, -2, -1, 1, 2, 3),
        (n, start, end, step) => {
          const values = Array.from({ length: n }, (_, i) => i);
          const wrap = (v: number): number => (v < 0 ? v + n : v);
          const [low, high] = step > 0 ? [0, n] : [-1, n - 1];
          const from = Math.min(Math.max(wrap(start), 0), high);
          const to = Math.min(Math.max(wrap(end), low), high);
          const wanted: number[] = [];
          for (let i = from; step > 0 ? i < to : i > to; i += step) wanted.push(values[i] ?? NaN);
          expect(list(run("Slice", [f(values), i64(start), i64(end), i64(0), i64(step)]))).toEqual(wanted);
        },
      ),
    );
  });
  test("divide integers towards zero and take remainders by either rule", () => {
    const [a, b] = [Tensor.from([-7, 7, -7], [3], "int32"), Tensor.from([2, -2, -2], [3], "int32")];
    expect(list(run("Div", [a, b]))).toEqual([-3, -3, 3]);
    expect(list(run("Mod", [a, b]))).toEqual([1, -1, -1]);
    expect(list(run("Mod", [a, b], { fmod: 1 }))).toEqual([-1, 1, -1]);
  });
  test("saturate float8 casts unless told not to", () => {
    const x = f([1e6, -1e6, 1]);
    expect(list(run("Cast", [x], { to: 17 }))).toEqual([0x7e, 0xfe, 0x38]);
    // A NaN, of either sign.
    expect(list(run("Cast", [x], { to: 17, saturate: 0 })).map((bits) => bits & 0x7f)).toEqual([0x7f, 0x7f, 0x38]);
  });
  test("read and write numbers as text", () => {
    expect(tensor(run("Cast", [f([0.1, -2, Infinity])], { to: 8 })).strings()).toEqual(["0.1", "-2.0", "inf"]);
    expect(list(run("Cast", [Tensor.from(["1e-5", "-INF", "7"], [3], "string")], { to: 1 }))).toEqual([Math.fround(1e-5), -Infinity, 7]);
  });
  test("broadcast at an axis before version 7", () => {
    const sum = run("Add@6", [f([1, 2, 3, 4], [2, 2]), f([10, 20])], { broadcast: 1, axis: 0 });
    expect(list(sum)).toEqual([11, 12, 23, 24]);
  });
  test("flatten at an axis for Softmax before version 13", () => {
    const x = f([0, 0, 0, 0, 0, 0, 0, 0], [2, 2, 2]);
    expect(list(run("Softmax@11", [x], { axis: 1 }))).toEqual(new Array<number>(8).fill(0.25));
    expect(list(run("Softmax@13", [x]))).toEqual(new Array<number>(8).fill(0.5));
  });
  test("leave sequences as they were when they insert", () => {
    const before = makeList(T.Tensor, [f([1])]);
    const [after] = run("SequenceInsert", [before, f([2]), i64(0)]);
    expect(before.items).toHaveLength(1);
    expect(typeof after === "object" && after !== null && "kind" in after && after.kind === "list" ? after.items.length : 0).toBe(2);
  });
  test("find distinct values in the order they come", () => {
    const [values, first, inverse, counts] = [0, 1, 2, 3].map((at) => list(run("Unique", [f([2, 1, 1, 3, 4, 3])], { sorted: 0 }, 4), at));
    expect([values, first, inverse, counts]).toEqual([
      [2, 1, 3, 4],
      [0, 1, 3, 4],
      [0, 1, 1, 2, 3, 2],
      [1, 2, 2, 1],
    ]);
  });
  test("count the windows of SAME padding by the stride alone", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), (n, k, s) => {
        const out = tensor(run("MaxPool", [f(new Array<number>(n).fill(1), [1, 1, n])], { kernel_shape: [k], strides: [s], auto_pad: "SAME_UPPER" }));
        expect(out.shape).toEqual([1, 1, Math.ceil(n / s)]);
      }),
    );
  });
  test("decode pictures in three orders of channels", () => {
    const file = Tensor.from(Uint8Array.from([...new TextEncoder().encode("P6 2 1 255\n"), 10, 20, 30, 200, 100, 0]));
    const decoded = (format: string): readonly [readonly number[], readonly number[]] => {
      const results = run("ImageDecoder@20", [file], { pixel_format: format });
      return [tensor(results).shape, list(results)];
    };
    expect(decoded("RGB")).toEqual([[1, 2, 3], [10, 20, 30, 200, 100, 0]]);
    expect(decoded("BGR")).toEqual([[1, 2, 3], [30, 20, 10, 0, 100, 200]]);
    expect(decoded("Grayscale")).toEqual([[1, 2, 1], [18, 118]]);
    expect(() => decoded("YUV")).toThrow(expect.objectContaining({ code: "bad-onnx" }));
    expect(() => run("ImageDecoder@20", [f([1, 2])])).toThrow(expect.objectContaining({ code: "unsupported-format" }));
  });
  test("name what is wrong with an attribute", () => {
    expect(() => run("Resize@19", [f([1], [1, 1, 1, 1]), null, f([1, 1, 2, 2])], { mode: "fancy" })).toThrow(expect.objectContaining({ code: "bad-onnx" }));
  });
});
