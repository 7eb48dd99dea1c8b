/** The zip form of mobile bytecode: `bytecode.pkl`, a tuple of the version and one tuple per function. */

import { itemsOf, type PickleValue, safeIntOf, stringOf } from "../../bytes/pickle-value.ts";
import type { Template } from "../../ir/template.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { type BytecodeFunction, type BytecodeParam, type Instruction, type OperatorRef, OPCODES, type Opcode } from "./bytecode.ts";

const RECORD = "bytecode.pkl";

function fail(message: string, got?: string): never {
  throw new OpwiseError("bad-model", message, { where: { record: RECORD }, got });
}

function isOpcode(name: string): name is Opcode {
  return (OPCODES as readonly string[]).includes(name);
}

/** A table: a tuple of (name, value) pairs. */
function tableOf(value: PickleValue): Map<string, PickleValue> {
  return new Map(
    itemsOf(value).map((pair) => {
      const [key, entry] = itemsOf(pair);
      return key === undefined || entry === undefined ? fail("a table is not made of pairs") : [stringOf(key), entry];
    }),
  );
}

function instructionOf(value: PickleValue): Instruction {
  const [name, x, n] = itemsOf(value);
  if (name === undefined || x === undefined) return fail("an instruction is not (name, X, N)");
  const op = stringOf(name);
  if (!isOpcode(op)) return fail("there is no such instruction", op.slice(0, 40));
  return { op, x: safeIntOf(x), n: n === undefined ? 0 : safeIntOf(n) };
}

function operatorOf(value: PickleValue): OperatorRef {
  const [name, overload, args] = itemsOf(value);
  if (name === undefined || overload === undefined) return fail("an operator is not (name, overload)");
  return { name: stringOf(name), overload: stringOf(overload), args: args === undefined ? undefined : safeIntOf(args) };
}

function functionOf(value: PickleValue, read: (value: PickleValue) => Template): BytecodeFunction {
  const [name, code, schema] = itemsOf(value);
  if (name === undefined || code === undefined) return fail("a function is not (name, code, schema)");
  const table = tableOf(code);
  const items = (key: string): readonly PickleValue[] => {
    const found = table.get(key);
    return found === undefined ? fail(`\`${stringOf(name)}\` has no table \`${key}\``) : itemsOf(found);
  };
  const facts = schema === undefined || schema.kind === "none" ? undefined : tableOf(schema);
  const params = (key: string): BytecodeParam[] | undefined => {
    const found = facts?.get(key);
    return found === undefined
      ? undefined
      : itemsOf(found).map((entry): BytecodeParam => {
          const param = tableOf(entry);
          const value = param.get("default_value");
          const type = param.get("type");
          const label = param.get("name");
          return {
            name: label === undefined ? "" : stringOf(label),
            type: type === undefined ? "Any" : stringOf(type),
            default: value === undefined || value.kind === "none" ? undefined : read(value),
          };
        });
  };
  const returns = params("returns");
  if (returns !== undefined && returns.length > 1) return fail(`\`${stringOf(name)}\` returns more than one value`);
  return {
    name: stringOf(name),
    instructions: items("instructions").map(instructionOf),
    operators: items("operators").map(operatorOf),
    constants: items("constants").map(read),
    types: items("types").map(stringOf),
    params: params("arguments"),
    returns: returns?.[0]?.type,
  };
}

/** The bytecode's version. @throws bad-model */
export function bytecodeVersionOf(value: PickleValue): number {
  const [version] = itemsOf(value);
  return version?.kind === "int" ? safeIntOf(version) : fail("the bytecode has no version");
}

/** The functions; `read` makes templates of constants. @throws bad-model, bad-pickle */
export function bytecodeFunctionsOf(value: PickleValue, read: (value: PickleValue) => Template): BytecodeFunction[] {
  return itemsOf(value)
    .slice(1)
    .map((fn) => functionOf(fn, read));
}
