/** The frame: bar, three columns, panes below, status. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { IrPane, OutputPane, SourcePane } from "./code-pane.tsx";
import { GraphView } from "./graph.tsx";
import { Help } from "./help.tsx";
import { Inputs } from "./inputs.tsx";
import { Inspector } from "./inspector.tsx";
import { Landing } from "./landing.tsx";
import { List } from "./list.tsx";
import { openFiles } from "./open-file.ts";
import { Problems, Sidebar } from "./sidebar.tsx";
import { Splitter } from "./splitter.tsx";
import { busy, centre, failure, pane, runs, spoken, tree, type Pane } from "./state.ts";
import { Timeline } from "./timeline.tsx";
import { StatusBar, Toolbar } from "./toolbar.tsx";

const PANES: readonly (readonly [Pane, string])[] = [
  ["timeline", "Timeline"],
  ["source", "Source"],
  ["ir", "IR"],
  ["problems", "Problems"],
  ["output", "Output"],
];

export function App(): JSX.Element {
  const isOver = useSignal(false);
  useEffect(() => {
    const over = (event: DragEvent): void => {
      event.preventDefault();
      isOver.value = true;
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) isOver.value = false;
    };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      isOver.value = false;
      openFiles([...(event.dataTransfer?.files ?? [])]);
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, []);
  const hasRun = tree.value !== undefined && runs.value.length > 0;
  return (
    <div class="app">
      <Toolbar />
      {hasRun ? <Frame /> : <Landing isOver={isOver.value} />}
      {hasRun ? <StatusBar /> : <span />}
      <div class="hidden" role="status" aria-live="polite">
        {spoken.value}
      </div>
      <Help />
      <Inputs />
    </div>
  );
}

function Frame(): JSX.Element {
  return (
    <main class="body">
      <Sidebar />
      <Splitter property="--left" label="Width of the left side" min={140} max={520} initial={236} />
      <div class="middle">
        <section class="panel" aria-label={centre.value === "list" ? "Execution" : "Graph"}>
          {busy.value !== undefined && (
            <p class="empty" role="status">
              {busy.value}
            </p>
          )}
          {failure.value !== undefined && (
            <p class="failure" role="alert" style={{ margin: "8px" }}>
              {failure.value}{" "}
              <button type="button" class="link" onClick={() => (failure.value = undefined)}>
                dismiss
              </button>
            </p>
          )}
          {centre.value === "list" ? <List /> : <GraphView />}
        </section>
        <Splitter property="--bottom" label="Height of the panes below" min={80} max={600} initial={220} />
        <Below />
      </div>
      <Splitter property="--right" label="Width of the inspector" min={240} max={720} initial={372} />
      <Inspector />
    </main>
  );
}

function Below(): JSX.Element {
  const shown = pane.value;
  const onKey = (event: KeyboardEvent): void => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    const at = PANES.findIndex(([name]) => name === shown);
    pane.value = PANES[(at + by + PANES.length) % PANES.length]?.[0] ?? "timeline";
    document.getElementById(`pane-${pane.value}`)?.focus();
  };
  return (
    <section class="panel" aria-label="Below">
      <div class="panel-head" role="tablist" aria-label="Panes" onKeyDown={onKey}>
        {PANES.map(([name, label]) => (
          <button
            key={name}
            id={`pane-${name}`}
            type="button"
            role="tab"
            class="tab"
            aria-selected={shown === name}
            aria-controls="pane"
            tabIndex={shown === name ? 0 : -1}
            onClick={() => (pane.value = name)}
          >
            {label}
          </button>
        ))}
      </div>
      <div id="pane" role="tabpanel" aria-labelledby={`pane-${shown}`} style={{ display: "flex", flexDirection: "column", flex: "1", minHeight: "0" }}>
        {shown === "timeline" ? (
          <Timeline />
        ) : shown === "source" ? (
          <SourcePane />
        ) : shown === "ir" ? (
          <IrPane />
        ) : shown === "output" ? (
          <OutputPane />
        ) : (
          <div class="scroll" tabIndex={0} role="region" aria-label="Problems">
            <Problems />
          </div>
        )}
      </div>
    </section>
  );
}
