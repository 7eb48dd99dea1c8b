/** Source and IR beside the selection. */

import type { JSX, RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { goTo } from "./actions.ts";
import { entryName, KIND, type Run } from "./run.ts";
import { inspected, place, runs, selected, tree } from "./state.ts";

/** Keeps the marked line in sight. */
function useNear(line: number): RefObject<HTMLDivElement | null> {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const now = box.current?.querySelector<HTMLElement>(".now");
    const scroller = box.current?.parentElement;
    if (now === null || now === undefined || scroller === null || scroller === undefined) return;
    if (now.offsetTop < scroller.scrollTop + 20 || now.offsetTop > scroller.scrollTop + scroller.clientHeight - 40)
      scroller.scrollTop = now.offsetTop - scroller.clientHeight / 2;
  }, [line]);
  return box;
}

export function SourcePane(): JSX.Element {
  const at = place.value;
  const run = inspected.value?.run;
  const text = at?.record === undefined ? undefined : run?.sources.get(at.record);
  const box = useNear(at?.line ?? 0);
  if (at === undefined) return <p class="empty">this row has no place in a source file</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Source">
      <div class="code" ref={box}>
        {at.python !== undefined && (
          <div class="line">
            <span class="no">↳</span>
            <span class="muted">
              {at.python}
              {at.text === undefined ? "" : `   ${at.text.trim()}`}
            </span>
          </div>
        )}
        {text === undefined ? (
          <div class="line now">
            <span class="no">{at.line}</span>
            <span>{at.record}</span>
          </div>
        ) : (
          text.split("\n").map((line, i) => (
            <div key={i} class={`line${i + 1 === at.line ? " now" : ""}`}>
              <span class="no">{i + 1}</span>
              <span>{line}</span>
            </div>
          ))
        )}
      </div>
    </div>
  );
}

/** Ops of the module around the selection, as the IR prints them. */
const IR_LINES = 400;

export function IrPane(): JSX.Element {
  const subject = inspected.value;
  const t = tree.value;
  const lines = subject === undefined ? [] : linesOf(subject.run, subject.entry);
  const box = useNear(subject?.entry ?? 0);
  if (subject === undefined || t === undefined) return <p class="empty">select a row</p>;
  const toTree = (entry: number): number => (subject.run === runs.value[1] ? t.ofB : t.ofA)[entry] ?? 0;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Graph as text">
      <div class="code" ref={box}>
        {lines.map((entry) => (
          <button key={entry} type="button" class={`line${toTree(entry) === selected.value ? " now" : ""}`} tabIndex={-1} onClick={() => goTo(toTree(entry))}>
            <span class="no">{entryName(subject.run, entry)}</span>
            <span>{subject.run.nodeFact(subject.run.node[entry] ?? -1)?.text ?? subject.run.label[entry]}</span>
          </button>
        ))}
      </div>
    </div>
  );
}

function linesOf(run: Run, entry: number): number[] {
  const isGroup = run.kind[entry] === KIND.module || run.kind[entry] === KIND.root || run.kind[entry] === KIND.trip;
  const parent = isGroup ? entry : (run.parent[entry] ?? 0);
  const children: number[] = [];
  for (let child = parent + 1; child < (run.end[parent] ?? 0); child = run.end[child] ?? child + 1) children.push(child);
  const at = Math.max(0, children.indexOf(entry));
  const from = Math.max(0, Math.min(at - IR_LINES / 2, children.length - IR_LINES));
  return children.slice(from, from + IR_LINES);
}

export function OutputPane(): JSX.Element {
  const log = runs.value[0]?.log ?? [];
  if (log.length === 0) return <p class="empty">the model printed nothing</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="What the model printed">
      <div class="code">
        {log.map((line, i) => (
          <div key={i} class="line">
            <span class="no">{line.t}</span>
            <span class={line.kind === "error" ? "bad" : line.kind === "warn" ? "warn" : ""}>{line.text}</span>
          </div>
        ))}
      </div>
    </div>
  );
}
