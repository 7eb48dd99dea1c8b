/** The histogram of exponents: how far a value's numbers reach, and which dtypes would hold them. */

import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { prepare } from "./draw-lanes.ts";
import { exponentRange } from "../debug/health.ts";
import { count, short } from "./format.ts";
import { ink } from "./ink.ts";
import type { Ink } from "./palette.ts";
import type { Health } from "./run.ts";

/** Exponents at which dtypes end: the largest number, and the smallest normal one. */
const LIMITS: readonly { readonly name: string; readonly top: number; readonly bottom: number }[] = [
  { name: "f16", top: 15, bottom: -14 },
  { name: "bf16/f32", top: 127, bottom: -126 },
  { name: "e4m3", top: 8, bottom: -6 },
];

const HEIGHT = 118;

export function Histogram({ health, other }: { readonly health: Health; readonly other?: Health | undefined }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { histogram: bins } = health;
  const range = bins === undefined ? undefined : exponentRange(bins);
  const colours = ink.value;
  useLayoutEffect(() => {
    const box = canvas.current;
    if (box === null || bins === undefined || range === undefined) return;
    draw(box, bins, other?.histogram, [range.low, range.high], colours);
  });
  if (bins === undefined) return <p class="muted">no histogram was recorded</p>;
  if (range === undefined) return <p class="muted">no finite number but zero</p>;
  const text = `2^${range.low} to 2^${range.high}, ${range.high - range.low + 1} binades; ${count(health.neg)} negative, ${count(health.zero)} zero`;
  return (
    <div>
      <div class="plot">
        <canvas ref={canvas} role="img" aria-label={`histogram of magnitudes: ${text}`} style={{ height: `${HEIGHT}px` }} />
      </div>
      <div class="readout">
        <span>
          2^{range.low} … 2^{range.high}, {range.high - range.low + 1} binades
        </span>
        <span>
          <span style={{ color: "var(--warn)" }}>■</span> negative {other === undefined ? "" : "— other"}
        </span>
      </div>
    </div>
  );
}

function draw(canvas: HTMLCanvasElement, bins: Float64Array, other: Float64Array | undefined, range: readonly [number, number], colours: Ink): void {
  const width = canvas.parentElement?.clientWidth ?? 320;
  const g = prepare(canvas, width, HEIGHT);
  if (g === undefined) return;
  const low = Math.min(range[0] - 2, -16);
  const high = Math.max(range[1] + 2, 17);
  const base = HEIGHT - 16;
  const xOf = (exponent: number): number => 8 + ((exponent - low) / (high - low + 1)) * (width - 16);
  const step = xOf(1) - xOf(0);
  let most = 1;
  for (let i = 1; i < 255; i++) most = Math.max(most, (bins[i] ?? 0) + (bins[256 + i] ?? 0));
  const tall = (n: number): number => (n === 0 ? 0 : 2 + (Math.log1p(n) / Math.log1p(most)) * (base - 22));
  g.font = `10px ${colours.sans}`;
  for (const limit of LIMITS) {
    for (const [at, label] of [
      [limit.top + 1, `${limit.name} max`],
      [limit.bottom, `${limit.name} min`],
    ] as const) {
      if (at <= low || at > high) continue;
      g.strokeStyle = colours.line;
      g.setLineDash([3, 3]);
      g.beginPath();
      g.moveTo(xOf(at), limit.name === "f16" ? 12 : 24);
      g.lineTo(xOf(at), base);
      g.stroke();
      g.setLineDash([]);
      g.fillStyle = colours.muted;
      const end = xOf(at) + g.measureText(label).width + 4 > width;
      g.textAlign = end ? "right" : "left";
      g.fillText(label, xOf(at) + (end ? -3 : 3), limit.name === "f16" ? 11 : 23);
    }
  }
  for (let exponent = low; exponent <= high; exponent++) {
    const positive = bins[exponent + 127] ?? 0;
    const negative = bins[256 + exponent + 127] ?? 0;
    const total = tall(positive + negative);
    if (total === 0) continue;
    const share = negative / (positive + negative);
    const x = xOf(exponent) + 0.5;
    const w = Math.max(1, step - 1);
    g.fillStyle = colours.accent;
    g.fillRect(x, base - total, w, total * (1 - share));
    g.fillStyle = colours.warn;
    g.fillRect(x, base - total * share, w, total * share);
  }
  if (other !== undefined) {
    g.strokeStyle = colours.text;
    g.lineWidth = 1.2;
    g.beginPath();
    for (let exponent = low; exponent <= high; exponent++) {
      const y = base - tall((other[exponent + 127] ?? 0) + (other[256 + exponent + 127] ?? 0));
      g.lineTo(xOf(exponent), y);
      g.lineTo(xOf(exponent + 1), y);
    }
    g.stroke();
  }
  g.strokeStyle = colours.line;
  g.beginPath();
  g.moveTo(0, base + 0.5);
  g.lineTo(width, base + 0.5);
  g.stroke();
  g.fillStyle = colours.muted;
  g.textAlign = "center";
  const every = high - low > 60 ? 32 : high - low > 36 ? 16 : 8;
  for (let exponent = Math.ceil(low / every) * every; exponent <= high; exponent += every)
    g.fillText(exponent === 0 ? "1" : short(2 ** exponent), xOf(exponent), HEIGHT - 4);
}
