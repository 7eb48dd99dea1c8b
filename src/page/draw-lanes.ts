/** Draws the lanes beside the list: a line for each live value, a mark for each row, a hook where a value is taken. */

import type { Column } from "./overlays.ts";
import type { LaneIndex } from "./lanes.ts";
import { familyOf, type Ink } from "./palette.ts";
import { KIND } from "./run.ts";
import { shownAt } from "./state.ts";
import { laneRun } from "./stays.ts";
import type { Tree } from "./tree.ts";

const STEP = 11;
const MARGIN = 11;
/** Lanes that get the full step; more are pressed into the same width. */
const FULL = 12;

export function laneWidth(lanes: number): number {
  return 2 * MARGIN + Math.min(Math.max(1, lanes), FULL) * STEP - STEP / 2;
}

export interface LaneScene {
  readonly top: number;
  readonly height: number;
  readonly rowHeight: number;
  readonly rows: Int32Array;
  readonly rowOf: Int32Array;
  readonly tree: Tree;
  readonly index: LaneIndex | undefined;
  readonly values: Int32Array;
  readonly selected: number;
  readonly column: Column | undefined;
  readonly ink: Ink;
}

/** Sizes a canvas for the screen's pixels and clears it. */
export function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | undefined {
  const scale = globalThis.devicePixelRatio || 1;
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  if (context === null) return undefined;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export function drawLanes(canvas: HTMLCanvasElement, scene: LaneScene): void {
  const { index, rowHeight, top, rows, tree, ink } = scene;
  const width = laneWidth(index?.lanes.width ?? 1);
  const g = prepare(canvas, width, scene.height);
  const source = laneRun(tree);
  if (g === undefined || source === undefined) return;
  const count = index?.lanes.width ?? 1;
  const step = count <= FULL ? STEP : (FULL * STEP) / count;
  const xOf = (lane: number): number => MARGIN + lane * step;
  const yOf = (row: number): number => row * rowHeight + rowHeight / 2 - top;
  const low = Math.max(0, Math.floor(top / rowHeight));
  const high = Math.min(rows.length - 1, Math.ceil((top + scene.height) / rowHeight));
  const markAt = (row: number): number => Math.max(0, index?.mark[row] ?? 0);

  if (index !== undefined && index.mark.length === rows.length) {
    g.lineWidth = step < 5 ? 1 : 1.6;
    const chosenRow = scene.rowOf[scene.selected] ?? -1;
    for (const isFront of [false, true]) {
      for (const stay of index.within(low, high)) {
        const [from, to] = [index.stays.from[stay] ?? 0, index.stays.to[stay] ?? 0];
        const touches = from === chosenRow || to === chosenRow;
        if (touches !== isFront) continue;
        const value = source.run.values[scene.values[stay] ?? 0];
        if (value === undefined) continue;
        const x = xOf(index.lanes.lane[stay] ?? 0);
        g.strokeStyle = touches ? ink.accent : ink.family[familyOf(source.run.label[value.maker] ?? "")];
        g.globalAlpha = touches ? 1 : 0.62;
        g.beginPath();
        const start = xOf(markAt(from));
        const end = markAt(to) === (index.lanes.lane[stay] ?? 0) ? yOf(to) : yOf(to) - rowHeight / 2;
        if (start === x) g.moveTo(x, yOf(from));
        else {
          g.moveTo(start, yOf(from));
          g.bezierCurveTo(start, yOf(from) + rowHeight / 2, x, yOf(from) + rowHeight / 4, x, yOf(from) + rowHeight * 0.75);
        }
        g.lineTo(x, Math.max(end, yOf(from) + rowHeight / 2));
        for (const user of value.users) {
          const row = scene.rowOf[source.ofRun[user] ?? 0] ?? 0;
          if (row < low || row > high + 1 || row <= from) continue;
          const target = xOf(markAt(row));
          if (target === x) continue;
          g.moveTo(x, yOf(row) - rowHeight / 2);
          g.bezierCurveTo(x, yOf(row) - rowHeight / 6, target, yOf(row) - rowHeight / 3, target, yOf(row));
        }
        g.stroke();
      }
    }
    g.globalAlpha = 1;
  }
  for (let row = low; row <= high; row++) drawMark(g, scene, rows[row] ?? 0, xOf(markAt(row)), yOf(row));
}

function drawMark(g: CanvasRenderingContext2D, scene: LaneScene, entry: number, x: number, y: number): void {
  const { tree, ink, column } = scene;
  const shown = shownAt(entry, tree);
  if (shown === undefined) return;
  const kind = tree.kind[entry] ?? 0;
  const number = column?.values[entry] ?? Number.NaN;
  const tone = column === undefined || Number.isNaN(number) ? "plain" : column.tone(number);
  const plain = kind === KIND.module || kind === KIND.root ? ink.text : kind === KIND.op ? ink.family[familyOf(shown.run.label[shown.entry] ?? "")] : ink.muted;
  g.fillStyle = tone === "plain" ? plain : ink[tone];
  g.strokeStyle = ink.panel;
  g.lineWidth = 2;
  g.beginPath();
  if (kind === KIND.module || kind === KIND.root) g.roundRect(x - 4.5, y - 4.5, 9, 9, 2);
  else g.arc(x, y, kind === KIND.op ? 4 : 2.5, 0, 2 * Math.PI);
  g.stroke();
  g.fill();
  if (entry === scene.selected) {
    g.strokeStyle = ink.accent;
    g.lineWidth = 1.5;
    g.beginPath();
    g.arc(x, y, 7, 0, 2 * Math.PI);
    g.stroke();
  }
}
