/** The graph of the module around the selection: what is open in the list is open here, in place. Canvas only; the list says all of it too. */

import { computed, effect, useSignal, type ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { goTo, toggleOpen } from "./actions.ts";
import { prepare } from "./draw-lanes.ts";
import { shapeText } from "./format.ts";
import { MAX_DAGRE, type GraphPlaces, type GraphQuestion } from "./graph-question.ts";
import { askGraph } from "./layout-client.ts";
import { ink } from "./ink.ts";
import { familyOf, type Ink } from "./palette.ts";
import { KIND, mainOutput } from "./run.ts";
import { column, open, rowOf, rows, selected, shownAt, side, tree } from "./state.ts";
import { laneRun } from "./stays.ts";
import type { Tree } from "./tree.ts";

interface Scene {
  /** Tree entry by node. */
  readonly entries: readonly number[];
  readonly question: GraphQuestion;
  /** Text on each edge: the shape of what goes along. */
  readonly labels: readonly string[];
}

/** The module whose inside is drawn: the innermost open one around the selection, or the root. */
const focus: ReadonlySignal<number> = computed(() => {
  const t = tree.value;
  if (t === undefined) return 0;
  let entry = selected.value;
  while (entry > 0 && !((t.kind[entry] === KIND.module || t.kind[entry] === KIND.root) && open.value.has(entry))) entry = t.parent[entry] ?? 0;
  // As much of the surroundings as dagre can lay out.
  const sizeOf = (of: number): number => rows.value.reduce((n, row) => n + (row > of && row < (t.end[of] ?? 0) ? 1 : 0), 0);
  while (entry > 0 && sizeOf(t.parent[entry] ?? 0) <= MAX_DAGRE / 3) entry = t.parent[entry] ?? 0;
  return entry;
});

const scene: ReadonlySignal<Scene | undefined> = computed(() => {
  const t = tree.value;
  const source = t === undefined ? undefined : laneRun(t);
  if (t === undefined || source === undefined) return undefined;
  const top = focus.value;
  const entries = [...rows.value].filter((entry) => entry > top && entry < (t.end[top] ?? 0));
  const nodeOf = new Map(entries.map((entry, i) => [entry, i]));
  const isOpen = (entry: number): boolean =>
    entries[(nodeOf.get(entry) ?? 0) + 1] !== undefined && t.parent[entries[(nodeOf.get(entry) ?? 0) + 1] ?? 0] === entry;
  const isFrame = entries.map(isOpen);
  const within = entries.map((entry) => nodeOf.get(t.parent[entry] ?? -1) ?? -1);
  const sizes = entries.map(
    (entry, i) => [isFrame[i] === true ? 10 : Math.max(78, Math.min(210, 26 + 6.6 * labelOf(entry).length)), isFrame[i] === true ? 10 : 30] as const,
  );
  const seen = new Map<number, number>();
  const edges: (readonly [number, number])[] = [];
  const labels: string[] = [];
  const nodeAt = (entry: number): number | undefined => nodeOf.get(rows.value[rowOf.value[source.ofRun[entry] ?? 0] ?? 0] ?? -1);
  for (const value of source.run.values) {
    if (value.shape === undefined || value.role !== "value" || source.run.kind[value.maker] === KIND.data) continue;
    const from = nodeAt(value.maker);
    if (from === undefined || isFrame[from] === true) continue;
    for (const user of value.users) {
      const to = nodeAt(user);
      if (to === undefined || to === from || isFrame[to] === true || to < from) continue;
      const key = from * entries.length + to;
      if (seen.has(key)) continue;
      seen.set(key, edges.length);
      edges.push([from, to]);
      labels.push(`[${value.shape.join(",")}]`);
    }
  }
  return { entries, question: { sizes, within, isFrame, edges }, labels };
});

function labelOf(entry: number): string {
  const own = shownAt(entry);
  return own === undefined ? "" : (own.run.label[own.entry] ?? "").replace(/^aten::|^onnx::|^prim::/, "");
}

interface Camera {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export function GraphView(): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const camera = useSignal<Camera>({ x: 0, y: 0, zoom: 1 });
  const laid = useSignal<{ readonly scene: Scene; readonly places: GraphPlaces } | undefined>(undefined);
  const size = useSignal<readonly [number, number]>([600, 400]);
  const fitted = useRef(-1);
  useEffect(() => {
    const holder = box.current;
    if (holder === null) return undefined;
    const watch = new ResizeObserver(() => (size.value = [holder.clientWidth, holder.clientHeight]));
    watch.observe(holder);
    return () => watch.disconnect();
  }, []);
  useEffect(
    () =>
      effect(() => {
        const wanted = scene.value;
        if (wanted === undefined) return;
        askGraph(wanted.question, (places) => {
          if (places !== undefined) laid.value = { scene: wanted, places };
        });
      }),
    [],
  );
  useEffect(
    () =>
      effect(() => {
        const now = laid.value;
        const t = tree.value;
        if (canvas.current === null || t === undefined || now === undefined) return;
        const [width, height] = size.value;
        if (fitted.current !== focus.value) {
          fitted.current = focus.value;
          const zoom = Math.max(0.25, Math.min(1, width / (now.places.width + 20), 1));
          const at = now.scene.entries.indexOf(selected.peek());
          const [cx, cy] = at >= 0 ? [now.places.width / 2, now.places.boxes[at]?.[1] ?? 0] : [now.places.width / 2, height / zoom / 2 - 10];
          camera.value = { x: cx, y: at >= 0 ? cy : Math.max(cy, 0), zoom };
        }
        draw(canvas.current, { ...now, tree: t, camera: camera.value, width, height, ink: ink.value });
        void side.value;
      }),
    [],
  );
  // The selection stays in sight.
  useEffect(
    () =>
      effect(() => {
        const now = laid.value;
        const at = now?.scene.entries.indexOf(selected.value) ?? -1;
        const place = now?.places.boxes[at];
        if (place === undefined) return;
        const view = camera.peek();
        const [width, height] = size.peek();
        const [dx, dy] = [(place[0] - view.x) * view.zoom, (place[1] - view.y) * view.zoom];
        if (Math.abs(dx) > width / 2 - 40 || Math.abs(dy) > height / 2 - 40) camera.value = { ...view, x: place[0], y: place[1] };
      }),
    [],
  );
  const toWorld = (event: { readonly clientX: number; readonly clientY: number }): readonly [number, number] => {
    const rect = canvas.current?.getBoundingClientRect();
    const view = camera.value;
    return [
      view.x + (event.clientX - (rect?.left ?? 0) - size.value[0] / 2) / view.zoom,
      view.y + (event.clientY - (rect?.top ?? 0) - size.value[1] / 2) / view.zoom,
    ];
  };
  const hit = (event: { readonly clientX: number; readonly clientY: number }): number | undefined => {
    const now = laid.value;
    if (now === undefined) return undefined;
    const [x, y] = toWorld(event);
    for (let i = now.places.boxes.length - 1; i >= 0; i--) {
      const place = now.places.boxes[i];
      if (place !== undefined && Math.abs(x - place[0]) <= place[2] / 2 && Math.abs(y - place[1]) <= place[3] / 2) return now.scene.entries[i];
    }
    return undefined;
  };
  const drag = useRef<{ readonly x: number; readonly y: number; moved: number } | undefined>(undefined);
  return (
    <div
      class="graph"
      ref={box}
      aria-hidden="true"
      onPointerDown={(event) => {
        drag.current = { x: event.clientX, y: event.clientY, moved: 0 };
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        if (drag.current === undefined) return;
        const view = camera.value;
        const [dx, dy] = [event.clientX - drag.current.x, event.clientY - drag.current.y];
        camera.value = { ...view, x: view.x - dx / view.zoom, y: view.y - dy / view.zoom };
        drag.current = { x: event.clientX, y: event.clientY, moved: drag.current.moved + Math.abs(dx) + Math.abs(dy) };
      }}
      onPointerUp={(event) => {
        const moved = drag.current?.moved ?? 0;
        drag.current = undefined;
        const entry = moved < 4 ? hit(event) : undefined;
        if (entry !== undefined) goTo(entry);
      }}
      onDblClick={(event) => {
        const entry = hit(event);
        if (entry !== undefined) toggleOpen(entry);
      }}
      onWheel={(event) => {
        event.preventDefault();
        const view = camera.value;
        const zoom = Math.max(0.05, Math.min(3, view.zoom * Math.exp(-event.deltaY * 0.0015)));
        const [x, y] = toWorld(event);
        camera.value = { x: x + ((view.x - x) * view.zoom) / zoom, y: y + ((view.y - y) * view.zoom) / zoom, zoom };
      }}
    >
      <canvas ref={canvas} />
      <span class="hint">drag to move, wheel to zoom, double-click opens a module in place</span>
    </div>
  );
}

interface GraphScene {
  readonly scene: Scene;
  readonly places: GraphPlaces;
  readonly tree: Tree;
  readonly camera: Camera;
  readonly width: number;
  readonly height: number;
  readonly ink: Ink;
}

function draw(canvas: HTMLCanvasElement, { scene: what, places, tree: t, camera, width, height, ink: colours }: GraphScene): void {
  const g = prepare(canvas, width, height);
  if (g === undefined) return;
  const { zoom } = camera;
  g.translate(width / 2 - camera.x * zoom, height / 2 - camera.y * zoom);
  g.scale(zoom, zoom);
  const [left, right] = [camera.x - width / 2 / zoom, camera.x + width / 2 / zoom];
  const [top, bottom] = [camera.y - height / 2 / zoom, camera.y + height / 2 / zoom];
  const isSeen = ([x, y, w, h]: readonly [number, number, number, number]): boolean =>
    x + w / 2 > left && x - w / 2 < right && y + h / 2 > top && y - h / 2 < bottom;
  const chosen = what.entries.indexOf(selected.value);
  g.textBaseline = "middle";
  g.textAlign = "left";
  // Frames first, then edges, then nodes.
  what.entries.forEach((entry, i) => {
    const box = places.boxes[i];
    if (what.question.isFrame[i] !== true || box === undefined || !isSeen(box)) return;
    g.fillStyle = colours.raised;
    g.strokeStyle = entry === selected.value ? colours.accent : colours.line;
    g.lineWidth = 1;
    g.beginPath();
    g.roundRect(box[0] - box[2] / 2, box[1] - box[3] / 2, box[2], box[3], 8);
    g.globalAlpha = 0.75;
    g.fill();
    g.globalAlpha = 1;
    g.stroke();
    if (zoom > 0.3) {
      g.font = `600 11px ${colours.sans}`;
      const label = labelOf(entry);
      g.fillStyle = colours.panel;
      g.fillRect(box[0] - box[2] / 2 + 7, box[1] - box[3] / 2 - 7, g.measureText(label).width + 8, 14);
      g.fillStyle = colours.muted;
      g.fillText(label, box[0] - box[2] / 2 + 11, box[1] - box[3] / 2);
    }
  });
  g.lineJoin = "round";
  what.question.edges.forEach(([from, to], i) => {
    const line = places.lines[i] ?? [];
    const ends = [places.boxes[from], places.boxes[to]];
    if (line.length < 4 || ends[0] === undefined || ends[1] === undefined) return;
    if (Math.max(ends[0][1], ends[1][1]) < top || Math.min(ends[0][1], ends[1][1]) > bottom) return;
    const isNear = from === chosen || to === chosen;
    g.strokeStyle = isNear ? colours.accent : colours.muted;
    g.globalAlpha = isNear ? 1 : 0.5;
    g.lineWidth = isNear ? 1.8 : 1.1;
    curve(g, line);
    arrow(g, line, isNear ? colours.accent : colours.muted);
    if (isNear && zoom > 0.55) {
      const mid = 2 * Math.floor(line.length / 4);
      g.font = `10px ${colours.mono}`;
      g.fillStyle = colours.text;
      g.globalAlpha = 1;
      g.fillText(what.labels[i] ?? "", (line[mid] ?? 0) + 5, line[mid + 1] ?? 0);
    }
  });
  g.globalAlpha = 1;
  what.entries.forEach((entry, i) => {
    const box = places.boxes[i];
    if (what.question.isFrame[i] === true || box === undefined || !isSeen(box)) return;
    node(g, entry, box, t, colours, zoom);
  });
}

function curve(g: CanvasRenderingContext2D, line: readonly number[]): void {
  g.beginPath();
  g.moveTo(line[0] ?? 0, line[1] ?? 0);
  for (let i = 2; i + 3 < line.length; i += 2) {
    const [x, y] = [line[i] ?? 0, line[i + 1] ?? 0];
    g.quadraticCurveTo(x, y, (x + (line[i + 2] ?? 0)) / 2, (y + (line[i + 3] ?? 0)) / 2);
  }
  g.lineTo(line[line.length - 2] ?? 0, line[line.length - 1] ?? 0);
  g.stroke();
}

function arrow(g: CanvasRenderingContext2D, line: readonly number[], colour: string): void {
  const [x, y] = [line[line.length - 2] ?? 0, line[line.length - 1] ?? 0];
  const angle = Math.atan2(y - (line[line.length - 3] ?? 0), x - (line[line.length - 4] ?? 0));
  g.fillStyle = colour;
  g.beginPath();
  g.moveTo(x, y);
  for (const turn of [2.7, -2.7]) g.lineTo(x + 7 * Math.cos(angle + turn), y + 7 * Math.sin(angle + turn));
  g.fill();
}

function node(g: CanvasRenderingContext2D, entry: number, [x, y, w, h]: readonly [number, number, number, number], t: Tree, colours: Ink, zoom: number): void {
  const own = shownAt(entry, t);
  if (own === undefined) return;
  const isModule = t.kind[entry] === KIND.module || t.kind[entry] === KIND.trip;
  const c = column.value;
  const number = c?.values[entry] ?? Number.NaN;
  const tone = c === undefined || Number.isNaN(number) ? "plain" : c.tone(number);
  const colour = tone !== "plain" ? colours[tone] : isModule ? colours.muted : colours.family[familyOf(own.run.label[own.entry] ?? "")];
  g.fillStyle = colours.panel;
  g.strokeStyle = entry === selected.value ? colours.accent : colour;
  g.lineWidth = entry === selected.value ? 2.5 : 1.2;
  g.beginPath();
  g.roundRect(x - w / 2, y - h / 2, w, h, isModule ? 7 : 4);
  g.fill();
  g.stroke();
  g.fillStyle = colour;
  g.fillRect(x - w / 2 + 3, y - h / 2 + 4, 3, h - 8);
  if (zoom < 0.35) return;
  g.save();
  g.beginPath();
  g.rect(x - w / 2 + 8, y - h / 2, w - 12, h);
  g.clip();
  g.fillStyle = colours.text;
  g.font = `${isModule ? "600 " : ""}11.5px ${isModule ? colours.sans : colours.mono}`;
  g.fillText(`${labelOf(entry)}${isModule ? " ▸" : ""}`, x - w / 2 + 11, y - 6);
  g.fillStyle = colours.muted;
  g.font = `10px ${colours.mono}`;
  const value = mainOutput(own.run, own.entry);
  g.fillText(
    c !== undefined && !Number.isNaN(number) ? `${c.glyph(number)} ${c.text(number)}` : value === undefined ? "" : shapeText(value),
    x - w / 2 + 11,
    y + 7,
  );
  g.restore();
}
