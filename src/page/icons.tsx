/** Icons as paths of a 16 × 16 square. */

import type { JSX } from "preact";

const PATHS = {
  back: "M11.5 3v10L4.5 8z M3 3h1.5v10H3z",
  forward: "M4.5 3v10l7-5z M11.5 3H13v10h-1.5z",
  start: "M13 3v10L7.5 8z M8 3v10L2.5 8z",
  end: "M3 3v10l5.5-5z M8 3v10l5.5-5z",
  into: "M7.25 1.5h1.5v5.8l2-2 1.05 1.05L8 10.15 4.2 6.35 5.25 5.3l2 2z M8 11.6a1.7 1.7 0 110 3.4 1.7 1.7 0 010-3.4z",
  out: "M8 1.4l3.8 3.8-1.05 1.05-2-2V10h-1.5V4.25l-2 2L4.2 5.2z M8 11.6a1.7 1.7 0 110 3.4 1.7 1.7 0 010-3.4z",
  list: "M2 3h2v2H2zM6 3h8v2H6zM2 7h2v2H2zM6 7h8v2H6zM2 11h2v2H2zM6 11h8v2H6z",
  graph: "M6 1h4v4H8.75v2H13v4h-1.25v0H13v4H9v-4h2.5V8.25h-7V11H7v4H3v-4h.99V7h3.26V5H6z",
  theme: "M8 1.5a6.5 6.5 0 100 13 6.5 6.5 0 000-13zM8 3v10A5 5 0 018 3z",
  help: "M8 1.5a6.5 6.5 0 100 13 6.5 6.5 0 000-13zM7.2 11.6h1.6V13H7.2zm.05-1.2c0-2.3 1.95-2.2 1.95-3.7 0-.8-.5-1.2-1.2-1.2s-1.2.5-1.25 1.3H5.2C5.3 5 6.4 4 8 4s2.7 1 2.7 2.6c0 2-1.95 2.2-1.95 3.8z",
  open: "M1.5 3h4.7l1.3 1.5h7V13h-13z",
} as const;

export function Icon({ name }: { readonly name: keyof typeof PATHS }): JSX.Element {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark(): JSX.Element {
  return (
    <svg viewBox="0 0 20 20" aria-hidden="true" focusable="false" fill="none" stroke="currentColor" stroke-width="2">
      <path d="M5 2v16M5 6c0 4 8 2 8 6v6" />
      <circle cx="5" cy="5" r="2.4" fill="currentColor" />
      <circle cx="13" cy="13" r="2.4" fill="currentColor" />
    </svg>
  );
}

/** The triangle of a row that opens. */
export function Twisty({ isOpen }: { readonly isOpen: boolean }): JSX.Element {
  return (
    <svg viewBox="0 0 10 10" class={isOpen ? "open" : ""} aria-hidden="true" focusable="false">
      <path d="M2.5 0.8v8.4L8.5 5z" />
    </svg>
  );
}
