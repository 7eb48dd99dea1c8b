/** Schemas of opwise's own helper ops, which loaders emit where another format's construct has no TorchScript op. */

import { parseSchema, fullName, type Schema } from "./schema.ts";

/**
 * - `stack_scan`: the items stacked along a new `axis`, in reverse order if asked; no items give a tensor of `like`'s dtype whose shape is `like`'s with a
 *   0 at `axis`; with `length`, further rows of zeros fill up to it.
 * - `scan_length`: the common size of `items[i]` along `axes[i]`; an error where they differ.
 */
const TEXTS = [
  "opwise::stack_scan(Tensor[] items, int axis, bool reverse, Tensor? like=None, int? length=None) -> Tensor",
  "opwise::scan_length(Tensor[] items, int[] axes) -> int",
] as const;

let table: Map<string, Schema> | undefined;

/** The schema of `opwise::stack_scan`, or undefined for a name that is none of ours. */
export function opwiseSchema(name: string): Schema | undefined {
  table ??= new Map(
    TEXTS.map((text) => {
      const schema = parseSchema(text);
      return [fullName(schema), schema];
    }),
  );
  return table.get(name);
}

/** All helper schemas. */
export function opwiseSchemas(): readonly string[] {
  return TEXTS;
}
