/**
 * Families of kernels that a build printed ahead. Printing one in a new process takes 2 to 10 ms, since no engine has made that code fast yet; reading one, none.
 * From the sources there are none: `scripts/build-node.ts` puts a module with the same export in the place of this one, which has their bytes.
 */

import type { Form, PrintedFamily } from "./dense.ts";

/** A family as the build printed it; undefined where it did not. */
export const printedAhead: (family: string, form: Form) => PrintedFamily | undefined = () => undefined;
