/**
 * Kernels that a build printed ahead. Printing a family in a new process takes 2 to 10 ms, and a kernel of a program up to 5, since no engine has made that code fast
 * yet; reading one, none. From the sources there are none: `scripts/build-node.ts` puts a module with the same export in the place of this one, which has their bytes.
 */

import type { Form, PrintedFamily } from "./dense.ts";

export interface Ahead {
  /** Constants of vectors in the order of the addresses by which kernels read them. */
  readonly literals: readonly number[];
  /** A family as the build printed it; undefined where it did not. */
  family(name: string, form: Form): PrintedFamily | undefined;
  /** The kernel that is printed from what `identity.ts` calls so. */
  kernel(identity: string, form: Form): Uint8Array<ArrayBuffer> | undefined;
}

export const ahead: Ahead | undefined = undefined;
