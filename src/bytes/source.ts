/** Makes re-readable sources out of files, URLs, Blobs and bytes. With `file.ts`, which pages never fetch, all of the library that touches files or network. */

import { OpwiseError, isOpwiseError } from "../tensor/error.ts";
import type { Range, Source } from "../tensor/source.ts";
import { DEFAULT_LIMITS } from "./limits.ts";

/** What `openSource` takes: a path (Node), a URL, or the bytes themselves. */
export type SourceLike = string | URL | Uint8Array | ArrayBuffer | Blob;

/** Bytes received so far, and in all where that is known. */
export interface Progress {
  readonly loaded: number;
  readonly total: number | undefined;
}

export interface SourceOptions {
  /** In place of the platform's `fetch`. */
  readonly fetch?: ((url: string, init?: RequestInit) => Promise<Response>) | undefined;
  /** Ends a download, also of later reads, with `aborted`. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Files next to this one by relative path, for bytes that have no folder: ONNX external data. */
  readonly siblings?: Readonly<Record<string, Uint8Array | ArrayBuffer | Blob>> | undefined;
  /** What to call the source in messages. */
  readonly name?: string | undefined;
  /** Largest file that is downloaded whole where a server answers no ranges, in bytes. */
  readonly maxFileBytes?: number | undefined;
}

export type Sibling = (path: string) => Source | Promise<Source>;

/**
 * Opens a file, URL, Blob or bytes. A string is a URL where it starts with `http:`, `https:`, `data:` or `blob:` or where there
 * is no file system; bytes are borrowed, not copied. Files stay closed between reads.
 * @throws missing-file, io-error, aborted, bad-argument
 */
export async function openSource(what: SourceLike, options: SourceOptions = {}): Promise<Source> {
  const source = await openPlain(what, options);
  return options.siblings === undefined ? source : withSiblings(source, options.siblings);
}

async function openPlain(what: SourceLike, options: SourceOptions): Promise<Source> {
  if (typeof what === "string" || what instanceof URL) {
    const text = String(what);
    const hasFiles = typeof process !== "undefined" && typeof process.getBuiltinModule === "function";
    const isFile = /^file:/i.test(text) || (typeof what === "string" && hasFiles && !/^(?:https?|data|blob):/i.test(text));
    return isFile ? (await import("./file.ts")).openFile(text, options.name ?? text) : urlSource(text, options);
  }
  if (what instanceof Uint8Array) return bytesSource(what, options.name ?? "bytes");
  if (what instanceof ArrayBuffer) return bytesSource(new Uint8Array(what), options.name ?? "bytes");
  if (typeof Blob !== "undefined" && what instanceof Blob) return blobSource(what, options.name);
  throw new OpwiseError("bad-argument", "a source is a path, a URL, bytes or a Blob", { got: typeof what });
}

/** Throws `truncated` unless `range` lies inside `size` bytes. */
export function checkRange(range: Range, size: number, name: string): void {
  const { offset, length } = range;
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || offset + length > size) {
    throw new OpwiseError("truncated", `bytes ${offset} to ${offset + length} lie outside \`${name}\``, {
      where: { file: name },
      wanted: `at most ${size} bytes`,
    });
  }
}

/** A source over bytes in memory; reads are views, the bytes stay the caller's. */
export function bytesSource(bytes: Uint8Array, name: string = "bytes"): Source {
  // A Node Buffer's own `subarray` would hand out Buffers, whose `slice` shares memory.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const readSync = (range: Range): Uint8Array => {
    checkRange(range, plain.length, name);
    return plain.subarray(range.offset, range.offset + range.length);
  };
  return { name, size: plain.length, memory: plain, read: readSync, readSync, readIntoSync: (range, target) => target.set(readSync(range)) };
}

/** Bytes that are read at a time where a range goes through our hands: enough to be quick, few enough to stay in a cache. */
export const CHUNK_BYTES: number = 1024 * 1024;

/** `range` in parts of at most `size` bytes, one after the other. */
export function* chunksOf(range: Range, size: number = CHUNK_BYTES): Generator<Range> {
  for (let done = 0; done < range.length; done += size) yield { offset: range.offset + done, length: Math.min(size, range.length - done) };
}

