/** Ops over Python data: what TorchScript computes with between tensor ops. A family is an array of declared ops. */

import type { Op } from "../define.ts";
import { numberArithmetic } from "./arithmetic.ts";
import { conversions } from "./conversions.ts";
import { dicts } from "./dicts.ts";
import { environment } from "./environment.ts";
import { formats } from "./formats.ts";
import { lists } from "./lists.ts";
import { mathematics } from "./mathematics.ts";
import { strings } from "./strings.ts";
import { tensorFacts } from "./tensor-facts.ts";

export { printedLine } from "./formats.ts";
export { readableText, tensorsIn } from "./text.ts";

/** Families by the files that declare them. */
export const primFamilies: Readonly<Record<string, readonly Op[]>> = {
  arithmetic: numberArithmetic, mathematics, conversions, lists, dicts, strings, formats, "tensor-facts": tensorFacts, environment,
};
