/** The left side: the tree of modules with the overlay's totals, or the problems. */

import { computed, useSignal, type ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { goTo } from "./actions.ts";
import { milliseconds } from "./format.ts";
import { Twisty } from "./icons.tsx";
import { problems } from "./problems.ts";
import { KIND } from "./run.ts";
import { column, runs, selected, shownAt, tree } from "./state.ts";
import type { Tree } from "./tree.ts";

interface ModuleRow {
  readonly entry: number;
  readonly level: number;
  readonly hasChildren: boolean;
}

/** Modules in view: those whose ancestors are open here. */
function moduleRows(t: Tree, isOpen: (entry: number) => boolean): ModuleRow[] {
  const rows: ModuleRow[] = [];
  const levels = new Map<number, number>();
  for (let entry = 0; entry < t.count;) {
    const kind = t.kind[entry];
    if (kind === KIND.module || kind === KIND.root) {
      let above = t.parent[entry] ?? -1;
      while (above >= 0 && !levels.has(above)) above = t.parent[above] ?? -1;
      const level = above < 0 ? 0 : (levels.get(above) ?? 0) + 1;
      levels.set(entry, level);
      let hasChildren = false;
      for (let child = entry + 1; child < (t.end[entry] ?? 0) && !hasChildren; child++) hasChildren = t.kind[child] === KIND.module;
      rows.push({ entry, level, hasChildren });
      if (!isOpen(entry)) {
        entry = t.end[entry] ?? entry + 1;
        continue;
      }
    }
    entry++;
  }
  return rows;
}

const problemCount: ReadonlySignal<number> = computed(() => problems.value.reduce((n, group) => n + group.items.length, 0));
const problemTone: ReadonlySignal<string> = computed(() =>
  problems.value.some((g) => g.tone === "bad") ? "bad" : problems.value.some((g) => g.tone === "warn") ? "warn" : "",
);

export function Sidebar(): JSX.Element {
  const tab = useSignal<"modules" | "problems" | undefined>(undefined);
  // A trace with something wrong in it lands on the problems.
  const shown = tab.value ?? (problemTone.value === "bad" ? "problems" : "modules");
  return (
    <nav class="panel" aria-label="Modules and problems">
      <div class="panel-head" role="tablist" aria-label="Side">
        <button
          type="button"
          role="tab"
          class="tab"
          id="tab-modules"
          aria-selected={shown === "modules"}
          aria-controls="side-panel"
          onClick={() => (tab.value = "modules")}
        >
          Modules
        </button>
        <button
          type="button"
          role="tab"
          class="tab"
          id="tab-problems"
          aria-selected={shown === "problems"}
          aria-controls="side-panel"
          onClick={() => (tab.value = "problems")}
        >
          Problems {problemCount.value > 0 && <span class={`badge ${problemTone.value}`}>{problemCount.value}</span>}
        </button>
      </div>
      <div class="scroll" id="side-panel" role="tabpanel" aria-labelledby={`tab-${shown}`} tabIndex={0}>
        {shown === "modules" ? <Modules /> : <Problems />}
      </div>
    </nav>
  );
}

function Modules(): JSX.Element {
  const closed = useSignal<ReadonlySet<number>>(new Set());
  const opened = useSignal<ReadonlySet<number>>(new Set());
  const t = tree.value;
  if (t === undefined) return <></>;
  // Two levels are open by themselves.
  const isOpen = (entry: number): boolean => (closed.value.has(entry) ? false : opened.value.has(entry) || (t.depth[entry] ?? 0) < 1);
  const rows = moduleRows(t, isOpen);
  const toggle = (entry: number, to: boolean): void => {
    const drop = (set: ReadonlySet<number>): Set<number> => new Set([...set].filter((one) => one !== entry));
    closed.value = to ? drop(closed.value) : new Set([...closed.value, entry]);
    opened.value = to ? new Set([...opened.value, entry]) : drop(opened.value);
  };
  const current = currentModule(t);
  const onKey = (event: KeyboardEvent, row: ModuleRow, at: number): void => {
    const buttons = [...((event.currentTarget as HTMLElement).closest("[role=tree]")?.querySelectorAll<HTMLElement>("[role=treeitem]") ?? [])]; // the row itself got the event
    const act: Readonly<Record<string, () => void>> = {
      ArrowDown: () => buttons[at + 1]?.focus(),
      ArrowUp: () => buttons[at - 1]?.focus(),
      ArrowRight: () => toggle(row.entry, true),
      ArrowLeft: () => toggle(row.entry, false),
      Enter: () => goTo(row.entry),
      " ": () => goTo(row.entry),
    };
    const move = act[event.key];
    if (move === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  };
  return (
    <div role="tree" aria-label="Modules">
      {rows.map((row, at) => {
        const own = shownAt(row.entry, t);
        const label = own === undefined ? "" : (own.run.label[own.entry] ?? "");
        return (
          <div
            key={row.entry}
            role="treeitem"
            class="tree-row"
            tabIndex={row.entry === current ? 0 : -1}
            aria-level={row.level + 1}
            aria-selected={row.entry === current}
            {...(row.hasChildren ? { "aria-expanded": isOpen(row.entry) } : {})}
            onClick={() => goTo(row.entry)}
            onKeyDown={(event) => onKey(event, row, at)}
            style={{ paddingLeft: `${4 + Math.min(10, row.level) * 13}px` }}
          >
            <span class="label">
              <span
                class="twisty"
                aria-hidden="true"
                onClick={(event) => {
                  event.stopPropagation();
                  toggle(row.entry, !isOpen(row.entry));
                }}
              >
                {row.hasChildren && <Twisty isOpen={isOpen(row.entry)} />}
              </span>
              {label} <span class="muted">{own === undefined ? "" : own.run.detail[own.entry]}</span>
            </span>
            <Total entry={row.entry} />
          </div>
        );
      })}
    </div>
  );
}

/** The innermost module around the selection. */
function currentModule(t: Tree): number {
  let entry = selected.value;
  while (entry > 0 && t.kind[entry] !== KIND.module) entry = t.parent[entry] ?? 0;
  return entry;
}

function Total({ entry }: { readonly entry: number }): JSX.Element {
  const c = column.value;
  if (c !== undefined) {
    const value = c.values[entry] ?? Number.NaN;
    return Number.isNaN(value) ? (
      <></>
    ) : (
      <>
        <span class={`num ${c.tone(value)}`}>{c.text(value)}</span>
        <span class={`num ${c.tone(value)}`}>{c.glyph(value)}</span>
      </>
    );
  }
  const own = shownAt(entry);
  const ms = own === undefined ? Number.NaN : (own.run.ms[own.entry] ?? Number.NaN);
  const total = runs.value[0]?.ms[0] ?? Number.NaN;
  return Number.isNaN(ms) ? (
    <></>
  ) : (
    <>
      <span class="num">{milliseconds(ms)}</span>
      <span class="num">{Number.isNaN(total) || total === 0 ? "" : `${Math.round((100 * ms) / total)}%`}</span>
    </>
  );
}

const SHOWN = 200;

export function Problems(): JSX.Element {
  if (problems.value.length === 0) return <p class="empty">nothing found: no NaN, no overflow, no fallback, no dead code</p>;
  return (
    <div>
      {problems.value.map((group) => (
        <section key={group.kind} class="problem-group">
          <h3>
            <span class={group.tone} aria-hidden="true">
              {group.glyph}
            </span>
            {group.title} <span class={`badge ${group.tone}`}>{group.items.length}</span>
          </h3>
          <ul>
            {group.items.slice(0, SHOWN).map((item) => (
              <li key={item.entry}>
                <button type="button" class="problem" onClick={() => goTo(item.entry)}>
                  <span class="title">{item.title}</span>
                  <span class="detail">{item.detail}</span>
                </button>
              </li>
            ))}
          </ul>
          {group.items.length > SHOWN && (
            <p class="muted" style={{ padding: "2px 28px" }}>
              and {group.items.length - SHOWN} more
            </p>
          )}
        </section>
      ))}
    </div>
  );
}
