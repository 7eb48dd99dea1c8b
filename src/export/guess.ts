/** Example arguments for a method that none are given for: the tensors' kinds are tried until the method can be followed. */

import type { Param } from "../ir/graph.ts";
import { printType, type Type } from "../ir/type.ts";
import type { Input } from "../run/convert.ts";
import type { Session } from "../run/session.ts";
import type { DType } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";

const isTensor = (type: Type): boolean => type.kind === "Tensor";

/** Kinds that all tensors among the arguments may have, likeliest first: the module's own weights say how many channels and features there are. */
function candidates(session: Session): { readonly dtype: DType; readonly shape: readonly number[] }[] {
  const weights = session
    .tensors()
    .map((t) => t.tensor)
    .filter((t) => t.rank >= 2);
  const sizes = (rank: number): number[] => weights.filter((t) => t.rank === rank).map((t) => t.shape[1] ?? 1);
  const unique = (list: readonly number[]): number[] => [...new Set(list)].slice(0, 6);
  const out: { dtype: DType; shape: readonly number[] }[] = [];
  const add = (dtype: DType, shape: readonly number[]): void => void out.push({ dtype, shape });
  const [first] = weights;
  // The rank of the first weight tells most: convolutions, or rows.
  if (first?.rank === 2 && (first.shape[0] ?? 0) > (first.shape[1] ?? 0)) add("int64", [2, 16]);
  for (const c of unique([...sizes(5)])) add("float32", [2, c, 16, 32, 32]);
  for (const c of unique([3, 1, ...sizes(4)])) for (const hw of [224, 32]) add("float32", [2, c, hw, hw]);
  for (const c of unique(sizes(3))) add("float32", [2, c, 400]);
  for (const f of unique(sizes(2))) add("float32", [2, f]);
  for (const f of unique(sizes(2))) add("float32", [2, 16, f]);
  add("int64", [2, 16]);
  for (const rank of [2, 3, 4, 1])
    add(
      "float32",
      Array.from({ length: rank }, (_, i) => 4 + i),
    );
  add("float32", [2, 16000]);
  add("int64", [16]);
  return out;
}

/**
 * The arguments with which `attempt` does best: none of its sizes fixed, if that can be had.
 * @throws bad-argument where an argument is no tensor, or none of the kinds will do
 */
export function withGuessedArguments<X extends { readonly fixed: readonly unknown[] }>(
  session: Session,
  params: readonly Param[],
  attempt: (args: readonly Input[]) => X,
): { readonly result: X; readonly args: readonly Input[] } {
  const wanted = params.filter((p) => p.default === undefined);
  const other = wanted.find((p) => !isTensor(p.type));
  const hint = "give examples: `--input x=float32[1,3,224,224]` or `--input FILE.npy`";
  if (other !== undefined)
    throw new OpwiseError("bad-argument", `no example is given for the argument \`${other.name}\``, { wanted: printType(other.type), hint });
  let best: { result: X; args: readonly Input[] } | undefined;
  let failure: unknown;
  for (const { dtype, shape } of wanted.length === 0 ? [{ dtype: "float32" as DType, shape: [] }] : candidates(session)) {
    const args = wanted.map(() => Tensor.zeros(shape, dtype));
    try {
      const result = attempt(args);
      if (best === undefined || result.fixed.length < best.result.fixed.length) best = { result, args };
      if (result.fixed.length === 0) break;
    } catch (error) {
      failure ??= error;
    }
  }
  if (best === undefined)
    throw new OpwiseError("bad-argument", "none of the likely kinds of inputs fits the method", {
      wanted: wanted.map((p) => p.name).join(", "),
      hint,
      cause: failure,
    });
  return best;
}
