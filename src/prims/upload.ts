/** Brings storages to a backend. */

import { OpwiseError } from "../tensor/error.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Buffer, ByteSource, Storage } from "../tensor/storage.ts";
import type { Backend } from "./backend.ts";

/** The device copy of a storage, made now: straight from its file where both sides can, else from its host bytes. @throws as reading it does; would-block */
export function uploaded(backend: Backend, storage: Storage, dtype: DType): Buffer {
  const fill = storage.unread?.fill;
  const reserved = fill === undefined ? undefined : backend.reserve?.(storage.nbytes, dtype, storage);
  if (fill === undefined || reserved === undefined) {
    const buffer = backend.upload(storage.bytes(), dtype, storage);
    storage.cacheOnDevice(backend, buffer);
    return buffer;
  }
  try {
    fill(reserved.bytes());
  } catch (error) {
    backend.release(reserved.buffer);
    throw error;
  }
  storage.cacheOnDevice(backend, reserved.buffer);
  return reserved.buffer;
}

/** As `uploaded`, of what has to be waited for; the pieces go to the device as they come. */
export async function streamed(backend: Backend, storage: Storage, dtype: DType, source: ByteSource): Promise<void> {
  const { stream } = source;
  const reserved = stream === undefined ? undefined : backend.reserve?.(storage.nbytes, dtype, storage);
  if (stream === undefined || reserved === undefined) return storage.sync();
  const { buffer, bytes } = reserved;
  let at = 0;
  try {
    await stream((piece) => {
      if (at + piece.length > storage.nbytes) throw new OpwiseError("internal", `a source gave more than its ${storage.nbytes} bytes`);
      bytes().set(piece, at);
      at += piece.length;
    });
    if (at < storage.nbytes) throw new OpwiseError("truncated", `a storage of ${storage.nbytes} bytes has only ${at}`);
  } catch (error) {
    backend.release(buffer);
    throw error;
  }
  storage.cacheOnDevice(backend, buffer);
}

/** As `uploaded`, while the caller goes on. */
export async function uploadedLater(backend: Backend, storage: Storage, fill: (target: Uint8Array) => Promise<void>): Promise<void> {
  const received = backend.receive?.(storage, fill);
  if (received === undefined) return;
  storage.cacheOnDevice(backend, received.buffer);
  try {
    await received.arrived;
  } catch (error) {
    if (storage.bufferOn(backend) === received.buffer) storage.dropDevice();
    throw error;
  }
}
