/** Listeners for programs (F16, F19): what a session computes, as it computes it, by selector, at a tier, in a sample of its runs. */

import type { Session } from "../run/session.ts";
import { OpwiseError } from "../tensor/error.ts";
import { type Check, type CheckFailure, keeps, unmatchedChecks } from "./checks.ts";
import type { EventOf, Tier, TraceEvent } from "./events.ts";
import { graphOf } from "./graph.ts";
import { selectNodes, selectValues, type Subject, suggestions } from "./match.ts";
import { Recorder } from "./recorder.ts";
import { parseSelector, printSelector, type Selector } from "./selector.ts";
import type { RecorderOptions, Sink } from "./sink.ts";

export interface ListenOptions {
  /** Whose events; default all. */
  readonly select?: string | Selector | undefined;
  /** 0 structure, 1 hashes, 2 health; default 2 for `value`, 0 for all others. */
  readonly tier?: 0 | 1 | 2 | undefined;
  /** Share of the runs that are watched; the others build no event. Default 1. */
  readonly sample?: number | undefined;
}

/** Whether the `n`th run of a sample is in it: spread evenly, the first always, and the same each time. */
export function isSampled(n: number, sample: number): boolean {
  return sample >= 1 || n === 0 || Math.floor(n * sample) > Math.floor((n - 1) * sample);
}

/** @throws no-match for a selector that nothing in the model can match */
function selectorOf(session: Session, select: string | Selector | undefined): Selector | undefined {
  const selector = typeof select === "string" ? parseSelector(select) : select;
  const graph = graphOf(session.program);
  if (selector !== undefined && selectNodes(graph, selector).length + selectValues(graph, selector).length === 0) {
    const near = suggestions(graph, selector);
    throw new OpwiseError(
      "no-match",
      `nothing in the model matches \`${printSelector(selector)}\``,
      near.length === 0 ? {} : { hint: `is it ${near.join(", or ")}?` },
    );
  }
  return selector;
}

/** Kinds of events that belong to an execution. */
const OF_AN_OP: ReadonlySet<string> = new Set(["enter", "exit", "value", "plain", "write", "alloc", "prim", "fallback", "read", "rng"]);

const VALUES: readonly ["none", "hash", "stats"] = ["none", "hash", "stats"];

/** Watches runs of the session with a recorder of its own for each. */
function watch(session: Session, sample: number, options: RecorderOptions, sink: () => Sink): () => void {
  let runs = 0;
  return session.watch(() => (isSampled(runs++, sample) ? new Recorder(session, sink(), options).listener : undefined));
}

/**
 * Calls `handler` with the events of one kind in runs of the session; gives a function that ends it. Runs that nobody watches build no events.
 * @throws no-match
 */
export function on<K extends TraceEvent["k"]>(
  session: Session,
  kind: K,
  handler: (event: EventOf<K>, subject: Subject | undefined) => void,
  options: ListenOptions = {},
): () => void {
  const select = selectorOf(session, options.select);
  const tier: Tier = options.tier ?? (kind === "value" ? 2 : 0);
  const values = VALUES[tier] ?? "stats";
  return watch(session, options.sample ?? 1, { values, prims: kind === "prim", observe: { select, content: tier >= 1 } }, () => {
    let held: TraceEvent[] = [];
    const give = (event: TraceEvent, subject: Subject | undefined): void => {
      if (event.k === kind) handler(event as EventOf<K>, subject); // its kind says so
    };
    return {
      event: (event) => {
        if (select === undefined || !OF_AN_OP.has(event.k)) give(event, undefined);
        else held.push(event);
      },
      // With a selector, an op's events wait for the word that it is selected.
      subject: (subject, selected) => {
        if (selected) for (const event of held) give(event, subject);
        held = [];
      },
      keep: () => undefined,
      limit: (wanted) => wanted,
    };
  });
}

/**
 * Holds runs of the session to assertions, as they run; gives a function that ends it.
 * @throws no-match for a check that nothing in the model can match
 */
export function watchChecks(
  session: Session,
  checks: readonly Check[],
  onFailure: (failure: CheckFailure) => void,
  options: Pick<ListenOptions, "sample"> = {},
): () => void {
  const graph = graphOf(session.program);
  const [lost] = unmatchedChecks(graph, checks);
  if (lost !== undefined)
    throw new OpwiseError("no-match", `nothing in the model matches \`${printSelector(lost.select)}\``, { where: { line: lost.line, text: lost.text } });
  let runs = 0;
  return watch(session, options.sample ?? 1, { values: "stats", observe: { select: undefined, content: true } }, () => {
    const n = runs++;
    const now = checks.filter((check) => isSampled(n, check.sample));
    return {
      event: () => undefined,
      subject: (subject) => {
        for (const check of now)
          if (keeps(check, subject, graph) === false)
            onFailure({ check, node: subject.node.id, op: subject.node.op, nth: subject.nth ?? 0, module: subject.module ?? "", subject });
      },
      keep: () => undefined,
      limit: (wanted) => wanted,
    };
  });
}
