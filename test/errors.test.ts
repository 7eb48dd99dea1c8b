/** Every error code has its section in docs/errors.md, and no section is about a code that is gone. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

test("docs/errors.md explains every error code once", () => {
  const union = /export type ErrorCode =([^;]+);/.exec(read("src/tensor/error.ts"))?.[1] ?? "";
  const codes = [...union.matchAll(/"([^"]+)"/g)].map((match) => match[1]);
  const sections = [...read("docs/errors.md").matchAll(/^### `([^`]+)`$/gm)].map((match) => match[1]);
  expect(codes.length).toBeGreaterThan(30);
  expect(new Set(sections)).toEqual(new Set(codes));
  expect(sections).toHaveLength(codes.length);
});
