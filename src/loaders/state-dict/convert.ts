/** Pickle data as saved values. Names beside tensors are those of data: containers, numbers, NumPy arrays, namespaces, paths. */

import {
  boolOf,
  describePickle,
  itemsOf,
  numberOf,
  type PickleEntry,
  type PickleObject,
  type PickleReduce,
  type PickleValue,
  safeIntOf,
  stringOf,
} from "../../bytes/pickle-value.ts";
import type { StorageTemplate, TensorTemplate } from "../../ir/template.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { dtypeOfGlobal, isTensor, isTensorGlobal, rebuildTensor, type StorageRef } from "../pickled-tensor.ts";
import { numpyArray, numpyBuffer, numpyScalar } from "./numpy.ts";
import type { SavedDict, SavedValue } from "./saved-value.ts";

/** The names that Python 2 and 3 give one thing. */
const both = (name: string): readonly string[] => [`builtins.${name}`, `__builtin__.${name}`];
const COMPLEX = new Set(both("complex"));
const SETS = new Set([...both("set"), ...both("frozenset")]);
const BYTEARRAYS = new Set(both("bytearray"));
/** Types that a defaultdict names to make its values. */
const FACTORIES = new Set(["list", "dict", "set", "int", "float", "str", "bool", "tuple"].flatMap(both));
const PATHS = new Set(
  ["PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath", "Path", "PurePath"].flatMap((name) => [`pathlib.${name}`, `pathlib._local.${name}`]),
);
const NAMESPACES = new Set(["argparse.Namespace", "types.SimpleNamespace"]);
const RECONSTRUCT = new Set(["numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"]);
const FROM_BUFFER = new Set(["numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"]);
const SCALARS = new Set(["numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"]);
const LAYOUT = "torch.serialization._get_layout";
const META = "torch._utils._rebuild_meta_tensor_no_storage";
const NESTED = "torch._utils._rebuild_nested_tensor";
/** XLA, MAIA and the like; the first names are those of older files. */
const DEVICE_TENSORS = new Set([
  "torch._utils._rebuild_xla_tensor",
  "torch._utils._rebuild_device_tensor_from_numpy",
  "torch._utils._rebuild_device_tensor_from_cpu_tensor",
]);
/** `torch.FloatTensor`: what a tensor's class was called; named by files of PyTorch 0.1. */
const TENSOR_CLASS = /^torch\.(?:cuda\.)?(?:Float|Double|Half|Long|Int|Short|Char|Byte)Tensor$/;
const SPARSE = "torch._utils._rebuild_sparse_tensor";
const OTHERS = new Set([
  "torch.Size",
  "torch.device",
  "_codecs.encode",
  "collections.Counter",
  "collections.defaultdict",
  "collections.deque",
  "numpy.ndarray",
  "numpy.dtype",
  "copyreg._reconstructor",
  "copy_reg._reconstructor",
  "builtins.object",
  "__builtin__.object",
  LAYOUT,
  META,
  NESTED,
]);

/** Names that a checkpoint may refer to. None of them is called: each is data that is read here. */
export function allowedInCheckpoint(global: string): boolean {
  return (
    isTensorGlobal(global) ||
    OTHERS.has(global) ||
    TENSOR_CLASS.test(global) ||
    [COMPLEX, SETS, BYTEARRAYS, FACTORIES, PATHS, NAMESPACES, RECONSTRUCT, FROM_BUFFER, SCALARS, DEVICE_TENSORS].some((names) => names.has(global))
  );
}

/** Parts of a sparse tensor by its layout, in the order in which they are pickled. */
const SPARSE_PARTS: Readonly<Record<string, readonly string[]>> = {
  "torch.sparse_coo": ["indices", "values"],
  "torch.sparse_csr": ["crow_indices", "col_indices", "values"],
  "torch.sparse_csc": ["ccol_indices", "row_indices", "values"],
  "torch.sparse_bsr": ["crow_indices", "col_indices", "values"],
  "torch.sparse_bsc": ["ccol_indices", "row_indices", "values"],
};

