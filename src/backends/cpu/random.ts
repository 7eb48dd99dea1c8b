/** random calls on the CPU. */

import type { RandomCall } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";

export function random(call: RandomCall): void {
  unreachable(call.kind);
}
