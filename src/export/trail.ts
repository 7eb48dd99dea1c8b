/** What may change while a model runs, recorded so that a branch can be undone, and its effects merged with another's. */

import type { Datum, Dict, Instance, List } from "../ir/datum.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { OnnxValue } from "./graph.ts";
import { isOpenItems, type SymList, type SymStorage, type SymTensor } from "./values.ts";

/** A place that can be written. */
export type Place =
  | { readonly kind: "storage"; readonly target: SymStorage }
  | { readonly kind: "slot"; readonly target: Instance; readonly slot: number }
  | { readonly kind: "list"; readonly target: List }
  | { readonly kind: "dict"; readonly target: Dict }
  | { readonly kind: "columns"; readonly target: SymList }
  | { readonly kind: "tensor"; readonly target: SymTensor };

/** What a place holds. */
export type State =
  | { readonly kind: "storage"; readonly value: OnnxValue | undefined; readonly known: Tensor | undefined }
  | { readonly kind: "slot"; readonly value: Datum | undefined }
  | { readonly kind: "list"; readonly items: readonly Datum[] }
  | { readonly kind: "dict"; readonly entries: ReadonlyMap<unknown, [Datum, Datum]> }
  | { readonly kind: "columns"; readonly columns: readonly OnnxValue[] }
  | { readonly kind: "tensor"; readonly fields: Pick<SymTensor, "meta" | "dims" | "roots" | "storage" | "view"> };

export function stateOf(place: Place): State {
  switch (place.kind) {
    case "storage":
      return { kind: "storage", value: place.target.value, known: place.target.known };
    case "slot":
      return { kind: "slot", value: place.target.slots[place.slot] };
    case "list":
      return { kind: "list", items: isOpenItems(place.target.items) ? place.target.items : [...place.target.items] };
    case "dict":
      return { kind: "dict", entries: new Map(place.target.entries) };
    case "columns":
      return { kind: "columns", columns: place.target.columns };
    case "tensor": {
      const { meta, dims, roots, storage, view } = place.target;
      return { kind: "tensor", fields: { meta, dims, roots, storage, view } };
    }
    default:
      return place satisfies never;
  }
}

export function setState(place: Place, state: State): void {
  if (place.kind === "storage" && state.kind === "storage") {
    place.target.value = state.value;
    place.target.known = state.known;
    place.target.version = nextVersion++;
  } else if (place.kind === "slot" && state.kind === "slot") place.target.slots[place.slot] = state.value;
  else if (place.kind === "list" && state.kind === "list") place.target.items = isOpenItems(state.items) ? (state.items as Datum[]) : [...state.items]; // open items are the list's own array
  else if (place.kind === "dict" && state.kind === "dict") place.target.entries = new Map(state.entries);
  else if (place.kind === "columns" && state.kind === "columns") place.target.columns = state.columns;
  else if (place.kind === "tensor" && state.kind === "tensor") {
    Object.assign(place.target, state.fields);
    place.target.cached = undefined;
    place.target.cachedKnown = undefined;
  }
}

/** Versions never come twice, so that what was cached in an undone branch is not taken for current. */
let nextVersion = 1;
export function newVersion(): number {
  return nextVersion++;
}

export interface Touched {
  readonly place: Place;
  readonly before: State;
}

interface Level {
  readonly touched: Map<object, Map<number, Touched>>;
  readonly start: number;
}

export class Trail {
  readonly #levels: Level[] = [];
  readonly #born = new WeakMap<object, number>();
  #clock = 1;

  /** Marks an object as made now. */
  born(object: object): void {
    if (!this.#born.has(object)) this.#born.set(object, this.#clock++);
  }
  #isOlder(object: object, than: number): boolean {
    const at = this.#born.get(object);
    return at === undefined || at < than;
  }

  /** To be called before the place is written. */
  touch(place: Place): void {
    const level = this.#levels[this.#levels.length - 1];
    if (level === undefined) return;
    let slots = level.touched.get(place.target);
    if (slots === undefined) level.touched.set(place.target, (slots = new Map<number, Touched>()));
    const slot = place.kind === "slot" ? place.slot : -1;
    if (!slots.has(slot)) slots.set(slot, { place, before: stateOf(place) });
  }

  get depth(): number {
    return this.#levels.length;
  }
  /** Keeps what all levels inside the depth wrote. */
  keepTo(depth: number): void {
    while (this.#levels.length > depth) this.keep();
  }
  /** Undoes what all levels inside the depth wrote. */
  undoTo(depth: number): void {
    while (this.#levels.length > depth) this.undo();
  }

  enter(): void {
    this.#levels.push({ touched: new Map(), start: this.#clock++ });
  }

  /** Places older than the level that were written in it. */
  effects(): Touched[] {
    const level = this.#levels[this.#levels.length - 1];
    if (level === undefined) return [];
    return [...level.touched.values()].flatMap((slots) => [...slots.values()]).filter((t) => this.#isOlder(t.place.target, level.start));
  }

  /** Ends the level and undoes what was written in it. */
  undo(): void {
    const level = this.#levels.pop();
    for (const slots of level?.touched.values() ?? []) for (const { place, before } of slots.values()) setState(place, before);
  }

  /** Ends the level and keeps what was written in it. */
  keep(): void {
    const level = this.#levels.pop();
    const outer = this.#levels[this.#levels.length - 1];
    if (level === undefined || outer === undefined) return;
    for (const [target, slots] of level.touched) {
      let own = outer.touched.get(target);
      if (own === undefined) outer.touched.set(target, (own = new Map<number, Touched>()));
      for (const [slot, touched] of slots) if (!own.has(slot)) own.set(slot, touched);
    }
  }
}
