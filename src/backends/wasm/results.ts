/**
 * Results leave plans as arrays of their own. V8 frees arrays outside its heap by collecting young objects, which it does when those that are young have 32 MB in all: a model that
 * gives 600 KB keeps fifty former results resident. So it is made to count sooner.
 */

/** Bytes of results after which they are to be looked through. */
const ENOUGH = 8 * 2 ** 20;
/**
 * What V8 then counts besides: 32 MB with them, for which it collects young objects, and not more, for which it would go through old ones as well. A buffer that may grow is mapped and
 * not taken from memory that the C library has kept, so pages that nothing touches cost nothing.
 */
const UNTOUCHED = 24.25 * 2 ** 20;

const untouched = (): unknown => Reflect.construct(ArrayBuffer, [UNTOUCHED, { maxByteLength: UNTOUCHED }]); // newer than the library of ES2022

/** Has V8 collect young objects when a next array is made. In pages this has not been measured. */
function collectSoon(): void {
  if (typeof process === "undefined") return;
  try {
    untouched();
  } catch {
    // There is not as much memory to be had: the engine will look for garbage by itself.
  }
}

export class Results {
  #bytes = 0;
  readonly #collect: () => void;

  constructor(collect: () => void = collectSoon) {
    this.#collect = collect;
  }

  /** An array of so many bytes is about to be made, for the caller to have. */
  leave(nbytes: number): void {
    this.#bytes += nbytes;
    if (this.#bytes <= ENOUGH) return;
    this.#bytes = nbytes;
    this.#collect();
  }
}

/** Those of all sessions: garbage is the process's. */
export const results: Results = new Results();
