/** What a case gives back to the runner. */

export interface Failure {
  /** Call number, op or stage. */
  readonly where: string;
  readonly reason: string;
  /** Ops that this build lacks. */
  readonly missing?: readonly string[];
}
export interface Outcome {
  readonly name: string;
  readonly callsPassed: number;
  readonly callsFailed: number;
  readonly failures: readonly Failure[];
}
