/** `why` (F8): the elements that one number was made from, op by op, with their shares where ops are linear. */

import type { Datum } from "../ir/datum.ts";
import type { Call, Region } from "../prims/call.ts";
import { OpwiseError } from "../tensor/error.ts";
import type { Storage } from "../tensor/storage.ts";
import { Tensor, type View } from "../tensor/tensor.ts";
import type { Debugger } from "./debugger.ts";
import { elementAt, offsetOf } from "./element-at.ts";
import { indexInView, sourcesOf } from "./element-sources.ts";
import { evaluate, parseExpression } from "./expression.ts";
import { rootName } from "./lookup.ts";
import { outputsOf } from "./outputs.ts";
import { placeOfNode, type Place, placeText } from "./place.ts";
import { callName } from "./call-name.ts";
import { shortNumber } from "./tensor-line.ts";
import { tensorsOf } from "./write-log.ts";

/** An element of a value that had a part in another. */
export interface Term {
  /** Name of the value, without `%`; of memory inside the op: the call that made it. */
  readonly name: string;
  readonly index: readonly number[];
  readonly value: number;
  /** Its part of the number that is explained; undefined where no op on the way is linear in it. */
  readonly share: number | undefined;
  readonly factor: { readonly name: string; readonly index: readonly number[]; readonly value: number } | undefined;
  readonly why: Explanation | undefined;
}

/** One number, the op that made it, and what it was made from. */
export interface Explanation {
  readonly value: number;
  /** `input`, `weight` and `constant`: nothing of the run made it. */
  readonly origin: "computed" | "input" | "weight" | "constant";
  readonly node: number | undefined;
  readonly time: number | undefined;
  readonly op: string | undefined;
  /** Primitive calls inside the op on the way, the last one first. */
  readonly calls: readonly string[];
  readonly place: Place | undefined;
  readonly terms: readonly Term[];
  /** Elements in all, where only the largest are terms. */
  readonly of: number;
  readonly notes: readonly string[];
}

export interface WhyOptions {
  /** Ops to go back through; default 3. */
  readonly depth?: number | undefined;
  /** Terms to follow at each; default 3. */
  readonly follow?: number | undefined;
}

interface Recorded {
  readonly what: Call | Region;
  /** Operands that the call wrote in place, as they were. */
  readonly operands: readonly View[];
}

/** Where an element is: a storage by its number in the run, an offset in elements of a dtype. */
interface Spot {
  readonly storage: number;
  readonly offset: number;
  readonly dtype: View["dtype"];
  readonly value: number;
}

interface Leaf {
  readonly view: View;
  readonly offset: number;
  readonly index: readonly number[];
  readonly value: number;
  readonly share: number | undefined;
  readonly factor: { readonly view: View; readonly index: readonly number[]; readonly value: number } | undefined;
}

/** Calls inside one op that are followed. */
const MAX_INSIDE = 64;

/**
 * The elements behind one element of a value, `%out[0,5]`. The run is taken back and forth, and is left where it was.
 * @throws bad-argument unless it is one number of a tensor
 */
export async function why(debug: Debugger, text: string, options: WhyOptions = {}): Promise<Explanation> {
  return explained(debug, debug.evaluate(text), debug.timeline.time, options);
}

async function explained(debug: Debugger, value: Datum, time: number, options: WhyOptions): Promise<Explanation> {
  if (!(value instanceof Tensor) || value.numel !== 1)
    throw new OpwiseError("bad-argument", "one number of a tensor is wanted", {
      got: value instanceof Tensor ? `[${value.shape.join(", ")}]` : typeof value,
      wanted: "%VALUE[INDEX]",
    });
  await value.storage.sync();
  const spot: Spot = {
    storage: debug.writes.idOf(value.storage),
    offset: value.offset,
    dtype: value.dtype,
    value: elementAt(
      value,
      value.shape.map(() => 0),
    ),
  };
  try {
    return await explain(debug, spot, time, options.depth ?? 3, options.follow ?? 3);
  } finally {
    await debug.timeline.goTo(time);
  }
}

/**
 * As `why`, of a run that has not been stepped: it is run to its end. `output[0,5]`, `output.1[2]` and the names of ONNX outputs are elements of
 * the results; other names are values where they were made last. @throws bad-argument, and the model's own error where it comes first
 */
export async function whyOf(debug: Debugger, text: string, options: WhyOptions = {}): Promise<Explanation> {
  const stop = await debug.resume();
  const { end } = stop;
  if (end?.kind === "raised") throw end.error;
  const outputs = end?.kind === "done" ? outputsOf(debug.session.program, end.values) : [];
  const bare = text.replace(/^%/, "");
  const output = outputs.filter(({ name }) => bare === name || bare.startsWith(`${name}[`)).toSorted((a, b) => b.name.length - a.name.length)[0];
  if (output !== undefined) {
    const element = evaluate(parseExpression(`it${bare.slice(output.name.length)}`), { lookup: () => output.value, has: () => false });
    return explained(debug, element, debug.timeline.time, options);
  }
  const root = rootName(parseExpression(text));
  const made = root === undefined ? undefined : debug.lookup.madeAnywhere(root.name);
  if (made === undefined)
    throw new OpwiseError("bad-argument", `no op of this run made \`${text}\``, { hint: `outputs are ${outputs.map((o) => o.name).join(", ")}` });
  await debug.goTo(made + 1);
  return why(debug, text, options);
}

