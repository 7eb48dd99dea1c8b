/** Places for the nodes of a graph: dagre for what the eye can take in, lanes for anything larger. */

import * as dagre from "@dagrejs/dagre";
import { type GraphPlaces, type GraphQuestion, MAX_DAGRE } from "./graph-question.ts";
import { layLanes } from "./lanes.ts";

/** The part of dagre that is used here. */
interface DagreGraph {
  setGraph(label: Readonly<Record<string, string | number>>): void;
  setDefaultEdgeLabel(make: () => object): void;
  setNode(name: string, label: { readonly width: number; readonly height: number }): void;
  setParent(name: string, parent: string): void;
  setEdge(from: string, to: string): void;
  node(name: string): { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  edge(from: string, to: string): { readonly points?: readonly { readonly x: number; readonly y: number }[] } | undefined;
  graph(): { readonly width?: number; readonly height?: number };
}
// Its declarations name files without extensions, which the compiler does not find under `nodenext`.
const { Graph, layout } = dagre as unknown as {
  readonly Graph: new (options: { readonly compound: boolean }) => DagreGraph;
  readonly layout: (graph: DagreGraph) => void;
};

export function layGraph(question: GraphQuestion): GraphPlaces {
  return question.sizes.length <= MAX_DAGRE ? byDagre(question) : byLanes(question);
}

function byDagre({ sizes, within, isFrame, edges }: GraphQuestion): GraphPlaces {
  const graph = new Graph({ compound: true });
  graph.setGraph({ rankdir: "TB", nodesep: 26, ranksep: 30, edgesep: 12, marginx: 20, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  sizes.forEach(([width, height], i) => graph.setNode(String(i), { width, height }));
  within.forEach((frame, i) => {
    if (frame >= 0) graph.setParent(String(i), String(frame));
  });
  // dagre cannot end an edge at a frame: what enters an opened module goes to the op that takes it.
  edges.forEach(([from, to]) => {
    if (from !== to && isFrame[from] !== true && isFrame[to] !== true) graph.setEdge(String(from), String(to));
  });
  layout(graph);
  const boxes = sizes.map((_, i) => {
    const node = graph.node(String(i));
    return [node.x, node.y, node.width, node.height] as const;
  });
  const lines = edges.map(([from, to]) => {
    const edge = graph.edge(String(from), String(to));
    return (edge?.points ?? []).flatMap((point) => [point.x, point.y]);
  });
  const size = graph.graph();
  return { boxes, lines, width: size.width ?? 0, height: size.height ?? 0 };
}

const LANE = 26;
const RANK = 34;

function byLanes({ sizes, edges }: GraphQuestion): GraphPlaces {
  const last = new Int32Array(sizes.length).fill(-1);
  for (const [from, to] of edges) last[from] = Math.max(last[from] ?? -1, to);
  const makers = [...last.keys()].filter((i) => (last[i] ?? -1) > i);
  const lanes = layLanes({ from: Int32Array.from(makers), to: Int32Array.from(makers, (i) => last[i] ?? 0) }, sizes.length);
  const laneOf = new Int32Array(sizes.length);
  makers.forEach((node, i) => {
    laneOf[node] = lanes.lane[i] ?? 0;
  });
  const boxes = sizes.map(([width, height], i) => [20 + (laneOf[i] ?? 0) * LANE + width / 2, 20 + i * RANK, width, height] as const);
  const lines = edges.map(([from, to]) => {
    const x = 14 + (laneOf[from] ?? 0) * LANE;
    return [x, boxes[from]?.[1] ?? 0, x, boxes[to]?.[1] ?? 0];
  });
  return { boxes, lines, width: 40 + lanes.width * LANE + 200, height: 40 + sizes.length * RANK };
}
