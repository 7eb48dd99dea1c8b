/** The platform's files, as sources and to be written to. */

import { OpwiseError, isOpwiseError } from "../tensor/error.ts";
import type { Range, Source } from "../tensor/source.ts";
import { readingAhead } from "./read-ahead.ts";
import { checkRange, checkSiblingPath, missingFile, type Sibling, textOf } from "./source.ts";
import { behind, spansOf, type Wanted } from "./spans.ts";
import type { ByteSink } from "./zip-writer.ts";

interface Platform {
  readonly fs: typeof import("node:fs");
  readonly path: typeof import("node:path");
  readonly url: typeof import("node:url");
}

/** Node's modules without an import, so that bundles for browsers need no exception; undefined where there are none. */
function platform(): Platform | undefined {
  if (typeof process === "undefined" || typeof process.getBuiltinModule !== "function") return undefined;
  const fs = process.getBuiltinModule("node:fs");
  const path = process.getBuiltinModule("node:path");
  const url = process.getBuiltinModule("node:url");
  return fs === undefined || path === undefined || url === undefined ? undefined : { fs, path, url };
}

function needPlatform(name: string): Platform {
  const found = platform();
  if (found === undefined) throw new OpwiseError("bad-argument", `\`${name}\` is a file path, and there is no file system here`);
  return found;
}

/** A source over the file of a path or of a `file:` URL. @throws as `fileSource`; bad-argument for a URL that names no file */
export function openFile(text: string, name: string): Source {
  return fileSource(/^file:/i.test(text) ? filePathOfUrl(text) : text, name);
}

function filePathOfUrl(url: string): string {
  try {
    return needPlatform(url).url.fileURLToPath(url);
  } catch (cause) {
    throw isOpwiseError(cause) ? cause : new OpwiseError("bad-argument", `\`${url}\` is no file URL: ${textOf(cause)}`, { cause });
  }
}

/** A file of an installed package, by the specifier that would import it; Node alone. @throws bad-argument, missing-file */
export function readPackageFile(specifier: string): Uint8Array {
  const { fs } = needPlatform(specifier);
  try {
    return new Uint8Array(fs.readFileSync(process.getBuiltinModule("node:module").createRequire(import.meta.url).resolve(specifier)));
  } catch (cause) {
    throw missingFile(specifier, undefined, cause);
  }
}

function fileError(cause: unknown, name: string): OpwiseError {
  if (isOpwiseError(cause)) return cause;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR") return missingFile(name, undefined, cause);
  return new OpwiseError("io-error", `\`${name}\` cannot be read: ${textOf(cause)}`, { where: { file: name }, cause });
}

/**
 * A source over a file; a read opens it, reads what was asked, and has it closed when the turn is over, unless the last small read brought it along. A file that
 * changed since it was opened first is refused.
 * @throws missing-file, io-error
 */
