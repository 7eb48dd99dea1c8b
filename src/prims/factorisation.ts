/** What a linalg call carries: a factorisation of one matrix at a time, in double precision. A build without such ops has none of them. */

/** A row-major matrix of doubles; a vector is a column, a number a matrix of one. `im` is undefined for a real one. */
export interface HostMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly re: Float64Array;
  readonly im: Float64Array | undefined;
}

/** Values with an imaginary half or none, as a result takes them. */
export interface FactorisedValues {
  readonly re: ArrayLike<number>;
  readonly im?: ArrayLike<number> | undefined;
}

export interface Factorisation {
  /** Core axes of each operand and result: 2 for matrices, 1 for vectors, 0 for numbers. */
  readonly operands: readonly (0 | 1 | 2)[];
  readonly results: readonly (0 | 1 | 2)[];
  /** `results`: how many of them are wanted, the first ones or, where it is one, the values alone. */
  readonly run: (operands: readonly HostMatrix[], flags: Readonly<Record<string, boolean | number | string>>, results: number) => readonly FactorisedValues[];
}
