/** The page's side of the runtime: opens a model in the worker, asks for inputs where none were given, and makes a trace of the answer. */

import { signal, type Signal } from "@preact/signals";
import { openTrace } from "../debug/file/reader.ts";
import { startWorker } from "./layout-client.ts";
import type { BackendName, FromRuntime, Given, InputChoice, ToRuntime } from "./runtime-worker.ts";
import { runOfTrace } from "./open-trace.ts";
import type { Run } from "./run.ts";
import { busy, failure } from "./state.ts";

/** What the form asks; undefined: no form. */
export const wanted: Signal<Extract<FromRuntime, { readonly kind: "wants" }> | undefined> = signal(undefined);
/** Whether a model is open that can run again. */
export const hasModel: Signal<boolean> = signal(false);

let worker: Worker | undefined;
let taker: ((run: Run) => void) | undefined;

function tell(message: ToRuntime): void {
  worker?.postMessage(message, []);
}

async function take(message: FromRuntime): Promise<void> {
  switch (message.kind) {
    case "progress":
      busy.value = message.text;
      return;
    case "wants":
      busy.value = undefined;
      hasModel.value = true;
      wanted.value = message;
      return;
    case "failed":
      busy.value = undefined;
      failure.value = message.message;
      return;
    case "trace": {
      const run = await runOfTrace(await openTrace(message.bytes, { name: message.name }), message.name);
      busy.value = undefined;
      hasModel.value = true;
      taker?.(run);
      return;
    }
    default:
      message satisfies never;
  }
}

/** Opens a model; `onRun` gets each run of it. A model that was open before is forgotten. */
export function openModel(model: Given, beside: readonly Given[], inputs: readonly Given[], onRun: (run: Run) => void): void {
  worker?.terminate();
  hasModel.value = false;
  wanted.value = undefined;
  taker = onRun;
  busy.value = `loading the runtime`;
  const missing = (): void => {
    busy.value = undefined;
    failure.value = "this page cannot run models: it was made without the runtime. `opwise view` serves the whole page";
  };
  try {
    worker = startWorker("runtime");
  } catch {
    missing(); // a page that was opened as a file may start no worker of another file
    return;
  }
  worker.addEventListener("message", (event: MessageEvent<FromRuntime>) => {
    take(event.data).catch((error: unknown) => {
      busy.value = undefined;
      failure.value = error instanceof Error ? error.message : String(error);
    });
  });
  worker.addEventListener("error", missing);
  tell({ kind: "open", model, beside, inputs });
}

export function runModel(choices: readonly InputChoice[], backend: BackendName): void {
  wanted.value = undefined;
  failure.value = undefined;
  tell({ kind: "run", choices, backend, seed: 1 });
}

/** Runs the open model once more with the same inputs: the answer stands beside the first run. */
export function runAgain(backend: BackendName): void {
  failure.value = undefined;
  busy.value = `running on ${backend}`;
  tell({ kind: "again", backend });
}
