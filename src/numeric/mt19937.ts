/**
 * The Mersenne twister that PyTorch's CPU generator and NumPy's RandomState share. The state is plain data: copying it copies the
 * generator. Which draw takes which words is in `distributions.ts`.
 */

const SIZE = 624;
const SHIFT = 397;

/** A generator's whole state. `nextFloat` and `nextDouble` hold the second half of the last Box-Muller pair, per precision. */
export interface TwisterState {
  seed: bigint;
  /** 624 words. */
  words: Uint32Array;
  /** Next word to hand out; 624 when all are used. */
  position: number;
  nextFloat: number | undefined;
  nextDouble: number | undefined;
}

/** The state after `torch.manual_seed(seed)`; only the low 32 bits reach the words. */
export function seedTwister(seed: bigint | number): TwisterState {
  const big = BigInt(seed);
  return { seed: BigInt.asUintN(64, big), words: wordsOfSeed(Number(BigInt.asUintN(32, big))), position: SIZE, nextFloat: undefined, nextDouble: undefined };
}

/** Knuth's linear congruential filling, `init_genrand` of the reference code. */
function wordsOfSeed(seed: number): Uint32Array {
  const words = new Uint32Array(SIZE);
  words[0] = seed;
  let last = seed;
  for (let k = 1; k < SIZE; k++) {
    last = (Math.imul(1812433253, last ^ (last >>> 30)) + k) >>> 0;
    words[k] = last;
  }
  return words;
}

/** The state that NumPy's `RandomState(list)` starts from (`init_by_array` of the reference code). */
export function seedTwisterByArray(key: readonly number[]): TwisterState {
  const words = wordsOfSeed(19650218);
  const at = (k: number): number => words[k] as number; // callers stay inside
  const mixed = (k: number): number => at(k - 1) ^ (at(k - 1) >>> 30);
  let i = 1;
  let j = 0;
  const step = (): void => {
    if (++i >= SIZE) {
      words[0] = at(SIZE - 1);
      i = 1;
    }
  };
  for (let k = Math.max(SIZE, key.length); k > 0; k--) {
    words[i] = (at(i) ^ Math.imul(mixed(i), 1664525)) + (key[j] ?? 0) + j;
    step();
    if (++j >= key.length) j = 0;
  }
  for (let k = SIZE - 1; k > 0; k--) {
    words[i] = (at(i) ^ Math.imul(mixed(i), 1566083941)) - i;
    step();
  }
  words[0] = 0x80000000;
  return { seed: 0n, words, position: SIZE, nextFloat: undefined, nextDouble: undefined };
}

/** An independent copy. */
export function cloneTwister(state: TwisterState): TwisterState {
  return { ...state, words: state.words.slice() };
}

function refill(words: Uint32Array): void {
  const at = (k: number): number => words[k < SIZE ? k : k - SIZE] as number; // k < 2 * 624
  for (let k = 0; k < SIZE; k++) {
    const y = (at(k) & 0x80000000) | (at(k + 1) & 0x7fffffff);
    words[k] = at(k + SHIFT) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}

/** The next 32 bits. Advances `state`. */
export function random32(state: TwisterState): number {
  if (state.position >= SIZE) {
    refill(state.words);
    state.position = 0;
  }
  let y = state.words[state.position++] as number; // position < 624
  y ^= y >>> 11;
  y ^= (y << 7) & 0x9d2c5680;
  y ^= (y << 15) & 0xefc60000;
  return (y ^ (y >>> 18)) >>> 0;
}

/** The next 64 bits: the first word drawn is the upper half. */
export function random64(state: TwisterState): bigint {
  const high = random32(state);
  return (BigInt(high) << 32n) | BigInt(random32(state));
}

/** The low 53 bits of the next 64. */
export function random53(state: TwisterState): number {
  const high = random32(state);
  return (high & 0x1fffff) * 2 ** 32 + random32(state);
}
