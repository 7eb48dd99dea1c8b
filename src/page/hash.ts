/** The state in the address: a link shows the same place to whoever has the same files. */

import { batch, effect } from "@preact/signals";
import { goTo } from "./actions.ts";
import { OVERLAYS, type OverlayName } from "./overlays.ts";
import { breaks, centre, open, overlay, pane, position, query, selected, showData, side, tree, type Pane, type Side } from "./state.ts";

/** Open rows that a link names; more would make no link. */
const MAX_OPEN = 80;

export function hashOfState(): string {
  const parts = new URLSearchParams();
  if (selected.value > 0) parts.set("row", String(selected.value));
  if (position.value > 0) parts.set("at", String(position.value));
  if (overlay.value !== "none") parts.set("overlay", overlay.value);
  if (side.value !== "A") parts.set("side", side.value);
  if (centre.value !== "list") parts.set("view", centre.value);
  if (pane.value !== "timeline") parts.set("pane", pane.value);
  if (showData.value) parts.set("data", "1");
  if (query.value !== "") parts.set("q", query.value);
  for (const text of breaks.value) parts.append("break", text);
  const opened = [...open.value].filter((entry) => entry > 0);
  if (opened.length > 0 && opened.length <= MAX_OPEN) parts.set("open", opened.join("."));
  return parts.toString();
}

const PANES: readonly Pane[] = ["timeline", "source", "ir", "problems", "output"];
const SIDES: readonly Side[] = ["A", "B", "difference"];

/** Takes what of a link's state fits what is open. */
export function stateOfHash(hash: string): void {
  const t = tree.value;
  if (t === undefined) return;
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const whole = (name: string): number => {
    const value = Number(parts.get(name));
    return Number.isSafeInteger(value) ? Math.max(0, Math.min(t.count, value)) : 0;
  };
  batch(() => {
    const opened = (parts.get("open") ?? "")
      .split(".")
      .map(Number)
      .filter((entry) => Number.isSafeInteger(entry) && entry > 0 && entry < t.count);
    if (opened.length > 0) open.value = new Set([0, ...opened]);
    overlay.value = OVERLAYS.find((name): name is OverlayName => name === parts.get("overlay")) ?? overlay.value;
    side.value = SIDES.find((name) => name === parts.get("side")) ?? side.value;
    pane.value = PANES.find((name) => name === parts.get("pane")) ?? pane.value;
    if (parts.get("view") === "graph") centre.value = "graph";
    if (parts.get("data") === "1") showData.value = true;
    query.value = parts.get("q") ?? "";
    breaks.value = parts.getAll("break");
    position.value = whole("at");
    if (whole("row") > 0) goTo(Math.min(whole("row"), t.count - 1));
  });
}

/** Writes the state to the address, not faster than the browser likes. */
export function keepHash(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  effect(() => {
    if (tree.value === undefined) return;
    const hash = hashOfState();
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (location.hash.replace(/^#/, "") !== hash) history.replaceState(null, "", hash === "" ? location.pathname + location.search : `#${hash}`);
    }, 250);
  });
}
