/** A border that can be moved, by pointer or by arrow keys. */

import type { JSX } from "preact";

export interface SplitterProps {
  /** The size in pixels that it sets, as a custom property of the frame. */
  readonly property: "--left" | "--right" | "--bottom";
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly initial: number;
}

export function Splitter({ property, label, min, max, initial }: SplitterProps): JSX.Element {
  const isFlat = property === "--bottom";
  const frame = (): HTMLElement | null => document.querySelector<HTMLElement>(".app");
  const now = (): number => Number.parseFloat(frame()?.style.getPropertyValue(property) ?? "") || initial;
  const set = (to: number): void => frame()?.style.setProperty(property, `${Math.max(min, Math.min(max, to))}px`);
  const sign = property === "--left" ? 1 : -1;
  return (
    <div
      role="separator"
      class={`splitter${isFlat ? " flat" : ""}`}
      tabIndex={0}
      aria-label={label}
      aria-orientation={isFlat ? "horizontal" : "vertical"}
      aria-valuemin={min}
      aria-valuemax={max}
      aria-valuenow={initial}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) set(now() + sign * (isFlat ? event.movementY : event.movementX));
      }}
      onKeyDown={(event) => {
        const by = { ArrowLeft: -16, ArrowUp: -16, ArrowRight: 16, ArrowDown: 16 }[event.key];
        if (by === undefined) return;
        event.preventDefault();
        set(now() + sign * by);
        event.currentTarget.setAttribute("aria-valuenow", String(Math.round(now())));
      }}
    />
  );
}
