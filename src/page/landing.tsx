/** What is seen before a file is open. */

import type { JSX } from "preact";
import { OpenButton } from "./toolbar.tsx";
import { busy, failure } from "./state.ts";

export function Landing({ isOver }: { readonly isOver: boolean }): JSX.Element {
  return (
    <main class="landing">
      <div class={`drop${isOver ? " over" : ""}`}>
        <h2>Drop a trace or a model</h2>
        <p>
          A trace (<span class="mono">.opwtrace</span>) opens at once; a second one is laid over it. A model runs here, in a worker. Nothing leaves this
          browser.
        </p>
        <div class="actions">
          <OpenButton label="Open files" />
        </div>
        <dl>
          <dt>.opwtrace</dt>
          <dd>
            a recorded run: <span class="mono">opwise trace model.pt -i x.npy -o run.opwtrace</span>
          </dd>
          <dt>.pt .pt2 .onnx</dt>
          <dd>
            a model; drop <span class="mono">.npy</span> or <span class="mono">.npz</span> with it for its inputs
          </dd>
        </dl>
        {busy.value !== undefined && (
          <p role="status" style={{ marginTop: "16px" }}>
            {busy.value}
          </p>
        )}
        {failure.value !== undefined && (
          <p class="failure" role="alert">
            {failure.value}
          </p>
        )}
      </div>
    </main>
  );
}
