/**
 * Programs as composed closures: the same meaning as the printed kernels, for places where code may not be made from text
 * (a page with a strict Content-Security-Policy). Slower; same bits.
 */

import { type Expr, type Loop, operandsOf } from "../../expr/expr.ts";
import { type Schedule, schedule } from "../../expr/schedule.ts";
import type { Combiner } from "../../prims/combiner.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, dtypeInfo, type TypedArray } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { bitsOf, loader, roundTo, storer } from "./element.ts";
import type { Kernel, KernelArguments } from "./print.ts";
import { BINARY, castFn, type Scalar, UNARY } from "./scalar.ts";

/** Everything that an instruction reads or writes while one position is evaluated. */
interface Frame {
  args: KernelArguments;
  /** Carrier index of each buffer at the current position. */
  readonly pointers: number[];
  readonly index: number[];
  readonly slots: Scalar[];
  acc: Scalar[];
  val: Scalar[];
  failed: number;
}
type Instruction = (f: Frame) => void;

class Composer {
  readonly #program: Program;
  readonly #slots = new Map<Expr, number>();
  readonly #loopSlots = new Map<Loop, readonly number[]>();
  #next = 0;

  constructor(program: Program) {
    this.#program = program;
  }
  slot(e: Expr): number {
    let slot = this.#slots.get(e);
    if (slot === undefined) {
      slot = this.#next++;
      this.#slots.set(e, slot);
    }
    return slot;
  }

  /** Instructions that leave the values of `roots` in their slots. */
  compile(roots: readonly Expr[]): readonly Instruction[] {
    return this.#block(schedule(roots));
  }

