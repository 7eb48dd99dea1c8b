/**
 * The types of a file that has bytecode and no code. Nothing in it declares classes: an attribute's type is what all stored objects and all
 * stores of the bytecode have in common.
 */

import { addAttribute, type ClassAttribute, type ClassType, type EnumType, makeClass } from "../../ir/class-type.ts";
import type { Template } from "../../ir/template.ts";
import { isSubtype, optionalOf, sameType, T, tupleOf, type Type, unionOf } from "../../ir/type.ts";
import { typeOfTemplate } from "../../ir/template-type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { FOREIGN_PREFIX, foreignClass } from "../torchscript/foreign.ts";
import { fits } from "../torchscript/objects.ts";
import { parseType } from "../torchscript/type-expression.ts";

/** A union of more members than this says nothing useful. */
const MAX_MEMBERS = 8;

/** The smallest type that holds both, a union where nothing smaller does. */
export function joinTypes(a: Type, b: Type): Type {
  if (isSubtype(a, b)) return b;
  if (isSubtype(b, a)) return a;
  if (a.kind === "None") return optionalOf(b);
  if (b.kind === "None") return optionalOf(a);
  if (a.kind === "Optional" || b.kind === "Optional") {
    return optionalOf(joinTypes(a.kind === "Optional" ? a.elem : a, b.kind === "Optional" ? b.elem : b));
  }
  if (a.kind === "Tuple" && b.kind === "Tuple" && a.elems.length === b.elems.length) {
    return tupleOf(a.elems.map((elem, i) => joinTypes(elem, b.elems[i] ?? T.Any)));
  }
  const union = unionOf([a, b]);
  return union.kind === "Union" && union.members.length > MAX_MEMBERS ? T.Any : union;
}

/** Slots of a class whose names no file tells. */
const MAX_UNNAMED = 4096;

/** Whether a stored value is one of `type`, tuples item by item; items of lists and dicts were checked when they were read. */
export function holds(type: Type, value: Template): boolean {
  if (!fits(value, type)) return false;
  const inner = type.kind === "Optional" ? type.elem : type;
  if (value.kind !== "tuple" || (inner.kind !== "Tuple" && inner.kind !== "NamedTuple")) return true;
  return value.items.every((item, i) => holds(inner.elems[i] ?? T.Any, item));
}

export class MobileUnit {
  readonly classes: Map<string, Type> = new Map();
  /** Slots whose type nothing has told yet. */
  readonly #texts = new Map<string, Type>();
  readonly #restoring = new Set<string>();
  readonly #unset = new Set<string>();
  /** Whether a type has grown since this was last cleared: what was lowered before may be wrong. */
  grown = false;

  /** The class of a qualified name, made when first named. */
  classNamed(name: string): ClassType {
    const type = this.typeNamed(name);
    if (type?.kind === "Class") return type;
    throw new OpwiseError("bad-model", `\`${name}\` is no class`);
  }

  typeNamed(name: string): Type | undefined {
    const known = this.classes.get(name);
    if (known !== undefined) return known;
    if (!name.startsWith("__torch__.")) return undefined;
    const made = name.startsWith(FOREIGN_PREFIX) ? foreignClass(name) : makeClass(name, true);
    this.classes.set(name, made);
    return made;
  }

  typeOfText(text: string, record: string): Type {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const type = parseType(text, (name) => this.typeNamed(name), record);
    this.#texts.set(text, type);
    if (type.kind === "NamedTuple") this.classes.set(type.name, type);
    return type;
  }

  /** Gives a class its slot `slot`; all objects of a class have the same ones. @throws bad-model */
  addSlot(cls: ClassType, slot: number, name: string): void {
    if (slot < cls.attributes.length) {
      if (cls.attributes[slot]?.name === name) return;
      throw new OpwiseError("bad-model", `two objects of \`${cls.name}\` have different attributes`, { wanted: cls.attributes[slot]?.name, got: name });
    }
    if (cls.slots.has(name)) throw new OpwiseError("bad-model", `\`${cls.name}\` has the attribute \`${name}\` twice`);
    addAttribute(cls, name, T.None);
    this.#unset.add(`${cls.name}.${slot}`);
  }

  /** Objects of the class `name` are restored by its `__setstate__`. */
  restores(name: string): void {
    this.#restoring.add(name);
  }
  hasSetState(cls: ClassType): boolean {
    return this.#restoring.has(cls.name);
  }

  /** A stored object has this attribute. @returns its slot */
  declare(cls: ClassType, slot: number, name: string, value: Template): number {
    this.addSlot(cls, slot, name);
    this.hold(cls, slot, value.kind === "foreign" ? this.classNamed(value.className) : typeOfTemplate(value));
    // Bytecode does not tell parameters from buffers; the flag is what is left of the difference.
    if (value.kind === "tensor") (value.tensor.requiresGrad ? cls.parameters : cls.buffers).add(name);
    return slot;
  }

  /** The attribute in a slot. Of a class that restores itself the file tells no names: its slots are those that the code uses. @throws bad-model */
  attributeAt(cls: ClassType, slot: number): ClassAttribute {
    if (this.hasSetState(cls) && slot >= cls.attributes.length && slot < MAX_UNNAMED) {
      for (let next = cls.attributes.length; next <= slot; next++) this.addSlot(cls, next, `slot ${next}`);
      this.grown = true;
    }
    const attribute = cls.attributes[slot];
    if (attribute === undefined) throw new OpwiseError("bad-model", `\`${cls.name}\` has no slot ${slot}`);
    return attribute;
  }

  /** Values of `type` are put into a slot: its type grows to hold them. */
  hold(cls: ClassType, slot: number, type: Type): void {
    const attribute = this.attributeAt(cls, slot);
    const wanted = this.#unset.delete(`${cls.name}.${slot}`) ? type : joinTypes(attribute.type, type);
    if (sameType(wanted, attribute.type)) return;
    cls.attributes[slot] = { name: attribute.name, type: wanted };
    this.grown = true;
  }

  /** The member of an enum that has this value. Files without code keep no members' names. */
  enumMember(name: string, value: Template): Template {
    const known = this.classes.get(name);
    let type: EnumType;
    if (known?.kind === "Enum") type = known;
    else {
      type = { kind: "Enum", name, value: typeOfTemplate(value), members: [] };
      this.classes.set(name, type);
    }
    const label = value.kind === "int" || value.kind === "float" || value.kind === "str" ? `value ${value.value}` : value.kind;
    if (!type.members.some((member) => member.name === label)) type.members.push({ name: label, value });
    return { kind: "enum", type, member: label };
  }
}
