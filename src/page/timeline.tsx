/** The timeline: calls by depth as a flame, and the memory held below it. A brush leaves only its steps in the list. */

import { effect, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { goTo } from "./actions.ts";
import { prepare } from "./draw-lanes.ts";
import { bytes, milliseconds } from "./format.ts";
import { ink } from "./ink.ts";
import { familyOf, type Ink } from "./palette.ts";
import { KIND, type Run } from "./run.ts";
import { column, position, runs, selected, span, tree } from "./state.ts";
import type { Tree } from "./tree.ts";
import type { Column } from "./overlays.ts";

const BAR = 17;
const PAD = 8;

/** Where entries lie along the run: by time where it was taken, else by steps. Starts and ends by entry of the run. */
export function extents(run: Run): { readonly start: Float64Array; readonly end: Float64Array; readonly unit: "ms" | "step" } {
  const start = new Float64Array(run.count);
  const end = new Float64Array(run.count);
  if (Number.isNaN(run.ms[0] ?? Number.NaN)) {
    for (let entry = 0; entry < run.count; entry++) {
      start[entry] = run.t0[entry] ?? 0;
      end[entry] = Math.max(run.t1[entry] ?? 0, (run.t0[entry] ?? 0) + 1);
    }
    return { start, end, unit: "step" };
  }
  // Ops stand one behind the other; what a call spent outside its ops comes last in it.
  let clock = 0;
  const closing: number[] = [];
  const close = (entry: number): void => {
    clock = Math.max(clock, (start[entry] ?? 0) + (Number.isNaN(run.ms[entry] ?? Number.NaN) ? 0 : (run.ms[entry] ?? 0)));
    end[entry] = clock;
  };
  for (let entry = 0; entry < run.count; entry++) {
    while (closing.length > 0 && (run.end[closing[closing.length - 1] ?? 0] ?? 0) <= entry) close(closing.pop() ?? 0);
    start[entry] = clock;
    closing.push(entry);
  }
  while (closing.length > 0) close(closing.pop() ?? 0);
  return { start, end, unit: "ms" };
}

interface Bar {
  readonly entry: number;
  readonly x: number;
  readonly width: number;
  readonly level: number;
}

/** Bars of a window of the run, with those below a pixel left out. */
export function barsOf(t: Tree, ext: { readonly start: Float64Array; readonly end: Float64Array }, from: number, to: number, width: number): Bar[] {
  const bars: Bar[] = [];
  const scale = width / (to - from);
  const lastAt: number[] = [];
  for (let entry = 0; entry < t.count;) {
    const inA = t.a[entry] ?? -1;
    const next = t.end[entry] ?? entry + 1;
    if (inA < 0 || t.kind[entry] === KIND.data) {
      entry = next;
      continue;
    }
    const x = ((ext.start[inA] ?? 0) - from) * scale;
    const w = ((ext.end[inA] ?? 0) - (ext.start[inA] ?? 0)) * scale;
    const level = t.depth[entry] ?? 0;
    if (x > width || x + w < 0) {
      entry = next;
      continue;
    }
    if (w < 0.6 && x - (lastAt[level] ?? -1) < 0.6) {
      entry = w < 0.25 ? next : entry + 1;
      continue;
    }
    lastAt[level] = x;
    bars.push({ entry, x, width: Math.max(0.7, w), level });
    entry = w < 0.25 ? next : entry + 1;
  }
  return bars;
}

interface FlameScene {
  readonly tree: Tree;
  readonly run: Run;
  readonly bars: readonly Bar[];
  readonly column: Column | undefined;
  readonly selected: number;
  readonly position: number;
  readonly ink: Ink;
  readonly height: number;
  readonly width: number;
}

function drawFlame(canvas: HTMLCanvasElement, scene: FlameScene): void {
  const { ink: colours, run, tree: t } = scene;
  const g = prepare(canvas, scene.width, scene.height);
  if (g === undefined) return;
  g.font = `11px ${colours.sans}`;
  g.textBaseline = "middle";
  for (const bar of scene.bars) {
    const own = t.a[bar.entry] ?? 0;
    const y = PAD + bar.level * BAR;
    const number = scene.column?.values[bar.entry] ?? Number.NaN;
    const tone = scene.column === undefined || Number.isNaN(number) ? "plain" : scene.column.tone(number);
    const isModule = t.kind[bar.entry] === KIND.module || bar.entry === 0 || t.kind[bar.entry] === KIND.trip;
    g.fillStyle =
      tone !== "plain" ? colours[tone] : isModule ? (bar.width > 3 ? colours.raised : colours.line) : colours.family[familyOf(run.label[own] ?? "")];
    g.globalAlpha = tone !== "plain" ? (isModule ? 0.3 : 0.5) : isModule ? 1 : 0.75;
    g.fillRect(bar.x, y, Math.max(0.7, bar.width - 0.7), BAR - 2);
    g.globalAlpha = 1;
    if (isModule && bar.width > 3) {
      g.strokeStyle = colours.line;
      g.strokeRect(bar.x + 0.5, y + 0.5, bar.width - 1.4, BAR - 3);
    }
    if (bar.width > 34) {
      g.save();
      g.beginPath();
      g.rect(bar.x, y, bar.width - 3, BAR);
      g.clip();
      g.fillStyle = isModule || tone !== "plain" ? colours.text : colours.panel;
      g.fillText((run.label[own] ?? "").replace(/^\w+::/, ""), Math.max(bar.x, 0) + 5, y + BAR / 2 - 0.5);
      g.restore();
    }
    if (bar.entry === scene.selected) {
      g.strokeStyle = colours.accent;
      g.lineWidth = 2;
      g.strokeRect(bar.x + 1, y, Math.max(2, bar.width - 2), BAR - 2);
      g.lineWidth = 1;
    }
  }
}

export function Timeline(): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const under = useSignal("");
  const zoom = useSignal<readonly [number, number] | undefined>(undefined);
  const bars = useRef<readonly Bar[]>([]);
  const width = useSignal(600);
  useEffect(() => {
    const holder = box.current;
    if (holder === null) return undefined;
    const watch = new ResizeObserver(() => (width.value = Math.max(50, holder.clientWidth)));
    watch.observe(holder);
    return () => watch.disconnect();
  }, []);
  useEffect(
    () =>
      effect(() => {
        const t = tree.value;
        const [run] = runs.value;
        if (t === undefined || run === undefined || canvas.current === null) return;
        const ext = extents(run);
        const [from, to] = zoom.value ?? [0, ext.end[0] ?? 1];
        bars.current = barsOf(t, ext, from, Math.max(to, from + 1e-9), width.value);
        const deepest = bars.current.reduce((most, bar) => Math.max(most, bar.level), 0);
        drawFlame(canvas.current, {
          tree: t,
          run,
          bars: bars.current,
          column: column.value,
          selected: selected.value,
          position: position.value,
          ink: ink.value,
          width: width.value,
          height: 2 * PAD + (deepest + 1) * BAR,
        });
      }),
    [],
  );
  const [run] = runs.value;
  if (run === undefined) return <></>;
  const hit = (event: { readonly clientX: number; readonly clientY: number; readonly currentTarget: HTMLElement }): Bar | undefined => {
    const rect = canvas.current?.getBoundingClientRect();
    if (rect === undefined) return undefined;
    const level = Math.floor((event.clientY - rect.top - PAD) / BAR);
    const x = event.clientX - rect.left;
    return bars.current.findLast((bar) => bar.level === level && x >= bar.x && x <= bar.x + bar.width);
  };
  return (
    <div class="timeline">
      <div
        class="flame"
        ref={box}
        aria-hidden="true"
        onPointerMove={(event) => {
          const bar = hit(event);
          const own = bar === undefined ? -1 : (tree.value?.a[bar.entry] ?? -1);
          under.value = own < 0 ? "" : `${run.label[own] ?? ""} ${run.path[own] ?? ""} ${milliseconds(run.ms[own] ?? Number.NaN)}`;
        }}
        onPointerLeave={() => (under.value = "")}
        onClick={(event) => {
          const bar = hit(event);
          if (bar !== undefined) goTo(bar.entry);
        }}
        onDblClick={(event) => {
          const bar = hit(event);
          const own = bar === undefined ? -1 : (tree.value?.a[bar.entry] ?? -1);
          const ext = extents(run);
          zoom.value = own <= 0 ? undefined : [ext.start[own] ?? 0, ext.end[own] ?? 1];
        }}
      >
        <canvas ref={canvas} />
        <span class="readout" style={{ position: "absolute", right: "8px", top: "0" }}>
          {under.value === "" && zoom.value !== undefined ? "double-click the top bar to see all" : under.value}
        </span>
      </div>
      <Memory run={run} />
    </div>
  );
}

