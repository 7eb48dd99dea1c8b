/** A process of `npm run opinfo`: takes one entry and dtype at a time, sends outcomes. argv: PYTHON BACKEND. */

import { load, type Model } from "../../src/model.ts";
import type { Session } from "../../src/run/session.ts";
import { makeBackend } from "../runner/backend.ts";
import { type Entry, Reference, type SeriesRequest } from "./reference.ts";
import { differenceOf, overloadOf, runSample, type SampleOutcome } from "./run-sample.ts";

/** A series of samples to run. */
export interface Task {
  readonly request: SeriesRequest;
  readonly name: string;
}
/** What the main process sends: a series, or the wish for the entries of a database. */
export type Order = Task | { readonly list: "ops" | "modules" };
/** To the main process: the sample that starts now, outcomes, the end of a task. */
export type Message =
  | { readonly kind: "entries"; readonly torch: string; readonly entries: readonly Entry[] }
  | { readonly kind: "at"; readonly at: number; readonly variant: string; readonly note: string }
  | { readonly kind: "outcomes"; readonly outcomes: readonly SampleOutcome[] }
  | { readonly kind: "end"; readonly broken?: string };

const [interpreter = "python3", backendName = "cpu"] = process.argv.slice(2);
const backend = await makeBackend(backendName);
let reference: Reference | undefined;

const send = (message: Message): void => void process.send?.(message);

/** The Python process, made when it is first needed and after it has ended. */
function python(): Reference {
  if (reference?.alive !== true) reference = new Reference(interpreter);
  return reference;
}

async function run(task: Task): Promise<string | undefined> {
  for await (const frame of python().series(task.request)) {
    const opened = new Map<number, { model: Model; session: Session } | { error: unknown }>();
    const open = async (at: number): Promise<{ model: Model; session: Session } | { error: unknown }> => {
      try {
        const model = await load(frame.archives[at] ?? new Uint8Array());
        return { model, session: await model.session({ backend }) };
      } catch (error) {
        return { error };
      }
    };
    const about = new Map<string, string | undefined>();
    const outcomes: SampleOutcome[] = [];
    for (const sample of frame.samples) {
      const { at, variant, note } = sample;
      if (sample.unfit !== undefined || sample.archive === undefined || sample.method === undefined) {
        outcomes.push({ at, variant, note, reason: sample.noArchive === true ? "no archive" : "not strided", text: sample.unfit ?? "no call" });
        continue;
      }
      send({ kind: "at", at, variant, note });
      let one = opened.get(sample.archive);
      if (one === undefined) opened.set(sample.archive, (one = await open(sample.archive)));
      if ("error" in one) {
        const difference = differenceOf(one.error);
        outcomes.push({ at, variant, note, ...difference, reason: difference.reason === "unsupported op" ? "unsupported op" : "cannot be loaded" });
        continue;
      }
      const key = `${sample.archive} ${sample.method}`;
      if (!about.has(key)) about.set(key, overloadOf(one.model, sample.method, task.name));
      outcomes.push(await runSample(one.session, frame, sample, about.get(key)));
    }
    for (const one of opened.values()) if ("session" in one) one.session.dispose();
    send({ kind: "outcomes", outcomes });
    if (frame.broken !== undefined) return frame.broken;
  }
  return undefined;
}

async function obey(order: Order): Promise<Message> {
  if ("list" in order) return { kind: "entries", ...(await python().list(order.list)) };
  const broken = await run(order);
  return broken === undefined ? { kind: "end" } : { kind: "end", broken };
}

process.on("message", (order: Order) => {
  obey(order).then(send, (error: unknown) => {
    reference?.kill();
    send({ kind: "end", broken: error instanceof Error ? error.message : String(error) });
  });
});
process.on("disconnect", () => {
  reference?.kill();
  process.exit(0);
});
