/** How much work a call is, in elements visited: views with stride 0 make it unbounded by memory. */

import type { Call } from "../prims/call.ts";
import { numelOf } from "../tensor/shape.ts";
import type { View } from "../tensor/tensor.ts";

function count(view: View | undefined): number {
  return view === undefined ? 0 : numelOf(view.shape);
}
function largest(views: readonly View[]): number {
  return views.reduce((n, view) => Math.max(n, count(view)), 0);
}

/** Elements or products that the call visits; the order is right, constants are not. */
export function workOf(call: Call): number {
  switch (call.kind) {
    case "reduce":
    case "scatter":
      return numelOf(call.shape);
    case "contract":
      return count(call.results[0]) * (call.operands[0]?.shape.at(-1) ?? 1);
    case "convolve": {
      const [x, w] = call.operands;
      const kernel = w === undefined ? 1 : numelOf(w.shape.slice(1));
      return (call.transposed ? count(x) : count(call.results[0])) * kernel;
    }
    case "window":
      return count(call.results[0]) * numelOf(call.kernel);
    case "linalg": {
      const size = largest(call.operands);
      return size * (call.operands[0]?.shape.at(-1) ?? 1);
    }
    default:
      return Math.max(largest(call.operands), largest(call.results));
  }
}
