/** Tolerance files: budgets of one's own, line by line: `SELECTOR a=… b=…`, or `SELECTOR times=…`; `#` begins a comment. Every one used is reported. */

import { OpwiseError } from "../../tensor/error.ts";
import type { Override } from "./budget.ts";
import type { Execution } from "./tape.ts";

/** Reads a tolerance file. `select` makes a test of a selector's text. @throws bad-argument with the line */
export function parseTolerances(text: string, select: (selector: string) => (execution: Execution) => boolean, file = "tolerances"): Override[] {
  return text.split("\n").flatMap((raw, i): Override[] => {
    // `#12` is a node, `# text` a comment.
    const line = raw.replace(/(^|\s)#(?!\d).*$/, "").trim();
    if (line === "") return [];
    const words = line.split(/\s+/);
    const numbers = new Map<string, number>();
    while (/^(?:a|b|times)=/.test(words.at(-1) ?? "")) {
      const [name = "", value = ""] = (words.pop() ?? "").split("=");
      numbers.set(name, Number(value));
    }
    const selector = words.join(" ");
    if (selector === "" || numbers.size === 0 || [...numbers.values()].some((n) => !(n >= 0))) {
      throw new OpwiseError("bad-argument", `line ${i + 1} of \`${file}\` is no tolerance`, {
        wanted: "SELECTOR a=… b=…, or SELECTOR times=…",
        got: raw,
        where: { file, line: i + 1 },
      });
    }
    return [{ selector, matches: select(selector), ...Object.fromEntries(numbers) }];
  });
}
