/** The n-grams of TfIdfVectorizer: a tree of words, and the counting of a row's n-grams with up to so many words skipped between. */

import { OpwiseError } from "../../tensor/error.ts";
import type { OnnxCall } from "./define.ts";

/** An n-gram of the pool: its position in the output, and its weight, which stands in the pool's order. */
interface Gram {
  readonly at: number;
  readonly weight: number;
}
interface Branch {
  /** The n-gram that ends here. */
  gram: Gram | undefined;
  readonly next: Map<string, Branch>;
}
const branch = (): Branch => ({ gram: undefined, next: new Map() });

export interface Grams {
  /** Numbers per row. */
  readonly width: number;
  /** The weighted counts of one row of words. */
  readonly row: (words: readonly string[]) => number[];
}

/** Reads the pool: `ngram_counts[n - 1]` is where the n-grams begin, which lie one after another. */
function treeOf(pool: readonly string[], starts: readonly number[], coordinates: readonly number[], weights: readonly number[] | undefined, shortest: number, longest: number): Branch {
  const root = branch();
  let id = 0;
  starts.forEach((start, i) => {
    const size = i + 1;
    const end = starts[i + 1] ?? pool.length;
    for (let at = start; at + size <= end; at += size, id++) {
      if (size < shortest || size > longest) continue;
      let node = root;
      for (const word of pool.slice(at, at + size)) {
        let next = node.next.get(word);
        if (next === undefined) node.next.set(word, (next = branch()));
        node = next;
      }
      const place = coordinates[id];
      if (place !== undefined) node.gram = { at: place, weight: weights?.[id] ?? 1 };
    }
  });
  return root;
}

export function gramsOf(call: OnnxCall): Grams {
  const { attributes } = call;
  const mode = attributes.string("mode");
  const pool = attributes.strings("pool_strings") ?? attributes.bigints("pool_int64s")?.map(String);
  const coordinates = attributes.ints("ngram_indexes") ?? [];
  if (pool === undefined || coordinates.length === 0) throw new OpwiseError("bad-onnx", "TfIdfVectorizer without a pool of n-grams");
  if (!["TF", "IDF", "TFIDF"].includes(mode))
    throw new OpwiseError("bad-onnx", "`mode` of TfIdfVectorizer is unknown", { wanted: "TF, IDF or TFIDF", got: mode });
  const [shortest, longest, skips] = [attributes.int("min_gram_length"), attributes.int("max_gram_length"), attributes.int("max_skip_count")];
  const root = treeOf(pool, attributes.ints("ngram_counts") ?? [], coordinates, mode === "TF" ? undefined : attributes.floats("weights"), shortest, longest);
  const width = Math.max(...coordinates) + 1;
  const row = (words: readonly string[]): number[] => {
    const counts = new Array<number>(width).fill(0);
    // Single words do not depend on the distance: they are counted once.
    for (let distance = 1, from = shortest; distance <= skips + 1 && from <= longest; distance++, from = Math.max(from, 2)) {
      for (let start = 0; start + distance * (from - 1) < words.length; start++) {
        let node: Branch | undefined = root;
        for (let n = 1, at = start; n <= longest && at < words.length; n++, at += distance) {
          node = node.next.get(words[at] ?? "");
          if (node === undefined) break;
          if (n < from || node.gram === undefined) continue;
          const { at: place, weight } = node.gram;
          counts[place] = mode === "IDF" ? weight : (counts[place] ?? 0) + weight;
        }
      }
    }
    return counts;
  };
  return { width, row };
}
