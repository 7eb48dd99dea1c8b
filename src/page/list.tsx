/** The execution list: a treegrid of which only the rows in sight exist, with one lane for each live value beside it. */

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { fold, follow, moveRow, runTo, select, toggleBreak, toggleOpen, unfold } from "./actions.ts";
import { drawLanes, laneWidth } from "./draw-lanes.ts";
import { shapeText, short, statsText } from "./format.ts";
import { Twisty } from "./icons.tsx";
import { ink } from "./ink.ts";
import { KIND, mainOutput, type Run } from "./run.ts";
import { column, lanes, laneValues, position, rowOf, rows, runs, selected, shownAt, stepOf, stops, tree, verdicts } from "./state.ts";
import type { Tree } from "./tree.ts";

export const ROW = 24;
const SPARE = 8;
/** Rows in the document at most; a row that leaves on one side is the one that comes in on the other. */
const SLOTS = 512;

export function List(): JSX.Element {
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const first = useComputed(() => Math.max(0, Math.floor(top.value / ROW) - SPARE));
  const last = useComputed(() => Math.min(rows.value.length, Math.ceil((top.value + height.value) / ROW) + SPARE));

  useLayoutEffect(() => {
    const box = scroller.current;
    if (box === null) return undefined;
    const watch = new ResizeObserver(() => {
      height.value = box.clientHeight;
    });
    watch.observe(box);
    return () => watch.disconnect();
  }, []);
  // What is selected stays in sight.
  useSignalEffect(() => {
    const box = scroller.current;
    const y = (rowOf.value[selected.value] ?? 0) * ROW;
    if (box === null || rows.value.length === 0) return;
    if (y < box.scrollTop) box.scrollTop = Math.max(0, y - ROW);
    else if (y + ROW > box.scrollTop + box.clientHeight) box.scrollTop = y + 2 * ROW - box.clientHeight;
  });
  useSignalEffect(() => {
    if (canvas.current === null || tree.value === undefined) return;
    drawLanes(canvas.current, {
      top: top.value,
      height: height.value,
      rowHeight: ROW,
      rows: rows.value,
      tree: tree.value,
      index: lanes.value,
      values: laneValues.value,
      rowOf: rowOf.value,
      selected: selected.value,
      column: column.value,
      ink: ink.value,
    });
  });

  const t = tree.value;
  const isPair = runs.value.length > 1 || verdicts.value.size > 0;
  if (t === undefined) return <div class="empty">nothing is open</div>;
  const shown = rows.value.subarray(first.value, last.value);
  const isRendered = (entry: number): boolean => {
    const row = rowOf.value[entry] ?? -1;
    return row >= first.value && row < last.value && rows.value[row] === entry;
  };
  return (
    <div
      class="panel-grid"
      role="treegrid"
      id="execution"
      tabIndex={0}
      aria-label="Execution list"
      aria-rowcount={rows.value.length + 1}
      aria-activedescendant={isRendered(selected.value) ? `row-${selected.value}` : undefined}
      onKeyDown={onKeys}
      style={{ display: "flex", flexDirection: "column", flex: "1", minHeight: "0", "--lanes": `${laneWidth(lanes.value?.lanes.width ?? 1)}px` }}
    >
      <div role="rowgroup">
        <div role="row" class={`list-head${isPair ? " pair" : ""}`} aria-rowindex={1}>
          <span role="columnheader">
            <span class="hidden">breakpoint and position</span>
          </span>
          <span role="columnheader">
            <span class="hidden">live values</span>
          </span>
          <span role="columnheader">op</span>
          <span role="columnheader">result</span>
          <span role="columnheader">statistics</span>
          <span role="columnheader" style={{ textAlign: "right" }}>
            {column.value?.name ?? "step"}
          </span>
          {isPair && <span role="columnheader">A | B</span>}
        </div>
      </div>
      <div class={`list${isPair ? " pair" : ""}`} role="rowgroup" ref={scroller} onScroll={(event) => (top.value = event.currentTarget.scrollTop)}>
        <div class="canvas-holder" aria-hidden="true">
          <canvas ref={canvas} style={{ marginLeft: "34px" }} />
        </div>
        <div class="rows" role="presentation" style={{ height: `${rows.value.length * ROW}px` }}>
          {Array.from(shown, (entry, i) => (
            <Row key={(first.value + i) % SLOTS} entry={entry} row={first.value + i} tree={t} isPair={isPair} />
          ))}
        </div>
      </div>
    </div>
  );
}

