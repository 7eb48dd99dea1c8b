/** The report of `nan` as text. */

import type { Birth, NodeExecution, NonFiniteReport, Warning } from "./non-finite.ts";
import { placeText } from "./place.ts";

/** Ops that drop numbers on purpose, by what they do. */
const DROPS: readonly (readonly [RegExp, string])[] = [
  [/where|masked_fill|masked_scatter/, "mask keeps it out"],
  [/nan_to_num|nansum|nanmean|nanmedian/, "replaced on purpose"],
  [/isnan|isinf|isfinite|::ne|::eq|::gt|::lt|::ge|::le|any|all/, "only tested"],
  [/clamp|clip|relu|minimum|maximum|fmax|fmin|::max|::min/, "cut off"],
  [/exp|sigmoid|tanh|softmax/, "-inf becomes a number"],
];

function name(at: NodeExecution): string {
  return `#${at.node}${at.nth > 0 ? `[${at.nth}]` : ""} ${at.op}`;
}

function source(at: NodeExecution): string {
  const text = at.place.author?.text?.trim();
  const place = placeText(at.place);
  return `${place === "" ? "" : `   ${place}`}${text === undefined ? "" : `  ${text}`}`;
}

/** Lines of one birth. */
function birthText(birth: Birth, births: readonly Birth[]): readonly string[] {
  const { at, kind, origin, count, shape, first, cause, intended } = birth;
  const value = birth.value === undefined ? "" : ` %${birth.value}`;
  const elements = shape.reduce((a, b) => a * b, 1);
  const what = `${count} of ${elements} elements, [${first.join(",")}]`;
  const out: string[] = [];
  if (origin === "computed")
    out.push(
      `born ${kind === "nan" ? "NaN" : "inf"}  ${name(at)}${value}${source(at)}`,
      `      ${what}: ${cause.text}${birth.from.length === 0 ? "" : `, from the inf of ${birth.from.map((id) => nameOf(births, id)).join(", ")}`}`,
    );
  else out.push(`${kind === "nan" ? "NaN" : "inf"} in ${origin} ${birth.name ?? ""}   first read by ${name(at)}${source(at)}`, `      ${what}`);
  const path = birth.spread.map((e) => `#${e.node} ${e.op.replace(/^.*::/, "")}`);
  if (path.length > 0) out.push(`  → ${path.join(" → ")}${birth.spreadCount > path.length ? ` → … ${birth.spreadCount - path.length} more` : ""}`);
  for (const drop of birth.dropped.slice(0, 4)) {
    const why = DROPS.find(([pattern]) => pattern.test(drop.op))?.[1];
    out.push(`  ⊣ ${name(drop)}${why === undefined ? "" : ` (${why})`}   dies here`);
  }
  if (birth.dropped.length > 4) out.push(`  ⊣ … and in ${birth.dropped.length - 4} more ops`);
  const led = births.filter((b) => b.from.includes(birth.id));
  const leads = led.length === 0 ? "" : `becomes the NaN of ${[...new Set(led.map((b) => `#${b.at.node}`))].join(", ")}; `;
  const fate =
    birth.reaches.length > 0 ? `${leads}REACHES OUTPUT ${birth.reaches.join(", ")}` : `${leads}NOT in any output${led.length === 0 ? ": harmless" : " itself"}`;
  out.push(`  ${fate}${intended ? "   intended: the model states it (a mask)" : ""}`);
  return out;
}

function nameOf(births: readonly Birth[], id: number): string {
  const birth = births[id - 1];
  return birth === undefined ? "?" : birth.origin === "computed" ? `#${birth.at.node}` : (birth.name ?? birth.origin);
}

function warningText(warning: Warning): string {
  return `${warning.kind}  ${name(warning.at)}${warning.value === undefined ? "" : ` %${warning.value}`}  ${warning.text}${source(warning.at)}`;
}

/** Births that reach an output first, then the harmless and the intended ones; warnings at the end. */
export function nonFiniteText(report: NonFiniteReport, options: { readonly all?: boolean } = {}): readonly string[] {
  const { births, warnings, ops } = report;
  const weight = (b: Birth): number => (b.reaches.length > 0 ? (b.intended ? 1 : 0) : b.intended ? 3 : 2);
  const sorted = births.toSorted((a, b) => weight(a) - weight(b) || a.id - b.id);
  const shown = options.all === true ? sorted : sorted.slice(0, 20);
  const out = shown.flatMap((b) => birthText(b, births));
  if (shown.length < sorted.length) out.push(`… ${sorted.length - shown.length} more births (--all)`);
  for (const warning of warnings.slice(0, options.all === true ? warnings.length : 20)) out.push(warningText(warning));
  const bad = births.filter((b) => b.reaches.length > 0 && !b.intended).length;
  out.push(
    `${ops} ops, ${births.length} ${births.length === 1 ? "birth" : "births"}: ${bad} reach an output, ${births.filter((b) => b.intended).length} intended by the model, ${births.filter((b) => b.reaches.length === 0 && !b.intended).length} in no output`,
  );
  return out;
}

/** Whether something not finite that the model does not state reaches an output. */
export function isHarmful(report: NonFiniteReport): boolean {
  return report.births.some((b) => b.reaches.length > 0 && !b.intended);
}
