/** Starts the page: what the address, the report or the server names is opened; else one may drop files. */

import { render } from "preact";
import { App } from "./app.tsx";
import { keepData } from "./data-overlay.ts";
import { keepErrors } from "./errors.ts";
import { keepHash } from "./hash.ts";
import { ink, keepTheme } from "./ink.ts";
import { keepKeys } from "./keys.ts";
import { openStart } from "./open-file.ts";
import { keepSearch } from "./search.ts";
import { keepLanes } from "./stays.ts";
import { effect } from "@preact/signals";

keepTheme();
effect(() => void ink.value);
keepKeys();
keepSearch();
keepLanes();
keepErrors();
keepData();
keepHash();
const app = document.getElementById("app");
if (app !== null) {
  app.replaceChildren();
  render(<App />, app);
}
openStart();
