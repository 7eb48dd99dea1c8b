/** Whether sharing out pays now: on a busy machine, a thread that is kept from its core with a part in its hands keeps all others waiting. */

/** How much longer than its shortest run a shared one may take before running alone is tried. */
const TOLERANCE = 1.3;
/** The most runs alone before sharing is tried again. */
const MOST_ALONE = 32;
/** What a run alone counts for after each shared one: it was measured in other conditions. */
const FORGETTING = 0.99;

/** Of the two ways to run a group, the one that has been faster of late. */
export class Sharing {
  #shortest = Infinity;
  /** How long a run alone takes, as far as is known. */
  #alone = 0;
  /** Runs alone that are to come, and how many there were to be. */
  #left = 0;
  #patience = 0;

  /** Whether the next run is to be shared. */
  get pays(): boolean {
    return this.#left === 0;
  }

  /** Tells how long the run took. */
  took(ms: number): void {
    if (this.#left > 0) {
      this.#left--;
      this.#alone = ms;
      return;
    }
    this.#shortest = Math.min(this.#shortest, ms);
    this.#alone *= FORGETTING;
    if (ms <= Math.max(this.#alone, TOLERANCE * this.#shortest)) this.#patience = 0;
    else {
      this.#patience = Math.min(MOST_ALONE, Math.max(1, 2 * this.#patience));
      this.#left = this.#patience;
    }
  }
}
