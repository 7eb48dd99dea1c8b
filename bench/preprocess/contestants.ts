/** Each way from a JPEG file to 224 x 224 RGB pixels, by name. Packages that opwise is compared with come from a folder of their own. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { decodeImage, preprocess } from "../../src/preprocess/index.ts";

export const SIDE = 224;

/** Pixels of the result, RGB or RGBA, rows from the top. */
export type Contestant = (file: string) => Promise<Uint8Array>;

/** What we call of the other packages. */
interface SharpPipeline {
  resize(width: number, height: number, options: object): SharpPipeline;
  removeAlpha(): SharpPipeline;
  raw(): SharpPipeline;
  jpeg(options: object): SharpPipeline;
  toBuffer(options: {
    readonly resolveWithObject: true;
  }): Promise<{ readonly data: Buffer; readonly info: { readonly width: number; readonly height: number; readonly channels: number } }>;
  toFile(path: string): Promise<unknown>;
}
export type Sharp = ((input: string | Buffer, options?: object) => SharpPipeline) & { concurrency(threads: number): void; cache(on: boolean): void };
interface Jimp {
  read(data: Buffer): Promise<{ resize(options: object): { readonly bitmap: { readonly data: Buffer } } }>;
}
interface ImageJs {
  decode(data: Uint8Array): { resize(options: object): { getRawImage(): { readonly data: Uint8Array } } };
}

async function load<T>(folder: string, name: string): Promise<T> {
  const path = createRequire(join(folder, "package.json")).resolve(name);
  return (await import(pathToFileURL(path).href)) as T; // the caller says what it uses of the package
}

export async function sharpOf(folder: string): Promise<Sharp> {
  const { default: sharp } = await load<{ readonly default: Sharp }>(folder, "sharp");
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}

const bytesOf = (file: string): Uint8Array => new Uint8Array(readFileSync(file));
const OURS = [{ op: "Resize", size: [SIDE, SIDE] }, { op: "PILToTensor" }] as const;

/** The contestants, made when asked for. */
export const CONTESTANTS: Readonly<Record<string, (folder: string) => Promise<Contestant>>> = {
  "sharp, full decode": async (folder) => {
    const sharp = await sharpOf(folder);
    return async (file) => {
      const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
      const small = sharp(data, { raw: info }).resize(SIDE, SIDE, { fit: "fill", kernel: "linear" });
      return (await small.raw().toBuffer({ resolveWithObject: true })).data;
    };
  },
  opwise: async () => async (file) => {
    const { tensor } = await preprocess(bytesOf(file), OURS);
    return tensor.data as Uint8Array; // uint8 by the pipeline
  },
  "opwise, without WebAssembly": async () => async (file) => {
    const { tensor } = await preprocess(bytesOf(file), OURS, { wasm: false });
    return tensor.data as Uint8Array; // uint8 by the pipeline
  },
  "opwise, decode only": async () => async (file) => decodeImage(bytesOf(file)).data as Uint8Array, // RGB has bytes
  jimp: async (folder) => {
    const { Jimp, ResizeStrategy } = await load<{ readonly Jimp: Jimp; readonly ResizeStrategy: { readonly BILINEAR: string } }>(folder, "jimp");
    return async (file) => (await Jimp.read(readFileSync(file))).resize({ w: SIDE, h: SIDE, mode: ResizeStrategy.BILINEAR }).bitmap.data;
  },
  "image-js": async (folder) => {
    const images = await load<ImageJs>(folder, "image-js");
    return async (file) => images.decode(bytesOf(file)).resize({ width: SIDE, height: SIDE, interpolationType: "bilinear" }).getRawImage().data;
  },
};
