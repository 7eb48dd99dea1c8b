import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OpwiseError } from "./error.ts";
import { excerptOf, type TraceFrame, tracebackText } from "./traceback.ts";

const CODE = "def f(x):\n  y = g(x)\n  z = h(y,\n    x)\n  return z\n\ndef g(x):\n  pass";

describe("an excerpt", () => {
  it("marks an expression between two lines before and two after", () => {
    const start = CODE.indexOf("g(x)");
    expect(excerptOf(CODE, start, start + 4)).toBe("def f(x):\n  y = g(x)\n      ~~~~ <--- HERE\n  z = h(y,\n    x)");
  });

  it("marks each line of an expression, and says where it ends", () => {
    const start = CODE.indexOf("h(y");
    expect(excerptOf(CODE, start, CODE.indexOf("x)\n  return") + 2)).toBe(
      "def f(x):\n  y = g(x)\n  z = h(y,\n      ~~~~\n    x)\n    ~~ <--- HERE\n  return z\n",
    );
  });

  it("gives a text that is marked whole as it is", () => {
    expect(excerptOf("net.py(3): forward\n", 0, 19)).toBe("net.py(3): forward");
  });

  it("holds whatever the range is", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: -5, max: 60 }), fc.integer({ min: -5, max: 60 }), (text, start, end) => {
        const lines = excerptOf(text, start, end).split("\n");
        const plain = lines.find((line) => !/^ *~* <--- HERE$|^ *~+$/.test(line));
        // What is shown comes from the text, in order.
        expect(text.includes(plain ?? "")).toBe(true);
        expect(lines.length).toBeLessThanOrEqual(2 * text.split("\n").length + 6);
      }),
    );
  });
});

describe("a traceback", () => {
  const frame = (name: string, original: boolean): TraceFrame => ({
    function: name,
    code: { file: "code/__torch__/net.py", line: 3, text: "    y = g(x)\n        ~~~~ <--- HERE" },
    original: original ? { file: "net.py", line: 88, text: "    y = g(x)\n        ~~~~ <--- HERE" } : undefined,
  });

  it("shows the archive's code, then the author's, then the error, as PyTorch does", () => {
    expect(tracebackText([frame("forward", true), frame("g", true)], "builtins.ValueError: no")).toBe(
      [
        "The following operation failed in the TorchScript interpreter.",
        "Traceback of TorchScript, serialized code (most recent call last):",
        '  File "code/__torch__/net.py", line 3, in forward\n    y = g(x)\n        ~~~~ <--- HERE',
        '  File "code/__torch__/net.py", line 3, in g\n    y = g(x)\n        ~~~~ <--- HERE',
        "",
        "Traceback of TorchScript, original code (most recent call last):",
        '  File "net.py", line 88, in forward\n    y = g(x)\n        ~~~~ <--- HERE',
        '  File "net.py", line 88, in g\n    y = g(x)\n        ~~~~ <--- HERE',
        "builtins.ValueError: no",
      ].join("\n"),
    );
  });

  it("has one section where the archive has no debug information", () => {
    const text = tracebackText([frame("forward", false)], "RuntimeError: no");
    expect(text).toContain("Traceback of TorchScript (most recent call last):");
    expect(text).not.toContain("original");
  });

  it("grows outwards as an error passes calls, and is part of the error's report", () => {
    const inner = new OpwiseError("model-raised", "no", { raisedClass: "builtins.KeyError" }).at({ line: 3 }, [frame("g", true)]);
    const outer = inner.at({ line: 9 }, [frame("forward", true)]);
    expect(outer.trace.map((f) => f.function)).toEqual(["forward", "g"]);
    expect(outer.where.line).toBe(3);
    expect(String(outer)).toMatch(/^error\[model-raised\]: no\n[^]*\nbuiltins\.KeyError: no$/);
    expect(new OpwiseError("internal", "no").traceback).toBeUndefined();
  });
});
