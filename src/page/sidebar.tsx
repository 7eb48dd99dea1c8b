/** The left side: the tree of modules with the overlay's totals, or the problems. */

import { computed, useSignal, type ReadonlySignal } from "@preact/signals";
import { Component, type JSX } from "preact";
import { goTo } from "./actions.ts";
import { milliseconds } from "./format.ts";
import { Twisty } from "./icons.tsx";
import { problems } from "./problems.ts";
import { KIND } from "./run.ts";
import { column, runs, selected, shownAt, tree } from "./state.ts";
import type { Tree } from "./tree.ts";

/** A module of the model: all its calls together. */
interface ModuleNode {
  readonly key: string;
  readonly label: string;
  readonly detail: string;
  readonly level: number;
  /** Its calls, by tree entry. */
  readonly entries: number[];
  readonly children: Map<string, ModuleNode>;
}

/** The modules that were called, nested as the calls are; a module that is called in a loop is there once. */
const modules: ReadonlySignal<ModuleNode | undefined> = computed(() => {
  const t = tree.value;
  if (t === undefined) return undefined;
  const byEntry = new Map<number, ModuleNode>();
  let root: ModuleNode | undefined;
  for (let entry = 0; entry < t.count; entry++) {
    if (t.kind[entry] !== KIND.module && t.kind[entry] !== KIND.root) continue;
    const own = shownAt(entry, t);
    if (own === undefined) continue;
    let above = t.parent[entry] ?? -1;
    while (above >= 0 && !byEntry.has(above)) above = t.parent[above] ?? -1;
    const parent = byEntry.get(above);
    const label = own.run.label[own.entry] ?? "";
    const key = `${parent?.key ?? ""}/${own.run.path[own.entry] ?? ""} ${label}`;
    let node = parent?.children.get(key);
    if (node === undefined) {
      node = { key, label, detail: own.run.detail[own.entry] ?? "", level: (parent?.level ?? -1) + 1, entries: [], children: new Map() };
      if (parent === undefined) root ??= node;
      else parent.children.set(key, node);
    }
    node.entries.push(entry);
    byEntry.set(entry, node);
  }
  return root;
});

