/** Layout off the main thread: lanes of the list, and node places of the graph. One answer for each question; a newer question makes older ones moot. */

import { layGraph } from "./graph-layout.ts";
import type { GraphPlaces, GraphQuestion } from "./graph-question.ts";
import { layLanes, type Lanes } from "./lanes.ts";

export type Question =
  | { readonly id: number; readonly kind: "lanes"; readonly from: Int32Array; readonly to: Int32Array; readonly rows: number }
  | { readonly id: number; readonly kind: "graph"; readonly graph: GraphQuestion };
export type Answer =
  | { readonly id: number; readonly kind: "lanes"; readonly lanes: Lanes }
  | { readonly id: number; readonly kind: "graph"; readonly places: GraphPlaces }
  | { readonly id: number; readonly kind: "failed"; readonly message: string };

function answer(question: Question): Answer {
  if (question.kind === "lanes") return { id: question.id, kind: "lanes", lanes: layLanes(question, question.rows) };
  return { id: question.id, kind: "graph", places: layGraph(question.graph) };
}

addEventListener("message", (event: MessageEvent<Question>) => {
  try {
    postMessage(answer(event.data));
  } catch (error) {
    postMessage({ id: event.data.id, kind: "failed", message: String(error) } satisfies Answer);
  }
});
