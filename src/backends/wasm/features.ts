/** What this engine's WebAssembly can do, found out once by trying. */

import { ModuleBuilder } from "../../wasm/module.ts";

export interface Features {
  /** `f32x4.relaxed_madd` is there and rounds once: the multiply-add of the hardware. */
  readonly fusedMultiplyAdd: boolean;
}

/** a * b + c with one rounding differs here from two: a * b is 1 - 2^-46, which rounds to 1. */
const A = 1 + 2 ** -23;
const B = 1 - 2 ** -23;

function probeModule(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.func("probe", ["f32", "f32", "f32"], "f32", (c, x, y, z) => {
    const [a, b, d] = [x, y, z].map((local) => c.hold(c.op("f32x4.splat", c.get(local))));
    if (a === undefined || b === undefined || d === undefined) return;
    c.extract("f32x4.extract_lane", c.op("f32x4.relaxed_madd", c.get(a), c.get(b), c.get(d)), 0);
  });
  return module.encode();
}

function isFused(bytes: Uint8Array<ArrayBuffer>): boolean {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const run = exports["probe"] as (a: number, b: number, c: number) => number; // the function built above
  return run(A, B, -1) !== 0;
}

/** Node 20 has relaxed SIMD behind a flag, which may be set while it runs. */
function allowRelaxed(): void {
  if (typeof process === "undefined" || typeof process.getBuiltinModule !== "function") return;
  process.getBuiltinModule("node:v8").setFlagsFromString("--experimental-wasm-relaxed-simd");
}

let known: Features | undefined;

/** The features of this process' engine. */
export function features(): Features {
  if (known === undefined) {
    const bytes = probeModule();
    if (!WebAssembly.validate(bytes)) allowRelaxed();
    known = { fusedMultiplyAdd: WebAssembly.validate(bytes) && isFused(bytes) };
  }
  return known;
}