/** Modules in view: those whose ancestors are open here. */
function moduleRows(root: ModuleNode, isOpen: (node: ModuleNode) => boolean): ModuleNode[] {
  const rows: ModuleNode[] = [];
  const visit = (node: ModuleNode): void => {
    rows.push(node);
    if (isOpen(node)) for (const child of node.children.values()) visit(child);
  };
  visit(root);
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
  const closed = useSignal<ReadonlySet<string>>(new Set());
  const opened = useSignal<ReadonlySet<string>>(new Set());
  const t = tree.value;
  const root = modules.value;
  if (t === undefined || root === undefined) return <></>;
  // Two levels are open by themselves.
  const isOpen = (node: ModuleNode): boolean => !closed.value.has(node.key) && (opened.value.has(node.key) || node.level < 1);
  const rows = moduleRows(root, isOpen);
  const toggle = (node: ModuleNode, to: boolean): void => {
    const drop = (set: ReadonlySet<string>): Set<string> => new Set([...set].filter((one) => one !== node.key));
    closed.value = to ? drop(closed.value) : new Set([...closed.value, node.key]);
    opened.value = to ? new Set([...opened.value, node.key]) : drop(opened.value);
  };
  const current = currentModule(t);
  // To the first call, from there to the next.
  const go = (node: ModuleNode): void => {
    const isIn = node.entries.includes(currentModule(t));
    goTo(node.entries.find((entry) => isIn && entry > selected.value) ?? node.entries[0] ?? 0);
  };
  const onKey = (event: KeyboardEvent, row: ModuleNode, at: number): void => {
    const items = [...((event.currentTarget as HTMLElement).closest("[role=tree]")?.querySelectorAll<HTMLElement>("[role=treeitem]") ?? [])]; // the row itself got the event
    const act: Readonly<Record<string, () => void>> = {
      ArrowDown: () => items[at + 1]?.focus(),
      ArrowUp: () => items[at - 1]?.focus(),
      ArrowRight: () => toggle(row, true),
      ArrowLeft: () => toggle(row, false),
      Enter: () => go(row),
      " ": () => go(row),
    };
    const move = act[event.key];
    if (move === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  };
  const focusable = Math.max(
    0,
    rows.findIndex((row) => row.entries.includes(current)),
  );
  return (
    <div role="tree" aria-label="Modules">
      {rows.map((row, at) => (
        <ModuleRow
          key={row.key}
          node={row}
          at={at}
          isCurrent={row.entries.includes(current)}
          isFocusable={at === focusable}
          isOpen={isOpen(row)}
          go={go}
          toggle={toggle}
          onKey={onKey}
        />
      ))}
    </div>
  );
}

interface ModuleRowProps {
  readonly node: ModuleNode;
  readonly at: number;
  readonly isCurrent: boolean;
  readonly isFocusable: boolean;
  readonly isOpen: boolean;
  readonly go: (node: ModuleNode) => void;
  readonly toggle: (node: ModuleNode, to: boolean) => void;
  readonly onKey: (event: KeyboardEvent, node: ModuleNode, at: number) => void;
}

/** A row is drawn again when what it shows has changed, not when another row is chosen: models have thousands. */
class ModuleRow extends Component<ModuleRowProps> {
  override shouldComponentUpdate(next: ModuleRowProps): boolean {
    const { node, at, isCurrent, isFocusable, isOpen } = this.props;
    return node !== next.node || at !== next.at || isCurrent !== next.isCurrent || isFocusable !== next.isFocusable || isOpen !== next.isOpen;
  }

  override render(): JSX.Element {
    const { node, at, isCurrent, isFocusable, isOpen, go, toggle, onKey } = this.props;
    return (
      <div
        role="treeitem"
        class="tree-row"
        tabIndex={isFocusable ? 0 : -1}
        aria-level={node.level + 1}
        aria-selected={isCurrent}
        {...(node.children.size > 0 ? { "aria-expanded": isOpen } : {})}
        onClick={() => go(node)}
        onKeyDown={(event) => onKey(event, node, at)}
        style={{ paddingLeft: `${4 + Math.min(10, node.level) * 13}px` }}
      >
        <span class="label">
          <span
            class="twisty"
            aria-hidden="true"
            onClick={(event) => {
              event.stopPropagation();
              toggle(node, !isOpen);
            }}
          >
            {node.children.size > 0 && <Twisty isOpen={isOpen} />}
          </span>
          {node.label} <span class="muted">{node.entries.length > 1 ? `×${node.entries.length}` : node.detail}</span>
        </span>
        <Total entries={node.entries} />
      </div>
    );
  }
}

/** The innermost module around the selection. */
function currentModule(t: Tree): number {
  let entry = selected.value;
  while (entry > 0 && t.kind[entry] !== KIND.module) entry = t.parent[entry] ?? 0;
  return entry;
}

/** What the overlay says of all calls of a module; without one, their time. */
function Total({ entries }: { readonly entries: readonly number[] }): JSX.Element {
  const c = column.value;
  if (c !== undefined) {
    const known = entries.map((entry) => c.values[entry] ?? Number.NaN).filter((value) => !Number.isNaN(value));
    if (known.length === 0) return <></>;
    const value = c.name === "time" || c.name === "memory" ? known.reduce((a, b) => a + b, 0) : c.name === "headroom" ? Math.min(...known) : Math.max(...known);
    return (
      <>
        <span class={`num ${c.tone(value)}`}>{c.text(value)}</span>
        <span class={`num ${c.tone(value)}`}>{c.glyph(value)}</span>
      </>
    );
  }
  const ms = entries.reduce((sum, entry) => {
    const own = shownAt(entry);
    return sum + (own === undefined ? Number.NaN : (own.run.ms[own.entry] ?? Number.NaN));
  }, 0);
  const total = runs.value[0]?.ms[0] ?? Number.NaN;
  if (Number.isNaN(ms)) return <></>;
  return (
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
          <h2>
            <span class={group.tone} aria-hidden="true">
              {group.glyph}
            </span>
            {group.title} <span class={`badge ${group.tone}`}>{group.items.length}</span>
          </h2>
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
