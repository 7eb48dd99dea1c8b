/** Sums outcomes up: rows, percentages, and the failing operators by the file that declares them. */

import type { Reason } from "./compare.ts";
import { familyOf } from "./families.ts";
import type { SampleOutcome } from "./run-sample.ts";

/** Samples of one entry, dtype and variant. */
export interface Row {
  readonly op: string;
  readonly dtype: string;
  readonly variant: string;
  agree: number;
  /** Samples that agree but for strides. */
  strides: number;
  fails: Partial<Record<Reason, number>>;
}

/** Samples of a row that disagree alike, with the first of them. */
export interface Failure {
  readonly op: string;
  readonly dtype: string;
  readonly variant: string;
  readonly reason: Reason;
  readonly overload: string | undefined;
  readonly family: string;
  count: number;
  readonly note: string;
  readonly text: string;
  /** The largest distance of wrong values. */
  distance: number | undefined;
}

export interface Report {
  readonly torch: string;
  readonly backend: string;
  readonly seconds: number;
  readonly rows: readonly Row[];
  readonly failures: readonly Failure[];
  /** Error samples where both raise: messages that say the same, and the least alike pairs. */
  readonly messages: { readonly both: number; readonly alike: number; readonly unlike: readonly { readonly op: string; readonly text: string }[] };
  /** Agreeing and all samples by overload and dtype. */
  readonly overloads: Readonly<Record<string, Readonly<Record<string, readonly [number, number]>>>>;
  /** Entries whose own samples could not be made, with the reason. */
  readonly broken: readonly { readonly op: string; readonly dtype: string; readonly text: string }[];
}

/** A sample that does not count: PyTorch itself makes no archive of it. */
const excused = (reason: Reason): boolean => reason === "no archive";

export class Tally {
  readonly #rows = new Map<string, Row>();
  readonly #failures = new Map<string, Failure>();
  readonly #overloads: Record<string, Record<string, [number, number]>> = {};
  readonly #unlike: { op: string; text: string }[] = [];
  readonly #broken: { op: string; dtype: string; text: string }[] = [];
  #both = 0;
  #alike = 0;
  readonly #strict: boolean;

  constructor(strict: boolean) {
    this.#strict = strict;
  }

  broken(op: string, dtype: string, text: string): void {
    this.#broken.push({ op, dtype, text });
  }

