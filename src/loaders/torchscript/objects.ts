/** Pickled objects of an archive as templates: identity kept, types checked against the declared ones, nothing run. */

import type { Limits } from "../../bytes/limits.ts";
import { type PickleResult, readPickle } from "../../bytes/pickle.ts";
import {
  describePickle,
  itemsOf,
  numberOf,
  type PickleObject,
  type PickleReduce,
  type PickleValue,
  stringEntries,
  stringOf,
} from "../../bytes/pickle-value.ts";
import type { ClassType } from "../../ir/class-type.ts";
import type { ObjectTemplate, StorageTemplate, Template } from "../../ir/template.ts";
import { typeOfTemplate } from "../../ir/template-type.ts";
import { isSubtype, listOf, printType, sameType, T, type Type } from "../../ir/type.ts";
import { torchOfDtype } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { dtypeOfGlobal, isTensor, isTensorGlobal, rebuildTensor, type StorageRef } from "../pickled-tensor.ts";
import { FOREIGN_PREFIX } from "./foreign.ts";
import { intTemplate } from "./lowering.ts";

const LISTS: Readonly<Record<string, Type>> = {
  "torch.jit._pickle.build_intlist": T.int,
  "torch.jit._pickle.build_doublelist": T.float,
  "torch.jit._pickle.build_boollist": T.bool,
  "torch.jit._pickle.build_tensorlist": T.Tensor,
  "__main__.IntList": T.int,
};
const TYPE_TAG = "torch.jit._pickle.restore_type_tag";
const QSCHEMES: Readonly<Record<string, number>> = {
  "torch.per_tensor_affine": 0,
  "torch.per_channel_affine": 1,
  "torch.per_tensor_symmetric": 2,
  "torch.per_channel_symmetric": 3,
  "torch.per_channel_affine_float_qparams": 4,
};

const KNOWN: ReadonlySet<string> = new Set([
  ...Object.keys(LISTS),
  ...Object.keys(QSCHEMES),
  TYPE_TAG,
  "builtins.complex",
  "__builtin__.complex",
  "torch.device",
  "torch.jit._pickle.build_tensor_from_id",
  "__main__.TensorID",
]);

/** Names that a pickle of an archive may refer to; classes of the archive itself are looked up later. */
function allowed(global: string): boolean {
  // Names in the place of a storage class are data too: they are refused as no known storage.
  return KNOWN.has(global) || isTensorGlobal(global) || global.startsWith("__torch__.") || /^torch\.\w+Storage$/.test(global);
}

/** Whether a template is a value of `type`, looking no deeper than its own kind. */
export function fits(value: Template, type: Type): boolean {
  switch (type.kind) {
    case "Any":
      return true;
    case "Optional":
      return value.kind === "none" || fits(value, type.elem);
    case "Union":
      return type.members.some((member) => fits(value, member));
    case "number":
      return value.kind === "int" || value.kind === "float" || value.kind === "complex";
    case "None":
      return value.kind === "none";
    case "int":
    case "float":
    case "bool":
    case "complex":
    case "str":
      return value.kind === type.kind;
    case "Device":
      return value.kind === "device";
    // An undefined tensor is pickled as None.
    case "Tensor":
      return value.kind === "tensor" || value.kind === "sparse" || value.kind === "none";
    case "List":
      return value.kind === "list" && (isSubtype(listOf(value.elem), type) || value.items.length === 0);
    case "Dict":
      return value.kind === "dict" && ((sameType(value.key, type.key) && sameType(value.value, type.value)) || value.entries.length === 0);
    case "Tuple":
    case "NamedTuple":
      return value.kind === "tuple" && value.items.length === type.elems.length;
    case "Class":
      return value.kind === "object" ? value.class === type : value.kind === "foreign" && value.className === type.name;
    case "Interface":
      return value.kind === "object" && isSubtype(value.class, type);
    case "Enum":
      return value.kind === "enum" && value.type === type;
    case "AnyList":
      return value.kind === "list";
    case "AnyTuple":
      return value.kind === "tuple";
    case "AnyClass":
      return value.kind === "object";
    case "AnyEnum":
      return value.kind === "enum";
    default:
      return value.kind === "none";
  }
}