/** Bytes held over steps, by uPlot; dragging leaves those steps in the list. */
function Memory({ run }: { readonly run: Run }): JSX.Element {
  const holder = useRef<HTMLDivElement>(null);
  const colours = ink.value;
  const peak = run.memory.reduce((most, point) => (point.bytes > most.bytes ? point : most), { t: 0, bytes: 0 });
  useEffect(() => {
    const box = holder.current;
    if (box === null || run.memory.length < 2) return undefined;
    const options: uPlot.Options = {
      width: box.clientWidth,
      height: box.clientHeight,
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: false }, y: { range: (_self, _low, high) => [0, Math.max(1, high * 1.15)] } },
      axes: [
        { stroke: colours.muted, grid: { show: false }, ticks: { stroke: colours.line }, font: `10px ${colours.sans}`, size: 22, gap: 1 },
        {
          stroke: colours.muted,
          grid: { stroke: colours.line, width: 0.5 },
          ticks: { show: false },
          font: `10px ${colours.sans}`,
          size: 58,
          values: (_self, marks) => marks.map((mark) => bytes(mark)),
          space: 24,
        },
      ],
      series: [
        {},
        {
          stroke: colours.accent,
          fill: `color-mix(in srgb, ${colours.accent} 18%, transparent)`,
          width: 1.2,
          ...(uPlot.paths.stepped === undefined ? {} : { paths: uPlot.paths.stepped({ align: 1 }) }),
          points: { show: false },
        },
      ],
      hooks: {
        setSelect: [
          (self) => {
            if (self.select.width < 3) span.value = undefined;
            else span.value = [self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x")];
          },
        ],
      },
    };
    const plot = new uPlot(options, [run.memory.map((point) => point.t), run.memory.map((point) => point.bytes)], box);
    const watch = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: box.clientHeight }));
    watch.observe(box);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [run, colours]);
  return <div class="memory" ref={holder} role="img" aria-label={`memory over steps: peak ${bytes(peak.bytes)} at step ${peak.t}`} />;
}