/** Reads `range` of a source that has `readSync` into `target`, straight where it can. @throws as its `readSync` */
export function readInto(source: Source, range: Range, target: Uint8Array): void {
  if (source.readIntoSync !== undefined) source.readIntoSync(range, target);
  else if (source.readSync !== undefined) target.set(source.readSync(range));
  else throw new OpwiseError("would-block", `\`${source.name}\` cannot be read at once`, { where: { file: source.name } });
}

/** Hands the bytes of `range` over in order and in pieces, from any source. @throws as its `read` */
export async function streamFrom(source: Source, range: Range, take: (piece: Uint8Array) => void): Promise<void> {
  if (source.stream !== undefined) return source.stream(range, take);
  for (const chunk of chunksOf(range)) take(await source.read(chunk));
}

/** The bytes `range` of `source` as a source of its own. @throws truncated when the range is not inside. */
export function subSource(source: Source, range: Range, name: string = source.name): Source {
  checkRange(range, source.size, source.name);
  const size = range.length;
  const inner = (part: Range): Range => {
    checkRange(part, size, name);
    return { offset: range.offset + part.offset, length: part.length };
  };
  const read = (part: Range): Uint8Array | Promise<Uint8Array> => source.read(inner(part));
  const { readSync } = source;
  if (readSync === undefined) return { name, size, read, stream: (part, take) => streamFrom(source, inner(part), take) };
  const { readLater } = source;
  return {
    name,
    size,
    read,
    readSync: (part) => readSync.call(source, inner(part)),
    readIntoSync: (part, target) => readInto(source, inner(part), target),
    readLater: readLater && (async (part, target) => readLater(inner(part), target)), // a range outside rejects
  };
}

/** All bytes of a source. @throws limit-exceeded when there are more than `maxBytes` */
export function readAll(source: Source, maxBytes?: number): Uint8Array | Promise<Uint8Array> {
  checkSize(source, maxBytes);
  return source.read({ offset: 0, length: source.size });
}

/** @throws limit-exceeded when a source has more than `maxBytes` */
export function checkSize(source: Source, maxBytes: number = DEFAULT_LIMITS.maxFileBytes): void {
  if (source.size > maxBytes) {
    throw new OpwiseError("limit-exceeded", `\`${source.name}\` is too large to be read whole`, {
      where: { file: source.name },
      wanted: `at most ${maxBytes} bytes`,
      got: `${source.size} bytes`,
      hint: "raise `maxFileBytes`",
    });
  }
}

function blobSource(blob: Blob, given: string | undefined): Source {
  const name = given ?? ("name" in blob && typeof blob.name === "string" ? blob.name : "blob");
  const read = async (range: Range): Promise<Uint8Array> => {
    checkRange(range, blob.size, name);
    try {
      return new Uint8Array(await blob.slice(range.offset, range.offset + range.length).arrayBuffer());
    } catch (cause) {
      throw new OpwiseError("io-error", `\`${name}\` cannot be read: ${textOf(cause)}`, { where: { file: name }, cause });
    }
  };
  return { name, size: blob.size, read };
}

// ---- siblings

/**
 * Checks the relative path of a file that a model names: no `..`, no absolute path, no drive, no backslash, no NUL.
 * @returns the path's parts. @throws unsafe-path
 */
export function checkSiblingPath(path: string, file: string): readonly string[] {
  const parts = path.split("/").filter((part) => part !== ".");
  const unsafe =
    path === "" || path.startsWith("/") || /[\\\0]/.test(path) || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(path) || parts.some((part) => part === ".." || part === "");
  if (unsafe || parts.length === 0) {
    throw new OpwiseError("unsafe-path", `the file refers to \`${path}\`, which is not a plain path below its own folder`, {
      where: { file },
      wanted: "a relative path with forward slashes and without `..`",
      got: path,
    });
  }
  return parts;
}

