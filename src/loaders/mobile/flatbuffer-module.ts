/** The flatbuffer form of a mobile module (`PTMF`, LibTorch's `mobile_bytecode.fbs`): values, objects, functions. */

import { type FlatBuffer, FlatTable } from "../../bytes/flatbuffer.ts";
import type { Limits } from "../../bytes/limits.ts";
import { subSource } from "../../bytes/source.ts";
import type { ClassType } from "../../ir/class-type.ts";
import type { ObjectTemplate, QuantizerTemplate, StorageTemplate, Template, TensorTemplate } from "../../ir/template.ts";
import { printType, T, type Type } from "../../ir/type.ts";
import { typeOfTemplate } from "../../ir/template-type.ts";
import { dtypeOfTorch, isQuantized } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { stridedTensor } from "../pickled-tensor.ts";
import { intTemplate } from "../torchscript/lowering.ts";
import { holds } from "./unit.ts";
import { type BytecodeFunction, type BytecodeParam, type Instruction, OPCODES } from "./bytecode.ts";

/** Fields of the tables, by their places in the vtable. */
const MODULE = { bytecodeVersion: 4, extraFiles: 6, methods: 8, stateObject: 10, values: 12, storages: 16, objectTypes: 18, operatorVersion: 24 };
const FUNCTION = { name: 4, instructions: 6, operators: 8, constants: 10, types: 12, schema: 16 };
const OBJECT_TYPE = { name: 4, kind: 6, attributes: 8 };
const OBJECT = { type: 4, state: 6, attributes: 8, setState: 10 };
const TENSOR = { storage: 4, scalarType: 6, offset: 8, sizes: 10, strides: 12, requiresGrad: 14, quantizer: 16 };
const QUANTIZER = { scheme: 4, scale: 6, zeroPoint: 8, scales: 10, zeroPoints: 12, axis: 14 };

/** Members of the value union. */
const VALUE = {
  none: 0,
  int: 1,
  bool: 2,
  double: 3,
  complex: 4,
  tensor: 5,
  string: 6,
  list: 7,
  tuple: 8,
  dict: 9,
  object: 10,
  intList: 11,
  doubleList: 12,
  boolList: 13,
  device: 14,
  enum: 15,
  function: 16,
} as const;
const WITH_FIELDS = 1;
const CUSTOM = 2;
const WITH_SETSTATE = 3;
const QSCHEMES = ["per_tensor_affine", "per_channel_affine", undefined, undefined, "per_channel_affine_float_qparams"] as const;

const INSTRUCTION_BYTES = 8;

/** What the reader asks of the types that the objects have. */
export interface FlatTypes {
  classNamed(name: string): ClassType;
  typeOfText(text: string, record: string): Type;
  enumMember(name: string, value: Template): Template;
  /** Objects of the class are restored by its `__setstate__`. */
  restores(name: string): void;
  /** The attribute of an object that restores its own state. */
  addSlot(cls: ClassType, index: number, name: string): void;
  /** An object's attribute, in the file's order. @returns its slot */
  declare(cls: ClassType, index: number, name: string, value: Template): number;
}

export class FlatModule {
  readonly #root: FlatTable;
  readonly #source: Source;
  readonly #limits: Limits;
  readonly #mapDevice: (device: string) => string;
  readonly #types: FlatTypes;
  readonly #values: readonly FlatTable[];
  readonly #objectTypes: readonly FlatTable[];
  readonly #storageTables: readonly FlatTable[];
  readonly #storages: (StorageTemplate | undefined)[] = [];
  readonly #made: (Template | undefined)[] = [];
  /** Values that are being read: a list cannot hold itself, an object may. */
  readonly #open = new Set<number>();
  readonly #functions = new Map<number, BytecodeFunction>();

  constructor(buffer: FlatBuffer, source: Source, types: FlatTypes, limits: Limits, mapDevice: (device: string) => string) {
    this.#root = buffer.root();
    this.#source = source;
    this.#limits = limits;
    this.#mapDevice = mapDevice;
    this.#types = types;
    this.#values = this.#root.tables(MODULE.values);
    this.#objectTypes = this.#root.tables(MODULE.objectTypes);
    this.#storageTables = this.#root.tables(MODULE.storages);
  }

