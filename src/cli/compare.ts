/** `opwise compare A B`: which op first, and is it the cause or a victim. */

import { writeFileSync } from "node:fs";
import { cpu } from "../index.ts";
import {
  compareTapes,
  comparisonExit,
  comparisonFindings,
  comparisonJson,
  comparisonMarkdown,
  comparisonSuite,
  comparisonText,
  executionsOf,
  EXIT,
  junitXml,
  parseTolerances,
  sarif,
  TOOL,
} from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { saveCase } from "./reduce.ts";
import { openSide, profileOf, textOf } from "./sides.ts";

function oneOf<W extends string>(args: Arguments, option: string, words: readonly W[]): W | undefined {
  const word = args.options.get(option);
  if (word === undefined) return undefined;
  const found = words.find((w) => w === word);
  if (found === undefined) throw new UsageError(`\`--${option}\` is one of ${words.join(", ")}, got \`${word}\``);
  return found;
}

export async function compare(args: Arguments): Promise<number> {
  const [specA, specB] = [args.model, args.words[0]];
  if (specB === undefined) throw new UsageError("two runs are compared: MODEL[@BACKEND] MODEL[@BACKEND]");
  const a = await openSide(specA, args);
  if (/\.np[zy]$/.test(specB)) throw new UsageError("goldens are the reference: they come first");
  const b = await openSide(specB, args, a.tape.recorded === true && args.repeated.has("input") ? undefined : a);
  const only = args.options.get("only");
  const tolerance = args.options.get("tolerance");
  const wanted = only === undefined ? undefined : executionsOf(a.tape, only);
  if (wanted !== undefined && !a.tape.executions.some(wanted)) {
    console.error(`nothing matches \`${only ?? ""}\``);
    return EXIT.noMatch;
  }
  const comparison = await compareTapes(a.tape, b.tape, {
    backendA: a.backend,
    backendB: b.backend,
    cpu: cpu(),
    only: wanted,
    map: new Map((args.repeated.get("map") ?? []).map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)] as const)),
    profile: profileOf(a, b),
    mode: oneOf(args, "mode", ["both", "isolated", "propagated"]),
    stopAt: oneOf(args, "stop-at", ["first", "source", "end"]),
    judge: oneOf(args, "judge", ["f64"]),
    overrides: tolerance === undefined ? undefined : parseTolerances(textOf(tolerance), (selector) => executionsOf(a.tape, selector), tolerance),
  });
  const inputs = (args.repeated.get("input") ?? []).map((word) => `-i ${word}`).join(" ");
  const words = { a: specA, b: specB, ...(inputs === "" ? {} : { inputs }), all: args.flags.has("all"), rank: oneOf(args, "rank", ["err"]) };
  console.log(args.flags.has("json") ? JSON.stringify(comparisonJson(comparison), null, 2) : comparisonText(comparison, words));
  const write = (option: string, text: () => string): void => {
    const file = args.options.get(option);
    if (file !== undefined) writeFileSync(file, text());
  };
  write("md", () => comparisonMarkdown(comparison, words));
  write("junit", () => junitXml([comparisonSuite(comparison, `${specA} against ${specB}`)]));
  write("sarif", () => sarif(comparisonFindings(comparison), TOOL));
  const save = args.options.get("save");
  if (save !== undefined) return saveCase(a, b, args, save, only);
  return comparisonExit(comparison);
}
