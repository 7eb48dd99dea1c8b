/** Where calls ran, counted without building a text per call. */

import type { Call, Region } from "../prims/call.ts";

/** One line of `session.placement()`. */
export interface Placement {
  /** Call kind and program, or region name. */
  readonly what: string;
  readonly backend: string;
  readonly count: number;
  /** Bytes moved between backend and host because of it. */
  readonly bytes: number;
  /** Why it did not run on the session's backend. */
  readonly reason: string | undefined;
}

/** Names a call for placement and profiles. */
export function describe(what: Call | Region): string {
  if (what.kind === "region") return what.name;
  if (what.kind === "host" || what.kind === "linalg") return `${what.kind} ${what.name}`;
  if ("program" in what) return `${what.kind} ${what.kind === "reduce" || what.kind === "scan" ? `${what.combiner.name} ` : ""}${what.program.name}`;
  return what.kind === "random" ? `random ${what.transform}` : what.kind;
}

interface Count {
  readonly kind: string;
  /** A combiner or a transform, where the subject leaves it open. */
  readonly detail: unknown;
  readonly what: string;
  readonly backend: string;
  readonly reason: string | undefined;
  count: number;
  bytes: number;
}

/** What a count goes by: the program, or a name. */
function subjectOf(what: Call | Region): object | string {
  if ("program" in what) return what.program;
  return what.kind === "region" || what.kind === "host" || what.kind === "linalg" ? what.name : what.kind;
}

function detailOf(what: Call | Region): unknown {
  if (what.kind === "reduce" || what.kind === "scan") return what.combiner;
  return what.kind === "random" ? what.transform : undefined;
}

export class Placements {
  readonly #counts = new Map<object | string, Count[]>();

  add(what: Call | Region, backend: string, bytes: number, reason: string | undefined): void {
    const subject = subjectOf(what);
    const detail = detailOf(what);
    let counts = this.#counts.get(subject);
    if (counts === undefined) this.#counts.set(subject, (counts = []));
    for (const known of counts) {
      if (known.kind === what.kind && known.detail === detail && known.backend === backend && known.reason === reason) {
        known.count++;
        known.bytes += bytes;
        return;
      }
    }
    counts.push({ kind: what.kind, detail, what: describe(what), backend, reason, count: 1, bytes });
  }

  /** One line per description, backend and reason; `planned` are further counts. */
  lines(planned: Iterable<Placement> = []): readonly Placement[] {
    const lines = new Map<string, Placement>();
    const add = ({ what, backend, reason, count, bytes }: Placement): void => {
      const key = `${backend}|${what}|${reason ?? ""}`;
      const line = lines.get(key);
      lines.set(key, { what, backend, reason, count: count + (line?.count ?? 0), bytes: bytes + (line?.bytes ?? 0) });
    };
    for (const counts of this.#counts.values()) counts.forEach(add);
    for (const line of planned) add(line);
    return [...lines.values()];
  }
}
