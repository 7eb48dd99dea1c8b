/** Node's zlib, where this runs in Node: machine code from its first call on. Pages have nothing like it that does not wait. */

interface NodeZlib {
  /** Since Node 20.15. */
  readonly crc32?: (bytes: Uint8Array, seed?: number) => number;
  readonly inflateRawSync: (bytes: Uint8Array, options: { readonly chunkSize: number; readonly maxOutputLength: number }) => Uint8Array;
}

function find(): NodeZlib | undefined {
  if (typeof process === "undefined" || typeof process.getBuiltinModule !== "function") return undefined;
  return process.getBuiltinModule("node:zlib");
}

export const nodeZlib: NodeZlib | undefined = find();
