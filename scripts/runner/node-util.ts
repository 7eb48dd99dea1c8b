/** Node 23 and later have dropped two functions of `util` that tfjs-node 4.22 still calls; gone once tfjs-node stops calling them. */

import { createRequire } from "node:module";

interface LegacyUtil {
  isNullOrUndefined?: (v: unknown) => boolean;
  isArray?: (v: unknown) => boolean;
}

export const util: { mend(): void } = {
  mend(): void {
    const legacy: LegacyUtil = createRequire(import.meta.url)("node:util");
    legacy.isNullOrUndefined ??= (v) => v === null || v === undefined;
    legacy.isArray ??= Array.isArray;
  },
};
