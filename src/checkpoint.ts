/** Checkpoints, read without Python: what `torch.save` wrote, `.safetensors`, and indices of several such files. */

import { limitsWith } from "./bytes/limits.ts";
import { openSource, type SourceLike } from "./bytes/source.ts";
import { readCheckpoint as readSaved } from "./loaders/state-dict/checkpoint.ts";
import type { SavedValue } from "./loaders/state-dict/saved-value.ts";
import { readStateDict as readTemplates } from "./loaders/state-dict/state-dict.ts";
import type { LoadOptions } from "./model.ts";
import { Instantiator } from "./run/instantiate.ts";
import { type DType, itemsize } from "./tensor/dtype.ts";
import type { Tensor } from "./tensor/tensor.ts";

export interface CheckpointChoice extends Pick<LoadOptions, "fetch" | "signal" | "onProgress" | "limits" | "name" | "siblings"> {
  /** Keys that lead to the state dict inside a checkpoint: `["model"]`. */
  readonly path?: readonly string[];
}

/**
 * The tensors of a state dict by name, in its order; tied ones share their storage. For `session.loadStateDict`. `what` is a file of
 * `torch.save` (zip, legacy or the tar of PyTorch 0.1), a `.safetensors` file, or the `*.index.json` of a sharded checkpoint. A sparse tensor
 * gives its parts, `w.indices` and `w.values`; one that was saved alone has the name "".
 * @throws unsafe-pickle, bad-pickle, bad-tensor, unsupported-format, unsupported-dtype, truncated, limit-exceeded
 */
export async function readStateDict(what: SourceLike, options: CheckpointChoice = {}): Promise<ReadonlyMap<string, Tensor>> {
  const source = await openSource(what, options);
  const templates = await readTemplates(source, { limits: limitsWith(options.limits), path: options.path });
  const instantiator = new Instantiator();
  const tensors = new Map([...templates].map(([name, template]) => [name, instantiator.tensor(template)]));
  await instantiator.prefetch();
  return tensors;
}

/** A value of a checkpoint. Dicts are `Map`s, tuples and lists arrays, `torch.Size` an array of numbers; ints beyond 2^53 are bigint. */
export type CheckpointValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Tensor
  | readonly CheckpointValue[]
  | ReadonlyMap<CheckpointValue, CheckpointValue>
  | ReadonlySet<CheckpointValue>
  | { readonly dtype: DType }
  | { readonly device: string }
  | { readonly re: number; readonly im: number }
  | { readonly layout: string; readonly shape: readonly number[]; readonly parts: ReadonlyMap<string, Tensor> };

/** A tensor of a checkpoint by its place: keys and indices joined by dots, `optimizer.state.0.exp_avg`. */
export interface CheckpointTensor {
  readonly name: string;
  readonly tensor: Tensor;
  /** Bytes of its elements; views of one storage count each. */
  readonly bytes: number;
  /** An `nn.Parameter`. */
  readonly parameter: boolean;
  /** Where it lived when it was saved; here it is on the host. */
  readonly device: string;
}

export interface Checkpoint {
  /** The whole object; containers that the file shares are one object here too. */
  readonly value: CheckpointValue;
  /** Every tensor, in order of appearance. */
  readonly tensors: readonly CheckpointTensor[];
}

/**
 * A whole checkpoint: state dicts, optimizer states and whatever else it holds as plain data. Takes the files that `readStateDict` takes.
 * @throws unsafe-pickle (it names the class) for Python objects, and what `readStateDict` throws
 */
export async function readCheckpoint(what: SourceLike, options: Omit<CheckpointChoice, "path"> = {}): Promise<Checkpoint> {
  const source = await openSource(what, options);
  const saved = await readSaved(source, { limits: limitsWith(options.limits) });
  const instantiator = new Instantiator();
  const tensors: CheckpointTensor[] = [];
  const made = new Map<SavedValue, CheckpointValue>();
  const keep = <V extends CheckpointValue>(from: SavedValue, to: V): V => {
    made.set(from, to);
    return to;
  };
  const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);
  const visit = (value: SavedValue, path: string): CheckpointValue => {
    const known = made.get(value);
    if (known !== undefined) return known;
    switch (value.kind) {
      case "none":
        return null;
      case "bool":
      case "int":
      case "float":
      case "str":
      case "bytes":
        return value.value;
      case "complex":
        return { re: value.re, im: value.im };
      case "size":
        return value.dims;
      case "dtype":
        return { dtype: value.dtype };
      case "device":
        return { device: value.value };
      case "tensor": {
        const tensor = instantiator.tensor(value.tensor);
        tensors.push({ name: path, tensor, bytes: tensor.numel * itemsize(tensor.dtype), parameter: value.parameter, device: value.tensor.storage.device });
        return keep(value, tensor);
      }
      case "sparse": {
        const parts = new Map<string, Tensor>();
        for (const [name, template] of value.parts) {
          const tensor = instantiator.tensor(template);
          tensors.push({ name: join(path, name), tensor, bytes: tensor.numel * itemsize(tensor.dtype), parameter: false, device: template.storage.device });
          parts.set(name, tensor);
        }
        return keep(value, { layout: value.layout, shape: value.shape, parts });
      }
      case "list":
      case "tuple": {
        const items: CheckpointValue[] = keep(value, []);
        for (const [i, item] of value.items.entries()) items.push(visit(item, join(path, String(i))));
        return items;
      }
      case "set": {
        const items: Set<CheckpointValue> = keep(value, new Set<CheckpointValue>());
        for (const item of value.items) items.add(visit(item, path));
        return items;
      }
      case "dict": {
        const entries: Map<CheckpointValue, CheckpointValue> = keep(value, new Map<CheckpointValue, CheckpointValue>());
        for (const [key, item] of value.entries) {
          const name = visit(key, path);
          entries.set(name, visit(item, join(path, typeof name === "object" ? key.kind : String(name))));
        }
        return entries;
      }
      default:
        return value satisfies never;
    }
  };
  const value = visit(saved, "");
  await instantiator.prefetch();
  return { value, tensors };
}