  #block(steps: Schedule): Instruction[] {
    return steps.steps.flatMap((step) => (step.kind === "loop" ? [this.#loop(step.loop, step.body, step.untilBody)] : this.#node(step.expr)));
  }

  #loop(loop: Loop, body: Schedule, untilBody: Schedule): Instruction {
    const state = loop.init.map(() => this.#next++);
    this.#loopSlots.set(loop, state);
    const bound = new Map<number, number>();
    let trip = -1;
    const seen = new Set<Expr>();
    const walk = (e: Expr): void => {
      if (seen.has(e)) return;
      seen.add(e);
      if (e.op === "state" && e.level === loop.level) bound.set(this.slot(e), state[e.part] ?? -1);
      if (e.op === "trip" && e.level === loop.level) trip = this.slot(e);
      for (const o of operandsOf(e)) walk(o);
    };
    for (const e of [...loop.body, ...(loop.until === undefined ? [] : [loop.until])]) walk(e);
    const inits = loop.init.map((e) => this.slot(e));
    const count = this.slot(loop.count);
    const until = loop.until === undefined ? -1 : this.slot(loop.until);
    const test = this.#block(untilBody);
    const run = this.#block(body);
    const next = loop.body.map((e) => this.slot(e));
    return (f) => {
      const s = f.slots;
      state.forEach((slot, i) => (s[slot] = s[inits[i] ?? 0] ?? 0));
      const n = Number(s[count]);
      for (let k = 0; k < n && f.failed === 0; k++) {
        for (const [slot, from] of bound) s[slot] = s[from] ?? 0;
        if (trip >= 0) s[trip] = k;
        for (const step of test) step(f);
        if (until >= 0 && s[until]) break;
        for (const step of run) step(f);
        const values = next.map((slot) => s[slot] ?? 0);
        state.forEach((slot, i) => (s[slot] = values[i] ?? 0));
      }
    };
  }

  #node(e: Expr): Instruction[] {
    const to = this.slot(e);
    const get = (x: Expr): number => this.slot(x);
    switch (e.op) {
      case "const": return [(f) => (f.slots[to] = e.value)];
      case "scalar": return [(f) => (f.slots[to] = f.args.scalars[e.slot] ?? 0)];
      case "index": return [(f) => (f.slots[to] = f.index[e.axis] ?? 0)];
      case "arg": {
        const read = loader(this.#program.operands[e.operand] ?? "float32");
        return [(f) => (f.slots[to] = read(f.args.arrays[e.operand] ?? unreachable("operand"), (f.pointers[e.operand] ?? 0) + e.part))];
      }
      case "load": {
        const read = loader(this.#program.operands[e.operand] ?? "float32");
        const at = e.at.map(get);
        const inside = e.inside === undefined ? -1 : get(e.inside);
        const outside = e.outside === undefined ? -1 : get(e.outside);
        return [
          (f) => {
            if (inside >= 0 && !f.slots[inside]) {
              f.slots[to] = f.slots[outside] ?? 0;
              return;
            }
            let p = (f.args.offsets[e.operand] ?? 0) + e.part;
            const strides = f.args.strides[e.operand] ?? [];
            for (let d = 0; d < at.length; d++) p += Number(f.slots[at[d] ?? 0]) * (strides[d] ?? 0);
            f.slots[to] = read(f.args.arrays[e.operand] ?? unreachable("operand"), p);
          },
        ];
      }
      case "unary": {
        const fn = UNARY[e.fn].make(e.a.type);
        const a = get(e.a);
        return [(f) => (f.slots[to] = fn(f.slots[a] ?? 0))];
      }
      case "binary": {
        const fn = BINARY[e.fn].make(e.a.type);
        const [a, b] = [get(e.a), get(e.b)];
        return [(f) => (f.slots[to] = fn(f.slots[a] ?? 0, f.slots[b] ?? 0))];
      }
      case "select": {
        const [c, a, b] = [get(e.cond), get(e.a), get(e.b)];
        return [(f) => (f.slots[to] = f.slots[f.slots[c] ? a : b] ?? 0)];
      }
      case "cast": {
        const fn = castFn(e.a.type, e.type, e.saturate);
        const a = get(e.a);
        return [(f) => (f.slots[to] = fn(f.slots[a] ?? 0))];
      }
      case "round": {
        const a = get(e.a);
        return [(f) => (f.slots[to] = roundTo(e.format, e.saturate, Number(f.slots[a])))];
      }
      case "bitcast": {
        const a = get(e.a);
        return [(f) => (f.slots[to] = bitsOf(e.a.type, e.type, f.slots[a] ?? 0))];
      }
      case "fold": {
        const from = this.#loopSlots.get(e.loop)?.[e.part] ?? unreachable("fold before its loop");
        return [(f) => (f.slots[to] = f.slots[from] ?? 0)];
      }
      case "acc": return [(f) => (f.slots[to] = f.acc[e.part] ?? 0)];
      case "val": return [(f) => (f.slots[to] = f.val[e.part] ?? 0)];
      case "check": {
        const [c, a] = [get(e.cond), get(e.a)];
        return [
          (f) => {
            if (!f.slots[c] && f.failed === 0) f.failed = e.code + 1;
            f.slots[to] = f.slots[a] ?? 0;
          },
        ];
      }
      case "state":
      case "trip":
        return []; // set by the loop
      default:
        return e satisfies never;
    }
  }
}

type Run = (f: Frame) => void;
function runner(steps: readonly Instruction[]): Run {
  return (f) => {
    for (const step of steps) step(f);
  };
}

function frame(args: KernelArguments): Frame {
  return { args, pointers: [...args.offsets], index: args.shape.map(() => 0), slots: [], acc: [], val: [], failed: 0 };
}

/** Walks axes `[from, to)` of the shape in row-major order, moving the pointers of `buffers`. */
function walk(f: Frame, from: number, to: number, buffers: readonly number[], visit: () => void): void {
  if (f.failed !== 0) return;
  if (from === to) {
    visit();
    return;
  }
  const n = f.args.shape[from] ?? 0;
  const start = buffers.map((k) => f.pointers[k] ?? 0);
  for (let i = 0; i < n; i++) {
    f.index[from] = i;
    walk(f, from + 1, to, buffers, visit);
    for (const k of buffers) f.pointers[k] = (f.pointers[k] ?? 0) + (f.args.strides[k]?.[from] ?? 0);
  }
  buffers.forEach((k, j) => (f.pointers[k] = start[j] ?? 0));
}

interface Store {
  readonly slot: number;
  readonly buffer: number;
  readonly part: number;
  readonly write: (array: TypedArray, at: number, value: Scalar) => void;
}
function storesOf(composer: Composer, program: Program): Store[] {
  return program.outputs.flatMap((o, j) => o.parts.map((e, part) => ({ slot: composer.slot(e), buffer: program.operands.length + j, part, write: storer(o.dtype) })));
}
function store(f: Frame, stores: readonly Store[]): void {
  for (const s of stores) s.write(f.args.arrays[s.buffer] ?? unreachable("result"), (f.pointers[s.buffer] ?? 0) + s.part, f.slots[s.slot] ?? 0);
}
const upTo = (n: number): number[] => Array.from({ length: n }, (_, k) => k);

export function composeMap(program: Program, rank: number): Kernel {
  const composer = new Composer(program);
  const run = runner(composer.compile(program.outputs.flatMap((o) => o.parts)));
  const stores = storesOf(composer, program);
  const all = upTo(program.operands.length + program.outputs.length);
  return (args) => {
    const f = frame(args);
    walk(f, 0, rank, all, () => {
      run(f);
      if (f.failed === 0) store(f, stores);
    });
    return f.failed;
  };
}

export function composeCompute(program: Program, rank: number): Kernel {
  const composer = new Composer(program);
  const run = runner(composer.compile(program.outputs.flatMap((o) => o.parts)));
  const stores = storesOf(composer, program);
  const results = program.outputs.map((_, j) => program.operands.length + j);
  return (args) => {
    const f = frame(args);
    walk(f, 0, rank, results, () => {
      run(f);
      if (f.failed === 0) store(f, stores);
    });
    return f.failed;
  };
}

/** The combiner's pieces over a program's element tuple. */
function folding(program: Program, combiner: Combiner, dtypes: readonly DType[]): { element: Run; join: Run; finish: (f: Frame) => void; init: () => Scalar[] } {
  const composer = new Composer(program);
  const parts = program.outputs.flatMap((o) => o.parts);
  const evaluate = runner(composer.compile(parts));
  const slots = parts.map((e) => composer.slot(e));
  const joiner = new Composer(program);
  const combine = runner(joiner.compile(combiner.combine));
  const joined = combiner.combine.map((e) => joiner.slot(e));
  const closer = new Composer(program);
  const close = runner(closer.compile(combiner.finish));
  const writes: (Store & { readonly convert: (x: Scalar) => Scalar })[] = [];
  let state = 0;
  dtypes.forEach((dtype, j) => {
    for (let part = 0; part < dtypeInfo(dtype).lanes; part++, state++) {
      const e = combiner.finish[state] ?? unreachable("more results than states");
      writes.push({ slot: closer.slot(e), buffer: program.operands.length + j, part, write: storer(dtype), convert: castFn(e.type, computeType(dtype), false) });
    }
  });
  const scratch: Scalar[] = [];
  const swap = (f: Frame, run: Run): void => {
    const own = f.slots.splice(0); // combiner slots are numbered apart from the element's
    f.slots.push(...scratch);
    run(f);
    scratch.length = 0;
    f.slots.splice(0, f.slots.length, ...own);
  };
  return {
    init: () => combiner.init.map((e) => (e.op === "const" ? e.value : unreachable("init"))),
    element: (f) => {
      evaluate(f);
      f.val = slots.map((s) => f.slots[s] ?? 0);
    },
    join: (f) =>
      swap(f, (g) => {
        combine(g);
        g.acc = joined.map((s) => g.slots[s] ?? 0);
      }),
    finish: (f) =>
      swap(f, (g) => {
        close(g);
        for (const w of writes) w.write(g.args.arrays[w.buffer] ?? unreachable("result"), (g.pointers[w.buffer] ?? 0) + w.part, w.convert(g.slots[w.slot] ?? 0));
      }),
  };
}

export function composeReduce(program: Program, combiner: Combiner, dtypes: readonly DType[], kept: number, reduced: number, loopOf: readonly number[]): Kernel {
  const { init, element, join, finish } = folding(program, combiner, dtypes);
  const operands = upTo(program.operands.length);
  const all = upTo(program.operands.length + dtypes.length);
  return (args) => {
    const f = frame(args);
    const loops = f.index;
    walk(f, 0, kept, all, () => {
      f.acc = init();
      walk(f, kept, kept + reduced, operands, () => {
        const here = [...loops];
        loopOf.forEach((loop, axis) => (f.index[axis] = here[loop] ?? 0));
        element(f);
        here.forEach((v, i) => (f.index[i] = v));
        join(f);
      });
      finish(f);
    });
    return f.failed;
  };
}

export function composeScan(program: Program, combiner: Combiner, dtypes: readonly DType[], outer: number, exclusive: boolean, loopOf: readonly number[]): Kernel {
  const { init, element, join, finish } = folding(program, combiner, dtypes);
  const all = upTo(program.operands.length + dtypes.length);
  return (args) => {
    const f = frame(args);
    walk(f, 0, outer, all, () => {
      f.acc = init();
      walk(f, outer, outer + 1, all, () => {
        const here = [...f.index];
        loopOf.forEach((loop, axis) => (f.index[axis] = loop === outer && args.reverse === true ? (args.shape[outer] ?? 0) - 1 - (here[loop] ?? 0) : (here[loop] ?? 0)));
        element(f);
        here.forEach((v, i) => (f.index[i] = v));
        if (exclusive) finish(f);
        join(f);
        if (!exclusive) finish(f);
      });
    });
    return f.failed;
  };
}

export function composeScatter(program: Program, combine: "set" | "add" | "mul" | "min" | "max", dtype: DType, rank: number, target: number): Kernel {
  const composer = new Composer(program);
  const parts = program.outputs.flatMap((o) => o.parts);
  const run = runner(composer.compile(parts));
  const slots = parts.map((e) => composer.slot(e));
  const type = computeType(dtype);
  const join = combine === "set" ? undefined : BINARY[combine].make(type);
  const read = loader(dtype);
  const write = storer(dtype);
  const result = program.operands.length;
  return (args) => {
    const f = frame(args);
    walk(f, 0, rank, [], () => {
      run(f);
      if (f.failed !== 0) return;
      const array = args.arrays[result] ?? unreachable("result");
      let p = args.offsets[result] ?? 0;
      for (let d = 0; d < target; d++) p += Number(f.slots[slots[d] ?? 0]) * (args.strides[result]?.[d] ?? 0);
      slots.slice(target).forEach((slot, part) => {
        const value = f.slots[slot] ?? 0;
        write(array, p + part, join === undefined ? value : join(read(array, p + part), value));
      });
    });
    return f.failed;
  };
}
