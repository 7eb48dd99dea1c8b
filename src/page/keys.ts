/** Keys of the page: those of the terminal. One table serves the handler and the help. No function keys: browsers own them. */

import {
  clearSearch,
  follow,
  fold,
  goTo,
  moveRow,
  nextSide,
  openAll,
  resume,
  runTo,
  select,
  setOverlay,
  showSlice,
  step,
  stepProblem,
  toggleBreak,
  unfold,
} from "./actions.ts";
import { centre, helpOpen, inspected, lettersOn, runs, selected, showData, spoken, tree } from "./state.ts";

export interface Key {
  /** As `KeyboardEvent.key`, with `Shift+` before a letter that is shifted. */
  readonly keys: readonly string[];
  readonly text: string;
  readonly act: () => void;
}

/** Asks for a step or a node in the search box: `g` puts the sign of a node there. */
function focusSearch(text: string): void {
  const box = document.querySelector<HTMLInputElement>("#search");
  if (box === null) return;
  box.focus();
  if (text !== "") {
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  } else box.select();
}

function sliceSelected(direction: "back" | "forth"): void {
  const subject = inspected.value;
  if (subject?.value !== undefined) showSlice(subject.run, subject.value.index, direction);
}

export const KEYS: readonly Key[] = [
  { keys: ["n"], text: "step over", act: () => step("over") },
  { keys: ["i"], text: "step into", act: () => step("in") },
  { keys: ["o"], text: "step out", act: () => step("out") },
  { keys: ["c"], text: "continue to the next breakpoint", act: () => resume(1) },
  { keys: ["Shift+N"], text: "step over, backwards", act: () => step("over", -1) },
  { keys: ["Shift+I"], text: "step into, backwards", act: () => step("in", -1) },
  { keys: ["Shift+O"], text: "back to the call", act: () => step("out", -1) },
  { keys: ["Shift+C"], text: "continue, backwards", act: () => resume(-1) },
  { keys: ["b"], text: "breakpoint on or off", act: () => toggleBreak(selected.value) },
  { keys: ["Enter"], text: "run to the selected row", act: () => runTo(selected.value) },
  { keys: ["j"], text: "next row", act: () => moveRow(1) },
  { keys: ["k"], text: "previous row", act: () => moveRow(-1) },
  { keys: ["h"], text: "close, or to the parent", act: fold },
  { keys: ["l"], text: "open, or to the first child", act: unfold },
  { keys: ["Shift+L"], text: "open all", act: () => openAll(true) },
  { keys: ["Shift+H"], text: "close all", act: () => openAll(false) },
  { keys: ["<"], text: "along the edge to the maker (Alt+←)", act: () => follow("maker") },
  { keys: [">"], text: "along the edge to the user (Alt+→)", act: () => follow("user") },
  { keys: ["g"], text: "go to a node: #412", act: () => focusSearch("#") },
  { keys: ["/"], text: "search by selector", act: () => focusSearch("") },
  { keys: ["["], text: "previous problem", act: () => stepProblem(-1) },
  { keys: ["]"], text: "next problem", act: () => stepProblem(1) },
  ...[1, 2, 3, 4, 5, 6].map((n) => ({
    keys: [String(n)],
    text: ["time", "memory", "error", "NaN fate", "dtype headroom", "backend"][n - 1] ?? "",
    act: () => setOverlay(n),
  })),
  { keys: ["7"], text: "numbers from a dropped .csv or .json", act: () => setOverlay(7) },
  { keys: ["s"], text: "only what leads to the value", act: () => sliceSelected("back") },
  { keys: ["Shift+S"], text: "only what follows from it", act: () => sliceSelected("forth") },
  { keys: ["Escape"], text: "show all rows again", act: clearSearch },
  { keys: ["d"], text: "A, B, or difference", act: nextSide },
  {
    keys: ["v"],
    text: "list or graph",
    act: () => {
      centre.value = centre.value === "list" ? "graph" : "list";
    },
  },
  {
    keys: ["p"],
    text: "rows for constants and lists",
    act: () => {
      showData.value = !showData.value;
      spoken.value = `constants and lists ${showData.value ? "shown" : "hidden"}`;
    },
  },
  { keys: ["."], text: "to the inspector", act: () => document.querySelector<HTMLElement>("#inspector")?.focus() },
  {
    keys: ["?"],
    text: "this help",
    act: () => {
      helpOpen.value = !helpOpen.value;
    },
  },
];

const byKey: ReadonlyMap<string, Key> = new Map(KEYS.flatMap((key) => key.keys.map((name) => [name, key] as const)));

/** Names of the keys in a key event: `n`, `Shift+N`, `?`. */
function nameOf(event: KeyboardEvent): string {
  return event.shiftKey && /^[A-Z]$/.test(event.key) ? `Shift+${event.key}` : event.key;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.closest("input:not([type=range]), select, textarea, dialog") !== null || target.isContentEditable);
}

export function keepKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !isTyping(event.target)) document.querySelector<HTMLElement>("#execution")?.focus();
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target) || tree.value === undefined) return;
    const key = byKey.get(nameOf(event));
    if (key === undefined || runs.value.length === 0) return;
    if (!lettersOn.value && event.key !== "?" && event.key !== "Escape") return;
    // Enter belongs to whatever has the focus; the list takes it itself.
    if (event.key === "Enter") return;
    event.preventDefault();
    key.act();
  });
}

/** Selects the first row where nothing is yet. */
export function landOn(entry: number): void {
  if (entry > 0) goTo(entry);
  else select(0);
}
