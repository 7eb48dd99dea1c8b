/** State of a random engine as data. */

export interface GeneratorState {
  seed: bigint;
  /** The Mersenne twister's words and position. */
  words: Uint32Array;
  position: number;
  /** Second half of the last Box-Muller pair, per precision. */
  nextFloat: number | undefined;
  nextDouble: number | undefined;
}
