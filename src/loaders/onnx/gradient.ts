/**
 * Gradient of ai.onnx.preview.training: the derivatives of a value by others, as nodes. The part of the graph between them is made again on the node's own
 * inputs (where they are other values than the named ones), then walked backwards.
 */

import type { Value } from "../../ir/graph.ts";
import type { OnnxSchema } from "../../ir/onnx-schema.ts";
import { listOf, T } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Emitter } from "./control-flow.ts";
import type { OnnxLowering, ReadyNode } from "./lowering.ts";
import { withoutShape } from "./types.ts";

/** A node as it was made: its schema, what went in, its first result. */
export interface MadeNode {
  readonly schema: OnnxSchema;
  readonly operands: readonly (Value | undefined)[];
  readonly result: Value;
}

/** Gradients by operand, from the gradient `g` of the result `y`. */
type Backward = (b: Backwards, g: Value, y: Value, operands: readonly Value[]) => readonly Value[];

/** Words for derivatives. */
class Backwards {
  readonly #emit: Emitter;
  constructor(emit: Emitter) {
    this.#emit = emit;
  }
  of(op: string, ...operands: readonly Value[]): Value {
    return this.#emit.onnx(op, operands, withoutShape(operands[0]?.type ?? T.Tensor));
  }
  aten(op: string, ...operands: readonly (Value | undefined)[]): Value {
    return this.#emit.op(op, operands, withoutShape(operands[0]?.type ?? T.Tensor));
  }
  /** `g` summed over the axes along which `like` was broadcast. */
  to(like: Value, g: Value): Value {
    return this.aten("aten::sum_to_size", g, this.#emit.op("aten::size", [like], listOf(T.int)));
  }
  turned(x: Value): Value {
    return this.aten("aten::transpose.int", x, this.#emit.int(-2), this.#emit.int(-1));
  }
}

const RULES: Readonly<Record<string, Backward>> = {
  Identity: (_b, g) => [g],
  Neg: (b, g) => [b.of("Neg", g)],
  Add: (b, g, _y, [a, c]) => [a, c].flatMap((x) => (x === undefined ? [] : [b.to(x, g)])),
  Sum: (b, g, _y, operands) => operands.map((x) => b.to(x, g)),
  Sub: (b, g, _y, [a, c]) => (a === undefined || c === undefined ? [] : [b.to(a, g), b.to(c, b.of("Neg", g))]),
  Mul: (b, g, _y, [a, c]) => (a === undefined || c === undefined ? [] : [b.to(a, b.of("Mul", g, c)), b.to(c, b.of("Mul", g, a))]),
  Div: (b, g, y, [a, c]) => (a === undefined || c === undefined ? [] : [b.to(a, b.of("Div", g, c)), b.to(c, b.of("Neg", b.of("Div", b.of("Mul", g, y), c)))]),
  MatMul: (b, g, _y, [a, c]) => (a === undefined || c === undefined ? [] : [b.to(a, b.of("MatMul", g, b.turned(c))), b.to(c, b.of("MatMul", b.turned(a), g))]),
  Exp: (b, g, y) => [b.of("Mul", g, y)],
  Log: (b, g, _y, [x]) => (x === undefined ? [] : [b.of("Div", g, x)]),
  Sqrt: (b, g, y) => [b.of("Div", g, b.of("Add", y, y))],
  Tanh: (b, g, y) => [b.of("Sub", g, b.of("Mul", g, b.of("Mul", y, y)))],
  Sigmoid: (b, g, y) => [b.of("Mul", g, b.of("Sub", y, b.of("Mul", y, y)))],
  Relu: (b, g, y) => [b.of("Mul", g, b.of("Sign", y))],
};

/** The results of a Gradient node; undefined for any other. @throws unsupported-op for an op that has no derivative here */
export function lowerGradient(lowering: OnnxLowering, node: ReadyNode): Value[] | undefined {
  const { schema, scope, operands } = node;
  if (schema.domain !== "ai.onnx.preview.training" || schema.name !== "Gradient") return undefined;
  const names = (attribute: string): readonly string[] => {
    const value = node.attributes.get(attribute)?.value;
    return value?.kind === "strings"
      ? value.value.map((text) => new TextDecoder().decode(text))
      : value?.kind === "string"
        ? [new TextDecoder().decode(value.value)]
        : [];
  };
  const xs = names("xs").map((name) => scope.need(name));
  const fixed = names("zs").map((name) => scope.need(name));
  const given = [...xs, ...fixed];
  if (operands.length !== given.length)
    throw new OpwiseError("bad-onnx", "Gradient is given other inputs than `xs` and `zs` name", {
      wanted: `${given.length} inputs`,
      got: String(operands.length),
    });
  const [target] = names("y").map((name) => scope.need(name));
  if (target === undefined) throw new OpwiseError("bad-onnx", "Gradient lacks `y`");

  /** A value on the node's inputs: the same where none of the named ones is in it. */
  const again = new Map<Value, Value>(given.map((value, i) => [value, operands[i] ?? value]));
  const order: MadeNode[] = [];
  const remake = (root: Value): void => {
    const stack = [root];
    for (let value = stack.at(-1); value !== undefined; value = stack.at(-1)) {
      const made = lowering.made.get(value);
      const open = again.has(value) || made === undefined ? [] : made.operands.filter((o) => o !== undefined && !again.has(o));
      if (open.length > 0) {
        for (const operand of open) if (operand !== undefined) stack.push(operand);
        continue;
      }
      stack.pop();
      if (again.has(value)) continue;
      if (made === undefined) {
        again.set(value, value);
        continue;
      }
      const changed = made.operands.map((o) => (o === undefined ? undefined : (again.get(o) ?? o)));
      const result = changed.every((o, i) => o === made.operands[i]) ? value : lowering.remade(value, changed);
      again.set(value, result);
      order.push({ schema: made.schema, operands: changed, result });
    }
  };
  remake(target);

  const inputs = new Set(xs.map((x) => again.get(x)));
  const depends = new Set<Value | undefined>(inputs);
  for (const made of order) if (made.operands.some((o) => depends.has(o))) depends.add(made.result);

  const emit = new Emitter(lowering, node);
  const words = new Backwards(emit);
  const y = again.get(target) ?? target;
  const gradients = new Map<Value, Value>([[y, words.aten("aten::ones_like", y, undefined, undefined, undefined, undefined, undefined)]]);
  for (const made of order.reverse()) {
    const g = gradients.get(made.result);
    if (g === undefined || !depends.has(made.result) || inputs.has(made.result)) continue;
    const rule =
      made.schema.domain === "" && (made.schema.since >= 7 || !["Add", "Sub", "Mul", "Div"].includes(made.schema.name)) ? RULES[made.schema.name] : undefined;
    if (rule === undefined)
      throw new OpwiseError("unsupported-op", `Gradient goes through \`${made.schema.name}-${made.schema.since}\`, which has no derivative here`, {
        wanted: Object.keys(RULES).join(", "),
      });
    const into = made.operands.flatMap((o) => (o === undefined ? [] : [o]));
    rule(words, g, made.result, into).forEach((part, i) => {
      const operand = into[i];
      if (operand === undefined || !depends.has(operand)) return;
      const before = gradients.get(operand);
      gradients.set(operand, before === undefined ? part : words.of("Add", before, part));
    });
  }
  return xs.map((x) => {
    const own = again.get(x) ?? x;
    return gradients.get(own) ?? words.aten("aten::zeros_like", own, undefined, undefined, undefined, undefined, undefined);
  });
}
