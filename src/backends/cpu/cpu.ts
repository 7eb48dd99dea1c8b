/** The reference backend: every call, every dtype, on the host's typed arrays. It is the definition the others are held to. */

import type { Backend, Refusal } from "../../prims/backend.ts";
import { type Call, type ComputeCall, type ContractCall, type ConvolveCall, convolveOperands, type MapCall, type ReduceCall, type Region, type ScanCall, type ScatterCall } from "../../prims/call.ts";
import { type Program, usesIndex } from "../../prims/program.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Buffer } from "../../tensor/storage.ts";
import { Tensor, type View } from "../../tensor/tensor.ts";
import { KernelCache } from "../kernel-cache.ts";
import { composeCompute, composeMap, composeReduce, composeScan, composeScatter } from "./compose.ts";
import { contract } from "./contract.ts";
import { convolve } from "./convolve.ts";
import { fourier } from "./fourier.ts";
import { coalesce, kernelArguments, permuteLike, stridesOf } from "./launch.ts";
import { linalg } from "./linalg.ts";
import { type Kernel, printCompute, printMap, printReduce, printScan, printScatter } from "./print.ts";
import { random } from "./random.ts";
import { sort } from "./sort.ts";
import { window } from "./window.ts";

export interface CpuOptions {
  /**
   * Whether kernels are printed as JavaScript (fast) or composed of closures. Default: printed where the process may make code
   * from text, which a page under a strict Content-Security-Policy may not.
   */
  readonly print?: boolean;
}

/** Whether text may become code here. */
function canPrint(): boolean {
  if (typeof process === "undefined" || process.versions?.node === undefined) return false;
  try {
    const one: unknown = new Function("return 1");
    return typeof one === "function";
  } catch {
    return false; // --disallow-code-generation-from-strings
  }
}

