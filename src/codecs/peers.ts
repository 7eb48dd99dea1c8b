/**
 * Formats whose pixels other packages decode, in WebAssembly: WebP by `@jsquash/webp` (libwebp), JPEG 2000 by
 * `@cornerstonejs/codec-openjpeg` (OpenJPEG). Both are optional peers, loaded when first wanted; a page hands theirs in, because its
 * bundler has to see the import: `loadDecoder("webp", (await import("@jsquash/webp/codec/dec/webp_dec.js")).default)`.
 */

import { isOpwiseError, OpwiseError } from "../tensor/error.ts";
import { badImage } from "./failure.ts";
import type { Image } from "./image.ts";
import { openJpeg2000 } from "./jpeg2000.ts";
import { openWebp } from "./webp.ts";

export type PeerFormat = "webp" | "jpeg2000";
/** The function that an Emscripten module exports. */
export type ModuleFactory = (options: Readonly<Record<string, unknown>>) => Promise<unknown>;
type Decoder = (bytes: Uint8Array, maxPixels: number) => Image;

interface Peer {
  readonly name: string;
  readonly script: string;
  readonly wasm: string;
  readonly decoder: (module: unknown) => Decoder;
}

/** What we use of the two modules. */
interface WebpModule {
  decode(bytes: Uint8Array): { readonly data: Uint8ClampedArray; readonly width: number; readonly height: number } | null;
}
interface OpenJpegModule {
  J2KDecoder: new () => {
    getEncodedBuffer(length: number): Uint8Array;
    decode(): void;
    getDecodedBuffer(): Uint8Array;
    getFrameInfo(): {
      readonly width: number;
      readonly height: number;
      readonly bitsPerSample: number;
      readonly componentCount: number;
      readonly isSigned: boolean;
    };
    delete(): void;
  };
}

/** Errors of the foreign code as ours. One that it throws leaves its memory in doubt: its module is made anew for the next file. */
function guarded<T>(format: PeerFormat, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (isOpwiseError(cause)) throw cause;
    loaded.delete(format);
    throw badImage(`${PEERS[format].name} does not decode the file`, { cause });
  }
}

const PEERS: Readonly<Record<PeerFormat, Peer>> = {
  webp: {
    name: "@jsquash/webp",
    script: "@jsquash/webp/codec/dec/webp_dec.js",
    wasm: "@jsquash/webp/codec/dec/webp_dec.wasm",
    decoder: (module) => (bytes, maxPixels) =>
      openWebp(bytes, maxPixels, (file) =>
        guarded("webp", () => {
          const decoded = (module as WebpModule).decode(file); // the shape of the package's exports
          if (decoded === null) throw badImage("libwebp does not decode the file");
          return decoded;
        }),
      ),
  },
  jpeg2000: {
    name: "@cornerstonejs/codec-openjpeg",
    script: "@cornerstonejs/codec-openjpeg/decodewasmjs",
    wasm: "@cornerstonejs/codec-openjpeg/decodewasm",
    decoder: (module) => (bytes, maxPixels) =>
      openJpeg2000(bytes, maxPixels, (file) =>
        guarded("jpeg2000", () => {
          const decoder = new (module as OpenJpegModule).J2KDecoder(); // the shape of the package's exports
          try {
            decoder.getEncodedBuffer(file.length).set(file);
            decoder.decode();
            const { width, height, bitsPerSample: bits, componentCount: components, isSigned } = decoder.getFrameInfo();
            return { data: decoder.getDecodedBuffer().slice(), width, height, components, bits, isSigned };
          } finally {
            decoder.delete();
          }
        }),
      ),
  },
};

/** Decoders that are there: a cache of loaded code, which two callers may share; and the factories that pages handed in. */
const loaded = new Map<PeerFormat, Decoder>();
const factories = new Map<PeerFormat, ModuleFactory>();

/** The decoder of a format, where it has been loaded. */
export function peerDecoder(format: PeerFormat): Decoder | undefined {
  return loaded.get(format);
}

/** What to do about a decoder that is not there. */
export function missingPeer(format: PeerFormat): OpwiseError {
  const { name } = PEERS[format];
  return new OpwiseError("unsupported-format", `no decoder for ${format} is loaded`, {
    hint: `install \`${name}\`; in a page, hand its module to \`loadDecoder("${format}", …)\``,
  });
}

/**
 * Makes a format's decoder ready, once. Under Node the package is found by itself; elsewhere `factory` is its module's function.
 * @throws unsupported-format where the package is not installed
 */
export async function loadDecoder(format: PeerFormat, factory?: ModuleFactory): Promise<void> {
  if (loaded.has(format)) return;
  const peer = PEERS[format];
  const silent = { print: () => undefined, printErr: () => undefined };
  if (factory !== undefined) factories.set(format, factory);
  const given = factories.get(format);
  let module: unknown;
  try {
    module = given === undefined ? await (await installedFactory(peer.script))({ ...silent, wasmBinary: (await import("../bytes/file.ts")).readPackageFile(peer.wasm) }) : await given(silent);
  } catch (cause) {
    throw new OpwiseError("unsupported-format", `no decoder for ${format} can be loaded`, { hint: missingPeer(format).hint, cause });
  }
  loaded.set(format, peer.decoder(module));
}

async function installedFactory(script: string): Promise<ModuleFactory> {
  const { default: factory } = (await import(/* @vite-ignore */ script)) as { readonly default: ModuleFactory }; // both packages export it so
  return factory;
}
