/** Live bytes over a run (F13): the peak and who holds it, and how long each storage lives. */

import type { NodeId, Step, StorageId, ValueRef } from "./events.ts";
import type { TraceRun } from "./trace.ts";

export interface StorageLife {
  readonly storage: StorageId;
  readonly bytes: number;
  readonly role: "weight" | "input" | "output" | "value";
  /** From the step that made it to the last that read or wrote it. Weights and inputs live all along, outputs to the end. */
  readonly from: Step;
  readonly to: Step;
  /** Names of values that show it. */
  readonly names: readonly string[];
  /** The node that made it; undefined for inputs. */
  readonly node: NodeId | undefined;
  readonly nth: number;
  readonly module: string;
  readonly versions: number;
}

export interface MemoryUse {
  readonly backend: string;
  /** Bytes alive after each step at which they change. */
  readonly curve: readonly { readonly t: Step; readonly bytes: number }[];
  readonly peak: { readonly t: Step; readonly bytes: number; readonly holders: readonly StorageLife[] };
  readonly weights: number;
  readonly inputs: number;
  readonly outputs: number;
  /** All bytes that values took, one after another. */
  readonly allocated: number;
  readonly storages: readonly StorageLife[];
}

/** Lifetimes of a recorded run, weights among them as far as the run touched them. */
export function memoryOf(run: TraceRun): MemoryUse {
  const end = run.events.at(-1)?.t ?? 0;
  const last = new Map<StorageId, Step>();
  const use = (refs: readonly ValueRef[], t: Step): void => {
    for (const { storage } of refs) if (storage !== undefined) last.set(storage, Math.max(last.get(storage) ?? 0, t));
  };
  for (const execution of run.executions) {
    use(execution.args, execution.t);
    use(execution.outs, execution.end);
  }
  for (const write of run.writes) last.set(write.storage, Math.max(last.get(write.storage) ?? 0, write.t));
  const outputs = new Set(run.outputs.map((ref) => ref.storage));
  const inputs = new Set(run.run?.inputs.map((ref) => ref.storage) ?? []);
  const lives: StorageLife[] = [];
  for (const [storage, { bytes, t }] of run.allocations) {
    const first = run.firstOf(storage);
    const made = first === undefined ? null : (run.graph.values[first.value]?.node ?? null);
    const op = made === null ? "" : run.node(made).op;
    const role = inputs.has(storage) ? "input" : op === "prim::GetAttr" || op === "prim::Constant" ? "weight" : outputs.has(storage) ? "output" : "value";
    lives.push({
      storage,
      bytes,
      role,
      from: role === "weight" || role === "input" ? 0 : t,
      to: role === "value" ? (last.get(storage) ?? t) : end,
      names: run.namesOf(storage),
      node: made ?? undefined,
      nth: first?.execution?.nth ?? 0,
      module: first?.execution?.module ?? "",
      versions: run.writesOf(storage).length,
    });
  }
  const changes = new Map<Step, number>();
  for (const { from, to, bytes } of lives) {
    changes.set(from, (changes.get(from) ?? 0) + bytes);
    changes.set(to + 1, (changes.get(to + 1) ?? 0) - bytes);
  }
  let [bytes, peak] = [0, { t: 0, bytes: -1 }];
  const curve = [...changes]
    .toSorted(([a], [b]) => a - b)
    .flatMap(([t, by]) => {
      bytes += by;
      if (bytes > peak.bytes) peak = { t, bytes };
      return by === 0 ? [] : [{ t, bytes }];
    });
  const sum = (role: StorageLife["role"]): number => lives.reduce((n, life) => n + (life.role === role ? life.bytes : 0), 0);
  const holders = lives.filter((life) => life.from <= peak.t && life.to >= peak.t).toSorted((a, b) => b.bytes - a.bytes || a.storage - b.storage);
  return {
    backend: run.run?.backend ?? "",
    curve,
    peak: { t: peak.t, bytes: Math.max(0, peak.bytes), holders },
    weights: sum("weight"),
    inputs: sum("input"),
    outputs: sum("output"),
    allocated: sum("value") + sum("output"),
    storages: lives,
  };
}