/** A cpu backend. */
export function cpu(options: CpuOptions = {}): Backend {
  const print = options.print ?? canPrint();
  const cache = new KernelCache<Kernel>();

  const finish = (program: Program, code: number): void => {
    if (code !== 0) throw new OpwiseError("index-out-of-range", program.messages[code - 1] ?? `check ${code - 1} of ${program.name} failed`);
  };

  const map = (call: MapCall): void => {
    const views: View[] = [...call.operands, ...call.results];
    const shape = call.results[0]?.shape ?? [];
    const ordered = permuteLike(shape, stridesOf(views), call.operands.length);
    const merged = coalesce(ordered.shape, ordered.strides);
    const rank = merged.shape.length;
    const kernel = cache.of(call.program, rank, () => (print ? printMap(call.program, rank) : composeMap(call.program, rank)));
    finish(call.program, kernel(kernelArguments(views, merged.shape, merged.strides, call.scalars)));
  };

  const compute = (call: ComputeCall): void => {
    const views: View[] = [...call.operands, ...call.results];
    const shape = call.results[0]?.shape ?? [];
    const kernel = cache.of(call.program, `c${shape.length}`, () =>
      print ? printCompute(call.program, shape.length, call.operands.map((v) => v.shape.length)) : composeCompute(call.program, shape.length),
    );
    finish(call.program, kernel(kernelArguments(views, shape, stridesOf(views), call.scalars)));
  };

  const reduce = (call: ReduceCall): void => {
    const { program, combiner } = call;
    const views: View[] = [...call.operands, ...call.results];
    const all = stridesOf(views);
    const kept = call.shape.map((_, i) => i).filter((i) => !call.axes.includes(i));
    const reduced = call.shape.map((_, i) => i).filter((i) => call.axes.includes(i));
    const dtypes = call.results.map((r) => r.dtype);
    const count = call.operands.length;
    const pick = (axes: readonly number[], from: number): { shape: number[]; strides: number[][] } => ({
      shape: axes.map((a) => call.shape[a] ?? 1),
      strides: all.slice(0, from).map((s) => axes.map((a) => s[a] ?? 0)),
    });
    let outer = pick(kept, views.length);
    let inner = pick(reduced, count);
    const loopOf = new Array<number>(call.shape.length);
    if (usesIndex(program)) {
      [...kept, ...reduced].forEach((axis, loop) => (loopOf[axis] = loop));
      if (outer.shape.length === 0 && inner.shape.length === 0) inner = { shape: [1], strides: inner.strides.map(() => [0]) };
    } else {
      outer = kept.length === 0 ? outer : coalesce(outer.shape, outer.strides);
      inner = coalesce(inner.shape, inner.strides);
    }
    const [nk, nr] = [outer.shape.length, inner.shape.length];
    const variant = `r${nk},${nr},${dtypes.join(",")},${loopOf.join(".")}`;
    const kernel = cache.combined(program, combiner, variant, () =>
      print ? printReduce(program, combiner, dtypes, nk, nr, loopOf) : composeReduce(program, combiner, dtypes, nk, nr, loopOf),
    );
    const strides = views.map((_, k) => (k < count ? [...(outer.strides[k] ?? []), ...(inner.strides[k] ?? [])] : (outer.strides[k] ?? [])));
    finish(program, kernel(kernelArguments(views, [...outer.shape, ...inner.shape], strides, call.scalars)));
  };

  const scan = (call: ScanCall): void => {
    const { program, combiner } = call;
    const views: View[] = [...call.operands, ...call.results];
    const shape = call.operands[0]?.shape ?? [];
    const rank = Math.max(shape.length, 1);
    const axes = [...shape.map((_, i) => i).filter((i) => i !== call.axis), ...(shape.length === 0 ? [0] : [call.axis])];
    const loopOf = new Array<number>(rank);
    axes.forEach((axis, loop) => (loopOf[axis] = loop));
    const dtypes = call.results.map((r) => r.dtype);
    const length = shape[call.axis] ?? 1;
    const own = stridesOf(views);
    const strides = own.map((s) => axes.map((a, i) => (call.reverse && i === rank - 1 ? -(s[a] ?? 0) : (s[a] ?? 0))));
    const variant = `s${rank},${call.exclusive},${dtypes.join(",")},${loopOf.join(".")}`;
    const kernel = cache.combined(program, combiner, variant, () =>
      print ? printScan(program, combiner, dtypes, rank - 1, call.exclusive, loopOf) : composeScan(program, combiner, dtypes, rank - 1, call.exclusive, loopOf),
    );
    const args = kernelArguments(views, axes.map((a) => shape[a] ?? 1), strides, call.scalars);
    const offsets = args.offsets.map((o, k) => (call.reverse ? o + (length - 1) * (own[k]?.[call.axis] ?? 0) : o));
    finish(program, kernel({ ...args, offsets, reverse: call.reverse }));
  };

  const scatter = (call: ScatterCall): void => {
    const { program } = call;
    const views: View[] = [...call.operands, ...call.results];
    const result = call.results[0] ?? unreachable("scatter without a result");
    const target = result.shape.length;
    const kernel = cache.of(program, `x${call.combine},${call.shape.length},${target},${result.dtype}`, () =>
      print
        ? printScatter(program, call.combine, result.dtype, call.shape.length, target, call.operands.map((v) => v.shape.length))
        : composeScatter(program, call.combine, result.dtype, call.shape.length, target),
    );
    finish(program, kernel(kernelArguments(views, call.shape, stridesOf(views), call.scalars)));
  };

  /** `run` writes the sums; the epilogue says in which dtype it takes them: half results round once, at its end. */
  const withEpilogue = (call: ContractCall | ConvolveCall, extra: readonly View[], run: (product: View) => void): void => {
    const out = call.results[0] ?? unreachable("result");
    if (call.epilogue === undefined) return run(out);
    const wide = call.epilogue.operands[0] ?? out.dtype;
    const product = wide === out.dtype ? out : Tensor.zeros(out.shape, wide);
    run(product);
    map({ kind: "map", program: call.epilogue, operands: [product, ...extra], results: [out], scalars: call.scalars });
  };

  const runCall = (call: Call): void => {
    switch (call.kind) {
      case "map": return map(call);
      case "compute": return compute(call);
      case "reduce": return reduce(call);
      case "scan": return scan(call);
      case "contract": return withEpilogue(call, call.operands.slice(2), (product) => contract({ ...call, results: [product] }));
      case "convolve": return withEpilogue(call, convolveOperands(call).extra, (product) => convolve({ ...call, results: [product] }));
      case "window": return window(call);
      case "scatter": return scatter(call);
      case "sort": return sort(call);
      case "random": return random(call);
      case "linalg": return linalg(call);
      case "fft": return fourier(call);
      case "host": return call.run(call.operands, call.results);
      default: return call satisfies never;
    }
  };

  return {
    name: "cpu",
    onHost: true,
    limits: { maxBytes: 2 ** 33 },
    upload: (bytes): Buffer => bytes,
    download: (buffer) => (buffer instanceof Uint8Array ? buffer : unreachable("a cpu buffer")),
    release: () => undefined,
    readsOnHost: () => true,
    refuses: (what: Call | Region): Refusal => (what.kind === "region" ? "the cpu runs bodies" : undefined),
    run: (what: Call | Region): void => {
      if (what.kind === "region") return unreachable("the cpu claims no region");
      for (const result of what.results) result.storage.beginHostWrite();
      runCall(what);
    },
    live: () => ({ buffers: 0, bytes: 0 }),
    dispose: () => undefined,
  };
}
