/** Tensors of an object and of the modules inside it, by dotted path. */

import type { Datum, Instance } from "../ir/datum.ts";
import { T, type Type } from "../ir/type.ts";
import { OpwiseError } from "../tensor/error.ts";
import { sameShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { walkData } from "./reach.ts";

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

/**
 * Pairs of a module's tensors and those of a state dict that go into them. `strict`: both sides have the same names.
 * @throws bad-argument, shape-mismatch
 */
export function fitted(own: ReadonlyMap<string, Tensor>, state: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>, strict: boolean): readonly (readonly [Tensor, Tensor])[] {
  const given = state instanceof Map ? (state as ReadonlyMap<string, Tensor>) : new Map(Object.entries(state as Readonly<Record<string, Tensor>>));
  const missing = [...own.keys()].filter((k) => !given.has(k));
  const unexpected = [...given.keys()].filter((k) => !own.has(k));
  if (strict && missing.length + unexpected.length > 0) {
    throw new OpwiseError("bad-argument", "the state dict does not fit the model", { wanted: `missing: ${missing.join(", ") || "none"}`, got: `unexpected: ${unexpected.join(", ") || "none"}`, hint: "pass { strict: false } to load what fits" });
  }
  return [...given].flatMap(([name, tensor]) => {
    const target = own.get(name);
    if (target === undefined) return [];
    if (!sameShape(target.shape, tensor.shape)) throw new OpwiseError("shape-mismatch", `\`${name}\` has another shape`, { wanted: `[${target.shape.join(", ")}]`, got: `[${tensor.shape.join(", ")}]` });
    return [[target, tensor] as const];
  });
}

/** Sets `training` on the module and on all modules below it that have it. */
export function setTraining(root: Instance, mode: boolean): void {
  walkData([root], (value) => {
    if (value instanceof Tensor || value.kind !== "instance") return;
    const slot = value.class.slots.get("training");
    if (slot !== undefined) value.slots[slot] = mode;
  });
}
