/** The named composites that TensorFlow.js engines have a kernel for. */

import type { Region } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import type { Reader } from "./calls.ts";
import type { TfTensor } from "./tensorflow.ts";
import type { Engine } from "./walk.ts";

function floats(region: Region): string | undefined {
  const odd = [...region.operands, ...region.results].find((v) => v.dtype !== "float32");
  return odd === undefined ? undefined : `TensorFlow.js has no ${odd.dtype} kernel for ${region.name}`;
}

/** Why the engine does not take the region whole; its body then runs call by call. */
export function refusesRegion(engine: Engine, region: Region): string | undefined {
  switch (region.name) {
    case "softmax":
      return floats(region) ?? (engine.has("Softmax") ? undefined : "the engine has no kernel Softmax");
    default:
      return `no kernel for the region ${region.name}`;
  }
}

export function runRegion(engine: Engine, region: Region, read: Reader): readonly TfTensor[] {
  const { tf } = engine;
  const x = region.operands[0] ?? unreachable("operand");
  if (region.name !== "softmax") return unreachable(`a claimed region ${region.name}`);
  const rank = x.shape.length;
  const axis = Number(region.params["axis"] ?? region.params["dim"] ?? -1);
  const at = axis < 0 ? axis + rank : axis;
  const value = read(x, true);
  if (at === rank - 1 || rank === 0) return [tf.softmax(rank === 0 ? tf.reshape(value, [1]) : value, -1)];
  // Engines take the last axis only.
  const order = Array.from({ length: rank }, (_, i) => (i === at ? rank - 1 : i === rank - 1 ? at : i));
  return [tf.transpose(tf.softmax(tf.transpose(value, order), -1), order)];
}
