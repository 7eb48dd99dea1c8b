/** The left side: the tree of modules with the overlay's totals, or the problems. */

import { computed, useSignal, type ReadonlySignal } from "@preact/signals";
import { Component, type JSX } from "preact";
import { goTo } from "./actions.ts";
import { milliseconds } from "./format.ts";
import { Twisty } from "./icons.tsx";
import { problems } from "./problems.ts";
import type { Column } from "./overlays.ts";
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
  /** Alike siblings, `layers.0` to `layers.11`, that stand as one until it is opened. */
  readonly isSeries?: boolean;
}

/** Siblings of one class and one name with numbers: as many as this are folded into one row. */
const SERIES = 4;

/** The children with runs of alike ones folded. */
function withSeries(children: readonly ModuleNode[], level: number): ModuleNode[] {
  const out: ModuleNode[] = [];
  for (let i = 0; i < children.length;) {
    const first = children[i];
    const stem = first === undefined ? undefined : /^(.+)\.\d+$/.exec(first.label)?.[1];
    let end = i + 1;
    if (stem !== undefined) while (children[end]?.detail === first?.detail && children[end]?.label.replace(/\.\d+$/, "") === stem) end++;
    const run = children.slice(i, end);
    if (first !== undefined && end - i >= SERIES) {
      out.push({
        key: `${first.key}…`,
        label: `${stem ?? ""}.${first.label.split(".").at(-1) ?? ""}…${run.at(-1)?.label.split(".").at(-1) ?? ""}`,
        detail: `${run.length} ${first.detail}`,
        level,
        entries: run.flatMap((node) => node.entries),
        children: new Map(run.map((node) => [node.key, node])),
        isSeries: true,
      });
    } else out.push(...run);
    i = end;
  }
  return out;
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

const folded = new WeakMap<ModuleNode, ModuleNode[]>();
function series(node: ModuleNode, children: readonly ModuleNode[], level: number): ModuleNode[] {
  let known = folded.get(node);
  if (known === undefined) folded.set(node, (known = withSeries(children, level)));
  return known;
}
const atLevel = new WeakMap<ModuleNode, ModuleNode>();
/** A module one level deeper, where a series stands between it and its parent. */
function shifted(node: ModuleNode, level: number): ModuleNode {
  let known = atLevel.get(node);
  if (known?.level !== level) atLevel.set(node, (known = { ...node, level }));
  return known;
}

/** Modules in view: those whose ancestors are open here. */
function moduleRows(root: ModuleNode, isOpen: (node: ModuleNode) => boolean): ModuleNode[] {
  const rows: ModuleNode[] = [];
  const visit = (node: ModuleNode, level: number): void => {
    rows.push(node.level === level ? node : shifted(node, level));
    if (!isOpen(node)) return;
    const children = [...node.children.values()];
    for (const child of node.isSeries === true ? children : series(node, children, level + 1)) visit(child, level + 1);
  };
  visit(root, 0);
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
          isCurrent={row.entries.includes(current) && !(row.isSeries === true && isOpen(row))}
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
          {node.label} <span class="muted">{node.entries.length > 1 && node.isSeries !== true ? `×${node.entries.length}` : node.detail}</span>
        </span>
        {node.isSeries === true ? <Spark nodes={[...node.children.values()]} /> : <Total entries={node.entries} />}
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

/** What the overlay says of all calls of a module together; NaN where it says nothing. */
function totalOf(c: Column, entries: readonly number[]): number {
  const known = entries.map((entry) => c.values[entry] ?? Number.NaN).filter((value) => !Number.isNaN(value));
  if (known.length === 0) return Number.NaN;
  return c.name === "time" || c.name === "memory"
    ? known.reduce((a, b) => a + b, 0)
    : known.reduce((a, b) => (c.name === "headroom" ? Math.min(a, b) : Math.max(a, b)));
}

function timeOf(entries: readonly number[]): number {
  return entries.reduce((sum, entry) => {
    const own = shownAt(entry);
    return sum + (own === undefined ? Number.NaN : (own.run.ms[own.entry] ?? Number.NaN));
  }, 0);
}

/** Width and height of a bar chart that stands for a series of modules. */
const SPARK = { width: 66, height: 15 };

/** One bar for each module of a series: the overlay over depth, or the time. */
function Spark({ nodes }: { readonly nodes: readonly ModuleNode[] }): JSX.Element {
  const c = column.value;
  const values = nodes.map((node) => (c === undefined ? timeOf(node.entries) : totalOf(c, node.entries)));
  const most = values.reduce((a, b) => (b > a ? b : a), 0);
  const share = (value: number): number =>
    Number.isNaN(value) ? 0 : c !== undefined && c.name !== "time" && c.name !== "memory" ? c.share(value) : most === 0 ? 0 : value / most;
  const step = SPARK.width / nodes.length;
  const worst = values.reduce((at, value, i) => (share(value) > share(values[at] ?? Number.NaN) ? i : at), 0);
  const text = c === undefined ? milliseconds(values[worst] ?? Number.NaN) : c.text(values[worst] ?? Number.NaN);
  return (
    <>
      <svg
        class="spark"
        width={SPARK.width}
        height={SPARK.height}
        role="img"
        aria-label={Number.isNaN(values[worst] ?? Number.NaN) ? "not known" : `most: ${nodes[worst]?.label ?? ""}, ${text}`}
      >
        {values.map((value, i) => {
          const height = Math.max(1, share(value) * SPARK.height);
          return (
            <rect
              key={i}
              class={c === undefined || Number.isNaN(value) ? "plain" : c.tone(value)}
              x={i * step}
              y={SPARK.height - height}
              width={Math.max(0.6, step - (step > 3 ? 1 : 0))}
              height={height}
            />
          );
        })}
      </svg>
      <span />
    </>
  );
}

/** What the overlay says of all calls of a module; without one, their time. */
function Total({ entries }: { readonly entries: readonly number[] }): JSX.Element {
  const c = column.value;
  if (c !== undefined) {
    const value = totalOf(c, entries);
    if (Number.isNaN(value)) return <></>;
    return (
      <>
        <span class={`num ${c.tone(value)}`}>{c.text(value)}</span>
        <span class={`num ${c.tone(value)}`}>{c.glyph(value)}</span>
      </>
    );
  }
  const ms = timeOf(entries);
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
