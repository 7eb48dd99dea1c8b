import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Code, Value } from "./code.ts";
import { encodingOf, EXTRACTS, INSTRUCTIONS, type InstructionName, LOADS, REPLACES, STORES } from "./instructions.ts";
import { ModuleBuilder } from "./module.ts";

/** Exported functions of a module, as callables on numbers. */
function instantiate(module: ModuleBuilder, imports: WebAssembly.Imports = {}): Record<string, (...args: (number | bigint)[]) => unknown> {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), imports);
  return exports as Record<string, (...args: (number | bigint)[]) => unknown>;
}

describe("instructions", () => {
  test.each(Object.entries(INSTRUCTIONS).filter(([name]) => !name.includes("relaxed")))("the engine accepts %s with its operands and result", (name, row) => {
    const instruction = encodingOf(row);
    const m = new ModuleBuilder();
    m.func(undefined, [], undefined, (c) => {
      // The operands have types that only the table knows.
      const emit = c.op.bind(c) as (name: InstructionName, ...args: unknown[]) => Value;
      const result = emit(name as InstructionName, ...instruction.params.map((type) => c.zero(type)));
      expect(result.type).toBe(instruction.result);
      c.drop(c.get(c.hold(result)));
    });
    expect(WebAssembly.validate(m.encode())).toBe(true);
  });

  test("each instance has the number that it was given", () => {
    const m = new ModuleBuilder();
    m.importMemory("env", "memory", { initial: 1 });
    const own = m.importGlobal("env", "own", "i32");
    m.func("get", [], "i32", (c) => {
      c.global(own);
    });
    const memory = new WebAssembly.Memory({ initial: 1 });
    expect([7, 9].map((number) => instantiate(m, { env: { memory, own: number } })["get"]?.())).toEqual([7, 9]);
  });

  test("loads, stores and lanes are accepted", () => {
    const m = new ModuleBuilder();
    m.memory("memory", { initial: 1, maximum: 1, shared: true });
    m.func(undefined, [], undefined, (c) => {
      for (const name of Object.keys(LOADS) as (keyof typeof LOADS)[]) c.drop(c.load(name, c.i32(64), 4));
      for (const name of Object.keys(STORES) as (keyof typeof STORES)[]) {
        const address = c.i32(64);
        c.store(name, address, c.zero(encodingOf(STORES[name]).result) as Value<never>, 4);
      }
      for (const name of Object.keys(EXTRACTS) as (keyof typeof EXTRACTS)[]) c.drop(c.extract(name, c.f32x4(0), 1));
      for (const name of Object.keys(REPLACES) as (keyof typeof REPLACES)[]) {
        const vector = c.f32x4(0);
        c.drop(c.replace(name, vector, 0, c.zero(encodingOf(REPLACES[name]).result) as Value<never>));
      }
      c.drop(c.atomicAdd(c.i32(0), c.i32(1)));
    });
    expect(WebAssembly.validate(m.encode())).toBe(true);
  });
});

test("integers of every size survive their encoding", () => {
  fc.assert(
    fc.property(fc.integer(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.float(), fc.double(), (a, b, x, y) => {
      const m = new ModuleBuilder();
      m.func("a", [], "i32", (c) => c.i32(a));
      m.func("b", [], "i64", (c) => c.i64(b));
      m.func("x", [], "f32", (c) => c.f32(x));
      m.func("y", [], "f64", (c) => c.f64(y));
      const f = instantiate(m);
      expect([f["a"]?.(), f["b"]?.(), f["x"]?.(), f["y"]?.()]).toEqual([a, b, x, y]);
    }),
    { numRuns: 50 },
  );
});

test("a loop sums what memory holds", () => {
  const m = new ModuleBuilder();
  const memory = new WebAssembly.Memory({ initial: 1 });
  m.importMemory("env", "memory", { initial: 1 });
  m.func("sum", ["i32", "i32"], "f32", (c, at, count) => {
    const i = c.local("i32");
    const total = c.local("f32");
    c.for(i, 0, count, 1, () => {
      const value = c.op("i32.add", c.get(at), c.op("i32.shl", c.get(i), c.i32(2)));
      const held = c.hold(value);
      c.set(total, c.op("f32.add", c.get(total), c.load("f32.load", c.get(held))));
    });
    c.get(total);
  });
  new Float32Array(memory.buffer).set([1, 2, 3, 4.5], 4);
  const f = instantiate(m, { env: { memory } });
  expect(f["sum"]?.(16, 4)).toBe(10.5);
  expect(f["sum"]?.(16, 0)).toBe(0);
});

test("blocks, branches and calls nest", () => {
  const m = new ModuleBuilder();
  const seen: number[] = [];
  const tell = m.importFunction("env", "tell", ["i32"], undefined);
  const square = m.func(undefined, ["i32"], "i32", (c, x) => c.op("i32.mul", c.get(x), c.get(x)));
  m.func("run", ["i32"], "i32", (c, n) => {
    const i = c.local("i32");
    c.block((done) => {
      c.loop((again) => {
        c.brIf(done, c.op("i32.ge_s", c.get(i), c.get(n)));
        c.if(
          c.op("i32.and", c.get(i), c.i32(1)),
          () => c.run(tell, c.call(square, c.get(i))),
          () => c.run(tell, c.op("i32.sub", c.i32(0), c.get(i))),
        );
        c.set(i, c.op("i32.add", c.get(i), c.i32(1)));
        c.br(again);
      });
    });
    c.get(i);
  });
  expect(instantiate(m, { env: { tell: (x: number) => seen.push(x) } })["run"]?.(5)).toBe(5);
  expect(seen).toEqual([-0, 1, -2, 9, -4].map((x) => x | 0));
});

test("vectors are shuffled by lanes", () => {
  const m = new ModuleBuilder();
  m.func("pick", ["f32", "f32"], "f32", (c, a, b) => {
    const left = c.hold(c.op("f32x4.splat", c.get(a)));
    const right = c.hold(c.op("f32x4.splat", c.get(b)));
    const mixed = c.hold(c.shuffle32(c.get(left), c.get(right), [0, 5, 2, 7]));
    c.op("f32.sub", c.extract("f32x4.extract_lane", c.get(mixed), 0), c.extract("f32x4.extract_lane", c.get(mixed), 3));
  });
  expect(instantiate(m)["pick"]?.(5, 3)).toBe(2);
});

test("operands that were made too early, twice or not at all are refused", () => {
  const m = new ModuleBuilder();
  const body = (emit: (c: Code) => void) => () => m.func(undefined, [], undefined, emit);
  const early = (c: Code): void => {
    const late = c.i32(1);
    c.drop(c.op("i32.sub", c.i32(2), late));
  };
  const twice = (c: Code): void => {
    const one = c.i32(1);
    c.drop(c.op("i32.add", one, one));
  };
  expect(body(early)).toThrow(/operand 1 of 2 was not made here/);
  expect(body(twice)).toThrow(RangeError);
  expect(body((c) => void c.i32(1))).toThrow(/leaves \(i32\), not \(\)/);
});

test("what would make no valid module is refused while it is built", () => {
  const m = new ModuleBuilder();
  m.func(undefined, [], undefined, (c) => {
    expect(() => c.v128([1, 2])).toThrow(RangeError);
  });
  expect(() => m.importFunction("env", "late", [], undefined)).toThrow(RangeError);
  const shared = new ModuleBuilder();
  shared.memory("memory", { initial: 1, shared: true });
  expect(() => shared.encode()).toThrow(RangeError);
});
