/** The bar above: files, stepping, the clock, overlay, search. */

import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { clearSearch, goTo, resume, runTo, setOverlay, step, toggleSelectorBreak } from "./actions.ts";
import { Icon, Mark } from "./icons.tsx";
import { openFiles } from "./open-file.ts";
import { hasModel, runAgain } from "./runtime-client.ts";
import { OVERLAY_LABELS, OVERLAYS } from "./overlays.ts";
import { FLAG } from "./run.ts";
import {
  busy,
  centre,
  column,
  comparison,
  found,
  helpOpen,
  overlay,
  position,
  query,
  ownNumbers,
  queryFault,
  runs,
  slice,
  span,
  stepOf,
  theme,
  tree,
} from "./state.ts";

export function Toolbar(): JSX.Element {
  const [a, b] = runs.value;
  return (
    <header class="toolbar">
      <h1 class="brand">
        <Mark /> opwise
      </h1>
      <div class="files">
        {a !== undefined && (
          <span class="file a" title={a.name}>
            {b !== undefined && <b>A</b>}
            <span>{a.name}</span>
          </span>
        )}
        {b !== undefined && (
          <span class="file b" title={b.name}>
            <b>B</b>
            <span>{b.name}</span>
          </span>
        )}
        <OpenButton />
        {a !== undefined && hasModel.value && <Again />}
      </div>
      {a !== undefined && <Controls />}
      {a !== undefined && <Search />}
      <span class="spring" />
      {a !== undefined && (
        <div class="group" role="group" aria-label="View">
          <button
            type="button"
            class="button"
            aria-label="List"
            title="List (v)"
            aria-pressed={centre.value === "list"}
            onClick={() => (centre.value = "list")}
          >
            <Icon name="list" />
            <span class="word">List</span>
          </button>
          <button
            type="button"
            class="button"
            aria-label="Graph"
            title="Graph (v)"
            aria-pressed={centre.value === "graph"}
            onClick={() => (centre.value = "graph")}
          >
            <Icon name="graph" />
            <span class="word">Graph</span>
          </button>
        </div>
      )}
      <button
        type="button"
        class="button"
        aria-label={`Theme: ${theme.value}`}
        title={`Theme: ${theme.value}`}
        onClick={() => (theme.value = theme.value === "system" ? "light" : theme.value === "light" ? "dark" : "system")}
      >
        <Icon name="theme" />
      </button>
      <button type="button" class="button" aria-label="Keys and help" title="Keys and help (?)" onClick={() => (helpOpen.value = true)}>
        <Icon name="help" />
      </button>
    </header>
  );
}

/** The open model once more, with the same inputs, on the backend that it has not run on: for comparing. */
function Again(): JSX.Element {
  const backend = runs.value[0]?.backend === "wasm" ? "cpu" : "wasm";
  return (
    <button type="button" class="button framed" disabled={busy.value !== undefined} onClick={() => runAgain(backend)}>
      {busy.value ?? `Compare with ${backend}`}
    </button>
  );
}

