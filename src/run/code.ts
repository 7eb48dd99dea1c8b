/** Linked code: what the machine executes. Registers are numbers, constants are data, every op is bound. */

import type { ClassType } from "../ir/class-type.ts";
import type { Datum } from "../ir/datum.ts";
import type { FunctionDecl, Node } from "../ir/graph.ts";
import type { Type } from "../ir/type.ts";
import type { BoundOp } from "../ops/registry.ts";
import type { Adapter } from "./coerce.ts";

/** Where an operand comes from: a register (>= 0), or a constant. */
export interface Operand {
  readonly register: number;
  readonly constant: Datum;
  readonly adapt: Adapter | undefined;
}

interface Common {
  readonly node: Node;
  readonly operands: readonly Operand[];
  readonly results: readonly number[];
  /** Registers that nobody reads after this instruction. */
  readonly kills: readonly number[];
}

export type Instruction =
  | (Common & { readonly kind: "op"; readonly bound: BoundOp })
  /** An op that this build has no meaning for; running it is the error. */
  | (Common & { readonly kind: "missing" })
  /** A pure rearrangement of data. */
  | (Common & { readonly kind: "data"; readonly run: (args: readonly Datum[]) => readonly Datum[] })
  | (Common & { readonly kind: "constant"; readonly value: Datum })
  | (Common & { readonly kind: "if"; readonly blocks: readonly CodeBlock[] })
  | (Common & { readonly kind: "loop"; readonly body: CodeBlock })
  | (Common & { readonly kind: "call"; readonly callee: () => LinkedFunction })
  | (Common & {
      readonly kind: "method";
      readonly name: string;
      /** The method `name`, or another of the object's class. */
      readonly lookup: (cls: ClassType, method?: string) => LinkedFunction;
      /** Set where a `with` block begins and ends. */
      readonly context: "enter" | "exit" | undefined;
    })
  | (Common & { readonly kind: "fork"; readonly body: CodeBlock })
  | (Common & { readonly kind: "wait" })
  | (Common & { readonly kind: "raise" })
  | (Common & { readonly kind: "getattr"; readonly name: string })
  | (Common & { readonly kind: "setattr"; readonly name: string });

export interface CodeBlock {
  readonly inputs: readonly number[];
  readonly instructions: readonly Instruction[];
  readonly outputs: readonly Operand[];
}

export interface LinkedFunction {
  readonly decl: FunctionDecl;
  readonly body: CodeBlock;
  readonly registers: number;
  /** Adapters of the arguments a caller passes, by parameter: none; callers adapt. */
  readonly params: readonly { readonly name: string; readonly type: Type }[];
}
