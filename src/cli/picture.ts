/** `opwise run --image`: pictures through a pipeline to a batch, and the best classes of what the model answers. */

import { readFileSync } from "node:fs";
import {
  elementsOf,
  isOpwiseError,
  isPreset,
  OpwiseError,
  parseSteps,
  preprocess,
  PRESETS,
  type Processed,
  type Step,
  stepsOfConfig,
  type Tensor,
} from "../index.ts";
import { UsageError } from "./arguments.ts";

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new OpwiseError("missing-file", `\`${file}\` cannot be read`, { where: { file }, cause });
  }
}

function jsonOf(file: string): unknown {
  try {
    return JSON.parse(textOf(file));
  } catch (cause) {
    throw isOpwiseError(cause) ? cause : new OpwiseError("bad-argument", `\`${file}\` is no JSON`, { where: { file }, cause });
  }
}

/** A preset's name, a JSON file of steps, or a `preprocessor_config.json`. */
function pipelineOf(word: string): readonly Step[] {
  if (isPreset(word)) return PRESETS[word];
  if (!word.endsWith(".json")) throw new UsageError(`\`--preset\` wants ${Object.keys(PRESETS).join(", ")} or a JSON file, got \`${word}\``);
  const json = jsonOf(word);
  const isConfig = typeof json === "object" && json !== null && !Array.isArray(json) && !("steps" in json);
  return isConfig ? stepsOfConfig({ ...json }) : parseSteps(json);
}

/** The pictures as one batch [N, C, H, W]. */
export async function pictureBatch(files: readonly string[], preset: string): Promise<Processed> {
  const pipeline = pipelineOf(preset);
  const pictures = files.map((file) => {
    try {
      return new Uint8Array(readFileSync(file));
    } catch (cause) {
      throw new OpwiseError("missing-file", `\`${file}\` cannot be read`, { where: { file }, cause });
    }
  });
  const [name] = files;
  return preprocess(pictures, pipeline, files.length === 1 ? { name } : {});
}

/** Names of classes: a line each, or a JSON list, or a JSON object by index. */
function labelsOf(file: string): readonly string[] {
  if (!file.endsWith(".json")) return textOf(file).replace(/\n$/, "").split(/\r?\n/);
  const json = jsonOf(file);
  if (typeof json !== "object" || json === null) throw new OpwiseError("bad-argument", `\`${file}\` holds no labels`, { where: { file } });
  return Object.assign([], json) as string[]; // texts, or printed as they are
}

export interface Guess {
  readonly index: number;
  readonly probability: number;
  readonly label: string | undefined;
}

/** The `count` best classes of each row of scores [N, classes]; what is not yet probabilities goes through a softmax. */
export function bestClasses(scores: Tensor, count: number, labelFile: string | undefined): readonly (readonly Guess[])[] {
  const classes = scores.shape.at(-1) ?? 0;
  if (scores.rank > 2 || classes < 1) throw new UsageError(`\`--top\` wants scores of classes, the first output has shape [${scores.shape.join(", ")}]`);
  const labels = labelFile === undefined ? [] : labelsOf(labelFile);
  const values = elementsOf(scores).map(Number);
  return Array.from({ length: values.length / classes }, (_, row) => {
    const own = values.slice(row * classes, (row + 1) * classes);
    return probabilities(own)
      .map((probability, index) => ({ index, probability, label: labels[index] }))
      .sort((a, b) => b.probability - a.probability || a.index - b.index)
      .slice(0, count);
  });
}

function probabilities(scores: readonly number[]): readonly number[] {
  const sum = scores.reduce((a, b) => a + b, 0);
  if (scores.every((s) => s >= 0) && Math.abs(sum - 1) < 1e-3) return scores;
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = scores.map((s) => Math.exp(s - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / total);
}
