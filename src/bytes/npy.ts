/** Reads and writes NumPy's .npy files (format versions 1 to 3). Arrays come out row-major and little-endian. */

import { type DType, dtypeInfo, itemsize } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";

/** An array as row-major little-endian bytes; of `string` arrays `data` is empty and `strings` has the elements. */
export interface NpyArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
  readonly strings?: readonly string[] | undefined;
}

export interface NpyReadOptions {
  /** What a plain `V1` (8-bit) array is; `V2` is bfloat16. NumPy has no name for either. */
  readonly void8?: DType | undefined;
  /** The file's or record's name, for errors. */
  readonly name?: string | undefined;
}

const MAGIC = "\x93NUMPY";
const MAX_HEADER = 1 << 20;

/** Our dtypes by NumPy's kind and itemsize. */
const BY_DESCR: Readonly<Record<string, DType>> = {
  b1: "bool", u1: "uint8", u2: "uint16", u4: "uint32", u8: "uint64", i1: "int8", i2: "int16", i4: "int32", i8: "int64",
  f2: "float16", f4: "float32", f8: "float64", c8: "complex64", c16: "complex128", V2: "bfloat16", V1: "uint8",
};

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
  readonly dataAt: number;
}

/**
 * Reads a .npy file. Row-major little-endian data is a view of `bytes`; column-major or big-endian data is rearranged.
 * @throws bad-npy, truncated, unsupported-dtype (Python objects, records, dates)
 */
export function readNpy(bytes: Uint8Array, options: NpyReadOptions = {}): NpyArray {
  const { name } = options;
  const header = readHeader(bytes, name);
  const parts = /^([<>|=]?)([a-zA-Z])(\d+)$/.exec(header.descr);
  const [, order = "", kind = "", digits = ""] = parts ?? [];
  const size = Number(digits);
  const { shape } = header;
  const numel = shape.includes(0) ? 0 : shape.reduce((product, dim) => product * dim, 1);
  const take = (width: number): Uint8Array => {
    const wanted = numel * width;
    if (wanted > bytes.length - header.dataAt) {
      throw new OpwiseError("truncated", "the array holds fewer bytes than its shape says", {
        where: { record: name },
        wanted: `${wanted} bytes for [${shape.join(", ")}]`,
        got: `${bytes.length - header.dataAt}`,
      });
    }
    return bytes.subarray(header.dataAt, header.dataAt + wanted);
  };
  if (kind === "U" || kind === "S") {
    const width = kind === "U" ? 4 * size : size;
    // Elements of no width take no bytes: without a bound a header alone could ask for any number of them.
    if (width === 0 && numel > bytes.length) throw badNpy(name, "the array has more empty texts than the file has bytes");
    const raw = rowMajor(take(width), shape, width, header.fortran);
    const strings = Array.from({ length: numel }, (_, i) => textAt(raw.subarray(i * width, (i + 1) * width), kind, order === ">"));
    return { dtype: "string", shape, data: new Uint8Array(0), strings };
  }
  const dtype = kind === "V" && size === 1 ? (options.void8 ?? "uint8") : BY_DESCR[`${kind}${digits}`];
  if (parts === null || dtype === undefined) {
    throw new OpwiseError("unsupported-dtype", "the array's elements are of no dtype known here", {
      where: { record: name },
      got: header.descr,
      hint: kind === "O" ? "arrays of Python objects are pickles: save them with a numeric dtype" : undefined,
    });
  }
  const data = rowMajor(take(size), shape, size, header.fortran);
  return { dtype, shape, data: order === ">" && size > 1 ? swapBytes(data, kind === "c" ? size / 2 : size) : data };
}

function badNpy(name: string | undefined, message: string, got?: string): OpwiseError {
  return new OpwiseError("bad-npy", message, { where: { record: name }, got });
}

