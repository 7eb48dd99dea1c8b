/** The PyTorch side as a process: requests out, frames in. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Readable, Writable } from "node:stream";
import type { DType } from "../../src/tensor/dtype.ts";

const SCRIPT = fileURLToPath(new URL("./reference.py", import.meta.url));

/** A tensor in a frame: its storage by number, the rest in elements. */
export interface FrameTensor {
  readonly tensor: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}
export type FrameValue =
  | FrameTensor
  | { readonly none: true }
  | { readonly bool: boolean }
  | { readonly int: string }
  | { readonly float: string }
  | { readonly complex: readonly [string, string] }
  | { readonly str: string }
  | { readonly list: readonly FrameValue[] };

/** One call with what PyTorch gave for it. */
export interface Sample {
  /** Its place in the series, for starting again behind it. */
  readonly at: number;
  readonly variant: string;
  readonly note: string;
  /** Why no archive can hold it; the other fields are missing then. */
  readonly unfit?: string;
  /** PyTorch itself makes no archive of it. */
  readonly noArchive?: boolean;
  readonly method?: string;
  readonly archive?: number;
  readonly args?: readonly FrameValue[];
  readonly kwargs?: Readonly<Record<string, FrameValue>>;
  readonly returns?: FrameValue;
  readonly raises?: { readonly type: string; readonly message: string };
  /** Arguments that the call changed, by place. */
  readonly after?: Readonly<Record<string, FrameTensor>>;
  readonly random?: boolean;
  readonly shapeOnly?: boolean;
  /** Of changed arguments only dtypes and shapes count: their values are not unique. */
  readonly afterShapeOnly?: boolean;
  /** For each tensor of the result: its largest distance from the same call in double precision. */
  readonly noise?: readonly number[] | null;
}

/** Samples, and the bytes that they name. */
export interface Frame {
  readonly samples: readonly Sample[];
  readonly archives: readonly Uint8Array[];
  readonly storages: readonly Uint8Array[];
  readonly last: boolean;
  /** The database's own generator failed. */
  readonly broken: string | undefined;
}

export interface Entry {
  readonly name: string;
  readonly dtypes: readonly string[];
  readonly errors: boolean;
}

export interface SeriesRequest {
  readonly kind: "ops" | "modules";
  readonly entry: number;
  readonly dtype: string;
  readonly variants: readonly string[];
  readonly start: number;
  readonly noise: boolean;
}

interface RawFrame {
  readonly message: Readonly<Record<string, unknown>>;
  readonly data: Uint8Array;
}

export class Reference {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  #buffer: Buffer[] = [];
  #size = 0;
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(python: string) {
    this.#process = spawn(python, ["-W", "ignore", SCRIPT], { stdio: ["pipe", "pipe", "ignore"], env: { ...process.env, OMP_NUM_THREADS: "1" } });
    this.#process.stdout.on("data", (chunk: Buffer) => {
      this.#buffer.push(chunk);
      this.#size += chunk.length;
      this.#wake?.();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake?.();
    };
    this.#process.stdout.on("end", end);
    this.#process.on("error", end);
    this.#process.stdin.on("error", end);
  }

  get alive(): boolean {
    return !this.#ended;
  }

  kill(): void {
    this.#ended = true;
    this.#process.kill("SIGKILL");
  }

  /** Entries of a database, and the version of PyTorch. */
  async list(kind: "ops" | "modules"): Promise<{ readonly torch: string; readonly entries: readonly Entry[] }> {
    this.#write(`${JSON.stringify({ list: kind })}\n`);
    const { message } = await this.#frame();
    return message as unknown as { torch: string; entries: Entry[] }; // written by reference.py
  }

  /** Frames of a series, each asked for when the one before is taken. @throws where the process ends */
  async *series(request: SeriesRequest): AsyncGenerator<Frame, void> {
    this.#write(`${JSON.stringify(request)}\n`);
    for (;;) {
      const frame = cut(await this.#frame());
      // The next frame is made while this one is looked at.
      if (!frame.last) this.#write("\n");
      yield frame;
      if (frame.last) return;
    }
  }

  #write(text: string): void {
    this.#process.stdin.write(text);
  }

  async #take(bytes: number): Promise<Buffer> {
    while (this.#size < bytes) {
      if (this.#ended) throw new Error("the Python process ended");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const all = this.#buffer.length === 1 && this.#buffer[0] !== undefined ? this.#buffer[0] : Buffer.concat(this.#buffer);
    this.#buffer = all.length > bytes ? [all.subarray(bytes)] : [];
    this.#size = all.length - bytes;
    return all.subarray(0, bytes);
  }

  async #frame(): Promise<RawFrame> {
    const head = await this.#take(16);
    const text = await this.#take(Number(head.readBigUInt64LE(0)));
    const data = await this.#take(Number(head.readBigUInt64LE(8)));
    return { message: JSON.parse(text.toString("utf8")) as RawFrame["message"], data };
  }
}

function cut(raw: RawFrame): Frame {
  const { samples, archives, storages, last, broken } = raw.message as unknown as {
    samples: Sample[];
    archives: [number, number][];
    storages: [number, number][];
    last: boolean;
    broken?: string;
  }; // written by reference.py
  const part = ([begin, end]: readonly [number, number]): Uint8Array => raw.data.subarray(begin, end);
  return { samples, archives: archives.map(part), storages: storages.map(part), last, broken };
}
