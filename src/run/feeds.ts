/** ONNX: inputs by name, checked before a run. */

import type { Program } from "../ir/graph.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Input } from "./convert.ts";

/** The feeds, as they are; those of other formats are not looked at. @throws bad-argument, dtype-mismatch, shape-mismatch */
export function checkFeeds(program: Program, feeds: Readonly<Record<string, Input>>): Readonly<Record<string, Input>> {
  if (program.format !== "onnx") return feeds;
  for (const input of program.inputs ?? []) {
    const value = feeds[input.name];
    if (value === undefined && input.optional !== true && input.type.kind !== "Optional") {
      throw new OpwiseError("bad-argument", `input \`${input.name}\` is not given`, {
        wanted: (program.inputs ?? []).map((i) => i.name).join(", "),
        got: Object.keys(feeds).join(", ") || "nothing",
      });
    }
    if (value instanceof Tensor && input.type.kind === "Tensor") {
      if (input.type.dtype !== undefined && value.dtype !== input.type.dtype) {
        throw new OpwiseError("dtype-mismatch", `input \`${input.name}\` has the wrong dtype`, { wanted: input.type.dtype, got: value.dtype });
      }
      const dims = input.type.shape;
      if (dims !== undefined && (dims.length !== value.rank || dims.some((d, i) => typeof d === "number" && d !== value.shape[i]))) {
        throw new OpwiseError("shape-mismatch", `input \`${input.name}\` has the wrong shape`, {
          wanted: `[${dims.map((d) => (typeof d === "number" ? d : (d.name ?? "?"))).join(", ")}]`,
          got: `[${value.shape.join(", ")}]`,
        });
      }
    }
  }
  return feeds;
}
