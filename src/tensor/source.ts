/** A re-readable run of bytes: a file, a URL, a Blob or bytes in memory. `bytes/source.ts` makes them. */

/** Byte range `[offset, offset + length)` of a source. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

export interface Source {
  /** What the user called it, for messages. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /** All bytes, where they lie in memory already. */
  readonly memory?: Uint8Array;
  /** The bytes of `range`, as a view where they already lie in memory. Never more than asked. @throws truncated, io-error */
  read(range: Range): Uint8Array | Promise<Uint8Array>;
  /** As `read`, at once, where the source can. */
  readSync?(range: Range): Uint8Array;
  /** As `readSync`, into memory that is there already and as long as the range: nothing of a large range is held twice. */
  readIntoSync?(range: Range, target: Uint8Array): void;
  /**
   * As `readIntoSync`, on a thread of the platform's while the caller goes on; ranges that are asked for together are read in one go. `target` is the source's until
   * the promise settles.
   */
  readonly readLater?: ((range: Range, target: Uint8Array) => Promise<void>) | undefined;
  /** Hands the bytes of `range` over in order, in pieces as they come; `take` may not keep them. For sources that cannot be read at once. */
  stream?(range: Range, take: (piece: Uint8Array) => void): Promise<void>;
  /** A source next to this one (external data of an ONNX file). `path` is relative and has been checked. */
  sibling?(path: string): Source | Promise<Source>;
}
