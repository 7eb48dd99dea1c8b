/** Elements of fewer than eight bits as files pack them, and as memory has them: one to the byte. */

import { type DType, dtypeInfo, itemsize } from "../tensor/dtype.ts";

/** Bits per element as ONNX packs it. */
export function packedBits(dtype: DType): number {
  switch (dtype) {
    case "int4":
    case "uint4":
    case "float4_e2m1":
    case "quint4x2":
      return 4;
    case "int2":
    case "uint2":
    case "quint2x4":
      return 2;
    default:
      return itemsize(dtype) * 8;
  }
}

/** Unpacks 2- and 4-bit elements, lowest bits first, to one per byte; signed ones are sign-extended. */
export function unpackBits(dtype: DType, packed: Uint8Array, numel: number): Uint8Array {
  const bits = packedBits(dtype);
  const perByte = 8 / bits;
  const lift = 32 - bits;
  const signed = dtypeInfo(dtype).signed && dtypeInfo(dtype).class === "int";
  const out = new Uint8Array(numel);
  for (let i = 0; i < numel; i++) {
    const raised = ((packed[Math.floor(i / perByte)] ?? 0) >>> (bits * (i % perByte))) << lift;
    out[i] = signed ? raised >> lift : raised >>> lift;
  }
  return out;
}
