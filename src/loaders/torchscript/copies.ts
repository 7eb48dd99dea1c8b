/** Copies of a file. Tracing writes a file for each module, and most of a model's differ in nothing but the name of their class: their trees and graphs are made once. */

import type { ClassType } from "../../ir/class-type.ts";
import type { Block, Node, Value } from "../../ir/graph.ts";
import { printType } from "../../ir/type.ts";
import { unreachable } from "../../tensor/error.ts";
import { placeIn, type SourceText } from "./source-text.ts";

/** A file's text, of the same length, where the methods of its only class do not say that `self` is of that class. */
export function withoutOwnName(text: string, namespace: string): string {
  const name = /^class (\w+)\(/.exec(text)?.[1];
  if (name === undefined || /\n(?:class|def) /.test(text)) return text;
  const own = `(self: ${namespace}.${name}`;
  return [",", ")"].reduce((rest, next) => rest.replaceAll(own + next, "(self".padEnd(own.length) + next), text);
}

/** Whether `graphFor` can make another class's graph of a method of `cls`: types may be the class, and mention it no other way. */
export function isCopyable(cls: ClassType, { nodes }: Block): boolean {
  return nodes.every((node) => node.blocks.length === 0 && node.results.every(({ type }) => type === cls || !printType(type).includes(cls.name)));
}

/** The graph of a method of `from`, which is copyable, as that of the same method of `to`, a class of the same code in `source`. */
export function graphFor(to: ClassType, source: SourceText, from: ClassType, { inputs, nodes, outputs }: Block): Block {
  const values = new Map<Value, Value>();
  const define = (value: Value): Value => {
    const copy = { id: value.id, type: value.type === from ? to : value.type, name: value.name };
    values.set(value, copy);
    return copy;
  };
  const use = (value: Value): Value => values.get(value) ?? unreachable("a value of the graph");
  const copyNode = ({ op, operands, attributes, results, blocks, schema, name, location }: Node): Node => ({
    op,
    operands: operands.map((operand) => operand && use(operand)),
    attributes,
    results: results.map(define),
    blocks,
    schema,
    name,
    location: placeIn(location, source),
  });
  return { inputs: inputs.map(define), nodes: nodes.map(copyNode), outputs: outputs.map(use) };
}
