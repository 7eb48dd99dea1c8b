/** What the layout worker is asked of a graph, and what it answers. */

/** Above this many nodes dagre takes seconds, and a flow chart is no help. */
export const MAX_DAGRE = 400;

export interface GraphQuestion {
  /** Width and height of each node, in pixels. */
  readonly sizes: readonly (readonly [number, number])[];
  /** Index of the frame (an opened module) that each node stands in, -1 for none. Frames are nodes too, and come before what is in them. */
  readonly within: readonly number[];
  readonly isFrame: readonly boolean[];
  readonly edges: readonly (readonly [from: number, to: number])[];
}

export interface GraphPlaces {
  /** Centre, width and height by node. */
  readonly boxes: readonly (readonly [x: number, y: number, width: number, height: number])[];
  /** Points of each edge, in pairs. */
  readonly lines: readonly (readonly number[])[];
  readonly width: number;
  readonly height: number;
}
