/** Segments compiled: every kernel launch of every step, recorded once with its addresses, and played for each run. */

import type { Backend } from "../../prims/backend.ts";
import type { Call, ConvolveCall, Region } from "../../prims/call.ts";
import { reachable } from "../../expr/expr.ts";
import { blankStorages } from "../../prims/blank.ts";
import { lifetimesOf, placeByLifetime } from "../../prims/lifetime.ts";
import type { Program } from "../../prims/program.ts";
import type { Executable, Segment } from "../../prims/segment.ts";
import { workOf } from "../../prims/work.ts";
import { unreachable } from "../../tensor/error.ts";
import { Storage } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import type { Arenas } from "./arenas.ts";
import { checkFailed, type Launcher } from "./launcher.ts";
import { type Block, type LinearMemory, newScope } from "./memory.ts";
import type { Packing } from "./packing.ts";
import type { KernelRuntime } from "./runtime.ts";
import { results } from "./results.ts";
import { play, type PlayItem, Tape, type TapeItem } from "./tape.ts";
import { placeOf, residentAt, type WasmBuffer } from "./buffer.ts";

const ALIGNMENT = 64;

/** What compiling needs of the backend. */
export interface PlanHost {
  readonly memory: LinearMemory;
  readonly runtime: KernelRuntime;
  readonly launcher: Launcher;
  readonly packing: Packing;
  readonly arenas: Arenas;
  readonly device: Backend;
  /** The device copy of a constant. */
  constant(storage: Storage, view: View): WasmBuffer;
}

/** Compiles a segment; the reason why not, where a step has no kernel. */
export function compileSegment(segment: Segment, host: PlanHost): Executable | string {
  for (const step of segment.steps) {
    const refusal = host.launcher.refuses(step);
    if (refusal !== undefined) return refusal;
  }
  const { memory, runtime, launcher } = host;
  const { whole, pairs } = paired(segment, launcher);
  const lives = [...lifetimesOf(whole).values()];
  const { offsets, bytes } = placeByLifetime(lives, ALIGNMENT);
  const scope = newScope();
  const aligned = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT;
  // Inputs lie behind the values inside.
  const inside = bytes + segment.inputs.reduce((n, input) => n + aligned(input.nbytes), 0);
  const arena = host.arenas.take(inside);
  let end = arena.address + bytes;
  const slots = new Map<Storage, Block>();
  for (const input of segment.inputs) {
    const size = aligned(input.nbytes);
    slots.set(input, { address: end, size });
    end += size;
  }
  const constants = new Map<Storage, WasmBuffer>();
  /** Constants that kernels read as they are. */
  const used = new Set<WasmBuffer>();
  const tape = new Tape();
  const temporaries: Block[] = [];
  const batch = host.packing.batch();

  const constantOf = (view: View): WasmBuffer => {
    const { storage } = view;
    let buffer = constants.get(storage);
    if (buffer === undefined) constants.set(storage, (buffer = host.constant(storage, view)));
    return buffer;
  };

  const addressOf = (view: View): number => {
    const { storage } = view;
    const offset = offsets.get(storage);
    if (offset !== undefined) return arena.address + offset;
    const slot = slots.get(storage);
    if (slot !== undefined) return slot.address;
    const buffer = constantOf(view);
    if (batch.isPacking) return residentAt(memory, buffer);
    if (!used.has(buffer)) {
      used.add(buffer);
      buffer.users++;
    }
    return placeOf(memory, buffer);
  };
  // A weight is packed once, not whenever the plan runs. Kernels are chosen by what a weight is without a plan: sums have the same order.
  const packed = host.packing.forms((view) => constants.get(view.storage), temporaries, batch);

  const free = (): void => {
    batch.close();
    for (const buffer of used) buffer.users--;
    memory.release(scope);
    host.arenas.give(arena);
  };
  const record = (): readonly PlayItem[] => {
    const blank = new Set(blankStorages(whole));
    whole.steps.forEach((step, i) => {
      // A step's scratch may lie where no value is alive.
      memory.free(arena);
      for (const block of slots.values()) memory.occupy(block);
      lives.forEach(({ storage, first, last }) => {
        if (first <= i && i <= last) memory.occupy({ address: arena.address + (offsets.get(storage) ?? 0), size: aligned(storage.nbytes) });
      });
      for (const view of step.operands) if (!offsets.has(view.storage) && !slots.has(view.storage)) constantOf(view);
      runtime.tape = tape;
      try {
        for (const view of [...step.operands, ...step.results]) if (blank.delete(view.storage)) launcher.clear(addressOf(view), view.storage.nbytes);
        const pair = pairs.get(step);
        if (pair === undefined) launcher.run(step, addressOf, packed);
        else launcher.runPair(pair, addressOf, packed);
      } finally {
        runtime.tape = undefined;
      }
      for (const block of temporaries.splice(0)) memory.free(block);
      memory.occupy(arena);
      for (const { storage } of step.operands) {
        const buffer = constants.get(storage);
        if (buffer !== undefined) batch.handOver(buffer);
      }
    });
    return runtime.staged(tape);
  };
  let items: readonly PlayItem[];
  try {
    items = memory.within(scope, record);
  } catch (error) {
    free(); // a weight's file cannot be read
    throw error;
  }

  const { pool } = runtime;
  const own = scope.blocks.reduce((n, b) => n + b.size, 0);
  return {
    bytes: inside + own,
    own,
    run: (inputs) => {
      batch.finish();
      segment.inputs.forEach((placeholder, k) => {
        const { address } = slots.get(placeholder) ?? unreachable("an input's memory");
        const given = inputs[k] ?? unreachable("an input");
        const buffer = given.bufferOn(host.device);
        if (buffer !== undefined) {
          const from = residentAt(memory, buffer as WasmBuffer); // this backend's own
          memory.bytes.copyWithin(address, from, from + given.nbytes);
        } else memory.write(address, given.bytes().subarray(0, given.nbytes));
      });
      const failure = pool === undefined ? play(items) : pool.playing(() => play(items));
      if (failure !== undefined) throw checkFailed(failure.invocation.program, failure.code);
      return segment.outputs.map((placeholder) => {
        const at = arena.address + (offsets.get(placeholder) ?? unreachable("an output that no step writes"));
        // What leaves is most often wanted on the host, and what another plan takes is copied to its own place anyway.
        results.leave(placeholder.nbytes);
        return Storage.wrap(memory.bytes.slice(at, at + placeholder.nbytes), false);
      });
    },
    warm: () => {
      batch.finish();
      if (segment.steps.reduce((sum, step) => sum + (step.kind === "region" ? 0 : workOf(step)), 0) < LONG) warm(tape.items, runtime);
    },
    dispose: free,
  };
}

