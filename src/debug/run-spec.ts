/** Run specs: `MODEL[@BACKEND][:OPTION,…]`, a trace, or goldens. */

import { OpwiseError } from "../tensor/error.ts";

export interface RunSpec {
  /** The text as it was given. */
  readonly text: string;
  /** What the file is: a model to run, a trace, or recorded values by name. */
  readonly kind: "model" | "trace" | "goldens" | "case";
  readonly file: string;
  /** `cpu` where none is named. */
  readonly backend: string;
  /** `f64`, `noplan`, `seed=3`: names with their values, "" for those without. */
  readonly options: ReadonlyMap<string, string>;
}

/** What stands behind the last `@` of a model's path: a backend's name and its options, never a part of a path. */
const TAIL = /^([A-Za-z][\w.-]*)?(?::([\w=.,+-]*))?$/;

/** Reads a run spec. @throws bad-argument */
export function parseRunSpec(text: string): RunSpec {
  const fail = (message: string): never => {
    throw new OpwiseError("bad-argument", message, { wanted: "MODEL[@BACKEND][:OPTION,…], FILE.opwtrace, or FILE.npz", got: text });
  };
  if (text === "") return fail("a run is named by a model, a trace or goldens");
  const plain = (kind: RunSpec["kind"]): RunSpec => ({ text, kind, file: text, backend: "cpu", options: new Map() });
  if (/\.opwtrace$/i.test(text)) return plain("trace");
  if (/\.opwcase$/i.test(text)) return plain("case");
  if (/\.np[zy]$/i.test(text)) return plain("goldens");
  const at = text.lastIndexOf("@");
  const tail = at < 0 ? null : TAIL.exec(text.slice(at + 1));
  if (tail !== null) {
    const file = text.slice(0, at);
    if (file === "") return fail("a run spec begins with a model");
    return { text, kind: "model", file, backend: tail[1] ?? "cpu", options: optionsOf(tail[2] ?? "") };
  }
  // Without a backend: options stand behind a colon that ends a file name with an extension (`m.pt:noplan`, not `C:\m.pt` or `http://…`).
  const own = /^(.*\.[A-Za-z0-9]+):([A-Za-z][\w=.,+-]*)$/.exec(text);
  if (own !== null) return { text, kind: "model", file: own[1] ?? text, backend: "cpu", options: optionsOf(own[2] ?? "") };
  return { text, kind: "model", file: text, backend: "cpu", options: new Map() };
}

function optionsOf(text: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const part of text.split(",")) {
    if (part === "") continue;
    const at = part.indexOf("=");
    out.set(at < 0 ? part : part.slice(0, at), at < 0 ? "" : part.slice(at + 1));
  }
  return out;
}

/** The spec as text again, with what it leaves out filled in. */
export function printRunSpec(spec: Pick<RunSpec, "kind" | "file" | "backend" | "options">): string {
  if (spec.kind !== "model") return spec.file;
  const options = [...spec.options].map(([name, value]) => (value === "" ? name : `${name}=${value}`)).join(",");
  return `${spec.file}@${spec.backend}${options === "" ? "" : `:${options}`}`;
}
