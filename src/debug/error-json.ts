/** Errors as data. */

import { isOpwiseError, type OpwiseError } from "../tensor/error.ts";
import type { ErrorJson } from "./events.ts";

/** An error as data. */
export function errorJson(error: unknown): ErrorJson {
  if (!isOpwiseError(error)) return { code: "internal", message: error instanceof Error ? error.message : String(error) };
  const typed: OpwiseError = error;
  const where = Object.fromEntries(Object.entries(typed.where).filter((entry): entry is [string, string | number] => entry[1] !== undefined));
  return {
    code: typed.code,
    message: typed.message,
    ...(Object.keys(where).length === 0 ? {} : { where }),
    ...(typed.wanted === undefined ? {} : { wanted: typed.wanted }),
    ...(typed.got === undefined ? {} : { got: typed.got }),
    ...(typed.hint === undefined ? {} : { hint: typed.hint }),
  };
}
