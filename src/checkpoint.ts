/** Tensors that `torch.save` wrote, read without Python. */

import { limitsWith } from "./bytes/limits.ts";
import { openSource, type SourceLike } from "./bytes/source.ts";
import { readStateDict as readTemplates } from "./loaders/state-dict/state-dict.ts";
import type { LoadOptions } from "./model.ts";
import { Instantiator } from "./run/instantiate.ts";
import type { Tensor } from "./tensor/tensor.ts";

export interface CheckpointChoice extends Pick<LoadOptions, "fetch" | "signal" | "onProgress" | "limits" | "name"> {
  /** Keys that lead to the state dict inside a checkpoint: `["model"]`. */
  readonly path?: readonly string[];
}

/**
 * The tensors of a `.pth` state dict by name, in its order; tied ones share their storage. For `session.loadStateDict`.
 * @throws unsafe-pickle, bad-pickle, bad-tensor, unsupported-format
 */
export async function readStateDict(what: SourceLike, options: CheckpointChoice = {}): Promise<ReadonlyMap<string, Tensor>> {
  const source = await openSource(what, options);
  const templates = await readTemplates(source, { limits: limitsWith(options.limits), path: options.path });
  const instantiator = new Instantiator();
  const tensors = new Map([...templates].map(([name, template]) => [name, instantiator.tensor(template)]));
  await Promise.all(instantiator.prefetch());
  return tensors;
}
