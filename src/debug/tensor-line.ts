/** The one-line form of a tensor, the same in every face: `f32[1,64,56,56] ∈[-3.1, 4.22] μ=.013 σ=1.02 0:12% nan:0 inf:0 ~v1 cpu`. */

import { shortDtype } from "./elements.ts";
import type { Health, TensorFacts } from "./events.ts";

/** A number in three significant digits. */
export function shortNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  if (size >= 1e5 || size < 1e-3)
    return value
      .toExponential(2)
      .replace("e+", "e")
      .replace(/\.?0+e/, "e");
  const text = value.toPrecision(3);
  const plain = text.includes("e") ? String(Number(text)) : text;
  return plain.includes(".") ? plain.replace(/0+$/, "").replace(/\.$/, "") : plain;
}

function moment(value: number): string {
  return shortNumber(value).replace(/^(-?)0\./, "$1.");
}

/** `f32[1,64,56,56]`. */
export function typeText(tensor: Pick<TensorFacts, "dtype" | "shape">): string {
  return `${shortDtype(tensor.dtype)}[${tensor.shape.join(",")}]`;
}

/** The statistics' part of the line; empty without a record. */
export function healthText(health: Health | undefined): string {
  if (health === undefined || health.n === 0) return "";
  const parts: string[] = [];
  if (health.min !== undefined && health.max !== undefined) parts.push(`∈[${shortNumber(health.min)}, ${shortNumber(health.max)}]`);
  if (health.mean !== undefined) parts.push(`μ=${moment(health.mean)}`);
  if (health.std !== undefined) parts.push(`σ=${moment(health.std)}`);
  if (health.zero > 0) parts.push(`0:${Math.max(1, Math.round((100 * health.zero) / health.n))}%`);
  if (health.std !== undefined || health.nan > 0 || health.posInf + health.negInf > 0) parts.push(`nan:${health.nan}`, `inf:${health.posInf + health.negInf}`);
  return parts.join(" ");
}

/** The line. `version`: of its storage; `of`: the name of the value that it is a view of. */
export function tensorLine(
  tensor: TensorFacts,
  facts: {
    readonly health?: Health | undefined;
    readonly version?: number | undefined;
    readonly of?: string | undefined;
    readonly backend?: string | undefined;
  } = {},
): string {
  return [
    typeText(tensor),
    healthText(facts.health),
    facts.version === undefined ? "" : `~v${facts.version}`,
    facts.of === undefined ? "" : `↗%${facts.of}`,
    facts.backend ?? "",
  ]
    .filter((part) => part !== "")
    .join(" ");
}
