/** Profiles, memory and sizes as text. */

import type { MemoryUse } from "./memory.ts";
import type { Profile, ProfileRow } from "./profile.ts";
import { markdownTable, textTable } from "./results.ts";
import type { Sizes } from "./sizes.ts";
import { bytesText } from "./trace-text.ts";

function ms(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toFixed(4);
}
function rate(value: number, unit: string): string {
  const steps = ["", "K", "M", "G", "T"];
  let [v, i] = [value, 0];
  for (; v >= 1000 && i < steps.length - 1; i++) v /= 1000;
  return `${v.toPrecision(3)} ${steps[i] ?? ""}${unit}`;
}
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

const HEAD = ["self ms", "p95", "total ms", "%", "calls", "bytes", "flops", "roofline", "backend", "shape"] as const;

function cells(row: ProfileRow): string[] {
  return [
    ms(row.self.p50),
    ms(row.self.p95),
    ms(row.total.p50),
    percent(row.share),
    String(row.calls),
    row.bytes === 0 ? "" : bytesText(row.bytes),
    row.flops === 0 ? "" : rate(row.flops, ""),
    row.roofline === undefined || (row.bytes === 0 && row.flops === 0) ? "" : percent(row.roofline),
    row.backends.join("+"),
    row.shape,
  ];
}

/** The table of a profile with what surrounds it; `top`: rows shown. */
export function profileText(profile: Profile, top: number = 25): string {
  const rows = profile.rows.slice(0, top);
  const lines = [textTable([[...HEAD, profile.by], ...rows.map((row) => [...cells(row), row.key === "" ? "(root)" : row.key])], [0, 1, 2, 3, 4, 5, 6, 7])];
  if (profile.rows.length > rows.length) lines.push(`… ${profile.rows.length - rows.length} more (--top ${profile.rows.length})`);
  const fallbacks = profile.rows.flatMap((row) => row.fallbacks.map((fallback) => ({ row, ...fallback })));
  if (fallbacks.length > 0) {
    lines.push("fallbacks");
    for (const { row, to, reason, count, bytes } of fallbacks) lines.push(`  ${row.key} ran on ${to} ${count} times: ${reason} (${bytesText(bytes)} copied)`);
  }
  const { watched, plain, first, machine, runs } = profile;
  lines.push(
    `${runs} runs on ${profile.backend}: ${ms(watched.p50)} ms (p95 ${ms(watched.p95)}), the first ${ms(first)}; not watched ${ms(plain.p50)} ms (p95 ${ms(plain.p95)}): watching adds ${percent(profile.overhead)}`,
  );
  if (machine !== undefined) lines.push(`this machine: ${rate(machine.flopsPerSecond, "flop/s")}, ${rate(machine.bytesPerSecond, "B/s")}`);
  if (machine?.queued === true) lines.push("this backend queues its calls: times of nodes are those of queueing, the device works behind them");
  if (profile.plans.steps.length > 0) {
    const fused = profile.plans.steps.filter((step) => step.nodes.length > 1);
    lines.push(`runs that nobody watches go in plans: ${profile.plans.steps.length} steps, ${fused.length} of them of several nodes (--plan lists them)`);
  }
  return lines.join("\n");
}

/** Planned steps, each with the nodes that it came from. */
export function planText(profile: Profile): string {
  return textTable(profile.plans.steps.map((step) => [step.what, step.nodes.map((id) => `#${id}`).join(" ")]));
}

export function profileMarkdown(profile: Profile, top: number = 10): string {
  return markdownTable(
    [profile.by, ...HEAD],
    profile.rows.slice(0, top).map((row) => [row.key === "" ? "(root)" : row.key, ...cells(row)]),
  );
}

const BARS = "▁▂▃▄▅▆▇█";

/** Live bytes over the run as one line of bars. */
function curveText(use: MemoryUse, width: number): string {
  const end = Math.max(1, use.curve.at(-1)?.t ?? 1);
  const most = Math.max(1, use.peak.bytes);
  const columns = new Array<number>(width).fill(0);
  let at = 0;
  let bytes = 0;
  for (let i = 0; i < width; i++) {
    let high = bytes;
    for (; at < use.curve.length && (use.curve[at]?.t ?? 0) <= ((i + 1) / width) * end; at++) {
      bytes = use.curve[at]?.bytes ?? 0;
      high = Math.max(high, bytes);
    }
    columns[i] = high;
  }
  return columns.map((n) => BARS[Math.min(BARS.length - 1, Math.floor((n / most) * BARS.length))] ?? " ").join("");
}

/** The peak with who holds it; `top`: holders shown. */
export function memoryText(use: MemoryUse, top: number = 15): string {
  const held = use.peak.holders.slice(0, top).map((life) => [
    bytesText(life.bytes),
    life.role,
    `@${life.from}–@${life.to}`,
    life.node === undefined ? "" : `#${life.node}${life.nth > 0 ? `[${life.nth}]` : ""}`,
    life.module,
    `${life.names
      .slice(0, 4)
      .map((name) => `%${name}`)
      .join(" ")}${life.names.length > 4 ? ` … ${life.names.length} names` : ""}`,
  ]);
  const rest = use.peak.holders.length - held.length;
  return [
    `peak ${bytesText(use.peak.bytes)} at @${use.peak.t}; weights ${bytesText(use.weights)}, inputs ${bytesText(use.inputs)}, outputs ${bytesText(use.outputs)}; ${bytesText(use.allocated)} allocated in all`,
    curveText(use, 60),
    "held at the peak",
    textTable(held, [0]),
    ...(rest > 0 ? [`… ${rest} more`] : []),
  ].join("\n");
}

/** What the weights are made of. */
export function sizesText(sizes: Sizes, top: number = 12): string {
  const lines = [`${bytesText(sizes.bytes)} in ${sizes.weights.length} tensors`];
  lines.push(
    textTable(
      sizes.byDtype.map((row) => [`  ${row.dtype}`, String(row.count), bytesText(row.bytes)]),
      [1, 2],
    ),
  );
  lines.push(
    "by module",
    textTable(
      sizes.byModule.slice(0, top).map((row) => [`  ${row.module === "" ? "(root)" : row.module}`, String(row.count), bytesText(row.bytes)]),
      [1, 2],
    ),
  );
  const some = (what: string, names: readonly string[], bytes: number): void => {
    if (names.length > 0) lines.push(`${what}: ${names.length}, ${bytesText(bytes)}: ${names.slice(0, 6).join(", ")}${names.length > 6 ? ", …" : ""}`);
  };
  for (const { names, bytes } of sizes.duplicates.slice(0, top))
    lines.push(`alike: ${names.slice(0, 6).join(", ")}${names.length > 6 ? `, … ${names.length} in all` : ""}: ${bytesText(bytes)} could go`);
  const unused = sizes.weights.filter((weight) => weight.unused);
  some(
    "never read",
    unused.map((weight) => weight.name),
    unused.reduce((n, weight) => n + weight.bytes, 0),
  );
  const zero = sizes.weights.filter((weight) => weight.zero);
  some(
    "all zero",
    zero.map((weight) => weight.name),
    zero.reduce((n, weight) => n + weight.bytes, 0),
  );
  const constant = sizes.weights.filter((weight) => weight.constant !== undefined && !weight.zero && weight.bytes > 64);
  some(
    "all of one value",
    constant.map((weight) => weight.name),
    constant.reduce((n, weight) => n + weight.bytes, 0),
  );
  return lines.join("\n");
}
