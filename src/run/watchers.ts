/** Who watches the runs of a session, from one run to the next. */

import type { Listener } from "./event.ts";

export class Watchers {
  readonly #makers = new Set<() => Listener | undefined>();

  /** Adds who is asked at the start of each run; gives a function that takes him out again. */
  add(make: () => Listener | undefined): () => void {
    this.#makers.add(make);
    return () => void this.#makers.delete(make);
  }

  /** The options of a run with the listeners of all who watch it; the same options where nobody does. */
  join<O extends { readonly listener?: Listener | undefined }>(options: O): O {
    if (this.#makers.size === 0) return options;
    const listeners = [options.listener, ...[...this.#makers].map((make) => make())].filter((listener) => listener !== undefined);
    if (listeners.length === 0) return options;
    const listener: Listener = (event) => {
      const waits = listeners.map((one) => one(event)).filter((wait) => wait instanceof Promise);
      return waits.length === 0 ? undefined : Promise.all(waits);
    };
    return { ...options, listener };
  }
}
