/** linalg calls on the CPU. */

import type { LinalgCall } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";

export function linalg(call: LinalgCall): void {
  unreachable(call.kind);
}
