/** Keeps what the search box finds, and where breakpoints stop, in step with their texts. */

import { effect } from "@preact/signals";
import { isOpwiseError } from "../tensor/error.ts";
import { matchRun } from "./select.ts";
import { breaks, errors, found, query, queryFault, runs, stops, tree } from "./state.ts";
import type { Tree } from "./tree.ts";

/** Tree entries that a selector matches in any run. @throws where the text is no selector */
export function matchTree(text: string, t: Tree): Uint8Array {
  const out = new Uint8Array(t.count);
  runs.value.forEach((run, which) => {
    const ofRun = which === 0 ? t.ofA : t.ofB;
    matchRun(run, text, (entry) => errors.value?.[ofRun[entry] ?? 0]).forEach((hit, entry) => {
      if (hit === 1) out[ofRun[entry] ?? 0] = 1;
    });
  });
  return out;
}

export function keepSearch(): void {
  effect(() => {
    const t = tree.value;
    const text = query.value.trim();
    if (t === undefined || text === "" || text === "#") {
      found.value = undefined;
      queryFault.value = undefined;
      return;
    }
    try {
      found.value = matchTree(text, t);
      queryFault.value = undefined;
    } catch (error) {
      // Half a selector while one types: the last answer stays, the fault is shown.
      queryFault.value = isOpwiseError(error) ? error.message : String(error);
    }
  });
  effect(() => {
    const t = tree.value;
    if (t === undefined || breaks.value.length === 0) {
      stops.value = undefined;
      return;
    }
    const all = new Uint8Array(t.count);
    for (const text of breaks.value) {
      try {
        matchTree(text, t).forEach((hit, entry) => {
          if (hit === 1) all[entry] = 1;
        });
      } catch {
        continue; // set while it could be read; a link may bring one that cannot
      }
    }
    stops.value = all;
  });
}
