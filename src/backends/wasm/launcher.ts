/** Brings calls into the form that kernels take, finds or makes the kernel, and launches it. */

import {
  type Call,
  type ComputeCall,
  type ContractCall,
  type ConvolveCall,
  convolveOperands,
  type MapCall,
  type ReduceCall,
  type Region,
  type ScanCall,
  type ScatterCall,
} from "../../prims/call.ts";
import { type Expr, reachable } from "../../expr/expr.ts";
import { type Program, usesIndex } from "../../prims/program.ts";
import { dtypeInfo } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import { KernelCache } from "../kernel-cache.ts";
import { coalesce, permuteLike } from "../cpu/launch.ts";
import { blockBytes, type Launch, writeArguments } from "./arguments.ts";
import { columnKernel } from "./columns.ts";
import { COLUMN_BYTES, columnValues, computeKernel, mapKernel, reduceKernel, rowLoad, scanKernel, scatterKernel } from "./loops.ts";
import { type DenseKernels, denseKernels } from "./dense.ts";
import { refusesRegion, runRegion } from "./regions.ts";
import { Convolutions } from "./convolutions.ts";
import { FLOAT } from "./emit.ts";
import { type Epilogue, type Finish, type FinishAt, flattened, type Part } from "./epilogue.ts";
import type { Extension } from "./extension/extension.ts";
import { type Packed, Products } from "./products.ts";
import { runWidened, widened } from "./widened.ts";
import { refusesWindow, runWindow } from "./windows.ts";
import { isHalf } from "./halves.ts";
import { onBits } from "./bits.ts";
import { interchanged } from "./interchange.ts";
import { boxesOf, inRanges, MOVED } from "./ranges.ts";
import type { Lane } from "./element.ts";
import { isApproximate, isVectorizable, isVectorReduction, vectorMapKernel } from "./vector.ts";
import type { Combiner } from "../../prims/combiner.ts";
import { identityOf } from "./identity.ts";
import type { Emit, Kernel, KernelRuntime } from "./runtime.ts";

/** Address of a view's storage. */
export type AddressOf = (view: View) => number;

/** How operands and results lie along the innermost axis, where all can go four elements at a time: results one after another. */
function lanesOf(program: Program, inner: number, strides: readonly (readonly number[])[]): readonly Lane[] | undefined {
  const count = program.operands.length;
  const lanes: Lane[] = [];
  for (let k = 0; k < strides.length; k++) {
    const dtype = k < count ? program.operands[k] : program.outputs[k - count]?.dtype;
    const step = strides[k]?.[inner];
    if (dtype === "float64" && step !== 0) return undefined; // a double is one for all
    if (dtype !== undefined && step === dtypeInfo(dtype).itemsize) lanes.push("contiguous");
    else if (k < count) lanes.push(step === 0 ? "same" : "strided");
    else return undefined;
  }
  return lanes;
}

const bytesPer = (view: View): number => dtypeInfo(view.dtype).itemsize;
const byteStrides = (view: View): number[] => view.strides.map((s) => s * bytesPer(view));

/** Bytes that parts of a range share none of: a line of the cache. */
const LINE = 64;
/** Elements that could be moved in the time that a line is filled. */
const CLEARED = 4;

/** Views that a kernel can take: the argument block holds so many words. */
const MAX_WORDS = 250;

/** The error of a kernel that returned a code. */
export function checkFailed(program: Program | undefined, code: number): OpwiseError {
  return new OpwiseError("index-out-of-range", program?.messages[code - 1] ?? `check ${code - 1} of ${program?.name ?? "a kernel"} failed`);
}

/** Axes whose positions a program asks for. */
const indexAxes = (program: Program): number[] =>
  [...reachable(program.outputs.flatMap((output) => output.parts))].flatMap((e) => (e.op === "index" ? [e.axis] : []));

/** Rows that make a table of what depends on the column alone worth while. */
const TABLE_ROWS = 4;

