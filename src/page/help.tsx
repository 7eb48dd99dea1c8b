/** Keys and words, in a dialog. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { KEYS } from "./keys.ts";
import { FAMILIES } from "./palette.ts";
import { helpOpen, lettersOn } from "./state.ts";

export function Help(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = helpOpen.value;
  useEffect(() => {
    if (isOpen && dialog.current?.open === false) dialog.current.showModal();
    if (!isOpen && dialog.current?.open === true) dialog.current.close();
  }, [isOpen]);
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={() => (helpOpen.value = false)}>
      <h2 id="help-title">Keys</h2>
      <ul class="keys">
        {KEYS.map((key) => (
          <li key={key.text}>
            <span class="combo">{key.keys.map((name) => name.split("+").map((part) => <kbd key={part}>{part}</kbd>))}</span>
            <span>{key.text}</span>
          </li>
        ))}
      </ul>
      <h2 style={{ marginTop: "16px" }}>Colours of ops</h2>
      <div class="chips">
        {FAMILIES.map((family) => (
          <span key={family} class="chip" style={{ cursor: "default" }}>
            <span class="square" style={{ background: `var(--family-${family})` }} />
            {family}
          </span>
        ))}
      </div>
      <div class="dialog-foot">
        <label>
          <input type="checkbox" checked={lettersOn.value} onChange={(event) => (lettersOn.value = event.currentTarget.checked)} /> single-letter keys
        </label>
        <button type="button" class="button primary" onClick={() => (helpOpen.value = false)}>
          Close
        </button>
      </div>
    </dialog>
  );
}
