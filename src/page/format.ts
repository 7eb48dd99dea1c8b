/** Numbers and tensors as short text: one form for all panes. */

import { healthText, shortNumber, tensorLine, typeText } from "../debug/tensor-line.ts";
import type { ValueFact } from "./run.ts";

/** Three significant digits, without a leading zero: `-3.1`, `.013`, `6.1e4`. */
export function short(x: number): string {
  return shortNumber(x).replace(/^(-?)0\./, "$1.");
}

export function bytes(n: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  let size = n;
  for (; size >= 1000 && at < units.length - 1; at++) size /= 1000;
  return `${size >= 100 || at === 0 ? Math.round(size) : Number(size.toPrecision(3))} ${units[at] ?? ""}`;
}

export function milliseconds(ms: number): string {
  if (Number.isNaN(ms)) return "";
  if (ms >= 1000) return `${(ms / 1000).toPrecision(3)} s`;
  if (ms >= 1) return `${ms.toPrecision(3)} ms`;
  return `${(ms * 1000).toPrecision(3)} µs`;
}

export function count(n: number): string {
  return n.toLocaleString("en-US").replaceAll(",", "\u202f");
}

/** `f32[1,64]`; of what is no tensor its text. */
export function shapeText(value: ValueFact): string {
  return value.shape === undefined ? (value.text ?? "") : typeText({ dtype: value.dtype ?? "?", shape: value.shape });
}

/** What stands behind dtype and shape in the one-line form; counts of zero NaN and infinities are left out where rows are short. */
export function statsText(value: ValueFact): string {
  if (value.health === undefined) return value.shape === undefined || value.hash === undefined ? "" : `hash ${value.hash.slice(0, 8)}`;
  return healthText(value.health).replace(" nan:0", "").replace(" inf:0", "");
}

/** The one-line form: `f32[1,64,56,56] ∈[-3.1, 4.22] μ=.013 σ=1.02 0:12% nan:0 inf:0 ~v1 ↗%x cpu`. */
export function oneLine(value: ValueFact, names?: (index: number) => string): string {
  if (value.shape === undefined) return value.text ?? "";
  const of = value.viewOf === undefined || names === undefined ? undefined : names(value.viewOf).replace(/^%/, "");
  return tensorLine(
    { dtype: value.dtype ?? "?", shape: value.shape, strides: value.strides ?? [], offset: 0 },
    { health: value.health, version: value.version, of, backend: value.backend },
  );
}

/** Elements of a shape. */
export function numelOf(shape: readonly number[] | undefined): number {
  return (shape ?? []).reduce((a, b) => a * b, 1);
}
