/** Finds out by content what a file is and reads it with the loader for it. Loaders are imported when first needed. */

import { describeFormat, formatHint, SNIFF_BYTES, sniffFormat } from "../bytes/format.ts";
import { DEFAULT_LIMITS, type Limits } from "../bytes/limits.ts";
import { openZip, type Zip } from "../bytes/zip.ts";
import type { Program } from "../ir/graph.ts";
import { SchemaTable } from "../ir/schema-table.ts";
import { OpwiseError } from "../tensor/error.ts";
import type { Source } from "../tensor/source.ts";

export interface LoadOptions {
  readonly limits?: Limits | undefined;
  /** Schemas of custom TorchScript ops, in its notation. */
  readonly schemas?: readonly string[] | undefined;
  /** Custom ONNX ops as `domain::Name`. */
  readonly customOps?: readonly string[] | undefined;
  /** TorchScript: the device on which what was saved on `device` (`cuda:0`) is put. Left out: the name is kept. */
  readonly mapLocation?: ((device: string) => string) | undefined;
  /** pt2: which program of an archive that holds several. */
  readonly program?: string | undefined;
  /** The only format to take; any other is refused. Left out: whatever the content is. */
  readonly format?: ModelFormat | undefined;
  /** Told the format once it is known, before its loader is imported. */
  readonly found?: ((format: ModelFormat) => void) | undefined;
  /** Told when the model is found to have one of PyTorch's ops that are not common, while the schemas of those are imported. */
  readonly uncommon?: (() => void) | undefined;
}

/** What a model file can be. */
export type ModelFormat = "torchscript" | "onnx" | "pt2" | "mobile" | "state-dict";

/** What a file is, and the archive that it is, which has been opened to see that. */
interface Found {
  readonly format: ModelFormat;
  readonly zip?: Zip;
}

/**
 * The format of a model file. @throws unsupported-format for anything else, bad-zip for a damaged archive
 */
export async function detectFormat(source: Source, limits: Limits = DEFAULT_LIMITS): Promise<ModelFormat> {
  return (await detect(source, limits)).format;
}

async function detect(source: Source, limits: Limits): Promise<Found> {
  const head = await source.read({ offset: 0, length: Math.min(SNIFF_BYTES, source.size) });
  const format = sniffFormat(head, source.size);
  switch (format) {
    case "zip":
      return inArchive(await openZip(source, limits));
    case "onnx":
      return { format: "onnx" };
    case "torch-legacy":
    case "safetensors":
      return { format: "state-dict" };
    case "tar":
      // PyTorch 0.1 saved tar archives; their members come in this order.
      if (source.size > 512 && head[0] === 0x73 && new TextDecoder().decode(head.subarray(0, 9)) === "storages\0") return { format: "state-dict" };
      return unsupported(source, describeFormat(format), formatHint(format), undefined);
    case "json":
      if (/\.index\.json$/i.test(source.name)) return { format: "state-dict" };
      return unsupported(source, describeFormat(format), formatHint(format), undefined);
    case "torch-mobile":
      return { format: "mobile" };
    default:
      // A protobuf has no magic number: its fields may come in any order, so a file of that name is tried as one.
      if (/\.onnx$/i.test(source.name)) return { format: "onnx" };
      // An archive is found by its end: some bytes may stand before it, or after.
      if (format === "zeros" || format === "unknown") {
        const zip = await openZip(source, limits).catch((cause: unknown) => unsupported(source, describeFormat(format), formatHint(format), cause));
        return inArchive(zip);
      }
      return unsupported(source, describeFormat(format), formatHint(format), undefined);
  }
}

function unsupported(source: Source, got: string, hint: string | undefined, cause: unknown): never {
  throw new OpwiseError("unsupported-format", "the file is no model", {
    where: { file: source.name },
    wanted: "a TorchScript archive, an ONNX model or a .pt2 archive",
    got,
    hint,
    cause,
  });
}

const inArchive = (zip: Zip): Found => ({ format: archiveFormat(zip), zip });

/** Which of PyTorch's archives a zip is, by its records. */
function archiveFormat(zip: Zip): ModelFormat {
  const inRoot = (name: string): boolean =>
    zip.names.some((record) => record === name || (record.endsWith(`/${name}`) && record.indexOf("/") === record.length - name.length - 1));
  if (zip.names.some((name) => /^(?:[^/]+\/)?\.data\/extern_modules$/.test(name))) {
    const scripted = zip.names.some((name) => name.includes(".data/ts_code/"));
    throw new OpwiseError("unsupported-format", "the archive is a package of torch.package: its models are Python code", {
      where: { file: zip.source.name },
      hint: `load it in Python with \`torch.package.PackageImporter(path).load_pickle(...)\`, then ${scripted ? "save the ScriptModule alone: `module.save(path)`" : "save the model with `torch.export.save` or `torch.jit.script(model).save(path)`"}`,
    });
  }
  if (inRoot("archive_format") || zip.names.some((name) => name.endsWith("serialized_exported_program.json"))) return "pt2";
  // Code is the better source where both are there: it has the author's names and places.
  if (inRoot("bytecode.pkl") && !zip.names.some((name) => /^(?:[^/]+\/)?code\/.+\.py$/.test(name))) return "mobile";
  if (inRoot("constants.pkl") || zip.names.some((name) => /^(?:[^/]+\/)?code\//.test(name))) return "torchscript";
  if (inRoot("data.pkl")) return "state-dict";
  if (zip.names.length === 0) throw new OpwiseError("unsupported-format", "the archive is empty", { where: { file: zip.source.name } });
  throw new OpwiseError("unsupported-format", "the archive is none of PyTorch's", {
    where: { file: zip.source.name },
    wanted: "a TorchScript archive (`constants.pkl`, `code/`) or a .pt2 archive (`archive_format`)",
    got: zip.names.slice(0, 6).join(", "),
  });
}

/**
 * Loads a model of any format that holds a program. Nothing of it is run.
 * @throws unsupported-format for a file without a program, and everything that its loader throws
 */
export async function loadProgram(source: Source, options: LoadOptions = {}): Promise<Program> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  const { format, zip } = await detect(source, limits);
  if (options.format !== undefined && options.format !== format) {
    throw new OpwiseError("unsupported-format", "the file is of another format than was asked for", {
      where: { file: source.name },
      wanted: options.format,
      got: format,
    });
  }
  options.found?.(format);
  const { schemas, uncommon, mapLocation } = options;
  switch (format) {
    case "torchscript":
      return (await import("./torchscript/loader.ts")).loadTorchScript(source, { zip, limits, schemas, uncommon, mapLocation });
    case "onnx":
      return {
        ...(await (await import("./onnx/loader.ts")).loadOnnx(source, { limits, customOps: options.customOps })),
        write: async (name, put, how) => (await import("./onnx/saving.ts")).saveOnnx(source, name, put, how, limits),
      };
    case "pt2":
      return (await import("./pt2/loader.ts")).loadPt2(source, { zip, limits, schemas: new SchemaTable(schemas, uncommon), program: options.program });
    case "mobile":
      return (await import("./mobile/loader.ts")).loadMobile(source, { zip, limits, schemas, uncommon, mapLocation });
    case "state-dict":
      throw new OpwiseError("unsupported-format", "the file holds tensors and no program", {
        where: { file: source.name },
        wanted: "a model",
        got: "a checkpoint",
        hint: "read it with `readStateDict` or `readCheckpoint`, or save the model with `torch.jit.script(model).save(path)`",
      });
    default:
      return format satisfies never;
  }
}