/** The member of an optional or union that a container of `kind` would be. */
function expected(type: Type | undefined, kinds: readonly Type["kind"][]): Type | undefined {
  if (type === undefined || kinds.includes(type.kind)) return type;
  if (type.kind === "Optional") return expected(type.elem, kinds);
  if (type.kind !== "Union") return undefined;
  const found = type.members.filter((member) => kinds.includes(member.kind));
  return found.length === 1 ? found[0] : undefined;
}

/** Reads a pickle record. @throws unsafe-pickle, bad-pickle, truncated, limit-exceeded */
export function readArchivePickle(bytes: Uint8Array, record: string, limits: Limits): PickleResult {
  const pickle = readPickle(bytes, { allow: allowed, limits, record });
  if (pickle.end < bytes.length) throw new OpwiseError("bad-pickle", "bytes follow the pickle's end", { where: { record } });
  return pickle;
}

/** What the reader asks of the archive's types. */
export interface ObjectTypes {
  typeNamed(name: string): Type | undefined;
  typeOfText(text: string, record: string): Type;
  /** Archives without code: the object declares its attributes, in slot order. */
  declare?(cls: ClassType, slot: number, name: string, value: Template): void;
  /** Archives without code: whether a class restores its own state. */
  hasSetState?(cls: ClassType): boolean;
  /** Archives without code: the member of an enum by its value. */
  enumMember?(name: string, value: Template): Template;
}

/** Decodes one pickle record; storages are found by the caller. */
export class ObjectReader {
  readonly #unit: ObjectTypes;
  readonly #record: string;
  readonly #storageOf: (ref: StorageRef) => StorageTemplate;
  readonly #mapDevice: (device: string) => string;
  readonly #made = new Map<PickleValue, Template>();
  /** Tuples by the type that was wanted of them: one may stand in places of several types, and shared ones must not be multiplied out. */
  readonly #tuples = new Map<PickleValue, Map<Type | undefined, Template>>();
  /** Where in the object tree the reader is, for messages. */
  readonly #path: string[] = [];

  constructor(unit: ObjectTypes, record: string, storageOf: (ref: StorageRef) => StorageTemplate, mapDevice: (device: string) => string) {
    this.#unit = unit;
    this.#record = record;
    this.#storageOf = storageOf;
    this.#mapDevice = mapDevice;
  }