/** Opens files by the browser's own dialog. */
export function OpenButton({ label }: { readonly label?: string }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        class={label === undefined ? "button" : "button primary"}
        aria-label={label === undefined ? "Open a trace or a model" : undefined}
        title="Open a trace or a model"
        onClick={() => input.current?.click()}
      >
        <Icon name="open" />
        {label ?? ""}
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-hidden="true"
        tabIndex={-1}
        onChange={(event) => {
          openFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

function Controls(): JSX.Element {
  const t = tree.value;
  const last = runs.value[0]?.t1[0] ?? 0;
  const now = stepOf(position.value);
  const buttons: readonly (readonly [Parameters<typeof Icon>[0]["name"], string, string, () => void])[] = [
    ["start", "Continue back", "Shift+C", () => resume(-1)],
    ["back", "Step back", "Shift+N", () => step("over", -1)],
    ["forward", "Step over", "N", () => step("over")],
    ["into", "Step into", "I", () => step("in")],
    ["out", "Step out", "O", () => step("out")],
    ["end", "Continue", "C", () => resume(1)],
  ];
  return (
    <>
      <div class="group" role="group" aria-label="Stepping">
        {buttons.map(([icon, label, key, act]) => (
          <button key={label} type="button" class="button" aria-label={label} title={`${label} (${key})`} onClick={act}>
            <Icon name={icon} />
          </button>
        ))}
      </div>
      <div class="clock">
        <span>
          step <strong>{now}</strong>/{last}
        </span>
        <input
          type="range"
          aria-label="Position in the run"
          min={0}
          max={Math.max(1, t?.count ?? 1)}
          value={position.value}
          aria-valuetext={`step ${now} of ${last}`}
          onInput={(event) => runTo(Number(event.currentTarget.value))}
        />
      </div>
      <label class="inline">
        <span class="word">overlay</span>
        <select
          class="field"
          aria-label="Overlay"
          title="Overlay (1 to 6)"
          value={overlay.value}
          onChange={(event) => {
            const at = OVERLAYS.findIndex((name) => name === event.currentTarget.value);
            if (OVERLAYS[at] !== overlay.value) setOverlay(at);
          }}
        >
          {OVERLAYS.map((name) => (
            <option
              key={name}
              value={name}
              disabled={(name === "error" && runs.value.length < 2 && comparison.value === undefined) || (name === "data" && ownNumbers.value === undefined)}
            >
              {OVERLAY_LABELS[name]}
            </option>
          ))}
        </select>
      </label>
    </>
  );
}

function Search(): JSX.Element {
  const hits = found.value === undefined ? undefined : found.value.reduce((n, x) => n + x, 0);
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      clearSearch();
      document.getElementById("execution")?.focus();
    } else if (event.key === "Enter" && found.value !== undefined) {
      if (event.shiftKey) toggleSelectorBreak(query.value.trim());
      else {
        const first = found.value.indexOf(1);
        if (first >= 0) goTo(first);
        document.getElementById("execution")?.focus();
      }
    }
  };
  return (
    <div class="search">
      <input
        id="search"
        type="search"
        class="field"
        spellcheck={false}
        autocomplete="off"
        placeholder="search: #412  %y  encoder.**  aten::softmax  {nan>0}"
        aria-label="Search by selector"
        title="A selector: #node, %value, module path, op, file:line, {predicate}; joined by & | !. Shift+Enter sets a breakpoint."
        aria-invalid={queryFault.value !== undefined}
        value={query.value}
        onInput={(event) => (query.value = event.currentTarget.value)}
        onKeyDown={onKey}
      />
      <span class="hits" role="status">
        {queryFault.value ?? (hits === undefined ? "" : `${hits} found`)}
      </span>
    </div>
  );
}

export function StatusBar(): JSX.Element {
  const [a, b] = runs.value;
  if (a === undefined) return <></>;
  const ops = a.kind.reduce((n, kind) => n + (kind === 3 ? 1 : 0), 0);
  const fallbacks = a.flags.reduce((n, flags) => n + ((flags & FLAG.fallback) === 0 ? 0 : 1), 0);
  const full = a.values.reduce((n, value) => n + (value.blob === undefined ? 0 : 1), 0);
  return (
    <footer class="status">
      <span>
        {ops} ops, {a.values.length} values ({full} in full)
      </span>
      <span>
        {a.backend}
        {b === undefined ? "" : ` | ${b.backend}`}
      </span>
      {fallbacks > 0 && <span class="warn">{fallbacks} fell back</span>}
      {a.dropped.length > 0 && <span class="warn">left out: {a.dropped.join("; ")}</span>}
      {slice.value !== undefined && (
        <span>
          {slice.value.text}{" "}
          <button type="button" class="link" onClick={() => (slice.value = undefined)}>
            show all
          </button>
        </span>
      )}
      {span.value !== undefined && (
        <span>
          steps {Math.round(span.value[0])}–{Math.round(span.value[1])}{" "}
          <button type="button" class="link" onClick={() => (span.value = undefined)}>
            show all
          </button>
        </span>
      )}
      <span class="spring" />
      {column.value !== undefined && <span>{column.value.legend}</span>}
      <span>
        <kbd>?</kbd> keys
      </span>
    </footer>
  );
}