/** What of a compute is tabled by column and what is copied by rows, for the rank that it was asked for last. */
interface Form {
  readonly rank: number;
  readonly apart: boolean;
  readonly columns: readonly Expr[];
  readonly row: ReturnType<typeof rowLoad>;
}

export class Launcher {
  readonly #runtime: KernelRuntime;
  readonly #cache = new KernelCache<Kernel>();
  readonly dense: DenseKernels;
  /** Kernels that most models do not need, once they are loaded. */
  extension: Extension | undefined;
  readonly #forms = new WeakMap<Program, Form>();
  readonly #products: Products;
  readonly #convolutions: Convolutions;

  constructor(runtime: KernelRuntime) {
    this.#runtime = runtime;
    this.dense = denseKernels(runtime);
    this.#products = new Products(runtime, this.dense);
    this.#convolutions = new Convolutions(runtime, this.dense, this.#products);
  }

  refuses(what: Call | Region): string | undefined {
    if (this.extension?.takes(what) === true) return this.extension.refuses(what);
    const wide = widened(what);
    if (wide !== undefined) return this.refuses(wide.call);
    switch (what.kind) {
      case "region":
        return refusesRegion(what);
      case "map":
      case "compute":
      case "reduce":
      case "scan":
      case "scatter": {
        const views = [...what.operands, ...what.results];
        const words = views.reduce((n, v) => n + 1 + v.shape.length, 0) + 32 + 2 * what.scalars.length;
        return words > MAX_WORDS ? `${views.length} views of many axes` : undefined;
      }
      case "contract":
        return this.#products.refusesContract(what);
      case "convolve":
        return this.#convolutions.refuses(what);
      case "window":
        return refusesWindow(what);
      default:
        return `no kernel for ${what.kind}`;
    }
  }

