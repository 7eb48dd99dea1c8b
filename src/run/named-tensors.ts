/** Tensors of an object and of the modules inside it, by dotted path. */

import type { Datum, Instance } from "../ir/datum.ts";
import { T, type Type } from "../ir/type.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";

/** A parameter or buffer by its dotted path. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
  readonly role: "parameter" | "buffer" | "attribute";
}

/** Names of modules, shared ones counted once a path. */
const MAX_NAMED_MODULES = 200_000;

/** Parameters, buffers and other tensor attributes, in the module's order. @throws limit-exceeded */
export function namedTensors(root: Instance): NamedTensor[] {
  const out: NamedTensor[] = [];
  let visits = 0;
  const visit = (instance: Instance, prefix: string, path: ReadonlySet<Instance>): void => {
    // A shared module has a name on every path to it, which can be exponentially many.
    if (++visits > MAX_NAMED_MODULES) throw new OpwiseError("limit-exceeded", "the modules have too many names", { wanted: `at most ${MAX_NAMED_MODULES}` });
    instance.class.attributes.forEach((a, i) => {
      const value = instance.slots[i];
      if (value instanceof Tensor) {
        const role = instance.class.parameters.has(a.name) ? "parameter" : instance.class.buffers.has(a.name) ? "buffer" : "attribute";
        out.push({ name: prefix + a.name, tensor: value, role });
      } else if (typeof value === "object" && value !== null && "kind" in value && value.kind === "instance" && value.class.isModule && !path.has(value)) {
        visit(value, `${prefix}${a.name}.`, new Set([...path, value]));
      }
    });
  };
  visit(root, "", new Set([root]));
  return out;
}

/** A value of an object by dotted path, with its declared type. @throws bad-argument where there is none */
export function attributeAt(root: Instance, path: string): { readonly value: Datum; readonly type: Type } {
  let value: Datum = root;
  let type: Type = T.Any;
  for (const part of path.split(".")) {
    if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "instance")
      throw new OpwiseError("bad-argument", `the model has no attribute \`${path}\``);
    const slot: number | undefined = value.class.slots.get(part);
    if (slot === undefined)
      throw new OpwiseError("bad-argument", `the model has no attribute \`${path}\``, { wanted: [...value.class.slots.keys()].join(", ") });
    type = value.class.attributes[slot]?.type ?? T.Any;
    value = value.slots[slot] ?? null;
  }
  return { value, type };
}
