/** What each instruction of mobile bytecode that does not jump makes of the stack. */

import type { ClassType, InterfaceType } from "../../ir/class-type.ts";
import type { Value } from "../../ir/graph.ts";
import type { Template } from "../../ir/template.ts";
import { dictOf, isSubtype, listOf, printType, T, tupleOf, type TupleType, type Type, unionOf } from "../../ir/type.ts";
import type { Instruction, Opcode } from "./bytecode.ts";
import { type BytecodeLowering, type Slot, type Test, UNSET } from "./lowering.ts";
import { callOperator, callSchema } from "./operators.ts";
import { joinTypes } from "./unit.ts";

/** Larger types say that a file is hostile: a tuple of itself doubles with every instruction. */
const MAX_TYPE_SIZE = 1 << 16;

const sizes = new WeakMap<Type, number>();

/** Nodes of a type written out. */
function sizeOf(type: Type): number {
  if (type.kind !== "Tuple") return 1;
  let size = sizes.get(type);
  if (size === undefined) {
    size = type.elems.reduce((sum, elem) => sum + sizeOf(elem), 1);
    sizes.set(type, size);
  }
  return size;
}

/** The type `x` of the function's table. */
function typeAt(l: BytecodeLowering, x: number): Type {
  const text = l.fn.types[x];
  return text === undefined ? l.fail(`there is no type ${x}`) : l.context.unit.typeOfText(text, l.fn.name);
}

function constantAt(l: BytecodeLowering, x: number): Template {
  return l.fn.constants[x] ?? l.fail(`there is no constant ${x}`);
}

/** The int that an operand is known to be. */
function knownInt(l: BytecodeLowering, slot: Slot, what: string): number {
  const value = slot === UNSET ? undefined : l.constants.get(slot);
  if (value?.kind !== "int" || typeof value.value !== "number") return l.fail(`${what} is no constant int`);
  return value.value;
}

/** The only type of `kinds` that a value of `type` can be. */
function memberOf<K extends Type["kind"]>(type: Type, kinds: readonly K[]): Extract<Type, { kind: K }> | undefined {
  const fits = (t: Type): t is Extract<Type, { kind: K }> => kinds.some((kind) => kind === t.kind);
  if (fits(type)) return type;
  if (type.kind === "Optional") return memberOf(type.elem, kinds);
  if (type.kind !== "Union") return undefined;
  const found = type.members.filter(fits);
  return found.length === 1 ? found[0] : undefined;
}

function asTuple(l: BytecodeLowering, slot: Slot): { readonly value: Value; readonly elems: readonly Type[] } {
  const type = slot === UNSET ? undefined : memberOf(slot.type, ["Tuple", "NamedTuple"]);
  if (type === undefined) return l.fail("a tuple was expected", { got: slot === UNSET ? "nothing" : printType(slot.type) });
  return { value: l.cast(slot, type), elems: type.elems };
}

/** The object of an attribute access. */
function asObject(l: BytecodeLowering, slot: Slot): { readonly value: Value; readonly cls: ClassType } {
  const type = slot === UNSET ? undefined : memberOf(slot.type, ["Class"]);
  if (type === undefined) return l.fail("an object was expected", { got: slot === UNSET ? "nothing" : printType(slot.type) });
  return { value: l.cast(slot, type), cls: type };
}

function tupleConstruct(l: BytecodeLowering, items: readonly Slot[], wanted?: Type): void {
  const elems = wanted?.kind === "NamedTuple" || wanted?.kind === "Tuple" ? wanted.elems : undefined;
  if (elems !== undefined && elems.length !== items.length)
    l.fail("a tuple has the wrong number of elements", { wanted: `${elems.length}`, got: `${items.length}` });
  const values = items.map((item, i) => l.cast(item, elems?.[i] ?? (item === UNSET ? T.Any : item.type)));
  const type = wanted ?? tupleOf(values.map((value) => value.type));
  if (sizeOf(type) > MAX_TYPE_SIZE) l.fail("a tuple's type is too large", {}, "limit-exceeded");
  l.push(l.one("prim::TupleConstruct", values, type));
}

/** `is` and `is not`: a test for None narrows what is tested. */
function identity(l: BytecodeLowering, negated: boolean): void {
  const [a, b] = l.popMany(2) as [Slot, Slot]; // two were asked for
  const [left, right] = [l.cast(a, T.Any), l.cast(b, T.Any)];
  const [result] = callSchema(l, negated ? "aten::__isnot__" : "aten::__is__", [left, right]);
  if (result === undefined) return l.fail("an identity test has no result");
  l.push(result);
  const value = right.type.kind === "None" ? a : left.type.kind === "None" ? b : UNSET;
  if (value !== UNSET && value.type.kind === "None") l.decided.set(result, !negated);
  if (value === UNSET || value.type.kind !== "Optional") return;
  const some = value.type.elem;
  l.tests.set(result, negated ? { value, holds: some, fails: undefined } : { value, holds: undefined, fails: some });
}

