/** Progress on a terminal's stderr; nothing where stderr is no terminal. */

import type { Progress } from "../index.ts";

export function progressLine(name: string): (progress: Progress) => void {
  return ({ loaded, total }) => {
    if (!process.stderr.isTTY) return;
    const mb = (n: number): string => `${(n / 1e6).toFixed(1)} MB`;
    process.stderr.write(`\r${name}: ${mb(loaded)}${total === undefined ? "" : ` of ${mb(total)}`}${loaded === total ? "\n" : ""}`);
  };
}