export function fileSource(file: string, name: string = file): Source {
  const { fs, path } = needPlatform(name);
  const absolute = path.resolve(file);
  let size: number;
  let modified: number;
  try {
    const stat = fs.statSync(absolute);
    if (!stat.isFile()) {
      throw new OpwiseError("io-error", `\`${name}\` is ${stat.isDirectory() ? "a folder" : "not a regular file"}`, { where: { file: name } });
    }
    size = stat.size;
    modified = stat.mtimeMs;
  } catch (cause) {
    throw fileError(cause, name);
  }

  /** The file's descriptor, which the caller closes. @throws io-error where it is not the file that it was */
  const opened = (): number => {
    const fd = fs.openSync(absolute, "r");
    const now = fs.fstatSync(fd);
    if (now.size === size && now.mtimeMs === modified) return fd;
    fs.closeSync(fd);
    throw new OpwiseError("io-error", `\`${name}\` changed while it was in use`, { where: { file: name }, hint: "open the model again" });
  };
  const endsEarly = (): OpwiseError => new OpwiseError("truncated", `\`${name}\` ends early`, { where: { file: name } });
  let held: number | undefined;
  /** The descriptor of this turn of the event loop: models are read in hundreds of small parts. */
  const shared = (): number => {
    if (held !== undefined) return held;
    const fd = (held = opened());
    queueMicrotask(() => {
      held = undefined;
      fs.closeSync(fd);
    });
    return fd;
  };
  const fetchInto = (range: Range, target: Uint8Array): void => {
    try {
      const fd = shared();
      for (let done = 0; done < range.length; ) {
        const got = fs.readSync(fd, target, done, Math.min(range.length - done, 1 << 30), range.offset + done);
        if (got === 0) throw endsEarly();
        done += got;
      }
    } catch (cause) {
      throw fileError(cause, name);
    }
  };
  const readAhead = readingAhead(fetchInto, size);
  const readIntoSync = (range: Range, target: Uint8Array): void => {
    checkRange(range, size, name);
    readAhead(range, target);
  };
  let together: Promise<void> | undefined;
  const wanted: Wanted[] = [];
  const readTogether = async (): Promise<void> => {
    await Promise.resolve(); // what is asked for before the caller waits
    together = undefined;
    let fd: number | undefined;
    try {
      const spans = spansOf(wanted.splice(0));
      fd = opened();
      for (let { position, targets } of spans) {
        while (targets.length > 0) {
          const got = await readv(fs, fd, targets, position);
          if (got === 0) throw endsEarly();
          targets = behind(targets, got);
          position += got;
        }
      }
    } catch (cause) {
      throw fileError(cause, name);
    } finally {
      if (fd !== undefined) fs.closeSync(fd);
    }
  };
  const readLater = async (range: Range, target: Uint8Array): Promise<void> => {
    checkRange(range, size, name);
    wanted.push({ offset: range.offset, target });
    await (together ??= readTogether());
  };
  const readSync = (range: Range): Uint8Array => {
    checkRange(range, size, name); // before memory is taken
    const bytes = new Uint8Array(range.length);
    readIntoSync(range, bytes);
    return bytes;
  };

  const sibling: Sibling = (relative) => {
    const parts = checkSiblingPath(relative, name);
    let real: string;
    let folder: string;
    try {
      folder = fs.realpathSync(path.dirname(absolute));
      real = fs.realpathSync(path.join(folder, ...parts));
    } catch (cause) {
      const error = fileError(cause, relative);
      throw error.code === "missing-file" ? missingFile(relative, name, cause) : error;
    }
    const inside = path.relative(folder, real);
    if (inside === "" || inside === ".." || inside.startsWith(`..${path.sep}`) || path.isAbsolute(inside)) {
      throw new OpwiseError("unsafe-path", `\`${relative}\` is a link that leads out of the model's folder`, { where: { file: name }, got: relative });
    }
    return fileSource(real, path.join(path.dirname(file), ...parts));
  };
  return { name, size, read: readSync, readSync, readIntoSync, readLater, sibling };
}

function readv(fs: Platform["fs"], fd: number, targets: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.readv(fd, targets, position, (error, got) => (error === null ? resolve(got) : reject(error)));
  });
}

/**
 * Writes a file from pieces, whole or not at all: under another name first, which then takes the place of what was there.
 * @throws io-error
 */
export async function writeFile(file: string, pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  const { fs, path } = needPlatform(file);
  const absolute = path.resolve(file);
  const draft = `${absolute}.part`;
  let fd: number | undefined;
  try {
    fd = fs.openSync(draft, "w");
    for await (const piece of pieces) for (let done = 0; done < piece.length;) done += fs.writeSync(fd, piece, done, Math.min(piece.length - done, 1 << 30));
    fs.closeSync(fd);
    fd = undefined;
    fs.renameSync(draft, absolute);
  } catch (cause) {
    if (fd !== undefined) fs.closeSync(fd);
    fs.rmSync(draft, { force: true });
    throw isOpwiseError(cause) ? cause : new OpwiseError("io-error", `\`${file}\` cannot be written: ${textOf(cause)}`, { where: { file }, cause });
  }
}

/** A file that is written from front to back, and patched. It is there from the first byte on. @throws io-error */
export function fileBytes(file: string): ByteSink {
  const { fs, path } = needPlatform(file);
  const absolute = path.resolve(file);
  const attempt = <X>(work: () => X): X => {
    try {
      return work();
    } catch (cause) {
      throw new OpwiseError("io-error", `\`${file}\` cannot be written: ${textOf(cause)}`, { where: { file }, cause });
    }
  };
  let end = 0;
  const fd = attempt(() => fs.openSync(absolute, "w"));
  const put = (bytes: Uint8Array, at: number): void => {
    for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done, Math.min(bytes.length - done, 1 << 30), at + done);
  };
  return {
    write: (bytes) =>
      attempt(() => {
        put(bytes, end);
        end += bytes.length;
      }),
    patch: (at, bytes) => attempt(() => put(bytes, at)),
    close: () => attempt(() => fs.closeSync(fd)),
  };
}
