/** The outside of a .pt2 archive: where its records begin, which programs it holds, and what was given to the exporter. */

import { DEFAULT_LIMITS, type Limits } from "../../bytes/limits.ts";
import type { Zip } from "../../bytes/zip.ts";
import type { SampleInputs } from "../../ir/graph.ts";
import type { Template } from "../../ir/template.ts";
import { T } from "../../ir/type.ts";
import { torchOfDtype } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { readCheckpoint, type SavedValue } from "../state-dict/checkpoint.ts";
import { textOf } from "./weights.ts";

/** The newest archive layout that this reads. */
const ARCHIVE_VERSION = 0;

/** The folder of all records, with its slash. @throws unsupported-format, unsupported-version */
export async function archiveRoot(zip: Zip): Promise<string> {
  const marker = zip.names.find((name) => name === "archive_format" || name.endsWith("/archive_format"));
  if (marker === undefined) {
    throw new OpwiseError("unsupported-format", "the archive is no .pt2: it has no record `archive_format`", {
      hint: zip.names.some((n) => n.endsWith("serialized_exported_program.json")) ? "it was written by PyTorch before 2.6; export it again" : undefined,
    });
  }
  const root = marker.slice(0, marker.length - "archive_format".length);
  const text = async (name: string): Promise<string | undefined> =>
    zip.entry(`${root}${name}`) === undefined ? undefined : textOf(await zip.read(`${root}${name}`)).trim();
  const format = await text("archive_format");
  if (format !== "pt2")
    throw new OpwiseError("unsupported-format", "the archive is of another format", { where: { record: marker }, wanted: "pt2", got: format });
  const version = (await text("archive_version")) ?? "0";
  if (!(Number(version) <= ARCHIVE_VERSION)) {
    throw new OpwiseError("unsupported-version", "the archive is laid out in a newer way", {
      where: { record: `${root}archive_version` },
      wanted: `archive version ${ARCHIVE_VERSION}`,
      got: version,
    });
  }
  const order = (await text("byteorder")) ?? "little";
  if (order !== "little")
    throw new OpwiseError("unsupported-format", "the archive's numbers are not little-endian", { where: { record: `${root}byteorder` }, got: order });
  return root;
}

/** Names of the programs in an archive, in its order. */
export function programNames(zip: Zip, root: string): string[] {
  const folder = `${root}models/`;
  return zip.names.filter((n) => n.startsWith(folder) && n.endsWith(".json")).map((n) => n.slice(folder.length, -".json".length));
}

/** Models that the archive holds as machine code alone. */
function compiledNames(zip: Zip, root: string): Set<string> {
  const folder = `${root}data/aotinductor/`;
  return new Set(zip.names.filter((n) => n.startsWith(folder)).map((n) => n.slice(folder.length).split("/")[0] ?? ""));
}

/** The program asked for; else the only one, or `model`. @throws missing-record, unsupported-format for one that is compiled */
export function chooseProgram(zip: Zip, root: string, wanted: string | undefined): string {
  const names = programNames(zip, root);
  const chosen = wanted ?? (names.length === 1 ? names[0] : names.find((n) => n === "model"));
  if (chosen !== undefined && names.includes(chosen)) return chosen;
  const compiled = compiledNames(zip, root);
  if (wanted === undefined ? names.length === 0 && compiled.size > 0 : compiled.has(wanted)) {
    throw new OpwiseError(
      "unsupported-format",
      `the archive holds \`${wanted ?? [...compiled].join("`, `")}\` as machine code of AOTInductor, not as a graph`,
      {
        wanted: names.length > 0 ? names.join(", ") : "a program of torch.export",
        hint: "save the exported program itself with torch.export.save",
      },
    );
  }
  if (wanted === undefined && names.length > 1) {
    throw new OpwiseError("missing-record", "the archive holds several programs", { got: names.join(", "), hint: "say which one: `program`" });
  }
  throw new OpwiseError("missing-record", `the archive has no program \`${wanted ?? "model"}\``, {
    wanted: wanted ?? "model",
    got: names.join(", ") || "none",
  });
}

/**
 * The arguments that the program was exported with, or undefined where the archive leaves them out.
 * @throws unsafe-pickle where they hold objects of the author's classes
 */
export async function readSampleInputs(zip: Zip, root: string, name: string, limits: Limits = DEFAULT_LIMITS): Promise<SampleInputs | undefined> {
  const record = `${root}data/sample_inputs/${name}.pt`;
  if (zip.entry(record) === undefined) return undefined;
  const source = await zip.record(record);
  if (source.size === 0) return undefined;
  const saved = await readCheckpoint(source, { limits });
  if (saved.kind !== "tuple" || saved.items.length !== 2) return undefined;
  const [args, kwargs] = saved.items;
  if (args?.kind !== "tuple" || kwargs?.kind !== "dict") return undefined;
  return {
    args: args.items.map(templateOf),
    kwargs: new Map(kwargs.entries.map(([key, value]) => [key.kind === "str" ? key.value : "", templateOf(value)])),
  };
}

function templateOf(saved: SavedValue): Template {
  switch (saved.kind) {
    case "none":
    case "bool":
    case "int":
    case "float":
    case "complex":
    case "str":
    case "device":
      return saved;
    case "tensor":
      return { kind: "tensor", tensor: saved.tensor };
    case "dtype":
      return { kind: "int", value: torchOfDtype(saved.dtype) };
    case "size":
      return { kind: "tuple", items: saved.dims.map((value) => ({ kind: "int", value })) };
    case "tuple":
      return { kind: "tuple", items: saved.items.map(templateOf) };
    case "list":
    case "set":
      return { kind: "list", elem: T.Any, items: saved.items.map(templateOf) };
    case "dict":
      return { kind: "dict", key: T.Any, value: T.Any, entries: saved.entries.map(([key, value]) => [templateOf(key), templateOf(value)] as const) };
    case "sparse":
      throw new OpwiseError("unsupported-format", "a sample input is a sparse tensor", { got: saved.layout });
    case "bytes":
      throw new OpwiseError("unsupported-format", "a sample input holds bytes");
    default:
      return saved satisfies never;
  }
}
