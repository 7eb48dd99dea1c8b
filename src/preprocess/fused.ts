/** Shorter ways through common pipelines, to the same bytes. */

import type { PictureSource, PreprocessOptions } from "./preprocess.ts";
import type { Step } from "./step.ts";
import type { Tensor } from "../tensor/tensor.ts";

export function fusedRun(
  _source: PictureSource,
  _steps: readonly Step[],
  _options: PreprocessOptions,
): { readonly tensor: Tensor; readonly source: string } | undefined {
  return undefined;
}
