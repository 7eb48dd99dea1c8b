/** The stream of a run: what a trace holds, what listeners get. Times apart it is the same, byte for byte, for the same inputs. */

export type Step = number;
/** `#412`: a node of the program's static graph. */
export type NodeId = number;
/** A value of the static graph: the result of a node, or an input of a block. */
export type ValueId = number;
export type StorageId = number;

/** A value as it was at some time: its storage at a version. Values without a storage (ints, lists) have only the id. */
export interface ValueRef {
  readonly value: ValueId;
  readonly storage?: StorageId;
  readonly version?: number;
}

/** How a value views its storage; strides and offset in elements. */
export interface TensorFacts {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/**
 * Statistics of one tensor (F4). Counts are of numbers: of a complex tensor both parts count, so `n` is twice its elements. min, max, absmax, mean and std
 * are over finite numbers and absent where there are none; integers and bools have no std. `bins`: see `health.ts`.
 */
export interface Health {
  readonly n: number;
  readonly nan: number;
  readonly posInf: number;
  readonly negInf: number;
  readonly zero: number;
  readonly subnormal: number;
  readonly neg: number;
  readonly min?: number;
  readonly max?: number;
  readonly mean?: number;
  readonly std?: number;
  readonly absmax?: number;
  readonly bins?: string;
}

/** Bytes of a storage in the file. `slice`: which, `from-to[,from-to]`, where the entry does not hold all of them. */
export interface BlobRef {
  readonly entry: string;
  readonly complete: boolean;
  readonly slice?: string;
}

export interface ArchivePlace {
  readonly file: string;
  readonly line: number;
  /** 1-based columns: first character, and one past the last; 0 where not known. */
  readonly start: number;
  readonly end: number;
}
export interface SourceRange {
  readonly archive?: ArchivePlace;
  /** The author's lines, innermost call first. */
  readonly author?: readonly { readonly file: string; readonly line: number; readonly text?: string | undefined; readonly function?: string | undefined }[];
}

export interface ErrorJson {
  readonly code: string;
  readonly message: string;
  readonly where?: Readonly<Record<string, string | number>>;
  readonly wanted?: string;
  readonly got?: string;
  readonly hint?: string;
}

interface At {
  readonly t: Step;
  /** Microseconds since the run began, where time is wanted. */
  readonly us?: number;
}

export type TraceEvent =
  | (At & {
      readonly k: "run";
      readonly run: number;
      readonly model: string;
      readonly backend: string;
      readonly inputs: readonly ValueRef[];
      readonly seed: string;
    })
  /** A node begins. `nth`: which of its executions, from 0. `frame`: the call it runs in. */
  | (At & {
      readonly k: "enter";
      readonly node: NodeId;
      readonly nth: number;
      readonly frame: number;
      readonly args: readonly ValueRef[];
      readonly backend: string;
      readonly planStep?: number;
    })
  | (At & {
      readonly k: "exit";
      readonly node: NodeId;
      readonly nth: number;
      readonly outs: readonly ValueRef[];
      readonly ms?: number;
      readonly gpuMs?: number;
      readonly bytes?: number;
      readonly flops?: number;
    })
  | (At & {
      readonly k: "value";
      readonly ref: ValueRef;
      readonly tensor: TensorFacts;
      readonly health?: Health;
      readonly hash?: string;
      readonly blob?: BlobRef;
    })
  | (At & { readonly k: "plain"; readonly ref: ValueRef; readonly text: string })
  /** A node has written a storage: `version` is the one it made, `through` the value it wrote by, `range` the bytes that value reaches. */
  | (At & {
      readonly k: "write";
      readonly storage: StorageId;
      readonly version: number;
      readonly node: NodeId;
      readonly through: ValueId;
      readonly range?: readonly [number, number];
    })
  | (At & { readonly k: "alloc"; readonly storage: StorageId; readonly bytes: number; readonly backend: string; readonly reuses?: StorageId })
  | (At & { readonly k: "free"; readonly storage: StorageId; readonly bytes: number; readonly backend: string })
  /** A call of a module's method or a function; pairs with `leave`. */
  | (At & {
      readonly k: "frame";
      readonly frame: number;
      readonly parent: number | null;
      readonly method: string;
      readonly module: string;
      readonly source: SourceRange;
      readonly node?: NodeId;
    })
  | (At & { readonly k: "leave"; readonly frame: number })
  | (At & {
      readonly k: "block";
      readonly node: NodeId;
      readonly block: number;
      readonly trip: number;
      readonly why: "if" | "loop" | "fork";
      readonly taken?: boolean;
    })
  /** The host wants numbers. */
  | (At & { readonly k: "read"; readonly ref: ValueRef; readonly why: "if" | "item" | "shape" | "print" | "output" })
  | (At & { readonly k: "prim"; readonly call: number; readonly kind: string; readonly of: NodeId; readonly ms?: number })
  | (At & { readonly k: "fallback"; readonly node: NodeId; readonly from: string; readonly to: string; readonly reason: string; readonly bytes: number })
  | (At & { readonly k: "rng"; readonly generator: string; readonly before: string; readonly after: string; readonly draws: number })
  | (At & { readonly k: "print"; readonly text: string })
  | (At & { readonly k: "warn"; readonly text: string })
  | (At & { readonly k: "error"; readonly node?: NodeId; readonly error: ErrorJson })
  /** The budget spoke. */
  | (At & { readonly k: "dropped"; readonly what: string; readonly count: number; readonly bytes: number });

/** The event of one kind. */
export type EventOf<K extends TraceEvent["k"]> = Extract<TraceEvent, { readonly k: K }>;

/** How much is recorded of values: nothing but structure, content hashes, health records, all numbers of those selected, all numbers. */
export type Tier = 0 | 1 | 2 | 3 | 4;
