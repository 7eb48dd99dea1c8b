/** The library's face of the stepping debugger (F19): a run as a series of stops, each of which says how to go on. */

import type { Datum } from "../ir/datum.ts";
import type { Session } from "../run/session.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { assign } from "./changes.ts";
import { type Answer, command, type Surroundings } from "./commands.ts";
import { Debugger, type DebugOptions, type StepKind, type Stop } from "./debugger.ts";
import type { Health } from "./events.ts";
import { healthOf } from "./health.ts";
import type { RunInputs } from "./record.ts";
import { lineOf } from "./stop-text.ts";

/** A value as it is where the run stands. */
export interface StoppedValue {
  readonly value: Datum;
  /** The one-line form. */
  readonly line: string;
  /** The tensor. @throws bad-argument where the value is none */
  tensor(): Tensor;
  /** Its health record. @throws bad-argument where the value is no tensor */
  stats(): Health;
}

/** A stop with ways to go on. Without one the run continues; a later call replaces an earlier one. */
export interface DebugStop extends Stop {
  step(kind?: StepKind): void;
  back(kind?: StepKind): void;
  continue(): void;
  reverseContinue(): void;
  until(text: string): void;
  goTo(time: number): void;
  /** Ends the iteration here. */
  quit(): void;
  /** A value by an expression: `%y1`, `y[0,:8]`. @throws bad-argument */
  value(expression: string): StoppedValue;
  /** Writes a number or a tensor into a tensor or a part of one, now and on every replay. @throws bad-argument, shape-mismatch */
  replace(expression: string, value: number | Tensor): Promise<void>;
  /** Does what a line of the terminal says. */
  command(line: string): Promise<Answer>;
  readonly debugger: Debugger;
}

/**
 * Steps a call. With breakpoints or catches the first stop is the first of them; without, the start. The last stop is the end, with the results.
 *
 *     for await (const stop of debug(session, { args: [x] }, { breaks: ["aten::softmax"] })) console.log(stop.value("%x").line);
 */
export async function* debug(
  session: Session,
  inputs: RunInputs = {},
  options: DebugOptions & { readonly surroundings?: Surroundings } = {},
): AsyncGenerator<DebugStop, void, undefined> {
  const debugged = new Debugger(session, inputs, options);
  try {
    const starts = (options.breaks?.length ?? 0) + (options.catches?.length ?? 0) > 0;
    let stop = starts ? await debugged.resume() : debugged.stop();
    for (;;) {
      let next: (() => Promise<Stop | undefined>) | undefined;
      yield handle(debugged, stop, options.surroundings ?? {}, (go) => (next = go));
      if (next === undefined && stop.end !== undefined) return;
      const moved = await (next ?? (() => debugged.resume()))();
      if (moved === undefined) return;
      stop = moved;
    }
  } finally {
    debugged.dispose();
  }
}

function handle(debugged: Debugger, stop: Stop, around: Surroundings, go: (next: () => Promise<Stop | undefined>) => void): DebugStop {
  const value = (expression: string): StoppedValue => {
    const datum = debugged.evaluate(expression);
    const tensor = (): Tensor => {
      if (datum instanceof Tensor) return datum;
      throw new OpwiseError("bad-argument", `\`${expression}\` is no tensor`);
    };
    return { value: datum, line: lineOf(debugged, datum, expression.replace(/^%/, "")), tensor, stats: () => healthOf(tensor(), tensor().storage.bytes()) };
  };
  return {
    ...stop,
    step: (kind = "over") => go(() => debugged.step(kind)),
    back: (kind = "over") => go(() => debugged.stepBack(kind)),
    continue: () => go(() => debugged.resume()),
    reverseContinue: () => go(() => debugged.resumeBack()),
    until: (text) => go(() => debugged.until(text)),
    goTo: (time) => go(() => debugged.goTo(time)),
    quit: () => go(() => Promise.resolve(undefined)),
    value,
    replace: async (expression, source) => {
      value(expression).tensor(); // what cannot be written is told now
      await debugged.timeline.act({
        time: debugged.timeline.time,
        text: `replace ${expression}`,
        change: (machine) => assign(machine.executor, value(expression).tensor(), source),
      });
    },
    command: async (line) => {
      const answer = await command(debugged, line, around);
      if (answer.quit === true) go(() => Promise.resolve(undefined));
      return answer;
    },
    debugger: debugged,
  };
}
