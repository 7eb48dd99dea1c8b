/** What a kernel is printed from, as a text: the same for programs that are made alike. */

import type { Combiner } from "../../prims/combiner.ts";
import type { Program } from "../../prims/program.ts";

/** Larger programs are rare, and so hardly known. */
const MOST_PARTS = 600;

/** @param variant what the kernel depends on besides, and which kind it is; undefined where a program is too large, or made of more than data */
export function identityOf(variant: string, { operands, scalars, outputs }: Program, combiner?: Combiner): string | undefined {
  const known = new Map<object, string>();
  let isData = true;
  // Expressions share their parts: each is written once, and named where it comes again.
  const text = (value: unknown): string => {
    if (typeof value === "function" || typeof value === "symbol" || known.size > MOST_PARTS) isData = false;
    if (!isData || typeof value !== "object" || value === null) return typeof value === "bigint" ? `${value}n` : Object.is(value, -0) ? "-0" : String(value);
    const name = known.get(value);
    if (name !== undefined) return name;
    known.set(value, `#${known.size}`);
    if (Array.isArray(value)) return `[${value.map(text).join()}]`;
    // By their places: a constructor writes what it makes in one order, its kind first. An `id` counts what the process has made.
    const parts = Object.entries(value).filter(([key]) => key !== "id");
    return `{${parts.map(([, part]) => text(part)).join()}}`;
  };
  const whole = `${variant}|${text([operands, scalars, outputs, combiner])}`;
  return isData ? whole : undefined;
}
