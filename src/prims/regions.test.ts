import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { REGIONS } from "./regions.ts";

const OPS = join(import.meta.dirname, "../ops");

it("every region that an op names is documented", () => {
  const files = readdirSync(OPS, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const named = files.flatMap((file) => [...readFileSync(join(OPS, file), "utf8").matchAll(/kind: "region", name: "(\w+)"/g)].map((match) => match[1] ?? ""));
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((name) => !(name in REGIONS))).toEqual([]);
});
