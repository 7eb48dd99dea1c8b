/** Whether an object of the session's, or the record of a tensor of its own, can have changed since it was last looked at. Contents of storages are apart: those count their writes. */

import type { Datum } from "../ir/datum.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Storage } from "../tensor/storage.ts";
import { walkData } from "./reach.ts";

export class Changes {
  #count = 0;
  #isOpen = false;

  /** Something runs, or has run, that may set attributes or change tensors. */
  happen(): void {
    this.#count++;
  }

  /** Somebody outside has objects or tensors of the session's, and may change them at any time from now on. */
  handOut(): void {
    this.#isOpen = true;
  }

  /** A result leaves; it may be an object of the session's, or a tensor of its own. */
  leave(value: Datum, owns: (storage: Storage) => boolean): void {
    if (value instanceof Tensor) {
      if (owns(value.storage)) this.handOut();
      return;
    }
    if (typeof value !== "object") return;
    walkData([value], (part) => {
      if (part instanceof Tensor ? owns(part.storage) : part.kind === "instance") this.handOut();
    });
  }

  /** A state with a name that is never used again after a change; undefined where nobody can tell. */
  get state(): number | undefined {
    return this.#isOpen ? undefined : this.#count;
  }
}
