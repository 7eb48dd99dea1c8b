/** Dotted paths of a session's objects. */

import type { Datum, Instance } from "../ir/datum.ts";

/** Adds the first path of each object that the root holds, parents first. */
export function namePaths(root: Datum, paths: Map<Instance, string>): void {
  const stack: [Datum | undefined, string][] = [[root, ""]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [value, path] = next;
    if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "instance" || paths.has(value)) continue;
    paths.set(value, path);
    for (let i = value.class.attributes.length - 1; i >= 0; i--) {
      const name = value.class.attributes[i]?.name ?? "";
      stack.push([value.slots[i], path === "" ? name : `${path}.${name}`]);
    }
  }
}