function readHeader(bytes: Uint8Array, name: string | undefined): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC.charCodeAt(i)) throw badNpy(name, "the file is not a NumPy array (.npy)");
  const major = bytes[6] ?? 0;
  if (major < 1 || major > 3) throw badNpy(name, "the array's format version is not known", `${major}`);
  const prefix = major === 1 ? 10 : 12;
  if (bytes.length < prefix) throw new OpwiseError("truncated", "the array ends inside its header", { where: { record: name } });
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER) throw new OpwiseError("limit-exceeded", "the array's header is too long", { where: { record: name }, got: `${length} bytes` });
  if (prefix + length > bytes.length) throw new OpwiseError("truncated", "the array ends inside its header", { where: { record: name } });
  const text = new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(bytes.subarray(prefix, prefix + length));

  const descr = /['"]descr['"]\s*:\s*(?:'([^']*)'|"([^"]*)"|(\[))/.exec(text);
  const order = /['"]fortran_order['"]\s*:\s*(True|False)\b/.exec(text)?.[1];
  const dims = /['"]shape['"]\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (descr === null || order === undefined || dims === undefined) throw badNpy(name, "the array's header cannot be read", text.trim().slice(0, 120));
  if (descr[3] !== undefined) throw new OpwiseError("unsupported-dtype", "the array holds records of several fields", { where: { record: name } });
  const shape = dims.split(",").map((dim) => dim.trim()).filter((dim) => dim !== "").map((dim) => Number(dim.replace("L", "")));
  if (!shape.every(Number.isSafeInteger)) throw badNpy(name, "the array's shape cannot be read", dims);
  return { descr: descr[1] ?? descr[2] ?? "", fortran: order === "True", shape, dataAt: prefix + length };
}

function textAt(bytes: Uint8Array, kind: string, bigEndian: boolean): string {
  if (kind === "S") {
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) end--;
    return new TextDecoder().decode(bytes.subarray(0, end));
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  let pending = ""; // NULs count only when something follows
  for (let at = 0; at < bytes.length; at += 4) {
    const code = view.getUint32(at, !bigEndian);
    if (code === 0) pending += "\0";
    else {
      text += pending + (code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd");
      pending = "";
    }
  }
  return text;
}

/** Column-major data of elements of `width` bytes rearranged to row-major. */
function rowMajor(data: Uint8Array, shape: readonly number[], width: number, fortran: boolean): Uint8Array {
  if (!fortran || shape.length < 2 || data.length === 0) return data;
  const out = new Uint8Array(data.length);
  const index = shape.map(() => 0);
  const strides: number[] = [];
  let stride = width;
  for (const dim of shape) {
    strides.push(stride);
    stride *= dim;
  }
  let from = 0;
  for (let to = 0; to < out.length; to += width) {
    for (let i = 0; i < width; i++) out[to + i] = data[from + i] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      from += strides[axis] ?? 0;
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      from -= next * (strides[axis] ?? 0);
    }
  }
  return out;
}

function swapBytes(data: Uint8Array, width: number): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += width) for (let i = 0; i < width; i++) out[at + i] = data[at + width - 1 - i] ?? 0;
  return out;
}

// ---- writing

/** NumPy's name of a dtype; `V` for what NumPy has no name for. @throws unsupported-dtype */
function descrOf(dtype: DType): string {
  const info = dtypeInfo(dtype);
  if (dtype === "bool") return "|b1";
  if (dtype === "bfloat16") return "|V2";
  const kind = info.class === "int" ? (info.signed ? "i" : "u") : info.class === "float" ? "f" : info.class === "complex" ? "c" : undefined;
  if (kind === undefined || dtype === "complex32") throw new OpwiseError("unsupported-dtype", `NumPy has no dtype for \`${dtype}\``);
  if (info.class === "float" && info.itemsize === 1) return "|V1";
  return `${info.itemsize === 1 ? "|" : "<"}${kind}${info.itemsize}`;
}

/**
 * The bytes of a .npy file of version 1 (3 for very long headers). bfloat16 is written as `V2`, 8-bit floats as `V1`, quantised dtypes as their integers.
 * @throws bad-argument when data and shape disagree, unsupported-dtype
 */
export function writeNpy(array: NpyArray): Uint8Array {
  const { dtype, shape } = array;
  const numel = shape.reduce((product, dim) => product * dim, 1);
  const text = dtype === "string" ? encodeTexts(array.strings ?? []) : undefined;
  const data = text?.data ?? array.data;
  const wanted = text === undefined ? numel * itemsize(dtype) : numel;
  const got = text === undefined ? data.length : (array.strings ?? []).length;
  if (wanted !== got) throw new OpwiseError("bad-argument", "an array's data and shape disagree", { wanted: `${wanted} for [${shape.join(", ")}]`, got: `${got}` });
  const dims = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const header = `{'descr': '${text?.descr ?? descrOf(dtype)}', 'fortran_order': False, 'shape': ${dims}, }`;
  const wide = header.length > 0xff00;
  const prefix = wide ? 12 : 10;
  const padded = header.padEnd(Math.ceil((prefix + header.length + 1) / 64) * 64 - prefix - 1) + "\n";
  const out = new Uint8Array(prefix + padded.length + data.length);
  const view = new DataView(out.buffer);
  for (let i = 0; i < MAGIC.length; i++) out[i] = MAGIC.charCodeAt(i);
  out[6] = wide ? 3 : 1;
  if (wide) view.setUint32(8, padded.length, true);
  else view.setUint16(8, padded.length, true);
  for (let i = 0; i < padded.length; i++) out[prefix + i] = padded.charCodeAt(i);
  out.set(data, prefix + padded.length);
  return out;
}

function encodeTexts(strings: readonly string[]): { descr: string; data: Uint8Array } {
  const codes = strings.map((text) => Array.from(text, (char) => char.codePointAt(0) ?? 0));
  const width = codes.reduce((most, text) => Math.max(most, text.length), 1);
  const data = new Uint8Array(4 * width * strings.length);
  const view = new DataView(data.buffer);
  codes.forEach((text, row) => text.forEach((code, i) => view.setUint32(4 * (row * width + i), code, true)));
  return { descr: `<U${width}`, data };
}
