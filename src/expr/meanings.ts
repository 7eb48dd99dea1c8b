/**
 * Functions of the language that few programs use (gamma, Bessel, orthogonal polynomials). Their meaning in double precision comes with the ops that use them,
 * so that what runs other programs has none of it: an op brings it when it writes the function into a program, a backend asks for it when it compiles one.
 */

import { unreachable } from "../tensor/error.ts";
import type { BinaryOp, UnaryOp } from "./expr.ts";

export type SpecialUnary = Extract<
  UnaryOp,
  | "erfc"
  | "erfinv"
  | "erfcx"
  | "lgamma"
  | "digamma"
  | "i0"
  | "i0e"
  | "i1"
  | "i1e"
  | "ndtri"
  | "logndtr"
  | "ndtr"
  | "j0"
  | "j1"
  | "y0"
  | "y1"
  | "k0"
  | "k1"
  | "k0e"
  | "k1e"
  | "airyai"
  | "sphericalj0"
>;
export type SpecialBinary = Extract<
  BinaryOp,
  | "zeta"
  | "igamma"
  | "igammac"
  | "polygamma"
  | "chebyshevT"
  | "chebyshevU"
  | "chebyshevV"
  | "chebyshevW"
  | "chebyshevTs"
  | "chebyshevUs"
  | "chebyshevVs"
  | "chebyshevWs"
  | "hermiteH"
  | "hermiteHe"
  | "laguerreL"
  | "legendreP"
>;

const unaries = new Map<SpecialUnary, (x: number) => number>();
const binaries = new Map<SpecialBinary, (x: number, y: number) => number>();

export function bringUnary(fn: SpecialUnary, meaning: (x: number) => number): void {
  unaries.set(fn, meaning);
}
export function bringBinary(fn: SpecialBinary, meaning: (x: number, y: number) => number): void {
  binaries.set(fn, meaning);
}
export function unaryMeaning(fn: SpecialUnary): (x: number) => number {
  return unaries.get(fn) ?? unreachable(`the meaning of ${fn} was not brought`);
}
export function binaryMeaning(fn: SpecialBinary): (x: number, y: number) => number {
  return binaries.get(fn) ?? unreachable(`the meaning of ${fn} was not brought`);
}