function onKeys(event: KeyboardEvent): void {
  const moves: Readonly<Record<string, () => void>> = {
    ArrowDown: () => moveRow(1),
    ArrowUp: () => moveRow(-1),
    ArrowLeft: () => (event.altKey ? follow("maker") : fold()),
    ArrowRight: () => (event.altKey ? follow("user") : unfold()),
    PageDown: () => moveRow(20),
    PageUp: () => moveRow(-20),
    Home: () => moveRow(-rows.value.length),
    End: () => moveRow(rows.value.length),
    Enter: () => runTo(selected.value),
    " ": () => toggleOpen(selected.value),
  };
  const move = moves[event.key];
  if (move === undefined || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  move();
}

interface RowProps {
  readonly entry: number;
  readonly row: number;
  readonly tree: Tree;
  readonly isPair: boolean;
}

function Row({ entry, row, tree: t, isPair }: RowProps): JSX.Element | null {
  const shown = shownAt(entry, t);
  if (shown === undefined) return null;
  const { run, entry: own } = shown;
  const hasChildren = (t.end[entry] ?? 0) > entry + 1;
  const isOpen = hasChildren && rows.value[row + 1] !== undefined && (t.parent[rows.value[row + 1] ?? 0] ?? -1) === entry;
  const isHere = position.value === entry;
  const isStop = stops.value?.[entry] === 1;
  const isFuture = position.value > 0 && entry > position.value && entry >= (t.end[position.value] ?? 0);
  const value = mainOutput(run, own);
  const kind = run.kind[own] ?? 0;
  return (
    <div
      role="row"
      id={`row-${entry}`}
      class={`row${isHere ? " here" : ""}${isFuture ? " future" : ""}`}
      style={{ transform: `translateY(${row * ROW}px)` }}
      aria-rowindex={row + 2}
      aria-level={(t.depth[entry] ?? 0) + 1}
      aria-selected={selected.value === entry}
      {...(hasChildren ? { "aria-expanded": isOpen } : {})}
      onClick={() => select(entry)}
      onDblClick={() => toggleOpen(entry)}
    >
      <span
        role="gridcell"
        class="gutter"
        onClick={(event) => {
          event.stopPropagation();
          toggleBreak(entry);
        }}
        title={isStop ? "breakpoint" : undefined}
      >
        <span class={`dot${isStop ? " on" : ""}`}>{isStop && <span class="hidden">breakpoint</span>}</span>
        <span class="arrow">
          {isHere ? (
            <>
              →<span class="hidden">stopped here</span>
            </>
          ) : (
            ""
          )}
        </span>
      </span>
      <span role="gridcell" />
      <span role="gridcell" class="cell name" style={{ paddingLeft: `${Math.min(t.depth[entry] ?? 0, 12) * 14}px` }}>
        <span
          class="twisty"
          aria-hidden="true"
          onClick={(event) => {
            event.stopPropagation();
            toggleOpen(entry);
          }}
        >
          {hasChildren && <Twisty isOpen={isOpen} />}
        </span>
        <Label run={run} entry={own} kind={kind} />
      </span>
      <span role="gridcell" class="cell">
        {value === undefined ? "" : shapeText(value)}
      </span>
      <span role="gridcell" class="cell muted">
        {value === undefined ? "" : statsText(value)}
      </span>
      <span role="gridcell" class="cell num">
        <Meter entry={entry} tree={t} />
      </span>
      {isPair && (
        <span role="gridcell" class="cell">
          <PairMark entry={entry} tree={t} />
        </span>
      )}
    </div>
  );
}

function Label({ run, entry, kind }: { readonly run: Run; readonly entry: number; readonly kind: number }): JSX.Element {
  const label = run.label[entry] ?? "";
  const detail = run.detail[entry] ?? "";
  if (kind === KIND.module || kind === KIND.root) {
    return (
      <>
        <span class="what module">{label}</span>
        {detail !== "" && <span class="more">{detail}</span>}
      </>
    );
  }
  const at = label.indexOf("::");
  const nth = run.nth[entry] ?? 0;
  const node = run.node[entry] ?? -1;
  return (
    <>
      <span class="what">
        {at > 0 && <span class="ns">{label.slice(0, at + 2)}</span>}
        {label.slice(at > 0 ? at + 2 : 0)}
      </span>
      <span class="more">
        {node < 0 ? "" : `#${node}${nth > 0 ? `[${nth}]` : ""}`} {detail}
      </span>
    </>
  );
}

export function Meter({ entry, tree: t }: { readonly entry: number; readonly tree: Tree }): JSX.Element {
  const c = column.value;
  if (c === undefined) return <>{t.kind[entry] === KIND.module || entry === 0 ? "" : String(stepOf(entry, t))}</>;
  const value = c.values[entry] ?? Number.NaN;
  if (Number.isNaN(value)) return <></>;
  const glyph = c.glyph(value);
  return (
    <span class={`meter ${c.tone(value)}`} style={{ display: "block" }}>
      <i style={{ width: `${(100 * c.share(value)).toFixed(1)}%` }} />
      <span>
        {glyph !== "" && <b class={c.tone(value)}>{glyph} </b>}
        {c.text(value)}
      </span>
    </span>
  );
}

const VERDICT_TONES: Readonly<Record<string, string>> = { ok: "good", source: "bad", victim: "warn", amplifier: "warn", masked: "warn" };

function PairMark({ entry, tree: t }: { readonly entry: number; readonly tree: Tree }): JSX.Element {
  const [inA, inB] = [t.a[entry] ?? -1, t.b[entry] ?? -1];
  const verdict = verdicts.value.get(entry);
  if (verdict !== undefined) return <span class={VERDICT_TONES[verdict] ?? "muted"}>{verdict === "source" ? "SOURCE" : verdict}</span>;
  if (inB < 0) return <span class="mark-a">A only</span>;
  if (inA < 0) return <span class="mark-b">B only</span>;
  const [a, b] = runs.value;
  const one = a === undefined ? undefined : mainOutput(a, inA);
  const two = b === undefined ? undefined : mainOutput(b, inB);
  if (one?.shape === undefined || two?.shape === undefined) return <span class="muted">both</span>;
  if (shapeText(one) !== shapeText(two)) return <span class="warn">≠ shape</span>;
  if (one.hash !== undefined && one.hash === two.hash) return <span class="good">= bits</span>;
  const gap = Math.abs((one.health?.mean ?? 0) - (two.health?.mean ?? 0));
  return <span class="muted">{one.health === undefined || two.health === undefined ? "" : gap === 0 ? "≈" : `Δμ ${short(gap)}`}</span>;
}