function withSiblings(source: Source, files: Readonly<Record<string, Uint8Array | ArrayBuffer | Blob>>): Source {
  const sibling: Sibling = (path) => {
    const key = checkSiblingPath(path, source.name).join("/");
    const found = Object.hasOwn(files, path) ? files[path] : Object.hasOwn(files, key) ? files[key] : undefined;
    if (found !== undefined) return openSource(found, { name: key });
    if (source.sibling !== undefined) return source.sibling(path);
    throw missingFile(key, source.name);
  };
  const read = (range: Range): Uint8Array | Promise<Uint8Array> => source.read(range);
  const { readSync } = source;
  const base = { name: source.name, size: source.size, read, sibling, ...(source.memory === undefined ? {} : { memory: source.memory }) };
  if (readSync === undefined) return { ...base, stream: (range, take) => streamFrom(source, range, take) };
  return { ...base, readSync: (range) => readSync.call(source, range), readIntoSync: (range, target) => readInto(source, range, target), readLater: source.readLater };
}

/** The error of a file that is not there, next to another where it was looked for there. */
export function missingFile(path: string, beside: string | undefined, cause?: unknown): OpwiseError {
  return new OpwiseError("missing-file", `there is no file \`${path}\`${beside === undefined ? "" : ` next to \`${beside}\``}`, {
    where: { file: beside ?? path },
    cause,
  });
}

/** What an error of a platform says. */
export function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

// ---- URLs

/** Small reads of a ranged URL fetch this much and keep it: an archive's headers come in one go. */
const BLOCK_BYTES = 256 * 1024;
const MAX_BLOCKS = 32;

/**
 * A source over a URL: byte ranges where the server answers them with 206, else one whole download.
 * @throws missing-file, io-error, aborted, limit-exceeded
 */
async function urlSource(url: string, options: SourceOptions): Promise<Source> {
  const name = options.name ?? (url.length > 200 ? `${url.slice(0, 200)}…` : url);
  const get = makeGet(url, name, options);
  const canRange = /^https?:/i.test(url) || !/^[a-z]+:/i.test(url);
  const first = await get(canRange ? { Range: `bytes=0-${BLOCK_BYTES - 1}` } : {});
  const base = first.url === "" ? url : first.url;
  const sibling: Sibling = (path) => {
    const parts = checkSiblingPath(path, name);
    const page = typeof location === "undefined" ? undefined : location.href;
    return urlSource(new URL(parts.map(encodeURIComponent).join("/"), new URL(base, page)).href, { ...options, name: undefined });
  };

  const total = first.status === 206 ? totalOfContentRange(first.headers.get("content-range")) : undefined;
  if (first.status === 416) return { ...bytesSource(new Uint8Array(0), name), sibling };
  if (total === undefined) {
    const response = first.status === 206 ? await get({}) : first;
    const maxBytes = options.maxFileBytes ?? DEFAULT_LIMITS.maxFileBytes;
    return { ...bytesSource(await download(response, name, options, maxBytes), name), sibling };
  }

  let loaded = 0;
  const tag = first.headers.get("etag");
  const receiveRange = async (offset: number, length: number, take: (piece: Uint8Array) => void, response?: Response): Promise<void> => {
    const answer = response ?? (await get({ Range: `bytes=${offset}-${offset + length - 1}` }));
    if (answer.status !== 206 || answer.headers.get("etag") !== tag || totalOfContentRange(answer.headers.get("content-range")) !== total) {
      throw new OpwiseError("io-error", `\`${name}\` changed on the server while it was read`, { where: { file: name }, hint: "open the model again" });
    }
    const received = await receive(answer, name, { signal: options.signal }, length, take);
    if (received !== length) throw new OpwiseError("truncated", `the server sent ${received} of ${length} bytes`, { where: { file: name } });
    loaded += length;
    options.onProgress?.({ loaded, total });
  };
  const fetchRange = async (offset: number, length: number, response?: Response): Promise<Uint8Array> => {
    const pieces: Uint8Array[] = [];
    await receiveRange(offset, length, (piece) => pieces.push(piece), response);
    return joined(pieces);
  };

  const blocks = new Map<number, Promise<Uint8Array>>();
  const block = (index: number, response?: Response): Promise<Uint8Array> => {
    let found = blocks.get(index);
    blocks.delete(index); // put back as the youngest
    if (found === undefined) {
      const offset = index * BLOCK_BYTES;
      const made = fetchRange(offset, Math.min(BLOCK_BYTES, total - offset), response);
      made.catch(() => blocks.get(index) === made && blocks.delete(index));
      found = made;
    }
    blocks.set(index, found);
    for (const oldest of blocks.keys()) {
      if (blocks.size <= MAX_BLOCKS) break;
      blocks.delete(oldest);
    }
    return found;
  };
  await block(0, first);

  const read = async (range: Range): Promise<Uint8Array> => {
    checkRange(range, total, name);
    const { offset, length } = range;
    if (length === 0) return new Uint8Array(0);
    if (length >= BLOCK_BYTES) return fetchRange(offset, length);
    const from = Math.floor(offset / BLOCK_BYTES);
    const to = Math.floor((offset + length - 1) / BLOCK_BYTES);
    const start = offset - from * BLOCK_BYTES;
    const head = await block(from);
    if (from === to) return head.slice(start, start + length); // a copy: a view would keep the block
    const out = new Uint8Array(length);
    out.set(head.subarray(start));
    out.set((await block(to)).subarray(0, length - (BLOCK_BYTES - start)), BLOCK_BYTES - start);
    return out;
  };
  const stream = async (range: Range, take: (piece: Uint8Array) => void): Promise<void> => {
    checkRange(range, total, name);
    if (range.length < BLOCK_BYTES) take(await read(range));
    else await receiveRange(range.offset, range.length, take);
  };
  return { name, size: total, read, stream, sibling };
}

