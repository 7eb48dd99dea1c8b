/** Recurrent layers: one product for the inputs of all steps, one for the hidden state of each, and a cell's kernel. */

import type { Region } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { isContiguous } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import { GATES } from "./cells.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import { type Packed, type Products, weightOf } from "./products.ts";
import { evenly } from "./ranges.ts";
import type { KernelRuntime } from "./runtime.ts";
import { PANEL } from "./vector-product.ts";

export function refusesRecurrent(region: Region): string | undefined {
  const odd = [...region.operands, ...region.results].find((v) => v.dtype !== "float32");
  if (odd !== undefined) return `no ${odd.dtype} kernel for ${region.name}`;
  if ([...region.operands, ...region.results].some((v) => v.strides[v.shape.length - 1] !== 1 && (v.shape.at(-1) ?? 1) > 1))
    return `${region.name} of what has no contiguous rows`;
  if (Number(region.params["steps"]) === 0) return "no steps";
  const biases = operandsOf(region).biases;
  return biases.every((b) => isContiguous(b.shape, b.strides)) ? undefined : "biases that are not contiguous";
}

interface Operands {
  readonly x: View;
  readonly h0: View;
  readonly c0: View | undefined;
  readonly input: View;
  readonly hidden: View;
  readonly biases: readonly View[];
  readonly projection: View | undefined;
}

function operandsOf(region: Region): Operands {
  const rest = [...region.operands];
  const take = (): View => rest.shift() ?? unreachable(`an operand of ${region.name}`);
  const [x, h0] = [take(), take()];
  const c0 = region.name === "lstm" ? take() : undefined;
  const [input, hidden] = [take(), take()];
  const biases = region.params["bias"] === true ? [take(), take()] : [];
  return { x, h0, c0, input, hidden, biases, projection: region.params["projection"] === true ? take() : undefined };
}

/** Steps that threads share one by one, at most: each is a stage of the plan. */
const MOST_SHARED = 2000;

export type CellName = "lstm" | "gru" | "rnn_tanh" | "rnn_relu";

export function runRecurrent(
  region: Region & { readonly name: CellName },
  runtime: KernelRuntime,
  dense: DenseKernels,
  products: Products,
  addressOf: (view: View) => number,
  packed: Packed,
): void {
  const { memory } = runtime;
  const { x, h0, c0, input, hidden, biases, projection } = operandsOf(region);
  const [out, hn, cn] = region.results;
  if (out === undefined || hn === undefined) return unreachable("results");
  const at = (view: View | undefined): number => (view === undefined ? 0 : addressOf(view) + view.offset * FLOAT);
  const rowBytes = (view: View): number => (view.strides[0] ?? 0) * FLOAT;
  const steps = Number(region.params["steps"]);
  const rows = x.shape[0] ?? 0;
  const samples = rows / steps;
  const gates = GATES[region.name] ?? unreachable(region.name);
  const wide = input.shape[0] ?? 0;
  const units = wide / gates;
  const size = h0.shape[1] ?? 0;
  const copyRows = (to: number, toStride: number, from: number, fromStride: number, columns: number): void =>
    dense.patches.copyPlanes(to, from, 1, samples, columns, 0, fromStride, FLOAT, toStride, 0, 0);

  const inputs = memory.allocate(rows * wide * FLOAT);
  const hiddens = memory.allocate(samples * wide * FLOAT);
  const state = c0 === undefined ? undefined : memory.allocate(samples * units * FLOAT);
  const unprojected = projection === undefined ? undefined : memory.allocate(samples * units * FLOAT);
  // Both biases are where a product starts: the hidden one stays apart, since a GRU multiplies its part.
  products.linear(rows, input, addressOf, packed)(inputs.address, wide * FLOAT, at(x), rowBytes(x), at(biases[0]));
  if (state !== undefined && c0 !== undefined) copyRows(state.address, units * FLOAT, at(c0), rowBytes(c0), units);
  const places = placesOf(region, gates);
  const backwards = region.params["reverse"] === true;
  const [outAt, outStep] = [at(out), samples * rowBytes(out)];
  const inputStep = samples * wide * FLOAT;
  const first = backwards ? steps - 1 : 0;
  let [last, lastStride] = [at(h0), rowBytes(h0)];
  if (samples === 1 && projection === undefined) {
    const weights = products.panelsOf(hidden, weightOf(hidden, addressOf), 0, packed);
    const sign = backwards ? -1 : 1;
    const run = (step: number, count: number, before: number, unit: number, number: number): void =>
      dense.cells[`${region.name}_steps`](
        inputs.address + (first + sign * step) * inputStep,
        weights,
        at(biases[1]),
        hiddens.address,
        before,
        state?.address ?? 0,
        outAt + (first + sign * step) * outStep,
        count,
        units,
        sign * inputStep,
        sign * outStep,
        places,
        unit,
        number,
      );
    // Threads share each step, where units are whole panels of every gate.
    const shares = units % PANEL === 0 && steps <= MOST_SHARED ? evenly(units, runtime.partsFor(units * wide), PANEL) : [];
    if (shares.length < 2) run(0, steps, last, 0, units);
    else {
      for (let step = 0; step < steps; step++) {
        const before = step === 0 ? last : outAt + (first + sign * (step - 1)) * outStep;
        runtime.fork(
          units * wide,
          shares.map(
            ([unit, number]) =>
              () =>
                run(step, 1, before, unit, number),
          ),
        );
      }
    }
    last = outAt + (steps - 1 - first) * outStep;
  } else {
    const recur = products.linear(samples, hidden, addressOf, packed);
    const project = projection === undefined ? undefined : products.linear(samples, projection, addressOf, packed);
    for (let k = 0; k < steps; k++) {
      const t = backwards ? steps - 1 - k : k;
      recur(hiddens.address, wide * FLOAT, last, lastStride, at(biases[1]));
      const target = outAt + t * outStep;
      const [to, stride] = unprojected === undefined ? [target, rowBytes(out)] : [unprojected.address, units * FLOAT];
      const [kept, keptStride] = state !== undefined ? [state.address, units * FLOAT] : region.name === "gru" ? [last, lastStride] : [0, 0];
      dense.cells[region.name](inputs.address + t * inputStep, hiddens.address, kept, to, samples, units, keptStride, stride, places, units);
      if (unprojected !== undefined) project?.(target, rowBytes(out), unprojected.address, units * FLOAT, 0);
      [last, lastStride] = [target, rowBytes(out)];
    }
  }
  copyRows(at(hn), rowBytes(hn), last, lastStride, size);
  if (state !== undefined && cn !== undefined) copyRows(at(cn), rowBytes(cn), state.address, units * FLOAT, units);
  for (const block of [inputs, hiddens, state, unprojected]) if (block !== undefined) memory.free(block);
}

/** Where each gate's block lies, a byte each from the lowest. */
function placesOf(region: Region, gates: number): number {
  const { order } = region.params;
  return Array.from({ length: gates }, (_, k) => (Array.isArray(order) ? Number(order[k]) : k)).reduceRight((word, place) => word * 256 + place, 0);
}