function isInstance(l: BytecodeLowering, { x, n }: Instruction): void {
  const value = l.popValue();
  const types = Array.from({ length: n }, (_, i) => typeAt(l, x + i));
  const result = l.one("prim::isinstance", [value], T.bool, {
    types: { kind: "list", elem: T.Any, items: types.map((type): Template => ({ kind: "type", type })) },
  });
  l.push(result);
  const members = value.type.kind === "Union" ? value.type.members : value.type.kind === "Optional" ? [value.type.elem, T.None] : [];
  const inside = members.filter((member) => types.some((type) => isSubtype(member, type)));
  const outside = members.filter((member) => !inside.includes(member));
  const test: Test = {
    value,
    holds: inside.length > 0 ? unionOf(inside) : types.length > 0 ? unionOf(types) : undefined,
    fails: inside.length > 0 && outside.length > 0 ? unionOf(outside) : undefined,
  };
  l.tests.set(result, test);
}

function not(l: BytecodeLowering): void {
  const value = l.cast(l.pop(), T.bool);
  const [result] = callSchema(l, "aten::__not__", [value]);
  if (result === undefined) return l.fail("a negation has no result");
  l.push(result);
  const decided = l.decided.get(value);
  if (decided !== undefined) l.decided.set(result, !decided);
  const test = l.tests.get(value);
  if (test !== undefined) l.tests.set(result, { value: test.value, holds: test.fails, fails: test.holds });
}

function getAttribute(l: BytecodeLowering, slot: number): void {
  const { value, cls } = asObject(l, l.pop());
  const attribute = l.context.unit.attributeAt(cls, slot);
  const result = l.one("prim::GetAttr", [value], attribute.type, { name: { kind: "str", value: attribute.name } });
  result.name = attribute.name;
  l.push(result);
}

function setAttribute(l: BytecodeLowering, slot: number): void {
  const [object, given] = l.popMany(2) as [Slot, Slot]; // two were asked for
  const { value, cls } = asObject(l, object);
  if (given !== UNSET) l.context.unit.hold(cls, slot, given.type);
  const attribute = l.context.unit.attributeAt(cls, slot);
  l.node("prim::SetAttr", [value, l.cast(given, attribute.type)], [], { attributes: { name: { kind: "str", value: attribute.name } } });
}

/** Calls a method by name on an object whose class may be open: then on an interface of all that have the method. */
function interfaceCall(l: BytecodeLowering, { x, n }: Instruction): void {
  const named = constantAt(l, x);
  if (named.kind !== "str" || n < 1) return l.fail("a method call has no name");
  const [object, ...args] = l.popMany(n) as [Slot, ...Slot[]]; // one at least
  const name = named.value;
  const type = object === UNSET ? T.None : object.type;
  const candidates = classesOf(type, l).filter((cls) => cls.methods.has(name));
  const [first] = candidates;
  const decl = first?.methods.get(name);
  if (first === undefined || decl === undefined) return l.fail(`no object here has the method \`${name}\``, { got: printType(type) });
  let receiver: Type = first;
  let returns = decl.returns;
  const params = decl.params.slice(1);
  if (params.length !== args.length) return l.fail(`\`${name}\` takes ${params.length} arguments`, { got: `${args.length}` });
  if (candidates.length > 1) {
    returns = candidates.reduce((sum: Type, cls) => joinTypes(sum, cls.methods.get(name)?.returns ?? sum), returns);
    const made: InterfaceType = { kind: "Interface", name: `interface of ${name}`, isModule: true, methods: [{ name, params, returns }] };
    receiver = made;
  }
  const operands = [l.cast(object, receiver), ...args.map((arg, i) => l.cast(arg, params[i]?.type ?? T.Any))];
  l.push(l.one("prim::CallMethod", operands, returns, { name: { kind: "str", value: name } }));
}

/** The classes a value may be of; all of the file's where its type says nothing. */
function classesOf(type: Type, l: BytecodeLowering): ClassType[] {
  if (type.kind === "Class") return [type];
  if (type.kind === "Optional") return classesOf(type.elem, l);
  if (type.kind === "Union") return type.members.flatMap((member) => classesOf(member, l));
  if (type.kind !== "Any") return [];
  l.context.spend(l.context.unit.classes.size);
  return [...l.context.unit.classes.values()].filter((cls) => cls.kind === "Class");
}

const TO_LIST_ELEMENTS: readonly Type[] = [T.int, T.float, T.bool, T.complex];
/** No tensor has more dimensions that `tolist` could unfold. */
const MAX_LIST_DEPTH = 64;

