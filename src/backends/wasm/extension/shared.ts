/** The rest of the backend, as `toolts` hands it over before anything else here runs. */

export type Toolkit = typeof import("../toolkit.ts");

export let kit: Toolkit;

export function share(toolkit: Toolkit): void {
  kit = toolkit;
}