  add(op: string, dtype: string, outcome: SampleOutcome): void {
    const { variant, likeness, text, note } = outcome;
    const key = `${op} ${dtype} ${variant}`;
    let row = this.#rows.get(key);
    if (row === undefined) this.#rows.set(key, (row = { op, dtype, variant, agree: 0, strides: 0, fails: {} }));
    const reason: Reason | undefined = outcome.reason ?? (this.#strict && outcome.strides !== undefined ? "wrong strides" : undefined);
    if (outcome.strides !== undefined) row.strides++;
    if (likeness !== undefined) {
      this.#both++;
      if (likeness >= 0.5) this.#alike++;
      else if (text !== undefined) this.#unlike.push({ op, text });
    }
    if (outcome.op !== undefined && !outcome.op.includes(" + ") && variant !== "errors" && reason !== "no archive") {
      const line = ((this.#overloads[outcome.op] ??= {})[dtype] ??= [0, 0]);
      line[1]++;
      if (reason === undefined) line[0]++;
    }
    if (reason === undefined) {
      row.agree++;
      return;
    }
    row.fails[reason] = (row.fails[reason] ?? 0) + 1;
    const alike = `${key} ${reason} ${outcome.op ?? ""}`;
    const failure = this.#failures.get(alike);
    if (failure !== undefined) {
      failure.count++;
      if (outcome.distance !== undefined) failure.distance = Math.max(failure.distance ?? 0, outcome.distance);
      return;
    }
    this.#failures.set(alike, {
      op,
      dtype,
      variant,
      reason,
      overload: outcome.op,
      family: familyOf(outcome.op ?? `aten::${op.replace(/^nn\.functional\./, "").replace(/\./g, "_")}`),
      count: 1,
      note: note ?? "",
      text: text ?? outcome.strides ?? "",
      distance: outcome.distance,
    });
  }

  report(torch: string, backend: string, seconds: number): Report {
    return {
      torch,
      backend,
      seconds,
      rows: [...this.#rows.values()].toSorted((a, b) => compareText(a.op, b.op) || compareText(a.dtype, b.dtype)),
      failures: [...this.#failures.values()],
      messages: { both: this.#both, alike: this.#alike, unlike: this.#unlike },
      overloads: this.#overloads,
      broken: this.#broken,
    };
  }
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const sum = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0);

/** `float`, `int`, `bool`, `complex`, or `errors` of their own. */
export function classOf(dtype: string): string {
  return /^(?:b?float)/.test(dtype) ? "float" : dtype.startsWith("complex") ? "complex" : dtype === "bool" || dtype === "errors" ? dtype : "int";
}

interface Count {
  agree: number;
  rounding: number;
  all: number;
  strides: number;
  outside: number;
}
function count(rows: readonly Row[]): Count {
  const total: Count = { agree: 0, rounding: 0, all: 0, strides: 0, outside: 0 };
  for (const row of rows) {
    total.agree += row.agree;
    total.strides += row.strides;
    total.rounding += row.fails.rounding ?? 0;
    total.all += row.agree;
    for (const [reason, n] of Object.entries(row.fails) as [Reason, number][]) {
      // A reason that does not count is outside of the denominator.
      if (excused(reason)) total.outside += n;
      else total.all += n;
    }
  }
  return total;
}

function groups<V>(values: readonly V[], key: (value: V) => string): Map<string, V[]> {
  const map = new Map<string, V[]>();
  for (const value of values) {
    const k = key(value);
    const list = map.get(k);
    if (list === undefined) map.set(k, [value]);
    else list.push(value);
  }
  return map;
}

const percent = (n: number, of: number): string => (of === 0 ? "-" : `${((100 * n) / of).toFixed(2)} %`);

function summary(title: string, rows: Map<string, Row[]>): string[] {
  const lines = [
    `${title.padEnd(16)} ${"samples".padStart(8)} ${"agree".padStart(8)} ${"".padStart(9)} ${"rounding".padStart(8)} ${"strides".padStart(8)} ${"no archive".padStart(10)}`,
  ];
  for (const [name, own] of rows) {
    const c = count(own);
    lines.push(
      `${name.padEnd(16)} ${String(c.all).padStart(8)} ${String(c.agree).padStart(8)} ${percent(c.agree, c.all).padStart(9)} ${String(c.rounding).padStart(8)} ${String(c.strides).padStart(8)} ${String(c.outside).padStart(10)}`,
    );
  }
  return lines;
}

/** The report as text; `show` failures of each operator, at most. */
export function text(report: Report, options: { readonly show: number; readonly table: boolean }): string {
  const { rows, failures } = report;
  const lines: string[] = [];
  const failing = failures.filter((f) => !excused(f.reason));
  if (options.table) {
    lines.push(`${"operator".padEnd(44)} ${"dtype".padEnd(11)} ${"variant".padEnd(13)} ${"agree".padStart(6)} ${"of".padStart(6)}  disagree`);
    for (const row of rows) {
      const c = count([row]);
      const why = (Object.entries(row.fails) as [Reason, number][])
        .filter(([r]) => !excused(r))
        .map(([r, n]) => `${n} ${r}`)
        .join(", ");
      lines.push(`${row.op.padEnd(44)} ${row.dtype.padEnd(11)} ${row.variant.padEnd(13)} ${String(c.agree).padStart(6)} ${String(c.all).padStart(6)}  ${why}`);
    }
    lines.push("");
  }
  lines.push("Operators below 100 %, by the file that declares what disagrees:");
  const byFamily = [...groups(failing, (f) => f.family)]
    .map(([family, own]) => ({ family, own, n: sum(own.map((f) => f.count)) }))
    .toSorted((a, b) => b.n - a.n);
  for (const { family, own, n } of byFamily) {
    const reasons = [...groups(own, (f) => f.reason)].map(([r, fs]) => `${sum(fs.map((f) => f.count))} ${r}`).join(", ");
    lines.push("", `${family}: ${n} samples (${reasons})`);
    const byOp = [...groups(own, (f) => f.op)].map(([op, fs]) => ({ op, fs, m: sum(fs.map((f) => f.count)) })).toSorted((a, b) => b.m - a.m);
    for (const { op, fs, m } of byOp) {
      lines.push(`  ${op}: ${m}`);
      const byReason = [...groups(fs, (f) => `${f.reason} ${f.overload ?? ""}`).values()]
        .map((gs) => ({ gs, k: sum(gs.map((g) => g.count)) }))
        .toSorted((a, b) => b.k - a.k);
      for (const { gs, k } of byReason.slice(0, options.show)) {
        const [first] = gs;
        if (first === undefined) continue;
        const where = [...groups(gs, (g) => g.dtype)].map(([d, ds]) => `${d} ${ds.map((g) => `${g.variant} ${g.count}`).join(" ")}`).join("; ");
        const far = gs.map((g) => g.distance).filter((d) => d !== undefined);
        lines.push(
          `    ${k} ${first.reason}${first.overload === undefined ? "" : ` in ${first.overload}`}${far.length === 0 ? "" : `, by up to ${Math.max(...far).toPrecision(3)}`}: ${where}`,
        );
        lines.push(`        ${first.dtype} ${first.variant}: ${first.note.slice(0, 160)}`, `        ${first.text.replace(/\n/g, " ").slice(0, 240)}`);
      }
    }
  }
  if (report.broken.length > 0) {
    lines.push("", "No samples could be made, or the process ended:");
    for (const b of report.broken) lines.push(`  ${b.op} ${b.dtype}: ${b.text.replace(/\n/g, " ").slice(0, 160)}`);
  }
  lines.push("", ...summary("reason", new Map()).slice(1));
  for (const [reason, own] of [...groups(failing, (f) => f.reason)].toSorted((a, b) => sum(b[1].map((f) => f.count)) - sum(a[1].map((f) => f.count))))
    lines.push(`  ${String(sum(own.map((f) => f.count))).padStart(7)}  ${reason}`);
  lines.push(
    "",
    ...summary(
      "dtype",
      groups(rows, (r) => r.dtype),
    ),
  );
  lines.push(
    "",
    ...summary(
      "variant",
      groups(rows, (r) => r.variant),
    ),
  );
  lines.push(
    "",
    ...summary(
      "class",
      groups(rows, (r) => classOf(r.dtype)),
    ),
  );
  const { both, alike } = report.messages;
  if (both > 0) lines.push("", `errors: ${both} raised by both, ${alike} with messages that have half of their words in common`);
  const ops = groups(rows, (r) => r.op);
  const whole = [...ops.values()].filter((own) => (({ agree, all }) => agree === all)(count(own))).length;
  const rounded = [...ops.values()].filter((own) => (({ agree, rounding, all }) => agree + rounding === all)(count(own))).length;
  lines.push("", ...summary("all", new Map([["all", [...rows]]])));
  // Some entries have a thousand times the samples of others.
  const shares = [...ops.values()].map(count).filter((c) => c.all > 0);
  lines.push(
    "",
    `mean over operators: ${percent(sum(shares.map((c) => c.agree / c.all)), shares.length)}, ${percent(sum(shares.map((c) => (c.agree + c.rounding) / c.all)), shares.length)} with rounding`,
  );
  lines.push(
    "",
    `operators: ${whole} of ${ops.size} agree in every sample, ${rounded} but for rounding; ${report.seconds} s, torch ${report.torch}, ${report.backend}`,
  );
  return lines.join("\n");
}

/** Samples by overload and dtype as one line each, `float32:12 int64:10/12` (agreeing and all): what `docs/ops.md` is made of. */
export function checked(report: Report): { readonly torch: string; readonly overloads: Readonly<Record<string, string>> } {
  const line = (dtypes: Readonly<Record<string, readonly [number, number]>>): string =>
    Object.entries(dtypes)
      .toSorted(([a], [b]) => compareText(a, b))
      .map(([dtype, [agree, all]]) => `${dtype}:${agree === all ? all : `${agree}/${all}`}`)
      .join(" ");
  const overloads = Object.entries(report.overloads)
    .toSorted(([a], [b]) => compareText(a, b))
    .map(([name, dtypes]) => [name, line(dtypes)] as const);
  return { torch: report.torch, overloads: Object.fromEntries(overloads) };
}
