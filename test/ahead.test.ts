/** Kernels that the build for Node prints ahead: as a process prints them, for memories of its own and shared ones. */

import { expect, test } from "vitest";
import { aheadModule } from "../scripts/build-node.ts";
import { type Form, type PrintedFamily, printFamilies } from "../src/backends/wasm/dense.ts";

interface Ahead {
  readonly printedAhead: (family: string, form: Form) => PrintedFamily | undefined;
}
const build = async (): Promise<Ahead> => (await import(`data:text/javascript,${encodeURIComponent(aheadModule())}`)) as Ahead; // what the module says of itself

test("each family is there as it is printed, for either kind of memory", async () => {
  const { printedAhead } = await build();
  for (const shared of [false, true]) {
    const printed = printFamilies({ shared, fused: true });
    expect(printed.size).toBeGreaterThan(5);
    for (const [family, { bytes, needs }] of printed) {
      const ahead = printedAhead(family, { shared, fused: true });
      expect(ahead?.needs).toEqual(needs);
      expect(Buffer.compare(ahead?.bytes ?? Buffer.of(), bytes)).toBe(0);
    }
  }
});

test("where there is no fused multiply-add nothing is there, and kernels are printed", async () => {
  const { printedAhead } = await build();
  expect(printedAhead("gemm", { shared: false, fused: false })).toBeUndefined();
});
