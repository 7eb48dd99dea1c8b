import { describe, expect, it } from "vitest";
import type { Expr, FileAst } from "./ast.ts";
import { parseExpression, parseFile } from "./parser.ts";
import { SourceText } from "./source-text.ts";

const expression = (text: string): Expr => parseExpression(new SourceText("x", text));
const file = (text: string): FileAst => parseFile(new SourceText("code/__torch__.py", text));

/** An expression with brackets around every operation. */
function shape(expr: Expr): string {
  switch (expr.kind) {
    case "name":
      return expr.name;
    case "int":
    case "float":
    case "bool":
    case "str":
      return String(expr.value);
    case "binary":
    case "compare":
    case "logical":
      return `(${shape(expr.left)} ${expr.op} ${shape(expr.right)})`;
    case "unary":
      return `(${expr.op} ${shape(expr.value)})`;
    case "ternary":
      return `(${shape(expr.test)} ? ${shape(expr.then)} : ${shape(expr.otherwise)})`;
    case "call":
      return `${shape(expr.callee)}(${[...expr.args.map(shape), ...expr.kwargs.map((k) => `${k.name}=${shape(k.value)}`)].join(",")})`;
    case "attr":
      return `${shape(expr.base)}.${expr.name}`;
    case "tuple":
      return `<${expr.items.map(shape).join(",")}>`;
    case "list":
      return `[${expr.items.map(shape).join(",")}]`;
    default:
      return expr.kind;
  }
}

describe("expressions", () => {
  it.each([
    ["a + b * c ** d ** e", "(a + (b * (c ** (d ** e))))"],
    ["a - b - c", "((a - b) - c)"],
    ["-x ** 2", "(- (x ** 2))"],
    ["not a is not b and c not in d or e", "(((not (a is not b)) and (c not in d)) or e)"],
    ["a | b ^ c & d << 1", "(a | (b ^ (c & (d << 1))))"],
    ["a if b else c if d else e", "(b ? a : (d ? c : e))"],
    ["(s).forward(x, k=1, )", "s.forward(x,k=1)"],
    ["(1,)", "<1>"],
    ["()", "<>"],
    ['"a" "b"', "ab"],
  ])("reads %s as Python does", (text, wanted) => {
    expect(shape(expression(text))).toBe(wanted);
  });

  it.each([
    ["-9223372036854775808", -(2n ** 63n)],
    ["0x10", 16n],
    ["010", 8n],
  ])("reads the int %s", (text, value) => {
    expect(expression(text)).toMatchObject({ kind: "int", value });
  });

  it("refuses an int beyond 64 bits", () => {
    expect(() => expression("9223372036854775808")).toThrow(/64 bits/);
  });

  it("reads floats and escapes", () => {
    expect(expression("-0.")).toMatchObject({ kind: "float", value: -0 });
    expect(expression("1e-3")).toMatchObject({ kind: "float", value: 0.001 });
    expect(expression(String.raw`"\001\n\"\x"`.replace(String.raw`\x`, ""))).toMatchObject({ kind: "str", value: '\x01\n"' });
  });

  it.each(["(", "1 +", "f(a=1, 2)", "x[", "lambda x: x", "f'a'", "a b", "x[]", "'abc", "§"])("refuses %s", (text) => {
    expect(() => expression(text)).toThrow(expect.objectContaining({ code: "bad-code" }) as Error);
  });

  it.each([
    ["parentheses", `${"(".repeat(10000)}1${")".repeat(10000)}`],
    ["signs", `${"-".repeat(10000)}x`],
    ["a sum", `${"1+".repeat(10000)}1`],
    ["attributes", `x${".a".repeat(10000)}`],
    ["lists", `${"[".repeat(10000)}${"]".repeat(10000)}`],
  ])("limits the nesting of %s", (_what, text) => {
    expect(() => expression(text)).toThrow(expect.objectContaining({ code: "limit-exceeded" }) as Error);
  });
});

describe("files", () => {
  it("reads classes with annotations, constants and methods", () => {
    const { classes, functions } = file(`class A(Module):
  __parameters__ = ["w", ]
  w : Tensor
  k : Final[int] = 3
  __annotations__["0"] = __torch__.B
  def forward(self: __torch__.A,
    x: Tensor) -> Tensor:
    # a comment
    a, b, = f(x, )

    if a:
      pass
    elif b: return x
    else:
      y : int = 1
    return x
def g() -> int:
  return 1`);
    expect([...classes.keys(), ...functions.keys()]).toEqual(["A", "g"]);
    expect(classes.get("A")?.base).toBe("Module");
    expect(classes.get("A")?.members.map((m) => m.kind)).toEqual(["assign", "declare", "assign", "assign", "def"]);
  });

  it("skips what old writers put before the code", () => {
    expect(file("op_version_set = 1\nimport __torch__\ndef f(): return 1\n").functions.size).toBe(1);
  });

  it.each([
    "import os\n",
    "x = 1\n",
    "def f(:\n  pass\n",
    "class A(B:\n  pass\n",
    "def f():\n    x\n  y\n",
    "  def f(): pass\n",
    "def f():\n  try:\n    pass\n",
  ])("refuses %j", (text) => {
    expect(() => file(text)).toThrow(expect.objectContaining({ code: "bad-code" }) as Error);
  });

  it("takes lists and calls of two hundred thousand items", () => {
    expect(expression(`[${"1, ".repeat(200_000)}]`)).toMatchObject({ kind: "list", depth: 2 });
    expect(expression(`f(${"x, ".repeat(200_000)})`)).toMatchObject({ kind: "call", depth: 2 });
  });

  it("limits the nesting of blocks", () => {
    const text = `def f():\n${Array.from({ length: 1000 }, (_, i) => `${"  ".repeat(i + 1)}if x:\n`).join("")}${"  ".repeat(1001)}pass\n`;
    expect(() => file(text)).toThrow(expect.objectContaining({ code: "limit-exceeded" }) as Error);
  });

  it("names the line of an error", () => {
    expect(() => file("def f():\n  x = 1\n  y = )\n")).toThrow(
      expect.objectContaining({ where: expect.objectContaining({ record: "code/__torch__.py", line: 3, text: "  y = )" }) as unknown }) as Error,
    );
  });

  it("counts byte offsets, which debug information is in", () => {
    const source = new SourceText("x", "# é\nab");
    expect(source.byteOffsetOf(4)).toBe(5);
    expect(source.lineOf(4)).toBe(2);
  });
});
