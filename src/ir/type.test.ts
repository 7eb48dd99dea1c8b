import { expect, it } from "vitest";
import { listOf, optionalOf, printType, sameType, T, tupleOf, type Type } from "./type.ts";

/** `type` put into itself `times` over. */
function grown(times: number, step: (type: Type) => Type): Type {
  let type: Type = T.Tensor;
  for (let i = 0; i < times; i++) type = step(type);
  return type;
}

it("a type may be as large as what a person writes", () => {
  const type = grown(10, (t) => tupleOf([t, t]));
  expect(printType(type)).toHaveLength(printType(grown(10, (t) => tupleOf([t, t]))).length);
  expect(
    sameType(
      type,
      grown(10, (t) => tupleOf([t, t])),
    ),
  ).toBe(true);
});

it("a type that doubles or nests without end is refused before it is printed", () => {
  for (const step of [(t: Type) => tupleOf([t, t]), (t: Type) => listOf(t), (t: Type) => optionalOf(listOf(t))]) {
    expect(() => grown(1000, step)).toThrow(expect.objectContaining({ code: "limit-exceeded" }) as Error);
  }
});
