/** Loads a TorchScript archive: records, versions, code, objects. Nothing of it is run. */

import { DEFAULT_LIMITS, type Limits } from "../../bytes/limits.ts";
import { subSource } from "../../bytes/source.ts";
import { openZip, type StoredRecord, type Zip } from "../../bytes/zip.ts";
import type { Program } from "../../ir/graph.ts";
import { SchemaTable } from "../../ir/schema-table.ts";
import type { StorageTemplate, Template } from "../../ir/template.ts";
import { verifyProgram } from "../../ir/verifier.ts";
import { isOpwiseError, OpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { refBytes, type StorageRef, storageRefs } from "../pickled-tensor.ts";
import { CodeUnit } from "./code-unit.ts";
import { debugPlaces } from "./debug-info.ts";
import { ObjectReader, readArchivePickle } from "./objects.ts";
import { SourceText } from "./source-text.ts";

export interface TorchScriptOptions {
  readonly limits?: Limits | undefined;
  /** Schemas of custom ops, `my::op(Tensor x) -> Tensor`. */
  readonly schemas?: readonly string[] | undefined;
  /** The device on which what was saved on `device` (`cuda:0`) is put. Left out: the name is kept. */
  readonly mapLocation?: ((device: string) => string) | undefined;
}

const OLDEST_VERSION = 1;
const NEWEST_VERSION = 10;

/** Records of the archive's one folder, by their names inside it. */
class Archive {
  readonly zip: Zip;
  readonly #root: string;
  readonly names: readonly string[];

  constructor(zip: Zip) {
    this.zip = zip;
    const [first] = zip.names;
    if (first === undefined) throw new OpwiseError("unsupported-format", "the archive is empty");
    this.#root = first.includes("/") ? first.slice(0, first.indexOf("/") + 1) : "";
    this.names = zip.names.filter((name) => name.startsWith(this.#root) && !name.endsWith("/")).map((name) => name.slice(this.#root.length));
  }

  has(name: string): boolean {
    return this.zip.entry(this.#root + name) !== undefined;
  }
  sizeOf(name: string): number {
    return this.zip.entry(this.#root + name)?.size ?? 0;
  }
  read(name: string): Promise<Uint8Array> {
    return this.zip.read(this.#root + name);
  }
  record(name: string): Promise<StoredRecord> {
    return this.zip.record(this.#root + name);
  }
  async text(name: string): Promise<string> {
    return new TextDecoder().decode(await this.read(name));
  }
}

async function versionOf(archive: Archive): Promise<number> {
  const record = archive.has(".data/version") ? ".data/version" : "version";
  const text = (await archive.text(record)).trim();
  const version = /^\d{1,6}$/.test(text) ? Number(text) : undefined;
  if (version === undefined || version < OLDEST_VERSION || version > NEWEST_VERSION) {
    throw new OpwiseError("unsupported-version", "the archive is of a version that cannot be read", {
      where: { record },
      wanted: `${OLDEST_VERSION} to ${NEWEST_VERSION}`,
      got: text.slice(0, 40),
    });
  }
  return version;
}

async function checkByteOrder(archive: Archive): Promise<void> {
  if (!archive.has("byteorder")) return;
  const text = (await archive.text("byteorder")).trim();
  if (text !== "little") {
    throw new OpwiseError("unsupported-format", "the archive's tensors are not little-endian", {
      where: { record: "byteorder" },
      wanted: "little",
      got: text.slice(0, 40),
    });
  }
}

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

async function codeOf(archive: Archive, limits: Limits): Promise<(record: string) => SourceText | undefined> {
  const bytes = new Map<string, Uint8Array>();
  const places = new Map<string, (byteOffset: number) => string | undefined>();
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
      const debug = await archive.read(name).catch(() => undefined);
      if (debug !== undefined) places.set(name.slice(0, -".debug_pkl".length), debugPlaces(debug, name, limits));
    }
  }
  const texts = new Map<string, SourceText>();
  return (record) => {
    const known = texts.get(record);
    const raw = bytes.get(record);
    if (known !== undefined || raw === undefined) return known;
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
    } catch (cause) {
      throw new OpwiseError("bad-code", "the code is not UTF-8", { where: { record }, cause });
    }
    const source = new SourceText(record, text, places.get(record));
    texts.set(record, source);
    return source;
  };
}

/** Reads one pickle record with its storages. `decode` is given the reader and the value. */
async function readObjects(
  archive: Archive,
  unit: CodeUnit,
  name: string,
  folder: string,
  options: TorchScriptOptions,
  limits: Limits,
): Promise<{ readonly reader: ObjectReader; readonly value: ReturnType<typeof readArchivePickle> }> {
  const value = readArchivePickle(await archive.read(name), name, limits);
  const mapDevice = options.mapLocation ?? ((device: string): string => device);
  const storages = new Map<string, StorageTemplate>();
  for (const ref of storageRefs(value)) {
    const known = storages.get(ref.key);
    const claimed = refBytes(ref);
    const record = `${folder}/${ref.key}`;
    if (known !== undefined) {
      // Two dtypes over one storage may round its length differently.
      if (claimed > known.nbytes)
        throw new OpwiseError("bad-tensor", "one storage is given two lengths", { where: { record }, wanted: `${known.nbytes} bytes`, got: `${claimed}` });
      continue;
    }
    const source: Source =
      claimed === 0 && !archive.has(record)
        ? { name: record, size: 0, read: () => new Uint8Array(0), readSync: () => new Uint8Array(0) }
        : await archive.record(record);
    if (!Number.isSafeInteger(claimed) || claimed > source.size) {
      throw new OpwiseError("bad-tensor", "a storage claims more than its record holds", {
        where: { record },
        wanted: `${claimed} bytes`,
        got: `${source.size}`,
      });
    }
    storages.set(ref.key, {
      source: claimed === source.size ? source : subSource(source, { offset: 0, length: claimed }),
      nbytes: claimed,
      device: mapDevice(ref.location),
    });
  }
  const storageOf = (ref: StorageRef): StorageTemplate => {
    const found = storages.get(ref.key);
    if (found === undefined) throw new OpwiseError("internal", `the storage \`${ref.key}\` was not collected`);
    return found;
  };
  return { reader: new ObjectReader(unit, name, storageOf, mapDevice), value };
}

async function constantsOf(archive: Archive, unit: CodeUnit, options: TorchScriptOptions, limits: Limits): Promise<readonly Template[]> {
  const { reader, value } = await readObjects(archive, unit, "constants.pkl", "constants", options, limits);
  if (value.kind !== "tuple" && value.kind !== "list")
    throw new OpwiseError("bad-pickle", "the constants are no tuple", { where: { record: "constants.pkl" } });
  return value.items.map((item) => reader.read(item));
}

async function extraOf(archive: Archive): Promise<ReadonlyMap<string, string>> {
  const extra = new Map<string, string>();
  for (const name of archive.names) if (name.startsWith("extra/")) extra.set(name.slice("extra/".length), await archive.text(name));
  return extra;
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
    const archive = new Archive(await openZip(source, limits));
    checkRecords(archive);
    const version = await versionOf(archive);
    await checkByteOrder(archive);
    const sourceOf = await codeOf(archive, limits);
    const unit = new CodeUnit(new SchemaTable(options.schemas), version, sourceOf);
    unit.constants = await constantsOf(archive, unit, options, limits);
    const { reader, value } = await readObjects(archive, unit, "data.pkl", "data", options, limits);
    if (value.kind !== "object") throw new OpwiseError("bad-model", "the archive's root is no module", { where: { record: "data.pkl" }, got: value.kind });
    const root = reader.read(value);
    unit.lowerAll();
    const program: Program = {
      format: "torchscript",
      version: String(version),
      name: source.name,
      classes: unit.classes,
      functions: unit.functions,
      root,
      extra: await extraOf(archive),
      sourceText: (record) => sourceOf(record)?.text,
    };
    verifyProgram(program);
    return program;
  } catch (error) {
    throw isOpwiseError(error) ? error.at({ file: source.name }) : error;
  }
}