function toList(l: BytecodeLowering): void {
  const [tensor, dims, element] = l.popMany(3) as [Slot, Slot, Slot]; // three were asked for
  let type = TO_LIST_ELEMENTS[knownInt(l, element, "the element type of tolist")] ?? l.fail("tolist has an unknown element type");
  const depth = knownInt(l, dims, "the depth of tolist");
  if (depth < 0 || depth > MAX_LIST_DEPTH) return l.fail("tolist has an impossible depth", { got: `${depth}` });
  for (let i = 0; i < depth; i++) type = listOf(type);
  l.push(l.one("prim::tolist", [l.cast(tensor, T.Tensor)], type));
}

/** Instructions that are ops with a schema, by the number of their operands. */
const AS_OP: Partial<Record<Opcode, readonly [op: string, operands: number]>> = {
  DEVICE: ["prim::device", 1],
  DTYPE: ["prim::dtype", 1],
  DIM: ["aten::dim", 1],
  IS_CUDA: ["prim::is_cuda", 1],
  WARN: ["aten::warn", 2],
};

/** Operators of the table that are instructions of newer bytecode, or forms of the graph. */
const AS_INSTRUCTION: Readonly<Record<string, Opcode>> = {
  "prim::TupleIndex": "TUPLE_INDEX",
  "prim::RaiseException": "RAISE_EXCEPTION",
  "prim::unchecked_cast": "UNCHECKED_CAST",
  "prim::Uninitialized": "UN_INITIALIZED",
  "prim::tolist": "TO_LIST",
  "prim::NumToTensor": "NUM_TO_TENSOR",
  "aten::__is__": "__IS__",
  "aten::__isnot__": "__ISNOT__",
  "aten::__not__": "__NOT__",
};

/** Forms of the graph that bytecode has as operators. @returns whether it was one */
function form(l: BytecodeLowering, name: string, count: number | undefined): boolean {
  switch (name) {
    case "prim::TupleUnpack": {
      const { value, elems } = asTuple(l, l.pop());
      for (const item of l.node("prim::TupleUnpack", [value], elems)) l.push(item);
      return true;
    }
    case "prim::EnumValue": {
      const type = l.popValue();
      const of = memberOf(type.type, ["Enum"]) ?? l.fail("an enum was expected", { got: printType(type.type) });
      l.push(l.one("prim::EnumValue", [l.cast(type, of)], of.value));
      return true;
    }
    case "prim::EnumName":
      return l.fail("the name of an enum's member is asked for, which bytecode does not keep", {}, "unsupported-op");
    case "prim::ModuleContainerIndex": {
      const [container, key] = l.popMany(2) as [Slot, Slot]; // two were asked for
      const { value, cls } = asObject(l, container);
      const type = cls.attributes
        .filter((a) => a.type.kind === "Class")
        .reduce((sum: Type | undefined, a) => (sum === undefined ? a.type : joinTypes(sum, a.type)), undefined);
      l.push(l.one("prim::ModuleContainerIndex", [value, l.cast(key, key === UNSET ? T.int : key.type)], type ?? T.Any));
      return true;
    }
    case "prim::Print":
      l.node(
        "prim::Print",
        l.popMany(count ?? 1).map((slot) => l.cast(slot, slot === UNSET ? T.None : slot.type)),
        [],
      );
      return true;
    default:
      return false;
  }
}

