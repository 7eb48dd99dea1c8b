import { expect, test } from "vitest";
import { parseData } from "./data-overlay.ts";

test("a table gives a number for each selector; heads and empty lines are passed over", () => {
  expect(parseData("a.csv", 'node,ms\n#3,1.5\n"{nan>0, inf>0}",2\n\naten::add,-4e-3\n')).toEqual([
    { selector: "#3", value: 1.5 },
    { selector: "{nan>0, inf>0}", value: 2 },
    { selector: "aten::add", value: -0.004 },
  ]);
});

test("an object gives its numbers by selector", () => {
  expect(parseData("a.json", '{"#1": 2, "encoder.**": 3, "note": "x"}')).toEqual([
    { selector: "#1", value: 2 },
    { selector: "encoder.**", value: 3 },
  ]);
});

test("what holds no numbers is an error that names the file", () => {
  expect(() => parseData("a.csv", "hello\n")).toThrow("a.csv");
  expect(() => parseData("a.json", "[1]")).toThrow("a.json");
});