/** Where the bytes and tensors are that a pickle refers to. */
export interface Places {
  storageOf(ref: StorageRef): StorageTemplate;
  /** The tensor of a persistent id; only files from before PyTorch 0.2 have such. */
  tensorOf?(id: PickleValue): TensorTemplate;
}

/** The saved value of a pickle's value. The depth of it was bounded when it was read. @throws unsafe-pickle, bad-pickle, bad-tensor */
export function convertPickle(root: PickleValue, places: Places): SavedValue {
  return new Converter(places).visit(root);
}

class Converter {
  readonly #places: Places;
  readonly #made = new Map<PickleValue, SavedValue>();
  /** Keys on the way to the value at hand, for messages. */
  readonly #path: string[] = [];

  constructor(places: Places) {
    this.#places = places;
  }

  #keep(from: PickleValue, to: SavedValue): SavedValue {
    this.#made.set(from, to);
    return to;
  }

  #named(message: string): string {
    return this.#path.length === 0 ? message : `\`${this.#path.join(".")}\`: ${message}`;
  }

  #inside<R>(key: SavedValue | number, work: () => R): R {
    this.#path.push(typeof key === "number" ? String(key) : "value" in key ? String(key.value) : key.kind);
    const result = work();
    this.#path.pop();
    return result;
  }

  #fill(entries: readonly PickleEntry[], dict: SavedDict): void {
    const at = new Map<unknown, number>();
    for (const [key, value] of entries) {
      const saved = this.visit(key);
      // A later value of a key replaces the earlier in its place.
      const name = "value" in saved ? `${saved.kind}:${String(saved.value)}` : saved;
      const item = this.#inside(saved, () => this.visit(value));
      const known = at.get(name);
      if (known === undefined) {
        at.set(name, dict.entries.length);
        dict.entries.push([saved, item]);
      } else dict.entries[known] = [saved, item];
    }
  }

  #dict(from: PickleValue, entries: readonly PickleEntry[], ordered: boolean): SavedValue {
    const dict: SavedDict = { kind: "dict", ordered, entries: [] };
    this.#keep(from, dict);
    this.#fill(entries, dict);
    return dict;
  }

  #items(from: PickleValue, kind: "list" | "set", values: readonly PickleValue[]): SavedValue {
    const items: SavedValue[] = [];
    const list = this.#keep(from, { kind, items });
    for (const [i, item] of values.entries()) items.push(this.#inside(i, () => this.visit(item)));
    return list;
  }

  visit(value: PickleValue): SavedValue {
    const known = this.#made.get(value);
    if (known !== undefined) return known;
    switch (value.kind) {
      case "none":
      case "bool":
      case "int":
      case "float":
      case "bytes":
        return value;
      case "string":
        return { kind: "str", value: value.value };
      case "tuple":
        return this.#keep(value, { kind: "tuple", items: value.items.map((item, i) => this.#inside(i, () => this.visit(item))) });
      case "list":
      case "set":
        return this.#items(value, value.kind, value.items);
      case "dict":
        return this.#dict(value, value.entries, false);
      case "global": {
        const dtype = dtypeOfGlobal(value.fullName);
        if (dtype !== undefined) return { kind: "dtype", dtype };
        // A dtype that is unknown here is data all the same, by its name.
        if (value.module === "torch" && isTensorGlobal(value.fullName)) return { kind: "str", value: value.fullName };
        return this.#refuse(describePickle(value));
      }
      case "reduce":
        return this.#reduce(value);
      case "object":
        return this.#object(value);
      case "persistent":
        if (this.#places.tensorOf === undefined) return this.#refuse(describePickle(value));
        return this.#keep(value, { kind: "tensor", tensor: this.#places.tensorOf(value.id), parameter: false });
      default:
        return value satisfies never;
    }
  }

  #refuse(what: string): never {
    throw new OpwiseError("unsafe-pickle", this.#named(`the file holds ${what}, which is no data`));
  }

  #tensor(value: PickleReduce): SavedValue {
    try {
      const { tensor, parameter } = rebuildTensor(value, (ref) => {
        if (ref.location === "meta") throw this.#meta();
        return this.#places.storageOf(ref);
      });
      return this.#keep(value, { kind: "tensor", tensor, parameter });
    } catch (error) {
      if (!(error instanceof OpwiseError) || this.#path.length === 0 || error.where.node !== undefined) throw error;
      throw error.at({ node: this.#path.join(".") });
    }
  }

  #meta(): OpwiseError {
    return new OpwiseError("unsupported-format", this.#named("the tensor has no values: it was saved on the device `meta`"), {
      hint: "give the model its weights before it is saved",
    });
  }

  #object(value: PickleObject): SavedValue {
    const name = value.class.fullName;
    if (!NAMESPACES.has(name)) return this.#refuse(describePickle(value));
    return this.#dict(value, value.state?.kind === "dict" ? value.state.entries : [], false);
  }

  #sparse(value: PickleReduce): SavedValue {
    const [layoutValue, data] = itemsOf(value.args);
    const layout = layoutValue === undefined ? undefined : this.visit(layoutValue);
    const names = layout?.kind === "str" ? SPARSE_PARTS[layout.value] : undefined;
    if (layout?.kind !== "str" || names === undefined || data === undefined)
      throw new OpwiseError("bad-pickle", this.#named("a sparse tensor has no known layout"));
    const items = itemsOf(data);
    const size = items[names.length];
    if (size === undefined) throw new OpwiseError("bad-pickle", this.#named("a sparse tensor lacks parts"));
    const parts = new Map<string, TensorTemplate>();
    for (const [i, part] of names.entries()) {
      const tensor = this.visit(items[i] as PickleValue); // `size` stands behind it
      if (tensor.kind !== "tensor") throw new OpwiseError("bad-pickle", this.#named(`the ${part} of a sparse tensor are no tensor`));
      parts.set(part, tensor.tensor);
    }
    const shape = size.kind === "reduce" ? itemsOf(itemsOf(size.args)[0] ?? size) : itemsOf(size);
    return this.#keep(value, { kind: "sparse", layout: layout.value, shape: shape.map(safeIntOf), parts });
  }

  #reduce(value: PickleReduce): SavedValue {
    const name = value.callable.fullName;
    if (name === SPARSE) return this.#sparse(value);
    const makesTensor: boolean = isTensor(value);
    if (makesTensor) return this.#tensor(value);
    if (name === META) throw this.#meta();
    if (name === NESTED) throw new OpwiseError("unsupported-format", this.#named("the file holds a nested tensor"), { wanted: "strided and sparse tensors" });
    const args = itemsOf(value.args);
    if (DEVICE_TENSORS.has(name)) return this.#deviceTensor(value, args);
    const first = (): PickleValue => {
      const [arg] = args;
      if (arg === undefined) throw new OpwiseError("bad-pickle", this.#named(`\`${name}\` is called without arguments`));
      return arg;
    };
    if (name === "collections.OrderedDict" || name === "collections.Counter") {
      const [given] = args;
      const pairs = given === undefined ? [] : given.kind === "dict" ? given.entries : itemsOf(given).map((pair): PickleEntry => this.#pair(pair));
      return this.#dict(value, [...pairs, ...(value.entries ?? [])], name === "collections.OrderedDict");
    }
    if (name === "collections.defaultdict") return this.#dict(value, value.entries ?? [], false);
    if (name === "collections.deque") {
      const [given] = args;
      return this.#items(value, "list", [...(given === undefined ? [] : itemsOf(given)), ...(value.items ?? [])]);
    }
    if (NAMESPACES.has(name)) return this.#dict(value, value.state?.kind === "dict" ? value.state.entries : [], false);
    // What Python 2 writes for an object: (class, base, state of the base), then its own state.
    if (name.endsWith("._reconstructor")) {
      const cls = first();
      if (cls.kind !== "global" || !NAMESPACES.has(cls.fullName)) return this.#refuse(describePickle(cls));
      return this.#dict(value, value.state?.kind === "dict" ? value.state.entries : [], false);
    }
    if (COMPLEX.has(name)) {
      const [re, im] = args;
      return { kind: "complex", re: re === undefined ? 0 : numberOf(re), im: im === undefined ? 0 : numberOf(im) };
    }
    if (SETS.has(name)) {
      const [items] = args;
      return this.#items(value, "set", items === undefined ? [] : itemsOf(items));
    }
    if (PATHS.has(name)) return { kind: "str", value: args.map(stringOf).join("/").replace(/^\/\//, "/") };
    if (RECONSTRUCT.has(name)) {
      if (value.state === undefined) throw new OpwiseError("bad-pickle", this.#named("a NumPy array has no data"));
      return this.#keep(
        value,
        numpyArray(value.state, (part) => this.visit(part)),
      );
    }
    if (FROM_BUFFER.has(name))
      return this.#keep(
        value,
        numpyBuffer(args, (part) => this.visit(part)),
      );
    if (SCALARS.has(name)) return numpyScalar(args, (part) => this.visit(part));
    if (name === "torch.Size") return this.#keep(value, { kind: "size", dims: itemsOf(first()).map(safeIntOf) });
    if (name === LAYOUT) return { kind: "str", value: stringOf(first()) };
    if (name === "torch.device") {
      const [type, index] = args.map((arg) => this.visit(arg));
      if (type?.kind !== "str") throw new OpwiseError("bad-pickle", this.#named("a device has no name"));
      return { kind: "device", value: index?.kind === "int" ? `${type.value}:${index.value}` : type.value };
    }
    if (name === "_codecs.encode" || BYTEARRAYS.has(name)) {
      // Protocol 2 writes bytes as a latin-1 text to be encoded.
      const [text] = args;
      if (text === undefined) return { kind: "bytes", value: new Uint8Array(0) };
      if (text.kind !== "string") {
        const inner = this.visit(text);
        return inner.kind === "bytes" ? inner : this.#refuse(describePickle(text));
      }
      return { kind: "bytes", value: Uint8Array.from(text.value, (letter) => letter.charCodeAt(0) & 0xff) };
    }
    throw new OpwiseError("unsafe-pickle", this.#named(`the file holds a call of \`${name}\`, which is not read as data`));
  }

  /** A tensor of a device that pickles a copy on the host: (copy, dtype, device, requires_grad). */
  #deviceTensor(value: PickleReduce, args: readonly PickleValue[]): SavedValue {
    const [data, type, , grad] = args;
    if (data === undefined || type === undefined) throw new OpwiseError("bad-pickle", this.#named("a device's tensor is incomplete"));
    const [copy, dtype] = [this.visit(data), this.visit(type)];
    if (copy.kind !== "tensor" || dtype.kind !== "dtype") throw new OpwiseError("bad-pickle", this.#named("a device's tensor is not (tensor, dtype, device)"));
    if (copy.tensor.dtype !== dtype.dtype) {
      throw new OpwiseError("unsupported-dtype", this.#named("a device's tensor was saved under another dtype than its own"), {
        wanted: dtype.dtype,
        got: copy.tensor.dtype,
      });
    }
    const requiresGrad = grad?.kind === "bool" && grad.value;
    return this.#keep(value, { kind: "tensor", tensor: { ...copy.tensor, requiresGrad }, parameter: false });
  }

  #pair(pair: PickleValue): PickleEntry {
    const [key, item] = itemsOf(pair);
    if (key === undefined || item === undefined) throw new OpwiseError("bad-pickle", this.#named("an OrderedDict is not made of pairs"));
    return [key, item];
  }
}

/** Whether a legacy checkpoint's system record says that its numbers are little-endian. */
export function isLittleEndian(system: PickleValue): boolean {
  const little = system.kind === "dict" ? system.entries.find(([key]) => key.kind === "string" && key.value === "little_endian")?.[1] : undefined;
  return little === undefined || boolOf(little);
}
