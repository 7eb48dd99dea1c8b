/** The form for a model's inputs, where none came with it. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { runModel, wanted } from "./runtime-client.ts";
import type { BackendName, InputChoice } from "./runtime-worker.ts";

export function Inputs(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const question = wanted.value;
  useEffect(() => {
    if (question !== undefined && dialog.current?.open === false) dialog.current.showModal();
    if (question === undefined && dialog.current?.open === true) dialog.current.close();
  }, [question]);
  return (
    <dialog ref={dialog} aria-labelledby="inputs-title" onClose={() => (wanted.value = undefined)}>
      {question !== undefined && <Form key={question.model} question={question} />}
    </dialog>
  );
}

const FILLS: readonly InputChoice["fill"][] = ["random", "zeros", "ones", "counting"];

function Form({ question }: { readonly question: NonNullable<typeof wanted.value> }): JSX.Element {
  const choices = useSignal<readonly InputChoice[]>(question.inputs.map(({ name, text }) => ({ name, text, fill: "random" })));
  const backend = useSignal<BackendName>("cpu");
  const change = (at: number, by: Partial<InputChoice>): void => {
    choices.value = choices.value.map((choice, i) => (i === at ? { ...choice, ...by } : choice));
  };
  return (
    <form
      method="dialog"
      onSubmit={(event) => {
        event.preventDefault();
        runModel(choices.value, backend.value);
      }}
    >
      <h2 id="inputs-title">Inputs of {question.model}</h2>
      <p class="muted">No inputs came with the model. Give shapes, or drop the model again together with .npy or .npz files.</p>
      <div class="inputs">
        {choices.value.map((choice, at) => (
          <div key={choice.name} class="input-row">
            <label for={`input-${at}`}>
              <span class="mono">{choice.name}</span> <span class="muted">{question.inputs[at]?.type}</span>
            </label>
            <input
              id={`input-${at}`}
              class="field mono"
              value={choice.text}
              spellcheck={false}
              onInput={(event) => change(at, { text: event.currentTarget.value })}
            />
            <select
              class="field"
              aria-label={`numbers of ${choice.name}`}
              value={choice.fill}
              onChange={(event) => change(at, { fill: FILLS.find((fill) => fill === event.currentTarget.value) ?? "random" })}
            >
              {FILLS.map((fill) => (
                <option key={fill} value={fill}>
                  {fill}
                </option>
              ))}
            </select>
          </div>
        ))}
      </div>
      <div class="dialog-foot">
        <label>
          backend{" "}
          <select class="field" value={backend.value} onChange={(event) => (backend.value = event.currentTarget.value === "wasm" ? "wasm" : "cpu")}>
            <option value="cpu">cpu</option>
            <option value="wasm">wasm</option>
          </select>
        </label>
        <span style={{ display: "flex", gap: "8px" }}>
          <button type="button" class="button framed" onClick={() => (wanted.value = undefined)}>
            Cancel
          </button>
          <button type="submit" class="button primary">
            Run
          </button>
        </span>
      </div>
    </form>
  );
}