  run(call: Call | Region, addressOf: AddressOf, packed: Packed): void {
    const wide = this.extension?.takes(call) === true ? undefined : widened(call);
    if (wide !== undefined) {
      const map = (step: MapCall, at: AddressOf): void => this.#map(step, at);
      return runWidened(wide, this.#runtime.memory, addressOf, packed, map, (step, at, forms) => this.run(step, at, forms));
    }
    switch (call.kind) {
      case "region":
        if (this.extension?.takes(call) === true) return this.extension.run(call, addressOf, packed, undefined);
        return runRegion(call, this.#runtime, this.dense, this.#products, addressOf, packed);
      case "contract":
        return this.#contract(call, addressOf, packed);
      case "convolve":
        return this.#convolve(call, addressOf, packed);
      case "window":
        if (this.extension?.takes(call) === true) return this.extension.run(call, addressOf, packed, undefined);
        return runWindow(call, this.#runtime, this.dense, addressOf);
      case "map":
        return this.#map({ ...call, program: onBits(call.program) }, addressOf);
      case "compute":
        return this.#compute({ ...call, program: onBits(call.program) }, addressOf);
      case "reduce":
        return this.#reduce(call, addressOf);
      case "scan":
        return this.#scan(call, addressOf);
      case "scatter":
        return this.#scatter(call, addressOf);
      default:
        return unreachable(`a claimed ${call.kind}`);
    }
  }

  /** Fills a range with zeros. */
  clear(address: number, bytes: number): void {
    inRanges(this.#runtime, Math.ceil(bytes / LINE), CLEARED, (line, lines) =>
      this.dense.patches.clear(address + line * LINE, Math.min(lines * LINE, bytes - line * LINE)),
    );
  }

  #contract(call: ContractCall, addressOf: AddressOf, packed: Packed): void {
    const result = call.results[0] ?? unreachable("result");
    const extra = call.operands.slice(2);
    const finish =
      call.epilogue === undefined ? undefined : this.#finish({ program: call.epilogue, operands: extra, result, scalars: call.scalars }, addressOf);
    if (this.extension?.takes(call) === true) return this.extension.run(call, addressOf, packed, finish);
    this.#products.contract(call, addressOf, packed, finish);
  }

  #convolve(call: ConvolveCall, addressOf: AddressOf, packed: Packed): void {
    const { epilogue: program, scalars } = call;
    const run = (finish: Finish | undefined): void =>
      this.extension?.takes(call) === true ? this.extension.run(call, addressOf, packed, finish) : this.#convolutions.run(call, addressOf, packed, finish);
    if (program === undefined) return run(undefined);
    const out = call.results[0] ?? unreachable("result");
    const { extra } = convolveOperands(call);
    const operands = extra.map(flattened);
    const result = flattened(out);
    if (result !== undefined && operands.every((view) => view !== undefined)) {
      return run(this.#finish({ program, operands, result, scalars }, addressOf));
    }
    run(undefined);
    this.#map({ kind: "map", program, operands: [out, ...extra], results: [out], scalars }, addressOf);
  }

  /** Two steps that run as one, where they do: what lies between them is in memory in pieces only, so nothing else may read it. */
  pairOf(first: Call | Region, second: Call | Region): readonly [ConvolveCall, ConvolveCall] | undefined {
    if (first.kind !== "convolve" || second.kind !== "convolve" || this.extension?.takes(first) === true || this.extension?.takes(second) === true)
      return undefined;
    const [result] = second.results;
    if ([first, second].some((call) => this.#convolutions.refuses(call) !== undefined)) return undefined;
    const flat = [first, second].every((call) => [...call.results, ...convolveOperands(call).extra].every((view) => flattened(view) !== undefined));
    if (!flat || first.operands.some((view) => view.storage === result?.storage)) return undefined;
    return this.#convolutions.pairs.takes(first, second) ? [first, second] : undefined;
  }

  runPair([first, second]: readonly [ConvolveCall, ConvolveCall], addressOf: AddressOf, packed: Packed): void {
    const finishOf = (call: ConvolveCall): (Finish & FinishAt) | undefined => {
      const { epilogue: program, scalars } = call;
      const operands = convolveOperands(call).extra.map((view) => flattened(view) ?? unreachable("axes as one"));
      const result = flattened(call.results[0] ?? unreachable("result")) ?? unreachable("axes as one");
      return program === undefined ? undefined : this.#finish({ program, operands, result, scalars }, addressOf);
    };
    this.#convolutions.pairs.run([first, second], addressOf, packed, finishOf(first), finishOf(second));
  }

  /** What runs an epilogue on a part of its result, which may lie elsewhere. */
  #finish({ program, operands, result, scalars }: Epilogue, addressOf: AddressOf): (part: Part, address?: number, stride?: number) => void {
    // The innermost axis is the result's dense one; a result with a single column has it along its rows.
    const byRows = result.strides[2] !== 1 || result.shape[2] === 1;
    const inner = byRows ? 1 : 2;
    const outer = byRows ? 2 : 1;
    return ({ batch, row, rows, column, columns }, address, stride = 0) => {
      const here: View = address === undefined ? result : { ...result, strides: [0, stride / FLOAT, 1], offset: 0 };
      const views = [here, ...operands, here];
      const strides = views.map(byteStrides);
      const pairs = strides.map((s) => [s[outer] ?? 0, s[inner] ?? 0]);
      const kernel = this.#mapKernel(program, 2, this.#lanes(program, 1, pairs));
      const offsets = views.map((view, k) =>
        address !== undefined && view === here ? 0 : [batch, row, column].reduce((sum, at, axis) => sum + at * (strides[k]?.[axis] ?? 0), 0),
      );
      const at: AddressOf = (view) => (address !== undefined && view === here ? address : addressOf(view));
      this.#launch(program, kernel, views, byRows ? [columns, rows] : [rows, columns], pairs, scalars, at, offsets);
    };
  }

  /** How operands and results of a map lie where it goes by vectors. */
  #lanes(program: Program, inner: number, strides: readonly (readonly number[])[]): readonly Lane[] | undefined {
    if (isVectorizable(program)) return lanesOf(program, inner, strides);
    const lanes = this.extension?.isVectorizable(program) === true ? lanesOf(program, inner, strides) : undefined;
    return lanes?.includes("strided") === true ? undefined : lanes;
  }

  /** The kernel of a program. @param variant all that it depends on besides, and which kind it is */
  #kernelOf(program: Program, variant: string, emit: () => Emit): Kernel {
    return this.#cache.of(program, variant, () => this.#runtime.kernel(emit, () => identityOf(variant, program)));
  }
  /** As `#kernelOf`, of one whose elements a combiner joins. */
  #joiningKernelOf(program: Program, combiner: Combiner, variant: string, emit: () => Emit): Kernel {
    return this.#cache.combined(program, combiner, variant, () => this.#runtime.kernel(emit, () => identityOf(variant, program, combiner)));
  }

