import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OpwiseError } from "../tensor/error.ts";
import { bisectExit, exitOf, junitXml, markdownTable, resultJson, sarif, textTable } from "./results.ts";

describe("results for machines", () => {
  it("give each kind of error the exit code of the table, and git bisect a skip where nothing was decided", () => {
    const codes = (["unsupported-op", "bad-argument", "no-match", "step-limit", "model-raised", "bad-zip", "truncated"] as const).map((code) =>
      exitOf(new OpwiseError(code, "")),
    );
    expect(codes).toEqual([3, 2, 7, 5, 1, 4, 4]);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(bisectExit)).toEqual([0, 1, 2, 125, 125, 125, 125, 125]);
  });

  it("write XML that no text breaks", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const xml = junitXml([{ name: text, cases: [{ classname: text, name: text, failure: { message: text, text } }] }]);
        expect(xml.split("\n").filter((line) => line.includes("<testcase"))).toHaveLength(1);
        const attribute = /classname="([^"]*)"/.exec(xml)?.[1] ?? "";
        expect(attribute).not.toMatch(/[<>"\n]|&(?!(?:amp|lt|gt|quot|#10|#9);)/);
      }),
    );
    expect(
      junitXml([
        {
          name: "s",
          cases: [
            { classname: "m", name: "a" },
            { classname: "m", name: "b", skipped: "no" },
          ],
        },
      ]),
    ).toContain('tests="2" failures="0" skipped="1"');
  });

  it("put findings on lines as SARIF has them", () => {
    const text = sarif(
      [{ rule: "check/failed", level: "error", message: "m", place: { file: "a b/model.py", line: 3 }, node: "#1 aten::add", module: "enc" }],
      { name: "opwise", version: "1" },
    );
    expect(JSON.parse(text)).toMatchObject({
      version: "2.1.0",
      runs: [
        {
          tool: { driver: { rules: [{ id: "check/failed" }] } },
          results: [{ ruleIndex: 0, locations: [{ physicalLocation: { artifactLocation: { uri: "a%20b/model.py" }, region: { startLine: 3 } } }] }],
        },
      ],
    });
  });

  it("keep tables in shape", () => {
    expect(markdownTable(["a", "b"], [["x|y", "l1\nl2"]])).toBe("| a | b |\n|---|---|\n| x\\|y | l1 l2 |");
    expect(
      textTable(
        [
          ["a", "10"],
          ["long", "7"],
        ],
        [1],
      ),
    ).toBe("a     10\nlong   7");
    expect(JSON.parse(resultJson({ a: 5n, b: NaN, c: Infinity }))).toEqual({ a: "5", b: "NaN", c: "Infinity" });
  });
});