/** Does what one instruction says. @throws bad-model, unsupported-op, limit-exceeded */
export function step(l: BytecodeLowering, instruction: Instruction): void {
  const { op, x, n } = instruction;
  switch (op) {
    case "OP":
    case "OPN": {
      const operator = l.fn.operators[x] ?? l.fail(`there is no operator ${x}`);
      const count = op === "OPN" ? n : operator.args;
      const same = Object.hasOwn(AS_INSTRUCTION, operator.name) ? AS_INSTRUCTION[operator.name] : undefined;
      if (same !== undefined) return step(l, { op: same, x: count ?? 1, n: 0 });
      if (!form(l, operator.name, count)) callOperator(l, operator, op === "OPN" ? n : undefined);
      return;
    }
    case "LOAD":
      return l.push(l.load(x));
    case "MOVE":
      l.push(l.load(x));
      return l.store(x, undefined);
    case "STORE":
      return l.store(x, l.pop());
    case "STOREN":
      for (const [i, slot] of l.popMany(n).entries()) l.store(x + i, slot);
      return;
    case "DROP":
      l.pop();
      return;
    case "DROPR":
      return l.store(x, undefined);
    case "LOADC":
      l.push(l.constant(constantAt(l, x)));
      return;
    case "GET_ATTR":
      return getAttribute(l, x);
    case "SET_ATTR":
      return setAttribute(l, x);
    case "INTERFACE_CALL":
      return interfaceCall(l, instruction);
    case "LIST_UNPACK": {
      const list = l.popValue();
      const type = memberOf(list.type, ["List"]) ?? listOf(T.Any);
      if (x < 0 || x > l.context.limits.maxNodes) return l.fail("a list is unpacked into too many values", {}, "limit-exceeded");
      l.context.spend(x);
      for (const item of l.node(
        "prim::ListUnpack",
        [l.cast(list, type)],
        Array.from({ length: x }, () => type.elem),
      ))
        l.push(item);
      return;
    }
    case "TUPLE_CONSTRUCT":
      return tupleConstruct(l, l.popMany(x));
    case "NAMED_TUPLE_CONSTRUCT":
      return tupleConstruct(l, l.popMany(n), typeAt(l, x));
    case "LIST_CONSTRUCT": {
      const type = typeAt(l, x);
      if (type.kind !== "List") return l.fail("a list is made with another type", { got: printType(type) });
      l.push(
        l.one(
          "prim::ListConstruct",
          l.popMany(n).map((item) => l.cast(item, type.elem)),
          type,
        ),
      );
      return;
    }
    case "DICT_CONSTRUCT": {
      const type = typeAt(l, x);
      if (type.kind !== "Dict") return l.fail("a dict is made with another type", { got: printType(type) });
      const items = l.popMany(n).map((item, i) => l.cast(item, i % 2 === 0 ? type.key : type.value));
      l.push(l.one("prim::DictConstruct", items, dictOf(type.key, type.value)));
      return;
    }
    case "CREATE_OBJECT": {
      const type = typeAt(l, x);
      if (type.kind !== "Class") return l.fail("an object is made of no class", { got: printType(type) });
      l.push(l.one("prim::CreateObject", [], type));
      return;
    }
    case "ISINSTANCE":
      return isInstance(l, instruction);
    case "TUPLE_SLICE": {
      const { value, elems } = asTuple(l, l.pop());
      if (x < 0 || x + n > elems.length) return l.fail("a slice reaches out of its tuple");
      const type: TupleType = tupleOf(elems.slice(x, x + n));
      l.push(l.one("prim::TupleSlice", [value], type, { begin: { kind: "int", value: x }, end: { kind: "int", value: x + n } }));
      return;
    }
    case "TUPLE_INDEX": {
      const at = knownInt(l, l.pop(), "the index into a tuple");
      const { value, elems } = asTuple(l, l.pop());
      const index = at < 0 ? at + elems.length : at;
      const type = elems[index] ?? l.fail("Tuple index out of range", { got: `${at} of ${elems.length}` });
      l.push(l.one("prim::TupleIndex", [value], type, { index: { kind: "int", value: index } }));
      return;
    }
    case "RAISE_EXCEPTION": {
      // Nothing else is on the stack of a block that raises: the text, and the class where the bytecode is new enough.
      const [message, cls] = l.popBlock().slice(-2);
      if (message === undefined) return l.fail("an exception has no text");
      l.node("prim::RaiseException", [l.cast(message, T.str), ...(cls === undefined ? [] : [l.cast(cls, cls === UNSET ? T.str : cls.type)])], []);
      return;
    }
    case "DICT_INDEX": {
      const [dict, key] = l.popMany(2) as [Slot, Slot]; // two were asked for
      const type = dict === UNSET ? undefined : memberOf(dict.type, ["Dict"]);
      if (type === undefined) return l.fail("a dict was expected");
      const [item] = callSchema(l, `aten::__getitem__.Dict_${type.key.kind === "Device" ? "str" : type.key.kind}`, [l.cast(dict, type), l.cast(key, type.key)]);
      l.push(item ?? UNSET);
      return;
    }
    // Its type is not in the file; what is done with the value tells it.
    case "UNCHECKED_CAST":
      return;
    case "__IS__":
      return identity(l, false);
    case "__ISNOT__":
      return identity(l, true);
    case "__NOT__":
      return not(l);
    case "UN_INITIALIZED":
      return l.push(UNSET);
    case "FORMAT":
      for (const result of callSchema(l, "aten::format", l.popMany(x))) l.push(result);
      return;
    case "TO_LIST":
      return toList(l);
    case "NUM_TO_TENSOR": {
      const value = l.popValue(T.number);
      for (const result of callSchema(l, value.type.kind === "bool" ? "prim::NumToTensor.bool" : "prim::NumToTensor.Scalar", [value])) l.push(result);
      return;
    }
    default: {
      const as = AS_OP[op];
      if (as === undefined) return l.fail(`${op} is not supported in mobile module.`, {}, "unsupported-op");
      for (const result of callSchema(l, as[0], l.popMany(as[1]))) l.push(result);
    }
  }
}
