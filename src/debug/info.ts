/** `info`: what there is around a stop. */

import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Debugger } from "./debugger.ts";
import { parseExpression } from "./expression.ts";
import { placeOfNode, placeText } from "./place.ts";
import { lineOf } from "./stop-text.ts";

const SHOWN = 40;

const WHAT: Readonly<Record<string, (debug: Debugger, rest: string) => readonly string[]>> = {
  locals: (debug) => debug.locals().map(({ name, value }) => `%${name}  ${lineOf(debug, value, name)}`),
  args: (debug) => {
    const call = debug.calls[debug.frame];
    return (call?.decl?.params ?? []).map((param, i) => {
      const own = call?.decl?.graph().inputs[i];
      const value = own === undefined ? null : (call?.registers[own.id] ?? null);
      return `${param.name}  ${value === null ? "(no longer kept, or None)" : lineOf(debug, value, own === undefined ? undefined : debug.names.of(own))}`;
    });
  },
  views: (debug, rest) => {
    const tensor = tensorOf(debug, rest);
    const out: string[] = [];
    debug.calls.forEach((call, i) => {
      for (const { name, value } of debug.locals(i))
        if (value instanceof Tensor && value.storage === tensor.storage) out.push(`${call.name}: %${name}  ${lineOf(debug, value, name)}`);
    });
    return out;
  },
  writes: (debug, rest) => {
    const tensor = tensorOf(debug, rest);
    const writes = debug.writes.writesOf(debug.writes.idOf(tensor.storage));
    if (writes.length === 0) return [`nothing has written the storage of ${rest} in place`];
    return writes.map((w) => {
      const node = debug.timeline.instructionAt(w.time - 1)?.node;
      const through = node?.operands[node.schema?.args.findIndex((a) => a.alias?.write === true) ?? 0];
      const by = node === undefined ? "?" : `${node.op} #${debug.numbering.nodeId(node)}  ${placeText(placeOfNode(node))}`;
      return `@${w.time}  ~${w.from}→${w.to}  ${by}${through === undefined ? "" : `  through %${debug.names.of(through)}`}${w.time > debug.timeline.time ? "  (later than here)" : ""}`;
    });
  },
  users: (debug, rest) => {
    const name = nameOf(rest);
    const call = debug.calls[debug.frame];
    const value = call?.decl === undefined ? undefined : (debug.names.in(call.decl).get(name) ?? debug.names.meant(call.decl, name).at(-1)?.[1]);
    if (value === undefined) throw new OpwiseError("bad-argument", `there is no value \`${rest}\` here`);
    const id = debug.numbering.valueId(value);
    return debug.numbering.graph.nodes.filter((n) => n.operands.includes(id)).map((n) => `#${n.id}  ${n.op}  ${sourceOf(debug, n.id)}`);
  },
  breaks: (debug) => [
    ...debug.points.list.map(
      (p) =>
        `${p.id}  ${p.kind} ${p.text}${p.condition === undefined ? "" : ` if ${p.condition.text}`}  ${p.hits} hits${p.ignore > 0 ? `, ${p.ignore} to ignore` : ""}${p.temporary ? ", once" : ""}${p.log === undefined ? "" : `, prints ${JSON.stringify(p.log)}`}${p.enabled ? "" : ", disabled"}`,
    ),
    ...debug.catches.map((kind) => `catch ${kind}`),
  ],
  history: (debug) => {
    const { checkpoints, bytes, budget, widest } = debug.timeline.history;
    return [
      `${checkpoints.length} checkpoints, ${(bytes / 1e6).toFixed(1)} of ${(budget / 1e6).toFixed(0)} MB, at most ${widest} steps apart; ${debug.timeline.length} steps known`,
    ];
  },
  branches: (debug) => debug.branches.map((name) => `${name === debug.branch ? "→" : " "} ${name}${debug.ends.has(name) ? "  (has run to its end)" : ""}`),
  changes: (debug) => debug.timeline.actions.map((a) => `@${a.time + 1}  ${a.text}`),
};

function nameOf(text: string): string {
  const e = parseExpression(text.replace(/~\d*$/, ""));
  return e.kind === "name" ? e.name : text;
}

function tensorOf(debug: Debugger, text: string): Tensor {
  const value = debug.evaluate(text.replace(/~\d*$/, ""));
  if (value instanceof Tensor) return value;
  throw new OpwiseError("bad-argument", `\`${text}\` is no tensor`);
}

function sourceOf(debug: Debugger, id: number): string {
  const node = debug.numbering.nodeOf(id);
  return node === undefined ? "" : placeText(placeOfNode(node));
}

/** Lines for `info WHAT`, the first ones where there are many. @throws bad-argument */
export function info(debug: Debugger, rest: string): readonly string[] {
  const [word = "", ...more] = rest.split(/\s+/);
  const name = Object.keys(WHAT).find((w) => w === word) ?? Object.keys(WHAT).find((w) => word !== "" && w.startsWith(word));
  const of = name === undefined ? undefined : WHAT[name];
  if (of === undefined) throw new OpwiseError("bad-argument", `there is no \`info ${word}\``, { wanted: Object.keys(WHAT).join(", ") });
  const lines = of(debug, more.join(" "));
  if (lines.length === 0) return ["none"];
  return lines.length <= SHOWN ? lines : [...lines.slice(0, SHOWN), `… ${lines.length - SHOWN} more`];
}
