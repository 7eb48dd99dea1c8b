/** Random numbers that are the same on every machine: a round of the fuzzer is known by its seed and number alone. */

export class Random {
  #state: number;

  /** One stream per (seed, round). */
  constructor(seed: number, round: number) {
    this.#state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(round + 1, 0xc2b2ae35)) >>> 0;
    for (let i = 0; i < 4; i++) this.#next();
  }

  /** mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return (x ^ (x >>> 14)) >>> 0;
  }

  /** An integer of [0, n). */
  below(n: number): number {
    return n <= 1 ? 0 : Math.floor((this.#next() / 2 ** 32) * n);
  }
  /** True once in n. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
  /** One of the items; there has to be one. */
  of<T>(items: readonly [T, ...T[]] | readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined && items.length === 0) throw new Error("nothing to choose from");
    return item as T; // the index lies in the array
  }
  /** A small number, large ones ever rarer: lengths of damaged stretches. */
  size(most: number): number {
    return 1 + this.below(Math.max(1, Math.min(most, 2 ** this.below(12))));
  }
}