type Pair = readonly [ConvolveCall, ConvolveCall];

/** The segment with pairs of convolutions as one step each, where the second alone reads what the first makes: that has no place in the arena then. */
function paired(segment: Segment, launcher: Launcher): { readonly whole: Segment; readonly pairs: ReadonlyMap<Call | Region, Pair> } {
  const { steps, outputs } = segment;
  const pairs = new Map<Call | Region, Pair>();
  const uses = new Map<Storage, number>();
  for (const step of steps) for (const { storage } of [...step.operands, ...step.results]) uses.set(storage, (uses.get(storage) ?? 0) + 1);
  const out: (Call | Region)[] = [];
  for (let i = 0; i < steps.length; i++) {
    const [first, second] = [steps[i] ?? unreachable("a step"), steps[i + 1]];
    const between = first.results[0]?.storage;
    const isBetween = between !== undefined && second?.operands[0]?.storage === between && uses.get(between) === 2 && !outputs.includes(between);
    const pair = isBetween ? launcher.pairOf(first, second) : undefined;
    if (pair === undefined) out.push(first);
    else {
      const step: ConvolveCall = { ...pair[1], operands: [...pair[0].operands, ...pair[1].operands.slice(1)] };
      pairs.set(step, pair);
      out.push(step);
      i++;
    }
  }
  return { whole: { ...segment, steps: out }, pairs };
}

/** Multiply-adds, some 25 ms of them, from which on a first run has fast code soon enough by itself: it takes 1.4 to 1.7 times a later one, of shorter plans twice. */
const LONG = 1.25e9;
/** Milliseconds after which no further kernel is warmed. */
const WARM_MS = 16;

/**
 * Runs an invocation of each kernel (the last, which seldom is the largest), on whatever lies there: an engine begins to make fast code of a function when it has run
 * for a while, and does so on another thread. Those that were printed for the plan come last: most are small. Of these some are left out: those that write at places
 * which they read, and those whose loops, or whose functions on the host (a polynomial's degree), go as often as what lies there says.
 */
function warm(items: readonly TapeItem[], runtime: KernelRuntime): void {
  const all = items.flatMap((item) => ("parts" in item ? item.parts.flat() : [item]));
  const last = [...new Map(all.map((one) => [one.run, one])).values()].filter(({ program, run }) => isHarmless(program) && !runtime.placing.has(run) && !runtime.callsHost(run));
  const end = performance.now() + WARM_MS;
  for (const { run, args } of last.sort((a, b) => Number(a.program !== undefined) - Number(b.program !== undefined))) {
    if (performance.now() > end) return;
    try {
      Reflect.apply(run, undefined, args);
    } catch {
      // a place computed of garbage lies outside the memory
    }
  }
}

function isHarmless(program: Program | undefined): boolean {
  const parts = program?.outputs.flatMap((output) => output.parts) ?? [];
  return ![...reachable(parts)].some((e) => e.op === "fold" && e.loop.count.op !== "const");
}
