/** The colours that canvases draw with, anew when the theme changes. */

import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { readInk, type Ink } from "./palette.ts";
import { theme } from "./state.ts";

const systemDark: Signal<boolean> = signal(true);

export const isDark: ReadonlySignal<boolean> = computed(() => (theme.value === "system" ? systemDark.value : theme.value === "dark"));

/** Follows the system's theme and sets the page's. */
export function keepTheme(): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  systemDark.value = dark.matches;
  dark.addEventListener("change", () => {
    systemDark.value = dark.matches;
  });
}

export const ink: ReadonlySignal<Ink> = computed(() => {
  document.documentElement.dataset["theme"] = isDark.value ? "dark" : "light";
  return readInk();
});
