/** What a reader may spend on a file it does not trust. Callers raise single fields: `{ ...DEFAULT_LIMITS, maxRecordBytes: 2 ** 33 }`. */

export interface Limits {
  /** Bytes of one inflated (method 8) archive record. Stored records lie in the file and are not bounded by it. */
  readonly maxRecordBytes: number;
  /** Inflated bytes per compressed byte; records that inflate to 16 MiB and less are not asked. */
  readonly maxInflateRatio: number;
  /** Entries of one archive. */
  readonly maxRecords: number;
  /** Bytes of an archive's central directory. */
  readonly maxDirectoryBytes: number;
  /** Opcodes of one pickle. */
  readonly maxPickleOps: number;
  /** Containers inside containers in a pickle's result. */
  readonly maxPickleDepth: number;
  /** Largest memo index a pickle may use. */
  readonly maxPickleMemo: number;
  /** Bytes of one pickled int. */
  readonly maxPickleIntBytes: number;
  /** Bytes of one source file of an archive's `code/`. */
  readonly maxCodeBytes: number;
  /** ONNX graphs inside graphs, and functions inside functions. */
  readonly maxNesting: number;
  /** Protobuf messages inside each other; a graph inside a graph is three of them. */
  readonly maxMessageDepth: number;
  /** Nodes of one program, all its graphs together. */
  readonly maxNodes: number;
  /** Bytes of one tensor that a loader makes in memory. */
  readonly maxTensorBytes: number;
  /** Bytes of a file that is downloaded or read whole into memory. */
  readonly maxFileBytes: number;
  /** Instructions that one `__setstate__` may take while a session is made. */
  readonly maxSetupSteps: number;
}

const MIB = 1024 * 1024;

/** Limits that every model we know of stays below by a wide margin. */
export const DEFAULT_LIMITS: Limits = {
  maxRecordBytes: 2048 * MIB,
  maxInflateRatio: 200,
  maxRecords: 1 << 18,
  maxDirectoryBytes: 64 * MIB,
  maxPickleOps: 1 << 24,
  maxPickleDepth: 1000,
  maxPickleMemo: 1 << 24,
  maxPickleIntBytes: 4096,
  maxCodeBytes: 64 * MIB,
  maxNesting: 200,
  maxMessageDepth: 300,
  maxNodes: 1_000_000,
  maxTensorBytes: 8192 * MIB,
  maxFileBytes: 8192 * MIB,
  maxSetupSteps: 10_000_000,
};

/** `DEFAULT_LIMITS` with some fields replaced. */
export function limitsWith(changes: Partial<Limits> = {}): Limits {
  return { ...DEFAULT_LIMITS, ...changes };
}