type Get = (headers: Record<string, string>) => Promise<Response>;

function makeGet(url: string, name: string, options: SourceOptions): Get {
  const fetcher = options.fetch ?? ((input: string, init?: RequestInit) => fetch(input, init));
  const { signal } = options;
  return async (headers) => {
    let response: Response;
    try {
      response = await fetcher(url, { headers, ...(signal === undefined ? {} : { signal }) });
    } catch (cause) {
      throw networkError(cause, name, signal);
    }
    if (response.status === 404 || response.status === 410) throw missingFile(name, undefined);
    if (!response.ok && response.status !== 416) {
      throw new OpwiseError("io-error", `the server answered ${response.status} ${response.statusText}`.trimEnd(), { where: { file: name } });
    }
    return response;
  };
}

function networkError(cause: unknown, name: string, signal: AbortSignal | undefined): OpwiseError {
  if (isOpwiseError(cause)) return cause;
  if (signal?.aborted === true) return new OpwiseError("aborted", `reading \`${name}\` was ended by the caller`, { where: { file: name }, cause });
  return new OpwiseError("io-error", `\`${name}\` cannot be fetched: ${textOf(cause)}`, {
    where: { file: name },
    cause,
    hint: "in a browser, another site's file needs CORS headers from that site",
  });
}

/** `bytes 0-99/1234` gives 1234; undefined where the server does not say. */
function totalOfContentRange(header: string | null): number | undefined {
  const total = header === null ? undefined : /^bytes \d+-\d+\/(\d+)$/.exec(header.trim())?.[1];
  const value = Number(total);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The body of a response, in one piece. */
async function download(response: Response, name: string, options: SourceOptions, maxBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  await receive(response, name, options, maxBytes, (piece) => pieces.push(piece));
  return joined(pieces);
}

/** The pieces in one; the only piece as it is. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Hands the body of a response over as it comes; gives its length. @throws limit-exceeded, truncated, io-error, aborted */
async function receive(response: Response, name: string, options: SourceOptions, maxBytes: number, take: (piece: Uint8Array) => void): Promise<number> {
  const claimed = Number(response.headers.get("content-length") ?? Number.NaN);
  // With a content encoding the length is that of the compressed bytes.
  const encoded = (response.headers.get("content-encoding") ?? "identity") !== "identity";
  const total = encoded || !Number.isSafeInteger(claimed) ? undefined : claimed;
  let loaded = 0;
  try {
    if (response.body === null) return 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      loaded += value.length;
      if (loaded > maxBytes) {
        await reader.cancel();
        throw new OpwiseError("limit-exceeded", `the server sent more than ${maxBytes} bytes`, { where: { file: name }, hint: "raise `maxFileBytes`" });
      }
      take(value);
      options.onProgress?.({ loaded, total });
    }
  } catch (cause) {
    throw networkError(cause, name, options.signal);
  }
  if (total !== undefined && loaded < total) {
    throw new OpwiseError("truncated", `the download ended after ${loaded} of ${total} bytes`, { where: { file: name } });
  }
  return loaded;
}
