/** fourier calls on the CPU. */

import type { FftCall } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";

export function fourier(call: FftCall): void {
  unreachable(call.kind);
}
