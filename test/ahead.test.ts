/** Kernels that the build for Node prints ahead: as a process prints them. */

import { beforeAll, describe, expect, it } from "vitest";
import { aheadModule } from "../scripts/bundle-node.ts";
import { sampleKernels } from "../scripts/kernel-samples.ts";
import type { Ahead } from "../src/backends/wasm/ahead.ts";
import { printFamilies } from "../src/backends/wasm/dense.ts";
import { features } from "../src/backends/wasm/features.ts";
import { identityOf } from "../src/backends/wasm/identity.ts";
import { literalWords } from "../src/backends/wasm/literals.ts";
import { arg, binary, constant, type Expr, unary } from "../src/expr/expr.ts";
import type { Program } from "../src/prims/program.ts";

let ahead: Ahead;
beforeAll(async () => {
  ({ ahead } = (await import(`data:text/javascript,${encodeURIComponent(await aheadModule())}`)) as { readonly ahead: Ahead }); // what the module says of itself
}, 30_000);

const SHARED = { shared: true, fused: true };

describe("the module of the bundles", () => {
  it("has each family as it is printed, for either kind of memory", () => {
    for (const shared of [false, true]) {
      const printed = printFamilies({ shared, fused: true });
      expect(printed.size).toBeGreaterThan(5);
      for (const [family, { bytes, needs }] of printed) {
        const known = ahead.family(family, { shared, fused: true });
        expect(known?.needs).toEqual(needs);
        expect(Buffer.compare(known?.bytes ?? Buffer.of(), bytes)).toBe(0);
      }
    }
  });

  it.skipIf(!features().fusedMultiplyAdd)(
    "has the kernels of common layers as they are printed",
    async () => {
      const printed = await sampleKernels();
      expect(printed.size).toBeGreaterThan(50);
      for (const [identity, bytes] of printed) expect(Buffer.compare(ahead.kernel(identity, SHARED) ?? Buffer.of(), bytes)).toBe(0);
    },
    30_000,
  );

  it("has nothing where there is no fused multiply-add, or for a kernel that no sample has", () => {
    expect(ahead.family("gemm", { shared: false, fused: false })).toBeUndefined();
    expect(ahead.kernel("toString", SHARED)).toBeUndefined();
  });

  it("says where its kernels look for constants", () => {
    expect(ahead.literals).toEqual(literalWords());
  });
});

describe("what a kernel is printed from, as a text", () => {
  const program = (...parts: Expr[]): Program => ({
    name: "p",
    operands: ["float32"],
    scalars: [],
    outputs: parts.map((e) => ({ dtype: "float32", parts: [e] })),
    messages: [],
  });
  const x = arg(0, "f32");

  it("is the same for programs that are made alike, whatever was made before", () => {
    const before = identityOf("v", program(binary("add", x, constant(0.125, "f32"))));
    constant(77.25, "f32");
    expect(identityOf("v", program(binary("add", x, constant(0.125, "f32"))))).toBe(before);
  });

  it("tells apart what gives other kernels", () => {
    const all = [
      identityOf("v", program(binary("add", x, constant(0, "f32")))),
      identityOf("v", program(binary("add", x, constant(-0, "f32")))),
      identityOf("v", program(binary("add", x, constant(1, "f32")))),
      identityOf("v", program(binary("sub", x, constant(1, "f32")))),
      identityOf("m", program(binary("sub", x, constant(1, "f32")))),
      identityOf("v", program(binary("sub", constant(1, "f32"), x))),
      identityOf("v", program(binary("add", constant(1n, "i64"), constant(1n, "i64")))),
      identityOf("v", program(x, x)),
      identityOf("v", { ...program(x, x), scalars: ["f32"] }),
      identityOf("v", { ...program(x, x), operands: ["float16"] }),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it("grows with a program's parts, not with how often each is used, and ends where there are many", () => {
    let e: Expr = x;
    for (let i = 0; i < 60; i++) e = binary("mul", e, e);
    expect(identityOf("v", program(e))?.length).toBeLessThan(4000);
    for (let i = 0; i < 1000; i++) e = unary("neg", binary("add", e, constant(i, "f32")));
    expect(identityOf("v", program(e))).toBeUndefined();
  });
});
