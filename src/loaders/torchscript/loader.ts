/** Loads a TorchScript archive: records, versions, code, objects. Nothing of it is run. */

import { DEFAULT_LIMITS, type Limits } from "../../bytes/limits.ts";
import { openZip, type Zip } from "../../bytes/zip.ts";
import type { Program } from "../../ir/graph.ts";
import { SchemaTable } from "../../ir/schema-table.ts";
import type { Template } from "../../ir/template.ts";
import { verifyProgram } from "../../ir/verifier.ts";
import { isOpwiseError, OpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { Archive, checkByteOrder, extraOf, readObjects, versionOf } from "./archive.ts";
import { CodeUnit } from "./code-unit.ts";
import { debugOrigins } from "./debug-info.ts";
import { type Origin, SourceText } from "./source-text.ts";

export interface TorchScriptOptions {
  /** The archive, where it is open already. */
  readonly zip?: Zip | undefined;
  readonly limits?: Limits | undefined;
  /** Schemas of custom ops, `my::op(Tensor x) -> Tensor`. */
  readonly schemas?: readonly string[] | undefined;
  /** Told when the model is found to have an op that is not common. */
  readonly uncommon?: (() => void) | undefined;
  /** The device on which what was saved on `device` (`cuda:0`) is put. Left out: the name is kept. */
  readonly mapLocation?: ((device: string) => string) | undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A file that lacks what every TorchScript archive has, told apart by what it has instead. */
function checkRecords(archive: Archive): void {
  for (const name of ["data.pkl", "constants.pkl"]) {
    if (archive.has(name)) continue;
    const hint = archive.has("archive_format")
      ? "this is a .pt2 archive of torch.export"
      : name === "constants.pkl" && archive.has("data.pkl") && !archive.names.some((n) => n.startsWith("code/"))
        ? "this looks like a state dict: torch.save writes no code; save the model with `torch.jit.script(model).save(path)`"
        : undefined;
    throw new OpwiseError("missing-record", `the archive has no record \`${name}\``, { where: { record: name }, hint });
  }
}

/** What reads a record when it is asked to: what cannot be read at once has been read before. Undefined for a damaged one. */
async function readerOf(archive: Archive, name: string): Promise<(() => Uint8Array) | undefined> {
  try {
    const record = await archive.record(name);
    const range = { offset: 0, length: record.size };
    if (record.readSync !== undefined) return () => record.readSync?.(range) ?? new Uint8Array(0);
    const bytes = await record.read(range);
    return () => bytes;
  } catch {
    return undefined;
  }
}

async function codeOf(archive: Archive, limits: Limits): Promise<(record: string) => SourceText | undefined> {
  const bytes = new Map<string, Uint8Array>();
  const origins = new Map<string, (byteOffset: number) => Origin | undefined>();
  for (const name of archive.names) {
    if (!name.startsWith("code/")) continue;
    if (archive.sizeOf(name) > limits.maxCodeBytes) {
      if (name.endsWith(".debug_pkl")) continue;
      throw new OpwiseError("limit-exceeded", "a code record is too large", {
        where: { record: name },
        wanted: `at most ${limits.maxCodeBytes} bytes`,
        hint: "raise `maxCodeBytes`",
      });
    }
    if (name.endsWith(".py")) bytes.set(name, await archive.read(name));
    else if (name.endsWith(".debug_pkl")) {
      // Places of the author's source are a comfort: a damaged record costs them alone.
      const read = await readerOf(archive, name);
      if (read !== undefined) origins.set(name.slice(0, -".debug_pkl".length), debugOrigins(read, name, limits));
    }
  }
  const texts = new Map<string, SourceText>();
  return (record) => {
    const known = texts.get(record);
    const raw = bytes.get(record);
    if (known !== undefined || raw === undefined) return known;
    let text: string;
    try {
      text = utf8.decode(raw);
    } catch (cause) {
      throw new OpwiseError("bad-code", "the code is not UTF-8", { where: { record }, cause });
    }
    const source = new SourceText(record, text, origins.get(record));
    texts.set(record, source);
    bytes.delete(record);
    return source;
  };
}

/** Apart from where the code is read, all of which it would keep. */
function textIn(sourceOf: (record: string) => SourceText | undefined): (record: string) => string | undefined {
  return (record) => sourceOf(record)?.text;
}

async function constantsOf(archive: Archive, unit: CodeUnit, options: TorchScriptOptions, limits: Limits): Promise<readonly Template[]> {
  const { reader, value } = await readObjects(archive, unit, "constants.pkl", "constants", options, limits);
  if (value.kind !== "tuple" && value.kind !== "list")
    throw new OpwiseError("bad-pickle", "the constants are no tuple", { where: { record: "constants.pkl" } });
  return value.items.map((item) => reader.read(item));
}

/** The root module. What the pickle was read into is let go with the reader. */
async function rootOf(archive: Archive, unit: CodeUnit, options: TorchScriptOptions, limits: Limits): Promise<Template> {
  const { reader, value } = await readObjects(archive, unit, "data.pkl", "data", options, limits);
  if (value.kind !== "object") throw new OpwiseError("bad-model", "the archive's root is no module", { where: { record: "data.pkl" }, got: value.kind });
  return reader.read(value);
}

/**
 * Reads a TorchScript archive. Every function that the root object can reach is lowered and verified; ops that no runtime of
 * ours knows still load. Tensors stay ranges of `source`.
 * @throws bad-zip, truncated, crc-mismatch, missing-record, unsupported-version, unsupported-format, unsafe-pickle, bad-pickle,
 *   bad-model, bad-tensor, bad-code, unsupported-op, verify-failed, limit-exceeded
 */
export async function loadTorchScript(source: Source, options: TorchScriptOptions = {}): Promise<Program> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  try {
    const archive = new Archive(options.zip ?? (await openZip(source, limits)));
    checkRecords(archive);
    const version = await versionOf(archive);
    await checkByteOrder(archive);
    const sourceOf = await codeOf(archive, limits);
    const schemas = new SchemaTable(options.schemas, options.uncommon);
    const unit = new CodeUnit(schemas, version, sourceOf);
    unit.constants = await constantsOf(archive, unit, options, limits);
    const root = await rootOf(archive, unit, options, limits);
    await schemas.complete(() => unit.lowerAll());
    const program: Program = {
      format: "torchscript",
      version: String(version),
      name: source.name,
      classes: unit.classes,
      functions: unit.functions,
      root,
      extra: await extraOf(archive),
      sourceText: textIn(sourceOf),
    };
    verifyProgram(program);
    return program;
  } catch (error) {
    throw isOpwiseError(error) ? error.at({ file: source.name }) : error;
  }
}
