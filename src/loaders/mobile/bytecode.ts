/** Mobile bytecode as both of its files hold it: functions of a stack machine, with tables of operators, constants and types. */

import type { Template } from "../../ir/template.ts";

/** LibTorch's opcodes by number (`instruction.h`). */
export const OPCODES = [
  "OP",
  "OPN",
  "LOAD",
  "MOVE",
  "STOREN",
  "STORE",
  "DROP",
  "DROPR",
  "LOADC",
  "JF",
  "JMP",
  "LOOP",
  "RET",
  "WAIT",
  "CALL",
  "GUARD",
  "TYPECHECK",
  "FAIL_GUARD",
  "PROFILE_OP",
  "TAIL_CALL",
  "INTERFACE_CALL",
  "GET_ATTR",
  "SET_ATTR",
  "LIST_UNPACK",
  "TUPLE_CONSTRUCT",
  "NAMED_TUPLE_CONSTRUCT",
  "LIST_CONSTRUCT",
  "DICT_CONSTRUCT",
  "CREATE_OBJECT",
  "ISINSTANCE",
  "TUPLE_SLICE",
  "TUPLE_INDEX",
  "RAISE_EXCEPTION",
  "DICT_INDEX",
  "UNCHECKED_CAST",
  "__IS__",
  "UN_INITIALIZED",
  "__ISNOT__",
  "FORMAT",
  "DEVICE",
  "DTYPE",
  "DIM",
  "__NOT__",
  "TO_LIST",
  "NUM_TO_TENSOR",
  "IS_CUDA",
  "FORK",
  "WARN",
  "ENTER",
  "EXIT",
  "AWAITABLE",
] as const;

export type Opcode = (typeof OPCODES)[number];

export interface Instruction {
  readonly op: Opcode;
  readonly x: number;
  readonly n: number;
}

export interface OperatorRef {
  /** `aten::add`. */
  readonly name: string;
  readonly overload: string;
  /** How many arguments the code gives; the others are the schema's defaults. Undefined: all of them (bytecode below 6). */
  readonly args: number | undefined;
}

export interface BytecodeParam {
  readonly name: string;
  /** Type text. */
  readonly type: string;
  readonly default: Template | undefined;
}

export interface BytecodeFunction {
  /** `__torch__.net.Net.forward`. */
  readonly name: string;
  readonly instructions: readonly Instruction[];
  readonly operators: readonly OperatorRef[];
  readonly constants: readonly Template[];
  /** Type texts. */
  readonly types: readonly string[];
  /** With `self` first. Undefined in bytecode without schemas. */
  readonly params: readonly BytecodeParam[] | undefined;
  readonly returns: string | undefined;
}

/** Versions of the bytecode that LibTorch has written. */
export const OLDEST_BYTECODE = 3;
export const NEWEST_BYTECODE = 9;
