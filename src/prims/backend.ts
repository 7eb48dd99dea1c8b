/** What a backend answers. It knows calls and the regions it claims, never an op. */

import type { Buffer, Device, Storage } from "../tensor/storage.ts";
import type { DType } from "../tensor/dtype.ts";
import type { View } from "../tensor/tensor.ts";
import type { Call, MapCall, Region } from "./call.ts";
import type { Executable, Segment } from "./segment.ts";

/** A backend's answer to "can you do this?": yes (`undefined`), or the reason why not, for `session.placement()`. */
export type Refusal = string | undefined;

export interface Backend extends Device {
  readonly limits: {
    /** Bytes that one buffer may have. */
    readonly maxBytes: number;
  };
  /** Bytes on the host are this backend's memory (cpu): nothing is ever moved. */
  readonly onHost: boolean;
  /** A device copy of `bytes` (host layout, elements of `dtype`). Called with a storage's whole bytes. */
  upload(bytes: Uint8Array, dtype: DType, storage: Storage): Buffer;
  /**
   * Memory of a storage's bytes that are written before anything reads it: a file's bytes go there without a copy on the host. `bytes()` is that memory as the host sees it,
   * to be asked for again after anything else was made.
   */
  reserve?(nbytes: number, dtype: DType, storage: Storage): { readonly buffer: Buffer; readonly bytes: () => Uint8Array };
  /**
   * Memory of a storage's bytes that `fill` brings while the caller goes on. The copy may be used at once: what reads it before it has arrived waits for its bytes, or
   * reads them itself.
   */
  receive?(storage: Storage, fill: (target: Uint8Array) => Promise<void>): { readonly buffer: Buffer; readonly arrived: Promise<void> };
  /** About so many bytes will be reserved next: their memory may be made in one go. */
  expect?(nbytes: number): void;
  /** A device copy of zeros, where that is cheaper than an upload of them. */
  blank?(nbytes: number, dtype: DType): Buffer;
  /** Whether `run` wants this operand's host bytes rather than a device copy (indices, sizes). */
  readsOnHost(what: Call | Region, operand: View): boolean;
  /** The reason why the call cannot run here, or undefined. Cheap; asked before every call. */
  refuses(what: Call | Region): Refusal;
  /**
   * Runs a call or a claimed region: reads operands' device buffers, ends each result with `storage.deviceWritten`. `host` is the cpu, for what a
   * kernel wants computed beforehand (coordinates). @throws on failed checks
   */
  run(what: Call | Region, host: Backend): void;
  /**
   * Compiles a straight line of calls, or says why it runs them one by one. Where there is no such function, nothing is planned.
   * A compiled segment gives the very bits that its calls give one by one.
   */
  compile?(segment: Segment): Executable | string;
  /** Loads kernels of calls that most models do not make. Where it has not been asked for, such calls are refused. */
  extend?(): Promise<void>;
  /** Whether one map gives the same bits as those that it was joined from. */
  joins?(parts: readonly MapCall[], joined: MapCall): boolean;
  /** Buffers alive now, and their bytes; tests hold this flat. */
  live(): { readonly buffers: number; readonly bytes: number };
  dispose(): void;
}
