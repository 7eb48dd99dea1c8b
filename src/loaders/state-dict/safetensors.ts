/** `.safetensors`: the length of a JSON header, the header (dtype, shape and byte range by name), the data without holes. */

import type { Limits } from "../../bytes/limits.ts";
import { subSource } from "../../bytes/source.ts";
import type { TensorTemplate } from "../../ir/template.ts";
import type { DType } from "../../tensor/dtype.ts";
import { itemsize } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { contiguousStrides } from "../../tensor/shape.ts";
import type { Source } from "../../tensor/source.ts";
import type { SavedDict } from "./saved-value.ts";

/** What the format's own library allows. */
const MAX_HEADER = 100_000_000;

const DTYPES: Readonly<Record<string, DType>> = {
  BOOL: "bool",
  U8: "uint8",
  I8: "int8",
  I16: "int16",
  U16: "uint16",
  I32: "int32",
  U32: "uint32",
  I64: "int64",
  U64: "uint64",
  F16: "float16",
  BF16: "bfloat16",
  F32: "float32",
  F64: "float64",
  C64: "complex64",
  F8_E5M2: "float8_e5m2",
  F8_E4M3: "float8_e4m3fn",
  F8_E8M0: "float8_e8m0fnu",
  F8_E4M3FNUZ: "float8_e4m3fnuz",
  F8_E5M2FNUZ: "float8_e5m2fnuz",
  F4: "float4_e2m1",
};
/** Bits of an element in the file where they are fewer than in memory. */
const PACKED: Readonly<Record<string, 4>> = { F4: 4 };

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function fail(message: string, facts: { wanted?: string; got?: string } = {}): never {
  throw new OpwiseError("bad-tensor", message, facts);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function entryOf(name: string, value: unknown): Entry {
  if (!isRecord(value)) return fail(`the entry of \`${name}\` is no object`);
  const { dtype, shape, data_offsets: range } = value;
  if (typeof dtype !== "string" || !Array.isArray(shape) || !shape.every(isSize) || !Array.isArray(range) || range.length !== 2 || !range.every(isSize))
    return fail(`the entry of \`${name}\` is not { dtype, shape, data_offsets }`);
  const [begin, end] = range;
  return { name, dtype, shape, begin: begin ?? 0, end: end ?? 0 };
}

function templateOf(entry: Entry, source: Source, start: number): TensorTemplate {
  const { name, shape, begin, end } = entry;
  const dtype = Object.hasOwn(DTYPES, entry.dtype) ? DTYPES[entry.dtype] : undefined;
  if (dtype === undefined) {
    throw new OpwiseError("unsupported-dtype", `\`${name}\` is of the dtype \`${entry.dtype.slice(0, 40)}\``, { wanted: Object.keys(DTYPES).join(", ") });
  }
  const numel = shape.reduce((product, size) => product * size, 1);
  const packed = Object.hasOwn(PACKED, entry.dtype) ? PACKED[entry.dtype] : undefined;
  const nbytes = packed === undefined ? numel * itemsize(dtype) : (numel * packed) / 8;
  if (!Number.isSafeInteger(numel) || end - begin !== nbytes) {
    fail(`the bytes of \`${name}\` are not what its shape asks for`, {
      wanted: `${nbytes} bytes for ${entry.dtype} [${shape.join(", ")}]`,
      got: `${end - begin} bytes`,
    });
  }
  const data = subSource(source, { offset: start + begin, length: end - begin }, name);
  return {
    storage: { source: data, nbytes, device: "cpu", ...(packed === undefined ? {} : { packedBits: packed }) },
    dtype,
    shape,
    strides: contiguousStrides(shape),
    offset: 0,
    requiresGrad: false,
  };
}

/** The tensors, in the header's order, and the file's own notes (`__metadata__`). @throws bad-tensor, truncated, limit-exceeded, unsupported-dtype */
export async function readSafetensors(
  source: Source,
  limits: Limits,
): Promise<{ readonly tensors: SavedDict; readonly metadata: ReadonlyMap<string, string> }> {
  if (source.size < 8) throw new OpwiseError("truncated", "the file ends in its header's length");
  const head = await source.read({ offset: 0, length: 8 });
  const view = new DataView(head.buffer, head.byteOffset, 8);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MAX_HEADER) throw new OpwiseError("limit-exceeded", "the header is too long", { wanted: `at most ${MAX_HEADER} bytes`, got: `${length}` });
  const start = 8 + length;
  if (start > source.size) throw new OpwiseError("truncated", "the file ends inside its header", { wanted: `${start} bytes`, got: `${source.size}` });
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await source.read({ offset: 8, length })));
  } catch (cause) {
    throw new OpwiseError("bad-tensor", "the header is no JSON text", { cause });
  }
  if (!isRecord(header)) return fail("the header is no object");
  const metadata = new Map<string, string>();
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name !== "__metadata__") entries.push(entryOf(name, value));
    else if (isRecord(value))
      for (const [key, text] of Object.entries(value)) metadata.set(key, typeof text === "string" ? text : fail("the metadata are not texts by name"));
    else fail("the metadata are no object");
  }
  if (entries.length > limits.maxRecords) throw new OpwiseError("limit-exceeded", "the file has too many tensors", { wanted: `at most ${limits.maxRecords}` });
  // Ranges follow each other and fill the file: nothing is read twice and nothing is hidden.
  let at = 0;
  for (const entry of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== at || entry.end < entry.begin)
      fail(`the bytes of \`${entry.name}\` overlap others, or leave a hole`, { wanted: `from ${at}`, got: `${entry.begin} to ${entry.end}` });
    at = entry.end;
  }
  if (start + at > source.size)
    throw new OpwiseError("truncated", "the file ends inside its tensors", { wanted: `${start + at} bytes`, got: `${source.size}` });
  if (start + at < source.size) fail("bytes follow the last tensor", { wanted: `${start + at} bytes`, got: `${source.size}` });
  return {
    metadata,
    tensors: {
      kind: "dict",
      ordered: true,
      entries: entries.map((entry) => [
        { kind: "str", value: entry.name },
        { kind: "tensor", tensor: templateOf(entry, source, start), parameter: false },
      ]),
    },
  };
}
