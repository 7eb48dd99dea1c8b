/** The named composites that have a kernel of their own. What one cannot take runs as its body, call by call. */

import type { Region } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { isContiguous, numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import { GATES } from "./cells.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import { refusesAttention, runAttention } from "./heads.ts";
import type { Packed, Products } from "./products.ts";
import { inRanges } from "./ranges.ts";
import { type CellName, refusesRecurrent, runRecurrent } from "./recurrent.ts";
import type { KernelRuntime } from "./runtime.ts";

type AddressOf = (view: View) => number;

/** How many elements could be moved in the time that one takes. */
const EXPONENTIAL = 6;
const NORMALISED = 4;
const STATISTICS = 2;

const CLAIMED: ReadonlySet<string> = new Set(["softmax", "log_softmax", "layer_norm", "rms_norm", "group_norm"]);

/** Why the region is not taken whole, or undefined. */
export function refusesRegion(region: Region): string | undefined {
  if (isRecurrent(region)) return refusesRecurrent(region);
  if (region.name === "attention") return refusesAttention(region);
  if (!CLAIMED.has(region.name)) return `no kernel for the region ${region.name}`;
  for (const view of [...region.operands, ...region.results]) {
    if (view.dtype !== "float32") return `no ${view.dtype} kernel for ${region.name}`;
    if (!isContiguous(view.shape, view.strides)) return `${region.name} of what is not contiguous`;
  }
  const x = region.operands[0] ?? unreachable("operand");
  if (numelOf(x.shape) === 0) return "an empty tensor";
  if (region.name === "softmax" || region.name === "log_softmax") {
    const axis = Number(region.params["axis"]);
    if (x.shape.length > 0 && (axis < 0 ? axis + x.shape.length : axis) !== x.shape.length - 1) return `${region.name} along an axis that is not the last`;
  }
  return undefined;
}

/** The recurrent layers have a cell's kernel each. */
function isRecurrent(region: Region): region is Region & { readonly name: CellName } {
  return Object.hasOwn(GATES, region.name);
}

export function runRegion(region: Region, runtime: KernelRuntime, dense: DenseKernels, products: Products, addressOf: AddressOf, packed: Packed): void {
  const { memory } = runtime;
  if (isRecurrent(region)) return runRecurrent(region, runtime, dense, products, addressOf, packed);
  if (region.name === "attention") return runAttention(region, runtime, dense, addressOf);
  const at = (view: View | undefined): number => (view === undefined ? unreachable("view") : addressOf(view) + view.offset * FLOAT);
  const [x, ...rest] = region.operands;
  const [out] = region.results;
  if (x === undefined || out === undefined) return unreachable("operands");
  const { params } = region;
  const present = (name: string, index: number): number => (params[name] === true ? at(rest[index]) : 0);
  const eps = Number(params["eps"]);
  const rank = x.shape.length;
  switch (region.name) {
    case "softmax":
    case "log_softmax": {
      const columns = x.shape[rank - 1] ?? 1;
      const run = region.name === "softmax" ? dense.rows.softmaxRows : dense.rows.logSoftmaxRows;
      const bytes = columns * FLOAT;
      return inRanges(runtime, numelOf(x.shape) / columns, columns * EXPONENTIAL, (row, rows) =>
        run(at(out) + row * bytes, at(x) + row * bytes, rows, columns),
      );
    }
    case "layer_norm": {
      const columns = numelOf(x.shape.slice(rank - Number(params["axes"])));
      const rows = numelOf(x.shape) / columns;
      const [means, factors] = [at(region.results[1]), at(region.results[2])];
      const weight = present("weight", 0);
      const bias = present("bias", weight === 0 ? 0 : 1);
      return inRanges(runtime, rows, columns * NORMALISED, (row, count) => {
        const [skipped, from] = [row * FLOAT, at(x) + row * columns * FLOAT];
        dense.rows.rowStatistics(means + skipped, factors + skipped, from, count, columns, eps);
        dense.rows.normaliseRows(at(out) + skipped * columns, from, count, columns, means + skipped, factors + skipped, weight, bias);
      });
    }
    case "rms_norm": {
      const columns = numelOf(x.shape.slice(rank - Number(params["axes"])));
      const rows = numelOf(x.shape) / columns;
      const factors = at(region.results[1]);
      const weight = present("weight", 0);
      return inRanges(runtime, rows, columns * NORMALISED, (row, count) => {
        const from = at(x) + row * columns * FLOAT;
        dense.rows.rowMagnitudes(factors + row * FLOAT, from, count, columns, eps);
        dense.rows.normaliseRows(at(out) + row * columns * FLOAT, from, count, columns, 0, factors + row * FLOAT, weight, 0);
      });
    }
    case "group_norm": {
      const [batch = 1, channels = 1] = x.shape;
      const groups = Number(params["groups"]);
      const plane = numelOf(x.shape) / (batch * channels);
      const [means, factors] = [at(region.results[1]), at(region.results[2])];
      const size = (channels / groups) * plane;
      inRanges(runtime, batch * groups, size * STATISTICS, (group, count) =>
        dense.rows.rowStatistics(means + group * FLOAT, factors + group * FLOAT, at(x) + group * size * FLOAT, count, size, eps),
      );
      const weight = present("weight", 0);
      const bias = present("bias", weight === 0 ? 0 : 1);
      const rows = batch * channels;
      const block = memory.allocate(2 * rows * FLOAT);
      const shifts = block.address + rows * FLOAT;
      dense.rows.groupFactors(block.address, shifts, means, factors, weight, bias, rows, channels, channels / groups);
      inRanges(runtime, rows, plane, (row, count) =>
        dense.rows.affineRows(at(out) + row * plane * FLOAT, at(x) + row * plane * FLOAT, count, plane, block.address + row * FLOAT, shifts + row * FLOAT),
      );
      return memory.free(block);
    }
    default:
      return unreachable(`a claimed region ${region.name}`);
  }
}