async function explain(debug: Debugger, spot: Spot, time: number, depth: number, follow: number): Promise<Explanation> {
  const at = debug.writes.lastTouch(spot.storage, time);
  const base = { value: spot.value, calls: [], terms: [], of: 0, notes: [], node: undefined, time: undefined, op: undefined, place: undefined };
  if (at === undefined) return { ...base, origin: "input" };
  const instruction = debug.timeline.instructionAt(at - 1);
  if (instruction === undefined) return { ...base, origin: "input" };
  const { node } = instruction;
  if (instruction.kind === "getattr" || node.op === "prim::GetAttr") return { ...base, origin: "weight" };
  if (instruction.kind === "constant") return { ...base, origin: "constant" };
  if (instruction.kind !== "op") return { ...base, origin: "input" };
  await debug.timeline.goTo(at - 1);
  const inside = await lookInside(debug, spot, at);
  if (inside === undefined) return { ...base, origin: "input" };
  const terms: Term[] = [];
  for (const [i, term] of inside.terms.entries()) {
    const { storage } = term;
    const next =
      depth > 1 && i < follow && storage !== undefined && Number.isFinite(term.value + 0)
        ? await explain(debug, { storage, offset: term.offset, dtype: term.dtype, value: term.value }, at - 1, depth - 1, follow)
        : undefined;
    terms.push({ name: term.name, index: term.index, value: term.value, share: term.share, factor: term.factor, why: next });
  }
  return {
    value: spot.value,
    origin: "computed",
    node: debug.numbering.nodeId(node),
    time: at,
    op: node.op,
    calls: inside.calls,
    place: placeOfNode(node),
    terms,
    of: inside.of,
    notes: inside.notes,
  };
}

interface Inside {
  readonly calls: readonly string[];
  readonly of: number;
  readonly notes: readonly string[];
  readonly terms: readonly (Omit<Term, "why"> & { readonly storage: number | undefined; readonly offset: number; readonly dtype: View["dtype"] })[];
}

/** Repeats the op that is next and follows an element through its calls to the op's operands. */
async function lookInside(debug: Debugger, spot: Spot, time: number): Promise<Inside | undefined> {
  const { executor } = debug.session;
  const recorded: Recorded[] = [];
  const before = executor.inspector;
  let operands: readonly View[] = [];
  /** Storages of which `operands` have copies, because the call writes them. */
  const originals = new Map<Storage, Storage>();
  executor.inspector = {
    before: (what) => {
      const written = new Set(what.results.map((r) => r.storage));
      operands = what.operands.map((view) => {
        if (!written.has(view.storage) || !hostHas(view.storage)) return keep(view);
        const copy = copyOfStorage(view.storage);
        originals.set(copy, view.storage);
        return { ...keep(view), storage: copy };
      });
    },
    after: (what) => void recorded.push({ what: { ...what, results: what.results.map(keep) }, operands }),
    body: () => undefined,
  };
  let result: Inside | undefined;
  try {
    await debug.timeline.peek((step) => {
      const storage = debug.writes.resolve(time, step.inputs, step.outputs, spot.storage);
      if (storage === undefined) return;
      const names = new Map<Storage, readonly { readonly name: string; readonly view: View }[]>();
      step.node.operands.forEach((operand, i) => {
        for (const tensor of tensorsOf([step.inputs[i] ?? null])) {
          const known = names.get(tensor.storage) ?? [];
          names.set(tensor.storage, operand === undefined ? known : [...known, { name: debug.names.of(operand), view: tensor }]);
        }
      });
      result = follow(debug, recorded, storage, spot, names, originals);
    });
  } finally {
    executor.inspector = before;
  }
  return result;
}

function hostHas(storage: Storage): boolean {
  const wait = storage.sync();
  if (wait instanceof Promise) wait.catch(() => undefined); // what has to be waited for is not followed
  return storage.onHost;
}
function copyOfStorage(storage: Storage): Storage {
  return Tensor.from(storage.bytes().slice(0, storage.nbytes), undefined, "uint8").storage;
}
const keep = (view: View): View => ({ storage: view.storage, dtype: view.dtype, shape: [...view.shape], strides: [...view.strides], offset: view.offset });

