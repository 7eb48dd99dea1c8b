/** What the primitive calls of one op add up to, while the op runs. */

import { describe } from "../run/placements.ts";
import type { MachineEvent } from "../run/event.ts";
import { workOf } from "../prims/work.ts";
import { itemsize } from "../tensor/dtype.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import { numelOf } from "../tensor/shape.ts";
import type { TraceEvent } from "./events.ts";

export class OpWork {
  bytes = 0;
  flops = 0;
  /** Where its calls ran; the session's own where they ran in several places. */
  backend: string | undefined;
  /** Random numbers that it drew, and from which generator. */
  draws = 0;
  generator: GeneratorState | undefined;
  /** Kinds of its calls. */
  readonly prims: string[] = [];
  /** To be told when the op's number is known: their node is -1 till then. */
  readonly events: TraceEvent[] = [];

  get isIdle(): boolean {
    return this.events.length === 0 && this.prims.length === 0;
  }

  /** Takes a call in; `told`: what an event of its own says besides. */
  add(
    { what, backend, bytes, reason }: Extract<MachineEvent, { readonly kind: "prim" }>,
    own: string,
    told: { readonly call: number; readonly ms?: number } | undefined,
  ): void {
    for (const view of what.operands) this.bytes += numelOf(view.shape) * itemsize(view.dtype);
    for (const view of what.results) this.bytes += numelOf(view.shape) * itemsize(view.dtype);
    if (what.kind !== "region") this.flops += workOf(what) * (what.kind === "contract" || what.kind === "convolve" ? 2 : 1);
    if (what.kind === "random") {
      this.generator = what.generator;
      this.draws += what.results.reduce((n, view) => n + numelOf(view.shape), 0);
    }
    this.backend = this.backend === undefined || this.backend === backend ? backend : own;
    const kind = describe(what);
    this.prims.push(kind);
    if (reason !== undefined) this.events.push({ k: "fallback", t: 0, node: -1, from: own, to: backend, reason, bytes });
    if (told !== undefined) this.events.push({ k: "prim", t: 0, kind, of: -1, ...told });
  }
}
