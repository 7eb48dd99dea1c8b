/** A case read back and run: whether it still shows what it was made for. */

import type { Backend } from "../../prims/backend.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Session } from "../../run/session.ts";
import { compareTapes, type Comparison } from "../compare/compare.ts";
import { record } from "../compare/tape.ts";
import type { Profile } from "../compare/budget.ts";
import { type CaseFailure, type CaseFile, readCase } from "./case-file.ts";

export interface CheckOptions {
  readonly backendA: Backend;
  readonly backendB: Backend;
  readonly cpu: Backend;
  readonly profile?: Profile | undefined;
}

export interface CaseCheck {
  /** How far over its budget the pinned op is now. */
  readonly times: number;
  /** Whether that is the failure of the case. */
  readonly reproduced: boolean;
  readonly failure: CaseFailure;
  readonly comparison: Comparison;
}

/** Runs a case on both backends. `sessionOf` makes a session of the case's program. @throws as reading and running do */
export async function checkCase(
  file: CaseFile | Uint8Array,
  sessionOf: (one: CaseFile, backend: Backend) => Promise<Session>,
  options: CheckOptions,
): Promise<CaseCheck> {
  const one = file instanceof Uint8Array ? await readCase(file) : file;
  const tapeOn = async (backend: Backend): Promise<Awaited<ReturnType<typeof record>>> => {
    const session = await sessionOf(one, backend);
    const named = Object.fromEntries((one.program.inputs ?? []).map((input, i) => [input.name, one.inputs[i] ?? null] as const));
    const tape = await record(session, [], { named });
    session.dispose();
    return tape;
  };
  const [a, b] = [await tapeOn(options.backendA), await tapeOn(options.backendB)];
  if (a.program.main === undefined) throw new OpwiseError("internal", "a case without a function");
  // Two sessions of one program: node by node.
  const comparison = await compareTapes(a, b, { backendA: options.backendA, backendB: options.backendB, cpu: options.cpu, profile: options.profile });
  const row = comparison.rows.findLast((r) => r.a.op === one.failure.op);
  const times = Math.max(row?.isolated ?? 0, row?.propagated ?? 0);
  return { times, reproduced: times >= one.failure.atLeast, failure: one.failure, comparison };
}