  #mapKernel(program: Program, rank: number, lanes: readonly Lane[] | undefined): Kernel {
    const { extension } = this;
    if (lanes === undefined) return this.#kernelOf(program, `m${rank}`, () => mapKernel(program, rank, this.#runtime));
    const isOwn = isVectorizable(program) || extension === undefined;
    return this.#kernelOf(program, `${isOwn ? "v" : "e"}${rank},${lanes.join(",")}`, () =>
      isOwn ? vectorMapKernel(program, rank, lanes, this.#runtime.form.fused) : extension.mapKernel(program, rank, lanes),
    );
  }

  #launch(
    program: Program,
    kernel: Kernel,
    views: readonly View[],
    shape: readonly number[],
    strides: Launch["strides"],
    scalars: Launch["scalars"],
    addressOf: AddressOf,
    offsets?: readonly number[],
    further: readonly number[] = [],
  ): void {
    const addresses = [...views.map((v, k) => addressOf(v) + v.offset * bytesPer(v) + (offsets?.[k] ?? 0)), ...further];
    const launch: Launch = { shape, addresses, strides, scalars, types: program.scalars };
    const block = this.#runtime.block(blockBytes(launch));
    writeArguments(this.#runtime.memory, block, launch);
    const code = this.#runtime.invoke(kernel, [block], program);
    if (typeof code === "number" && code !== 0) throw checkFailed(program, code);
  }

  /** The iteration of a map: axes merged, strides in bytes, and how operands lie where it can go by vectors. */
  #iteration(call: MapCall): {
    readonly shape: readonly number[];
    readonly strides: readonly (readonly number[])[];
    readonly lanes: readonly Lane[] | undefined;
  } {
    const views = [...call.operands, ...call.results];
    const ordered = permuteLike(call.results[0]?.shape ?? [], views.map(byteStrides), call.operands.length);
    const { shape, strides } = coalesce(ordered.shape, ordered.strides);
    return { shape, strides, lanes: this.#lanes(call.program, shape.length - 1, strides) };
  }

  /** Whether the joined map computes each function as the parts do: all by vectors, or none. */
  joins(parts: readonly MapCall[], joined: MapCall): boolean {
    const byVectors = this.#iteration(joined).lanes !== undefined;
    return parts.every((part) => !isApproximate(part.program) || (this.#iteration(part).lanes !== undefined) === byVectors);
  }

  #map(call: MapCall, addressOf: AddressOf): void {
    const { shape, strides, lanes } = this.#iteration(call);
    const kernel = this.#mapKernel(call.program, shape.length, lanes);
    const views = [...call.operands, ...call.results];
    this.#overBoxes(shape, shape.length, (box, from) => {
      const offsets = from === undefined ? undefined : strides.map((s) => from.reduce((sum, at, axis) => sum + at * (s[axis] ?? 0), 0));
      this.#launch(call.program, kernel, views, box, strides, call.scalars, addressOf, offsets);
    });
  }

  /**
   * Runs `body` on boxes of an iteration space, ranges of its first `axes`: all of it at once where nothing is shared out.
   * @param body gets the sizes of a box, and where it begins unless it is the whole
   */
  #overBoxes(shape: readonly number[], axes: number, body: (box: readonly number[], from: readonly number[] | undefined) => void): void {
    const work = numelOf(shape) * MOVED;
    const boxes = boxesOf(shape, axes, this.#runtime.partsFor(work));
    if (boxes.length < 2) return body(shape, undefined);
    this.#runtime.fork(
      work,
      boxes.map(
        ({ sizes, from }) =>
          () =>
            body(sizes, from),
      ),
    );
  }

  #compute(call: ComputeCall, addressOf: AddressOf): void {
    const views = [...call.operands, ...call.results];
    const shape = call.results[0]?.shape ?? [];
    if (numelOf(shape) === 0) return;
    const apart = !call.results.some((r) => call.operands.some((v) => v.storage === r.storage));
    const other = apart ? interchanged(call) : undefined;
    if (other !== undefined) return this.#compute(other, addressOf);
    const ranks = call.operands.map((v) => v.shape.length);
    const last = shape[shape.length - 1] ?? 1;
    const { columns: known, row } = this.#formOf(call.program, shape.length, apart);
    const contiguous = [row === undefined ? undefined : call.operands[row.operand], call.results[0]].every((v) => v?.strides[v.shape.length - 1] === 1);
    const tabled = !contiguous && numelOf(shape) >= TABLE_ROWS * last;
    const columns = tabled ? known : [];
    const { memory } = this.#runtime;
    this.#overBoxes(shape, shape.length - 1, (box, from) => {
      const kernel = this.#kernelOf(
        call.program,
        `c${shape.length}/${ranks.join(",")}${apart ? "" : "/same"}${tabled ? "/tabled" : ""}${contiguous ? "/rows" : ""}${from === undefined ? "" : "/part"}`,
        () => computeKernel(call.program, shape.length, ranks, apart, columns, contiguous ? row : undefined, from !== undefined, this.#runtime),
      );
      const table = columns.length === 0 ? undefined : memory.allocate(columns.length * COLUMN_BYTES * last);
      const strides = views.map(byteStrides);
      const offsets =
        from === undefined ? undefined : strides.map((s, k) => (k < ranks.length ? 0 : s.reduce((sum, step, axis) => sum + step * (from[axis] ?? 0), 0)));
      const further = table === undefined ? [] : [table.address];
      if (from !== undefined) {
        // Where the part begins goes as the strides of one more view.
        if (table !== undefined) strides.push([]);
        strides.push([...from]);
        further.push(0);
      }
      try {
        this.#launch(call.program, kernel, views, box, strides, call.scalars, addressOf, offsets, further);
      } finally {
        if (table !== undefined) memory.free(table);
      }
    });
  }

  #formOf(program: Program, rank: number, apart: boolean): Form {
    const known = this.#forms.get(program);
    if (known?.rank === rank && known.apart === apart) return known;
    const form: Form = { rank, apart, columns: columnValues(program, rank, apart), row: apart ? rowLoad(program, rank) : undefined };
    this.#forms.set(program, form);
    return form;
  }

  #reduce(call: ReduceCall, addressOf: AddressOf): void {
    const { program, combiner } = call;
    const views = [...call.operands, ...call.results];
    const all = views.map(byteStrides);
    const axes = call.shape.map((_, i) => i);
    const kept = axes.filter((i) => !call.axes.includes(i));
    const reduced = axes.filter((i) => call.axes.includes(i));
    const count = call.operands.length;
    const pick = (chosen: readonly number[], views: number): { shape: number[]; strides: number[][] } => ({
      shape: chosen.map((a) => call.shape[a] ?? 1),
      strides: all.slice(0, views).map((s) => chosen.map((a) => s[a] ?? 0)),
    });
    let outer = pick(kept, views.length);
    let inner = pick(reduced, count);
    const loopOf: number[] = [];
    if (usesIndex(program)) [...kept, ...reduced].forEach((axis, loop) => (loopOf[axis] = loop));
    else {
      outer = kept.length === 0 ? outer : coalesce(outer.shape, outer.strides);
      inner = coalesce(inner.shape, inner.strides);
    }
    if (inner.shape.length === 0) inner = { shape: [1], strides: inner.strides.map(() => [0]) };
    const dtypes = call.results.map((r) => r.dtype);
    const [nk, nr] = [outer.shape.length, inner.shape.length];
    const byVectors = isVectorReduction(program, combiner);
    const along = byVectors ? lanesOf(program, nr - 1, inner.strides) : undefined;
    const across = byVectors && (outer.shape[nk - 1] ?? 0) >= 4 ? lanesOf(program, nk - 1, outer.strides.slice(0, count)) : undefined;
    const down = along?.includes("strided") === true && across?.includes("contiguous") === true && !across.includes("strided") ? across : undefined;
    // Picking elements pays where they are decoded, or functions computed; bits are the same otherwise.
    const picks = isApproximate(program) || program.operands.some(isHalf);
    const lanes = along?.includes("strided") === true && !picks ? undefined : along;
    const kernel = this.#joiningKernelOf(program, combiner, `r${nk},${nr},${dtypes.join(",")},${loopOf.join(".")},${String(down)}/${String(lanes)}`, () =>
      down === undefined
        ? reduceKernel(program, combiner, dtypes, nk, nr, loopOf, lanes, this.#runtime.form.fused, this.#runtime)
        : columnKernel(program, combiner, dtypes, nk, nr, down, this.#runtime.form.fused, this.#runtime),
    );
    const strides = views.map((_, k) => (k < count ? [...(outer.strides[k] ?? []), ...(inner.strides[k] ?? [])] : (outer.strides[k] ?? [])));
    // A part does not know where in a kept axis it begins.
    const axesOfParts = loopOf.length === 0 || !indexAxes(program).some((axis) => kept.includes(axis)) ? nk : 0;
    this.#overBoxes([...outer.shape, ...inner.shape], axesOfParts, (box, from) => {
      const offsets = from === undefined ? undefined : strides.map((s) => from.reduce((sum, at, axis) => sum + at * (axis < nk ? (s[axis] ?? 0) : 0), 0));
      this.#launch(program, kernel, views, box, strides, call.scalars, addressOf, offsets);
    });
  }

  #scan(call: ScanCall, addressOf: AddressOf): void {
    const { program, combiner } = call;
    const views = [...call.operands, ...call.results];
    const shape = call.operands[0]?.shape ?? [];
    const rank = Math.max(shape.length, 1);
    const axes = [...shape.map((_, i) => i).filter((i) => i !== call.axis), ...(shape.length === 0 ? [0] : [call.axis])];
    const loopOf = new Array<number>(rank);
    axes.forEach((axis, loop) => (loopOf[axis] = loop));
    const own = views.map(byteStrides);
    const back = call.reverse ? -1 : 1;
    const strides = own.map((s) => axes.map((a, i) => (i === rank - 1 ? back : 1) * (s[a] ?? 0)));
    const offsets = own.map((s) => (call.reverse ? ((shape[call.axis] ?? 1) - 1) * (s[call.axis] ?? 0) : 0));
    const dtypes = call.results.map((r) => r.dtype);
    const kernel = this.#joiningKernelOf(program, combiner, `s${rank},${call.exclusive},${call.reverse},${dtypes.join(",")},${loopOf.join(".")}`, () =>
      scanKernel(program, combiner, dtypes, rank - 1, call.exclusive, call.reverse, loopOf, this.#runtime),
    );
    this.#launch(
      program,
      kernel,
      views,
      axes.map((a) => shape[a] ?? 1),
      strides,
      call.scalars,
      addressOf,
      offsets,
    );
  }

  #scatter(call: ScatterCall, addressOf: AddressOf): void {
    const { program } = call;
    const views = [...call.operands, ...call.results];
    const result = call.results[0] ?? unreachable("scatter without a result");
    const ranks = call.operands.map((v) => v.shape.length);
    const kernel = this.#kernelOf(program, `x${call.combine},${call.shape.length},${result.shape.length},${result.dtype},${ranks.join(",")}`, () =>
      scatterKernel(program, call.combine, result.dtype, call.shape.length, result.shape.length, ranks, this.#runtime),
    );
    this.#runtime.placing.add(kernel);
    if (numelOf(call.shape) > 0) this.#launch(program, kernel, views, call.shape, views.map(byteStrides), call.scalars, addressOf);
  }
}
