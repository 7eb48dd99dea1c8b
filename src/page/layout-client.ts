/** The page's side of the layout worker. A question replaces the one of its kind that is still open. */

import type { Answer, Question } from "./layout-worker.ts";
import type { GraphPlaces, GraphQuestion } from "./graph-question.ts";
import type { Lanes, Stays } from "./lanes.ts";

/** A worker by its file; in a report, which is one file, by the text that stands in it. */
export function startWorker(name: "layout" | "runtime"): Worker {
  const inside = document.getElementById(`worker-${name}`)?.textContent;
  if (inside === undefined || inside === null) return new Worker(`${name}.js`, name === "runtime" ? { type: "module" } : {});
  return new Worker(URL.createObjectURL(new Blob([inside], { type: "text/javascript" })));
}

let worker: Worker | undefined;
let ids = 0;
const waiting = new Map<string, { readonly id: number; readonly take: (answer: Answer) => void }>();

function ask(question: Question, take: (answer: Answer) => void): void {
  if (worker === undefined) {
    worker = startWorker("layout");
    worker.addEventListener("message", (event: MessageEvent<Answer>) => {
      for (const [kind, open] of waiting) {
        if (open.id !== event.data.id) continue;
        waiting.delete(kind);
        open.take(event.data);
      }
    });
  }
  waiting.set(question.kind, { id: question.id, take });
  worker.postMessage(question, []);
}

export function askLanes(stays: Stays, rows: number, take: (lanes: Lanes) => void): void {
  ask({ id: ++ids, kind: "lanes", from: stays.from, to: stays.to, rows }, (answer) => {
    if (answer.kind === "lanes") take(answer.lanes);
  });
}

export function askGraph(graph: GraphQuestion, take: (places: GraphPlaces | undefined) => void): void {
  ask({ id: ++ids, kind: "graph", graph }, (answer) => take(answer.kind === "graph" ? answer.places : undefined));
}
