/** The named composites that have a kernel of their own. What one cannot take runs as its body, call by call. */

import type { Region } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { isContiguous, numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import { GATES } from "./cells.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import { refusesAttention, runAttention } from "./heads.ts";
import type { LinearMemory } from "./memory.ts";
import type { Packed, Products } from "./products.ts";
import { type CellName, refusesRecurrent, runRecurrent } from "./recurrent.ts";

type AddressOf = (view: View) => number;

const CLAIMED: ReadonlySet<string> = new Set(["softmax", "log_softmax", "layer_norm", "rms_norm", "group_norm", "batch_norm"]);

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

export function runRegion(region: Region, memory: LinearMemory, dense: DenseKernels, products: Products, addressOf: AddressOf, packed: Packed): void {
  if (isRecurrent(region)) return runRecurrent(region, memory, dense, products, addressOf, packed);
  if (region.name === "attention") return runAttention(region, memory, dense, addressOf);
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
      const run = region.name === "softmax" ? dense.softmaxRows : dense.logSoftmaxRows;
      return run(at(out), at(x), numelOf(x.shape) / columns, columns);
    }
    case "layer_norm": {
      const columns = numelOf(x.shape.slice(rank - Number(params["axes"])));
      const rows = numelOf(x.shape) / columns;
      const [means, factors] = [at(region.results[1]), at(region.results[2])];
      dense.rowStatistics(means, factors, at(x), rows, columns, eps);
      const weight = present("weight", 0);
      return dense.normaliseRows(at(out), at(x), rows, columns, means, factors, weight, present("bias", weight === 0 ? 0 : 1));
    }
    case "rms_norm": {
      const columns = numelOf(x.shape.slice(rank - Number(params["axes"])));
      const rows = numelOf(x.shape) / columns;
      const factors = at(region.results[1]);
      dense.rowMagnitudes(factors, at(x), rows, columns, eps);
      return dense.normaliseRows(at(out), at(x), rows, columns, 0, factors, present("weight", 0), 0);
    }
    case "group_norm": {
      const [batch = 1, channels = 1] = x.shape;
      const groups = Number(params["groups"]);
      const plane = numelOf(x.shape) / (batch * channels);
      const [means, factors] = [at(region.results[1]), at(region.results[2])];
      dense.rowStatistics(means, factors, at(x), batch * groups, (channels / groups) * plane, eps);
      const weight = present("weight", 0);
      const bias = present("bias", weight === 0 ? 0 : 1);
      const group = (row: number): number => Math.floor(row / (channels / groups));
      return affine(memory, dense, at(out), at(x), batch * channels, plane, (floats, row) => {
        const channel = row % channels;
        const factor = (floats[factors / FLOAT + group(row)] ?? 0) * (weight === 0 ? 1 : (floats[weight / FLOAT + channel] ?? 0));
        return [factor, (bias === 0 ? 0 : (floats[bias / FLOAT + channel] ?? 0)) - (floats[means / FLOAT + group(row)] ?? 0) * factor];
      });
    }
    case "batch_norm": {
      const [batch = 1, channels = 1] = x.shape;
      const [mean, variance] = [at(rest[0]), at(rest[1])];
      const weight = present("weight", 2);
      const bias = present("bias", weight === 0 ? 2 : 3);
      return affine(memory, dense, at(out), at(x), batch * channels, numelOf(x.shape) / (batch * channels), (floats, row) => {
        const channel = row % channels;
        const factor = (weight === 0 ? 1 : (floats[weight / FLOAT + channel] ?? 0)) / Math.sqrt((floats[variance / FLOAT + channel] ?? 0) + eps);
        return [factor, (bias === 0 ? 0 : (floats[bias / FLOAT + channel] ?? 0)) - (floats[mean / FLOAT + channel] ?? 0) * factor];
      });
    }
    default:
      return unreachable(`a claimed region ${region.name}`);
  }
}

/** Every row times its factor plus its shift, both computed in double precision beforehand. */
function affine(
  memory: LinearMemory,
  dense: DenseKernels,
  to: number,
  from: number,
  rows: number,
  columns: number,
  of: (floats: Float32Array, row: number) => readonly [number, number],
): void {
  const block = memory.allocate(2 * rows * FLOAT);
  const floats = new Float32Array(memory.bytes.buffer, 0, Math.floor(memory.bytes.length / FLOAT));
  for (let row = 0; row < rows; row++) {
    const [factor, shift] = of(floats, row);
    floats[block.address / FLOAT + row] = factor;
    floats[block.address / FLOAT + rows + row] = shift;
  }
  dense.affineRows(to, from, rows, columns, block.address, block.address + rows * FLOAT);
  memory.free(block);
}
