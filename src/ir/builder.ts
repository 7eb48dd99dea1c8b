/** Makes graphs: hands out value ids and appends nodes to the innermost open block. */

import type { Block, Location, Node, Value } from "./graph.ts";
import type { Schema } from "./schema.ts";
import type { Template } from "./template.ts";
import type { Type } from "./type.ts";

export interface NodeFacts {
  readonly attributes?: Readonly<Record<string, Template>>;
  readonly blocks?: readonly Block[];
  readonly schema?: Schema | undefined;
  readonly name?: string | undefined;
  readonly location?: Location | undefined;
}

/** A block that still takes nodes. */
export interface OpenBlock {
  readonly inputs: Value[];
  readonly nodes: Node[];
}

/** One per function: ids are unique in it. */
export class GraphBuilder {
  #next = 0;
  readonly #open: OpenBlock[] = [];

  value(type: Type, name?: string): Value {
    return { id: this.#next++, type, name };
  }

  /** Opens a block with inputs of the given types; nodes go into it until `close`. */
  open(inputs: readonly { readonly type: Type; readonly name?: string | undefined }[] = []): Value[] {
    const values = inputs.map((input) => this.value(input.type, input.name));
    this.#open.push({ inputs: values, nodes: [] });
    return values;
  }

  /** Closes the innermost block with its outputs. */
  close(outputs: readonly Value[]): Block {
    const block = this.#open.pop();
    if (block === undefined) throw new Error("close without open");
    return { inputs: block.inputs, nodes: block.nodes, outputs };
  }

  /** Sets the innermost block aside, open, until `resume`: both branches of an if are known before their outputs are. */
  suspend(): OpenBlock {
    const block = this.#open.pop();
    if (block === undefined) throw new Error("suspend without open");
    return block;
  }

  /** Makes a suspended block the innermost one again. */
  resume(block: OpenBlock): void {
    this.#open.push(block);
  }

  /** Appends a node with results of the given types. */
  node(op: string, operands: readonly (Value | undefined)[], results: readonly { readonly type: Type; readonly name?: string | undefined }[], facts: NodeFacts = {}): Value[] {
    const values = results.map((result) => this.value(result.type, result.name));
    this.append({
      op, operands, attributes: facts.attributes ?? {}, results: values, blocks: facts.blocks ?? [],
      schema: facts.schema, name: facts.name, location: facts.location,
    });
    return values;
  }

  /** Appends a node made elsewhere. */
  append(node: Node): void {
    const block = this.#open.at(-1);
    if (block === undefined) throw new Error("node outside a block");
    block.nodes.push(node);
  }

  constant(value: Template, type: Type, location?: Location): Value {
    const [result] = this.node("prim::Constant", [], [{ type }], { attributes: { value }, location });
    if (result === undefined) throw new Error("a constant has one result");
    return result;
  }
}