  #fail(
    code: "bad-model" | "bad-pickle" | "unsupported-format",
    message: string,
    facts: { wanted?: string; got?: string; hint?: string; cause?: unknown } = {},
  ): never {
    throw new OpwiseError(code, this.#path.length === 0 ? message : `${message} (\`${this.#path.slice(-8).join(".")}\`)`, {
      ...facts,
      where: { record: this.#record },
    });
  }

  /** The template of `value`, which is to be a `wanted`. @throws bad-model, bad-pickle, bad-tensor, bad-code */
  read(value: PickleValue, wanted?: Type): Template {
    const known = this.#made.get(value);
    const made = known ?? this.#make(value, wanted);
    if (wanted !== undefined && !fits(made, wanted)) {
      this.#fail("bad-model", "a stored value does not have its declared type", {
        wanted: printType(wanted),
        got: made.kind === "object" ? made.class.name : printType(typeOfTemplate(made)),
      });
    }
    return made;
  }

  #inside<R>(step: string, work: () => R): R {
    this.#path.push(step);
    const result = work();
    this.#path.pop();
    return result;
  }

  #make(value: PickleValue, wanted: Type | undefined): Template {
    switch (value.kind) {
      case "none":
        return { kind: "none" };
      case "bool":
        return { kind: "bool", value: value.value };
      case "int": {
        const big = BigInt(value.value);
        if (BigInt.asIntN(64, big) !== big) return this.#fail("bad-pickle", "an int does not fit into 64 bits", { got: String(big).slice(0, 40) });
        return intTemplate(big);
      }
      case "float":
        return { kind: "float", value: value.value };
      case "string":
        return { kind: "str", value: value.value };
      case "tuple": {
        const before = this.#tuples.get(value)?.get(wanted);
        if (before !== undefined) return before;
        const type = expected(wanted, ["Tuple", "NamedTuple"]);
        const elems = type?.kind === "Tuple" || type?.kind === "NamedTuple" ? type.elems : [];
        if (type !== undefined && elems.length !== value.items.length)
          return this.#fail("bad-model", "a stored tuple has the wrong length", { wanted: printType(type), got: `${value.items.length} items` });
        const items = value.items.map((item, i) => this.#inside(`[${i}]`, () => this.read(item, elems[i])));
        const made: Template = { kind: "tuple", items, ...(type?.kind === "NamedTuple" ? { type } : {}) };
        const forms = this.#tuples.get(value) ?? new Map<Type | undefined, Template>();
        this.#tuples.set(value, forms.set(wanted, made));
        return made;
      }
      case "list":
        return this.#list(value, value.items, wanted);
      case "dict": {
        const type = expected(wanted, ["Dict"]);
        const made: Extract<Template, { kind: "dict" }> = {
          kind: "dict",
          key: type?.kind === "Dict" ? type.key : T.Any,
          value: type?.kind === "Dict" ? type.value : T.Any,
          entries: [],
        };
        this.#made.set(value, made);
        for (const [key, entry] of value.entries) {
          const k = this.read(key, type?.kind === "Dict" ? type.key : undefined);
          made.entries.push([k, this.#inside("[...]", () => this.read(entry, type?.kind === "Dict" ? type.value : undefined))]);
        }
        const [first] = made.entries;
        if (type === undefined && first !== undefined) {
          made.key = typeOfTemplate(first[0]);
          made.value = typeOfTemplate(first[1]);
        }
        return made;
      }
      case "object":
        return this.#object(value);
      case "reduce":
        return this.#reduce(value, wanted);
      case "global": {
        const dtype = dtypeOfGlobal(value.fullName);
        if (dtype !== undefined) return { kind: "int", value: torchOfDtype(dtype) };
        const scheme = QSCHEMES[value.fullName];
        if (scheme !== undefined) return { kind: "int", value: scheme };
        break;
      }
      default:
    }
    return this.#fail("bad-pickle", `${describePickle(value)} is no value of TorchScript`);
  }

  #list(node: PickleValue, items: readonly PickleValue[], wanted: Type | undefined): Template {
    const type = expected(wanted, ["List"]);
    const elem = type?.kind === "List" ? type.elem : undefined;
    const made: Extract<Template, { kind: "list" }> = { kind: "list", elem: elem ?? T.Any, items: [] };
    this.#made.set(node, made);
    for (const [i, item] of items.entries()) made.items.push(this.#inside(`[${i}]`, () => this.read(item, elem)));
    // Files before type tags say nothing of a list's type: its first element does.
    const [first] = made.items;
    if (elem === undefined && first !== undefined) made.elem = typeOfTemplate(first);
    return made;
  }

  #reduce(value: PickleReduce, wanted: Type | undefined): Template {
    const name = value.callable.fullName;
    const makesTensor: boolean = isTensor(value);
    if (makesTensor) {
      if (name === "torch._utils._rebuild_sparse_tensor") return this.#remember(value, this.#sparse(value));
      return this.#remember(value, { kind: "tensor", tensor: rebuildTensor(value, this.#storageOf).tensor });
    }
    const elem = Object.hasOwn(LISTS, name) ? LISTS[name] : undefined;
    const args = value.args.kind === "tuple" ? value.args.items : [];
    const [first, second] = args;
    if (elem !== undefined) {
      if (first?.kind !== "list") return this.#fail("bad-pickle", `\`${name}\` is not given a list`);
      return this.#remember(value, this.read(first, listOf(elem)));
    }
    if (name === TYPE_TAG) {
      if (first === undefined || second?.kind !== "string") return this.#fail("bad-pickle", "a type tag is not (container, text)");
      let type: Type;
      try {
        type = this.#unit.typeOfText(second.value, this.#record);
      } catch (cause) {
        return this.#fail("bad-pickle", "a container's type tag cannot be read", { got: second.value.slice(0, 200), cause });
      }
      const better = expected(wanted, [type.kind]);
      return this.#remember(value, this.read(first, better ?? type));
    }
    if (name === "builtins.complex" || name === "__builtin__.complex") {
      if (first === undefined || second === undefined) return this.#fail("bad-pickle", "a complex number needs two parts");
      return { kind: "complex", re: numberOf(first), im: numberOf(second) };
    }
    if (name === "torch.device") {
      if (first === undefined) return this.#fail("bad-pickle", "a device has no name");
      return { kind: "device", value: this.#mapDevice(stringOf(first) + (second === undefined ? "" : `:${numberOf(second)}`)) };
    }
    if (name === "collections.OrderedDict")
      return this.#fail("bad-pickle", "an OrderedDict is no value of TorchScript", { hint: "this may be a state dict that torch.save wrote" });
    if (name === "torch.jit._pickle.build_tensor_from_id")
      return this.#fail("unsupported-format", "the tensors of this archive lie in another file", { hint: "save the model again with PyTorch 1.3 or later" });
    if (name.startsWith("__torch__.") && this.#unit.enumMember !== undefined) return this.#unit.enumMember(name, this.read(value.args));
    const type = this.#unit.typeNamed(name);
    if (type?.kind === "Enum") {
      const given = this.read(value.args);
      const member = type.members.find((m) => m.value.kind === given.kind && "value" in m.value && "value" in given && m.value.value === given.value);
      if (member === undefined) return this.#fail("bad-model", `the enum \`${name}\` has no member of this value`);
      return { kind: "enum", type, member: member.name };
    }
    return this.#fail("bad-pickle", `\`${name}\` makes no value of TorchScript`);
  }

  #remember(value: PickleValue, made: Template): Template {
    this.#made.set(value, made);
    return made;
  }

  #sparse(value: PickleReduce): Template {
    const [, data] = itemsOf(value.args);
    const [indices, values, size] = data === undefined ? [] : itemsOf(data);
    if (indices === undefined || values === undefined || size === undefined) return this.#fail("bad-pickle", "a sparse tensor is not (indices, values, size)");
    const i = this.read(indices, T.Tensor);
    const v = this.read(values, T.Tensor);
    if (i.kind !== "tensor" || v.kind !== "tensor") return this.#fail("bad-pickle", "a sparse tensor's parts are no tensors");
    return { kind: "sparse", indices: i.tensor, values: v.tensor, shape: itemsOf(size).map(numberOf) };
  }

  #object(value: PickleObject): Template {
    const name = value.class.fullName;
    if (name.startsWith(FOREIGN_PREFIX)) {
      if (value.state === undefined) return this.#fail("bad-pickle", `an object of \`${name}\` has no state`);
      this.#unit.typeNamed(name);
      const { state } = value;
      return this.#remember(value, { kind: "foreign", className: name, state: this.#inside(name, () => this.read(state)) });
    }
    const type = this.#unit.typeNamed(name);
    if (type === undefined)
      return this.#fail("bad-model", `the archive has no code for the class \`${name}\``, { hint: "its code record is missing or damaged" });
    if (type.kind !== "Class") return this.#fail("bad-model", `\`${name}\` is no class with objects`);
    const made: ObjectTemplate = { kind: "object", class: type, fields: [], state: undefined };
    this.#made.set(value, made);
    if (value.state === undefined) {
      if (type.attributes.length > 0) return this.#fail("bad-model", `an object of \`${name}\` has no state`);
      return made;
    }
    const setState = type.methods.get("__setstate__");
    if (setState !== undefined || this.#unit.hasSetState?.(type) === true) {
      const { state } = value;
      made.state = this.#inside("__setstate__", () => this.read(state, setState?.params[1]?.type));
      return made;
    }
    this.#fields(made, type, value.state);
    return made;
  }

  #fields(made: ObjectTemplate, type: ClassType, state: PickleValue): void {
    if (state.kind !== "dict") return this.#fail("bad-model", `the state of a \`${type.name}\` is no dict`, { got: describePickle(state) });
    const given = stringEntries(state.entries);
    if (this.#unit.declare !== undefined) {
      for (const [name, value] of given) {
        const field = this.#inside(name, () => this.read(value));
        this.#unit.declare(type, made.fields.length, name, field);
        made.fields.push(field);
      }
      return;
    }
    for (const attribute of type.attributes) {
      const value = given.get(attribute.name);
      if (value === undefined) return this.#fail("bad-model", `the attribute \`${attribute.name}\` of \`${type.name}\` is not in the file`);
      made.fields.push(this.#inside(attribute.name, () => this.read(value, attribute.type)));
    }
  }
}
