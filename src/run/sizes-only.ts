/** A run on sizes alone: what a method does with tensors of given shapes is recorded and compiled before there is any data. */

import { type Datum, makeDict, makeList, makeTuple } from "../ir/datum.ts";
import type { Program } from "../ir/graph.ts";
import { metaStorage } from "../tensor/meta.ts";
import type { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { LinkedFunction } from "./code.ts";
import type { Input } from "./convert.ts";
import { type ExampleInputs, exampleInputs, metaTensor } from "./example-inputs.ts";
import type { Executor } from "./executor.ts";
import { Machine } from "./machine.ts";
import type { Planner } from "./plan/planner.ts";

/**
 * Arguments whose sizes a session is made ready for, by position or (ONNX) by name; values do not matter. `false`: for none. Left out: for the sizes that the file declares,
 * where it declares all. What a session was not made ready for, the first call of a method does.
 */
export type Preparation = false | readonly Input[] | Readonly<Record<string, Input>>;

export function argumentsOf(given: Exclude<Preparation, false>): ExampleInputs {
  const isList = Array.isArray(given);
  return { args: isList ? (given as readonly Input[]) : [], kwargs: isList ? {} : (given as Readonly<Record<string, Input>>) };
}

/** Arguments of the sizes that the file declares, without data; undefined where it leaves some open. */
export function declaredSizes(program: Program): ExampleInputs | undefined {
  try {
    return exampleInputs(program, {}, metaTensor);
  } catch {
    return undefined;
  }
}

/** Instructions that are tried: a loop over plain numbers may go on for ever. */
const MAX_STEPS = 200_000;

/** The data with tensors that have no contents; undefined where it holds what has no twin (objects). */
function withoutContents(value: Datum, twins: Map<Storage, Storage>): Datum | undefined {
  if (value instanceof Tensor) {
    let storage = twins.get(value.storage);
    if (storage === undefined) twins.set(value.storage, (storage = metaStorage(value.storage.nbytes)));
    const { dtype, shape, strides, offset, conj, neg, requiresGrad, wrappedNumber, quantizer } = value;
    if (value.lengths !== undefined) return undefined;
    return Object.assign(new Tensor(storage, dtype, shape, strides, offset), { conj, neg, requiresGrad, wrappedNumber, quantizer });
  }
  if (typeof value !== "object" || value === null) return value;
  const each = (items: readonly Datum[]): Datum[] | undefined => {
    const out: Datum[] = [];
    for (const item of items) {
      const twin = withoutContents(item, twins);
      if (twin === undefined) return undefined;
      out.push(twin);
    }
    return out;
  };
  switch (value.kind) {
    case "int":
    case "float":
    case "bool":
    case "complex":
    case "device":
    case "enum":
      return value;
    case "list": {
      const items = each(value.items);
      return items && makeList(value.elem, items);
    }
    case "tuple": {
      const items = each(value.items);
      return items && makeTuple(items, value.type);
    }
    case "dict": {
      const entries = [...value.entries.values()];
      const values = each(entries.map(([, v]) => v));
      return values && makeDict(value.key, value.value, entries.map(([key], i) => [key, values[i] ?? null] as const));
    }
    default:
      return undefined;
  }
}

/**
 * Records what `fn` does with arguments of these sizes, up to the first instruction that needs data, writes what was there before, or runs on the host, and
 * compiles it. Nothing is computed but what is known without the arguments, and nothing of the session changes. What goes wrong here goes wrong in a run,
 * and is said there.
 * @param own how many of the arguments are the session's
 */
export function compileForSizes(executor: Executor, planner: Planner, fn: LinkedFunction, args: readonly Datum[], own: number): void {
  const twins = new Map<Storage, Storage>();
  const data: Datum[] = args.slice(0, own);
  for (const arg of args.slice(own)) {
    const twin = withoutContents(arg, twins);
    if (twin === undefined) return;
    data.push(twin);
  }
  const { generator } = executor;
  const before = { ...generator, words: generator.words.slice() };
  planner.begin(true);
  Object.assign(executor, { sizesOnly: true, budget: Infinity, work: Infinity });
  try {
    const machine = new Machine({ executor, planner, maxSteps: MAX_STEPS });
    machine.start(fn, data);
    while (machine.advance() === "more");
  } catch {
    planner.cutShort();
  } finally {
    executor.sizesOnly = false;
    planner.end();
    Object.assign(generator, before);
  }
  planner.compile();
}
