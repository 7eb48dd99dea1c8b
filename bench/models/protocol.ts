/** What the bench asks of a contestant, one JSON line each, and what it answers. `contestant.py` speaks the same. */

export type Request =
  /** Loads a model file; `inputs.npz` and `outputs.npz` lie beside it. */
  | { readonly kind: "load"; readonly folder: string; readonly file: string }
  /** Runs it for about so many milliseconds. */
  | { readonly kind: "run"; readonly ms: number };

export interface Loaded {
  /** Milliseconds until a session was ready, and of the first run. */
  readonly load: number;
  readonly first: number;
  /** Largest difference from the recorded outputs, over the largest of them. */
  readonly error: number;
}
export interface Ran {
  readonly times: readonly number[];
  /** Peak resident bytes of the process so far. */
  readonly peak: number;
}
export type Answer =
  | { readonly kind: "ready"; readonly version: string; readonly peak: number }
  | ({ readonly kind: "loaded" } & Loaded)
  | ({ readonly kind: "ran" } & Ran)
  | { readonly kind: "failed"; readonly message: string };