function follow(
  debug: Debugger,
  recorded: readonly Recorded[],
  storage: Storage,
  spot: Spot,
  names: ReadonlyMap<Storage, readonly { readonly name: string; readonly view: View }[]>,
  originals: ReadonlyMap<Storage, Storage>,
): Inside {
  const host = debug.session.executor.host;
  const calls: string[] = [];
  const notes: string[] = [];
  const leaves = new Map<string, Leaf>();
  let total = 0;
  /** `share`: the part of the number that this element stands for. */
  const walk = (at: Storage, offset: number, until: number, share: number | undefined, leaf: Leaf | undefined): void => {
    for (let i = until - 1; i >= 0; i--) {
      const call = recorded[i];
      if (call === undefined) continue;
      const output = call.what.results.findIndex((view) => view.storage === at && indexInView(view, offset) !== undefined);
      const view = call.what.results[output];
      const index = view === undefined ? undefined : indexInView(view, offset);
      if (view === undefined || index === undefined) continue;
      if (calls.length >= MAX_INSIDE) return;
      calls.push(`${call.what.kind} ${callName(call.what)}`);
      if (!call.operands.every((v) => hostHas(v.storage))) {
        notes.push("operands on a device");
        return;
      }
      const value = hostHas(view.storage) ? elementAt(view, index) : NaN;
      const found = sourcesOf(host, { ...call.what, operands: call.operands }, output, index);
      if (found.note !== undefined) notes.push(found.note);
      total = Math.max(total, found.terms);
      for (const s of found.sources) {
        // A part of a part is in proportion, as it is for everything linear.
        const part = s.share === undefined || share === undefined ? undefined : value === 0 || !Number.isFinite(value) ? s.share : s.share * (share / value);
        walk(originals.get(s.view.storage) ?? s.view.storage, offsetOf(s.view, s.index), i, part, {
          view: s.view,
          offset: offsetOf(s.view, s.index),
          index: s.index,
          value: s.value,
          share: part,
          factor: s.factor,
        });
      }
      return;
    }
    if (leaf === undefined) return;
    const key = `${debug.writes.idOf(at)}:${offset}`;
    const known = leaves.get(key);
    leaves.set(
      key,
      known === undefined ? leaf : { ...leaf, share: known.share === undefined || leaf.share === undefined ? undefined : known.share + leaf.share },
    );
  };
  walk(storage, spot.offset, recorded.length, spot.value, undefined);
  /** The element in the view that the op was given. */
  const named = (view: View, index: readonly number[]): { readonly name: string; readonly index: readonly number[] } => {
    const offset = offsetOf(view, index);
    for (const { name, view: given } of names.get(originals.get(view.storage) ?? view.storage) ?? []) {
      const at = indexInView(given, offset);
      if (at !== undefined) return { name, index: at };
    }
    return { name: `(${view.dtype})`, index };
  };
  const terms = [...leaves.values()]
    .toSorted((a, b) => Math.abs(b.share ?? b.value) - Math.abs(a.share ?? a.value))
    .map((leaf) => {
      const { name, index } = named(leaf.view, leaf.index);
      const factor = leaf.factor === undefined ? undefined : { ...named(leaf.factor.view, leaf.factor.index), value: leaf.factor.value };
      const real = originals.get(leaf.view.storage) ?? leaf.view.storage;
      return {
        name,
        index,
        value: leaf.value,
        share: leaf.share,
        factor,
        storage: names.has(real) ? debug.writes.idOf(real) : undefined,
        offset: leaf.offset,
        dtype: leaf.view.dtype,
      };
    });
  return { calls: [...new Set(calls)], of: total, notes: [...new Set(notes)], terms };
}

/** An explanation as lines, terms below what they explain. */
export function whyText(explanation: Explanation, indent: string = ""): readonly string[] {
  const { value, origin, node, op, calls, place, terms, of, notes, time } = explanation;
  if (origin !== "computed") return [`${indent}${shortNumber(value)} is ${origin === "input" ? "an input" : origin === "weight" ? "a weight" : "a constant"}`];
  const where = place === undefined ? "" : `  ${placeText(place)}`;
  const out = [
    `${indent}${shortNumber(value)} ← ${op ?? ""} #${node ?? 0} @${time ?? 0}${calls.length === 0 ? "" : ` (${calls.slice(0, 4).join(", ")}${calls.length > 4 ? ", …" : ""})`}${where}`,
  ];
  for (const term of terms) {
    const factor = term.factor === undefined ? "" : ` · %${term.factor.name}[${term.factor.index.join(",")}] ${shortNumber(term.factor.value)}`;
    out.push(
      `${indent}  ${term.share === undefined ? "     " : `${shortNumber(term.share)} =`} %${term.name}[${term.index.join(",")}] ${shortNumber(term.value)}${factor}`,
    );
    if (term.why !== undefined) out.push(...whyText(term.why, `${indent}      `));
  }
  if (of > terms.length) out.push(`${indent}  … the largest of ${of} terms`);
  for (const note of notes) out.push(`${indent}  (${note})`);
  return out;
}