  get bytecodeVersion(): number {
    return this.#root.u32(MODULE.bytecodeVersion);
  }
  get operatorVersion(): number {
    return this.#root.u32(MODULE.operatorVersion);
  }

  extra(): Map<string, string> {
    return new Map(this.#root.tables(MODULE.extraFiles).map((file) => [file.string(4) ?? "", file.string(6) ?? ""]));
  }

  root(): Template {
    return this.value(this.#root.u32(MODULE.stateObject));
  }

  /** All functions, methods of objects that restore their own state among them. */
  functions(): BytecodeFunction[] {
    for (const index of this.#root.u32s(MODULE.methods)) this.#functionAt(index);
    for (const [index, value] of this.#values.entries()) if (value.u8(4) === VALUE.function) this.#functionAt(index);
    return [...this.#functions.values()];
  }

  #fail(message: string, got?: string): never {
    throw new OpwiseError("bad-model", message, { got });
  }

  /** The value `index` of the file's table; the same object for the same index. */
  value(index: number): Template {
    const known = this.#made[index];
    if (known !== undefined) return known;
    const table = this.#values[index] ?? this.#fail(`there is no value ${index}`);
    if (this.#open.has(index)) this.#fail(`the value ${index} holds itself`);
    if (this.#open.size >= this.#limits.maxPickleDepth) {
      throw new OpwiseError("limit-exceeded", "values are nested too deeply", { wanted: `at most ${this.#limits.maxPickleDepth} levels` });
    }
    this.#open.add(index);
    const made = this.#make(index, table);
    this.#open.delete(index);
    this.#made[index] = made;
    return made;
  }

  #make(index: number, table: FlatTable): Template {
    const kind = table.u8(4);
    if (kind === VALUE.none) return { kind: "none" };
    const { buffer } = table;
    const at = table.target(6) ?? this.#fail(`the value ${index} has no content`);
    // Structs lie at the target itself, tables have their vtable there.
    const content = (): FlatTable => new FlatTable(buffer, at);
    switch (kind) {
      case VALUE.int:
        return intTemplate(buffer.i64(at));
      case VALUE.bool:
        return { kind: "bool", value: buffer.u8(at) !== 0 };
      case VALUE.double:
        return { kind: "float", value: buffer.f64(at) };
      case VALUE.complex:
        return { kind: "complex", re: buffer.f64(at), im: buffer.f64(at + 8) };
      case VALUE.tensor:
        return { kind: "tensor", tensor: this.#tensor(content()) };
      case VALUE.string:
        return { kind: "str", value: content().string(4) ?? "" };
      case VALUE.device:
        return { kind: "device", value: this.#mapDevice(content().string(4) ?? "cpu") };
      case VALUE.intList:
        return { kind: "list", elem: T.int, items: content().i64s(4).map(intTemplate) };
      case VALUE.doubleList:
        return {
          kind: "list",
          elem: T.float,
          items: content()
            .f64s(4)
            .map((value): Template => ({ kind: "float", value })),
        };
      case VALUE.boolList:
        return {
          kind: "list",
          elem: T.bool,
          items: content()
            .u8s(4)
            .map((value): Template => ({ kind: "bool", value: value !== 0 })),
        };
      case VALUE.list: {
        const list = content();
        const type = this.#annotation(list.string(6));
        const elem = type?.kind === "List" ? type.elem : undefined;
        const items = list.u32s(4).map((item) => this.#fitting(this.value(item), elem));
        return { kind: "list", elem: type?.kind === "List" ? type.elem : commonType(items), items };
      }
      case VALUE.tuple:
        return {
          kind: "tuple",
          items: content()
            .u32s(4)
            .map((item) => this.value(item)),
        };
      case VALUE.dict: {
        const dict = content();
        const type = this.#annotation(dict.string(8));
        const [key, entry] = type?.kind === "Dict" ? [type.key, type.value] : [undefined, undefined];
        const keys = dict.u32s(4).map((item) => this.#fitting(this.value(item), key));
        const values = dict.u32s(6).map((item) => this.#fitting(this.value(item), entry));
        if (keys.length !== values.length) this.#fail("a dict has as many keys as values", `${keys.length} and ${values.length}`);
        return {
          kind: "dict",
          key: type?.kind === "Dict" ? type.key : commonType(keys),
          value: type?.kind === "Dict" ? type.value : commonType(values),
          entries: keys.map((key, i) => [key, values[i] as Template]), // as many values as keys
        };
      }
      case VALUE.object:
        return this.#object(index, content());
      case VALUE.enum: {
        const member = content();
        return this.#types.enumMember(member.string(4) ?? "", this.value(member.u32(6)));
      }
      case VALUE.function:
        return this.#fail("a function stands where a value belongs");
      default:
        return this.#fail(`the value ${index} is of an unknown kind`, String(kind));
    }
  }

  #fitting(value: Template, type: Type | undefined): Template {
    if (type !== undefined && !holds(type, value)) this.#fail("a stored value does not have its declared type", printType(typeOfTemplate(value)));
    return value;
  }

  #annotation(text: string | undefined): Type | undefined {
    return text === undefined || text === "" ? undefined : this.#types.typeOfText(text, "type annotation");
  }

  #object(index: number, object: FlatTable): Template {
    const typeIndex = object.u32(OBJECT.type);
    const type = this.#objectTypes[typeIndex] ?? this.#fail(`there is no object type ${typeIndex}`);
    const name = type.string(OBJECT_TYPE.name) ?? "";
    const kind = type.u8(OBJECT_TYPE.kind);
    if (kind === CUSTOM) return { kind: "foreign", className: name, state: this.value(object.u32(OBJECT.state)) };
    if (kind !== WITH_FIELDS && kind !== WITH_SETSTATE) this.#fail(`objects of \`${name}\` cannot be read`, `object type ${kind}`);
    const cls = this.#types.classNamed(name);
    const made: ObjectTemplate = { kind: "object", class: cls, fields: [], state: undefined };
    this.#made[index] = made;
    const names = this.#attributeNames(typeIndex, type);
    if (kind === WITH_SETSTATE) {
      this.#types.restores(name);
      // Its attributes get their types from what `__setstate__` stores.
      for (const [slot, attribute] of names.entries()) this.#types.addSlot(cls, slot, attribute);
      const method = this.#functionAt(object.u32(OBJECT.setState));
      if (method.name !== `${name}.__setstate__`) this.#fail(`\`${name}\` restores its state with another class's function`, method.name);
      made.state = this.value(object.u32(OBJECT.state));
      return made;
    }
    const attributes = object.u32s(OBJECT.attributes);
    if (attributes.length !== names.length)
      this.#fail(`an object of \`${name}\` has the wrong number of attributes`, `${attributes.length} for ${names.length}`);
    for (const [slot, attribute] of attributes.entries()) {
      const value = this.value(attribute);
      made.fields[this.#types.declare(cls, slot, names[slot] as string, value)] = value; // as many names as attributes
    }
    return made;
  }

  readonly #names = new Map<number, readonly string[]>();
  #attributeNames(index: number, type: FlatTable): readonly string[] {
    let names = this.#names.get(index);
    if (names === undefined) {
      names = type.strings(OBJECT_TYPE.attributes);
      this.#names.set(index, names);
    }
    return names;
  }

  // Tensors

  #storage(index: number): StorageTemplate {
    const known = this.#storages[index];
    if (known !== undefined) return known;
    const table = this.#storageTables[index] ?? this.#fail(`there is no storage ${index}`);
    const { start, length } = table.vector(4, 1);
    const made: StorageTemplate = { source: subSource(this.#source, { offset: start, length }, `storage ${index}`), nbytes: length, device: "cpu" };
    this.#storages[index] = made;
    return made;
  }

  #tensor(table: FlatTable): TensorTemplate {
    const dtype = dtypeOfTorch(table.i8(TENSOR.scalarType));
    const quantized = table.table(TENSOR.quantizer);
    const quantizer = quantized === undefined || !isQuantized(dtype) ? undefined : this.#quantizer(quantized);
    return stridedTensor({
      storage: this.#storage(table.u32(TENSOR.storage)),
      dtype,
      shape: table.i32s(TENSOR.sizes),
      strides: table.i32s(TENSOR.strides),
      offset: table.i32(TENSOR.offset),
      requiresGrad: table.u8(TENSOR.requiresGrad) !== 0,
      ...(quantizer === undefined ? {} : { quantizer }),
    });
  }

  #quantizer(table: FlatTable): QuantizerTemplate {
    const scheme = QSCHEMES[table.i8(QUANTIZER.scheme)] ?? this.#fail("a tensor has an unknown quantization scheme");
    if (scheme === "per_tensor_affine") return { scheme, scale: table.f64(QUANTIZER.scale), zeroPoint: table.i32(QUANTIZER.zeroPoint) };
    const [scales, zeroPoints] = [table.table(QUANTIZER.scales), table.table(QUANTIZER.zeroPoints)];
    if (scales === undefined || zeroPoints === undefined) return this.#fail("a per-channel quantizer lacks its scales");
    const plain = (part: FlatTable): TensorTemplate =>
      part.at(TENSOR.quantizer) === undefined ? this.#tensor(part) : this.#fail("the scales of a quantizer are quantized");
    return { scheme, scales: plain(scales), zeroPoints: plain(zeroPoints), axis: table.i32(QUANTIZER.axis) };
  }

  // Functions

  #functionAt(index: number): BytecodeFunction {
    const known = this.#functions.get(index);
    if (known !== undefined) return known;
    const value = this.#values[index];
    const at = value?.u8(4) === VALUE.function ? value.target(6) : undefined;
    if (value === undefined || at === undefined) return this.#fail(`the value ${index} is no function`);
    const made = this.#function(new FlatTable(value.buffer, at));
    this.#functions.set(index, made);
    return made;
  }

  #function(table: FlatTable): BytecodeFunction {
    const { buffer } = table;
    const name = table.string(FUNCTION.name) ?? "";
    const code = table.vector(FUNCTION.instructions, INSTRUCTION_BYTES);
    buffer.spend(code.length);
    const instructions = Array.from({ length: code.length }, (_, i): Instruction => {
      const place = code.start + i * INSTRUCTION_BYTES;
      const op = OPCODES[buffer.u8(place)] ?? this.#fail(`\`${name}\` has an unknown instruction`, String(buffer.u8(place)));
      return { op, n: buffer.u16(place + 2), x: buffer.i32(place + 4) };
    });
    const schema = table.table(FUNCTION.schema);
    const [result, ...more] = schema?.tables(6) ?? [];
    if (more.length > 0) this.#fail(`\`${name}\` returns more than one value`);
    return {
      name,
      instructions,
      operators: table.tables(FUNCTION.operators).map((operator) => {
        const args = operator.i32(8, -1);
        return { name: operator.string(4) ?? "", overload: operator.string(6) ?? "", args: args < 0 ? undefined : args };
      }),
      constants: table.u32s(FUNCTION.constants).map((index) => this.value(index)),
      types: table.strings(FUNCTION.types),
      params: schema?.tables(4).map((param): BytecodeParam => {
        const value = this.value(param.u32(8));
        return { name: param.string(4) ?? "", type: param.string(6) ?? "Any", default: value.kind === "none" ? undefined : value };
      }),
      returns: result?.string(6),
    };
  }
}

/** The type that all of `items` have: files annotate lists and dicts, except some empty ones. */
function commonType(items: readonly Template[]): Type {
  const [first] = items;
  return first === undefined ? T.Any : typeOfTemplate(first);
}
