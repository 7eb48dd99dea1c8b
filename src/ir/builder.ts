/** Makes graphs: hands out value ids and appends nodes to the innermost open block. */

import type { Block, Location, Node, Value } from "./graph.ts";
import type { Schema } from "./schema.ts";
import type { Template } from "./template.ts";
import type { Type } from "./type.ts";

export interface NodeFacts {
  readonly attributes?: Readonly<Record<string, Template>> | undefined;
  readonly blocks?: readonly Block[] | undefined;
  readonly schema?: Schema | undefined;
  readonly name?: string | undefined;
  readonly location?: Location | undefined;
}

/** What most nodes have none of, shared by all of them. */
const NO_ATTRIBUTES: Readonly<Record<string, Template>> = {};
const NO_BLOCKS: readonly Block[] = [];

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
    this.#add(op, operands, values, facts);
    return values;
  }

  /** Appends a node with one result. */
  one(op: string, operands: readonly (Value | undefined)[], type: Type, facts: NodeFacts = {}): Value {
    const value = this.value(type);
    this.#add(op, operands, [value], facts);
    return value;
  }

  #add(op: string, operands: readonly (Value | undefined)[], results: readonly Value[], facts: NodeFacts): void {
    const { attributes = NO_ATTRIBUTES, blocks = NO_BLOCKS, schema, name, location } = facts;
    this.append({ op, operands, attributes, results, blocks, schema, name, location });
  }

  /** Appends a node made elsewhere. */
  append(node: Node): void {
    const block = this.#open.at(-1);
    if (block === undefined) throw new Error("node outside a block");
    block.nodes.push(node);
  }

  constant(value: Template, type: Type, location?: Location): Value {
    return this.one("prim::Constant", [], type, { attributes: { value }, location });
  }
}
