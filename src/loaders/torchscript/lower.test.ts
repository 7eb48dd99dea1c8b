import { describe, expect, it } from "vitest";
import { type Block, type FunctionDecl, walkNodes } from "../../ir/graph.ts";
import { printBlock } from "../../ir/printer.ts";
import { fetchSchemas, SchemaTable } from "../../ir/schema-table.ts";
import { printType, T } from "../../ir/type.ts";
import { CodeUnit } from "./code-unit.ts";
import { SourceText } from "./source-text.ts";

await fetchSchemas();

function unitOf(text: string, version = 10): CodeUnit {
  return new CodeUnit(new SchemaTable(["my::op(Tensor x, *, int k=1) -> Tensor"]), version, (record) =>
    record === "code/__torch__.py" ? new SourceText(record, text) : undefined,
  );
}

/** The graph of `f`, whose parameters and body are given. */
function lower(params: string, body: string, options: { readonly returns?: string; readonly more?: string; readonly version?: number } = {}): Block {
  const { returns = "Any", more = "", version } = options;
  const lines = body
    .trim()
    .split("\n")
    .map((line) => `  ${line}\n`)
    .join("");
  const unit = unitOf(`${more}\ndef f(${params}) -> ${returns}:\n${lines}`, version);
  const decl = unit.functionNamed("__torch__.f");
  if (decl === undefined) throw new Error("no function");
  const graph = decl.graph();
  unit.lowerAll();
  return graph;
}

function ops(block: Block): readonly string[] {
  const out: string[] = [];
  walkNodes(block, (node) => out.push(node.op));
  return out.filter((op) => op !== "prim::Constant");
}

const resultType = (block: Block): string => printType((block.outputs[0] as NonNullable<Block["outputs"][0]>).type);

describe("types", () => {
  it.each([
    ["torch.size(x)", "List[int]"],
    ["torch.topk(x, 2)", "Tuple[Tensor, Tensor]"],
    ["torch.item(x)", "number"],
    ["[1, 2]", "List[int]"],
    ["[x, None]", "List[Optional[Tensor]]"],
    ['{"a": 1.5}', "Dict[str, float]"],
    ["annotate(List[Optional[Tensor]], [])", "List[Optional[Tensor]]"],
    ["annotate(Optional[int], None)", "Optional[int]"],
    ["(1, (x, 2.), )", "Tuple[int, Tuple[Tensor, float]]"],
    ['((1, "a"))[1]', "str"],
    ["(1, 2, 3)[1:]", "Tuple[int, int]"],
    ["torch.add([1], [2])", "List[int]"],
    ["annotate(int, x)", "int"],
    ["annotate(List[List[float]], x.tolist())", "List[List[float]]"],
    ["[i * 2. for i in [1, 2]]", "List[float]"],
    ["torch.keys({1: x})", "List[int]"],
    ["1.5-2.j", "complex"],
    ["x.shape", "List[int]"],
    ["uninitialized(Tuple[int, str])", "Tuple[int, str]"],
  ])("%s is a %s", (expression, type) => {
    expect(resultType(lower("x: Tensor", `return [${expression}][0]`))).toBe(type);
  });
});

describe("control flow", () => {
  it("joins the branches of an if, with Optional where one is None", () => {
    const graph = lower("x: Tensor, b: bool", "if b:\n  y = None\nelse:\n  y = x\nreturn y");
    expect(ops(graph)).toEqual(["prim::If"]);
    expect(resultType(graph)).toBe("Optional[Tensor]");
  });

  it("carries the variables of a loop that exist before it", () => {
    const graph = lower("n: int", "t = 0\nfor i in range(n):\n  u = t + i\n  t = u\nreturn t");
    expect(graph.nodes.find((node) => node.op === "prim::Loop")?.results.map((r) => r.name)).toEqual(["t"]);
  });

  it("tests a while loop's condition before it and at the end of each trip", () => {
    expect(ops(lower("n: int", "i = 0\nwhile i < n:\n  i = i + 1\nreturn i"))).toEqual(["aten::lt.int", "prim::Loop", "aten::add.int", "aten::lt.int"]);
  });

  it("takes early returns, break and continue", () => {
    const graph = lower("n: int", "for i in range(n):\n  if i == 3:\n    continue\n  if i == 5:\n    break\n  if i == 7:\n    return i\nreturn -1", {
      returns: "int",
    });
    expect(graph.nodes.map((node) => node.op).filter((op) => op === "prim::Loop" || op === "prim::If")).toEqual(["prim::Loop", "prim::If"]);
    expect(resultType(graph)).toBe("int");
  });

  it("narrows a name by `is None` and isinstance", () => {
    expect(ops(lower("x: Optional[int]", "if x is not None and x > 2:\n  y = x + 1\nelse:\n  y = 0\nreturn y"))).toContain("prim::unchecked_cast");
    expect(ops(lower("x: Union[int, str]", "if isinstance(x, str):\n  return torch.len(x)\nelse:\n  return x + 1", { returns: "int" }))).toEqual([
      "prim::isinstance",
      "prim::If",
      "prim::unchecked_cast",
      "aten::len.str",
      "prim::unchecked_cast",
      "aten::add.int",
    ]);
  });

  it("leaves out a branch that types rule out", () => {
    expect(ops(lower("x: int", "if isinstance(x, str):\n  return torch.frobnicate(x)\nelse:\n  return x", { returns: "int" }))).toEqual([]);
  });

  it("writes a loop over a tuple out", () => {
    expect(ops(lower("x: Tensor", "t = x\nfor k in (1, 2.):\n  t = torch.mul(t, k)\nreturn t"))).toEqual(["aten::mul.Scalar", "aten::mul.Scalar"]);
  });

  it("makes a fork's body a block that sees the names around it", () => {
    const graph = lower("x: Tensor", "def body():\n  return torch.neg(x)\n_0 = fork(body)\nreturn torch.wait(_0)");
    expect(ops(graph)).toEqual(["prim::fork", "aten::neg", "aten::wait"]);
    expect(resultType(graph)).toBe("Tensor");
  });

  it("calls __enter__ and __exit__ around a with block", () => {
    const more =
      "class C:\n  n : int\n  def __enter__(self: __torch__.C) -> int:\n    return self.n\n  def __exit__(self: __torch__.C, a: Any, b: Any, c: Any) -> NoneType:\n    return None";
    expect(ops(lower("c: __torch__.C", "with c as k:\n  y = k + 1\nreturn y", { more }))).toEqual(["prim::CallMethod", "aten::add.int", "prim::CallMethod"]);
  });
});

describe("calls", () => {
  it("fills in the defaults of functions and methods", () => {
    const more = "def g(x: Tensor, k: int=3, s: Optional[str]=None) -> Tensor:\n  return torch.mul(x, k)";
    const graph = lower("x: Tensor", 'g = __torch__.g\nreturn g(x, s="a", )', { more });
    expect(graph.nodes.at(-1)).toMatchObject({ op: "prim::CallFunction", attributes: { name: { value: "__torch__.g" } } });
    expect(graph.nodes.at(-1)?.operands.map((o) => printType(o?.type ?? { kind: "None" }))).toEqual(["Tensor", "int", "str"]);
  });

  it("makes objects, named tuples and enum members", () => {
    const more = `class P(NamedTuple):
  a : int
  b : Tensor
class E(Enum):
  RED = 1
  BLUE = 2
class C:
  n : int
  def __init__(self: __torch__.C, n: int) -> NoneType:
    self.n = n
    return None`;
    const graph = lower(
      "x: Tensor",
      "p = __torch__.P(1, x)\nc = __torch__.C.__new__(__torch__.C)\n_0 = (c).__init__(2, )\ne = __torch__.E.BLUE\nreturn (p.b, c.n, (e).value, (p)[0])",
      { more },
    );
    expect(ops(graph)).toEqual([
      "prim::TupleConstruct",
      "prim::CreateObject",
      "prim::CallMethod",
      "prim::TupleIndex",
      "prim::GetAttr",
      "prim::EnumValue",
      "prim::TupleIndex",
      "prim::TupleConstruct",
    ]);
    expect(resultType(graph)).toBe("Tuple[Tensor, int, int, int]");
  });

  it("knows custom ops by the schemas of the load", () => {
    expect(ops(lower("x: Tensor", "return ops.my.op(x, k=2)"))).toEqual(["my::op"]);
  });

  it("inlines functions that have no schema", () => {
    expect(ops(lower("x: Tensor", "return torch.sub(2., x)"))).toEqual(["aten::neg", "aten::add.Scalar"]);
    expect(ops(lower("x: Tensor", "return 1 < x"))).toEqual(["aten::gt.Scalar"]);
  });

  it("gives aliases their plain name", () => {
    expect(ops(lower("x: Tensor", "return torch.true_divide(torch.ger(x, x), 2)"))).toEqual(["aten::outer", "aten::div.Scalar"]);
  });
});

describe("old versions", () => {
  it("give an operator its old meaning below its number", () => {
    expect(ops(lower("x: Tensor, y: Tensor", "return torch.div(x, y)", { version: 3 }))).toContain("aten::div.Tensor_mode");
    expect(ops(lower("x: Tensor, y: Tensor", "return torch.div(x, y)", { version: 4 }))).toEqual(["aten::div.Tensor"]);
    expect(ops(lower("x: Tensor", "return torch.gelu(x)", { version: 9 }))).toEqual(["aten::gelu"]);
  });

  it("match calls against the old schema", () => {
    expect(ops(lower("n: int", "return torch.linspace(0, 1, None, dtype=None)", { version: 7 }))).toContain("aten::linspace");
    expect(() => lower("n: int", "return torch.linspace(0, 1, None)", { version: 8 })).toThrow(/no overload/);
    expect(ops(lower("n: int", "return torch.full([2], n)", { version: 4 }))).toContain("aten::Float.Scalar");
  });
});

describe("refusals", () => {
  it.each([
    ["an undefined name", "x: Tensor", "return zzz", /undefined name `zzz`/, "bad-code"],
    ["a name with a value on one path only", "b: bool", "if b:\n  y = 1\nelse:\n  pass\nreturn y", /one branch only/, "bad-code"],
    ["a name of two types", "b: bool", 'if b:\n  y = 1\nelse:\n  y = "a"\nreturn y', /`int` after one branch and a `str`/, "bad-code"],
    ["a wrong return type", "x: int", "return x", /returns `Tensor`/, "bad-code"],
    ["an unknown op", "x: Tensor", "return torch.frobnicate(x)", /unknown op `aten::frobnicate`/, "unsupported-op"],
    ["an unknown namespace", "x: Tensor", "return ops.mylib.custom(x)", /unknown op `mylib::custom`/, "unsupported-op"],
    ["arguments that fit nothing", "x: str", "return torch.add(x, 1)", /no overload/, "bad-code"],
    ["a constant outside the table", "x: Tensor", "return CONSTANTS.c9", /no entry `c9`/, "bad-code"],
    ["a variable that changes type in a loop", "n: int", "t = 0\nfor i in range(n):\n  t = 1.5\nreturn t", /becomes a `float`/, "bad-code"],
    ["an unknown type", "x: __torch__.nowhere.K", "return x", /unknown type/, "bad-code"],
    ["a function without a value on every path", "b: bool", "if b:\n  return 1\nelse:\n  pass", /every path/, "bad-code"],
    ["an int where a list of floats is declared", "x: int", "return annotate(List[float], [x])", /cannot hold a `int`/, "bad-code"],
  ])("names %s", (_what, params, body, message, code) => {
    const returns = message.source.includes("returns") ? "Tensor" : message.source.includes("every") ? "int" : "Any";
    expect(() => lower(params, body, { returns })).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) as unknown }) as Error);
  });

  it("refuses recursion, direct and through another function", () => {
    expect(() => lower("n: int", "return __torch__.f(n)", { returns: "int" })).toThrow(/recursively/);
    expect(() => lower("n: int", "return __torch__.g(n)", { returns: "int", more: "def g(n: int) -> int:\n  return __torch__.f(n)" })).toThrow(/recursively/);
  });

  it("refuses a method or attribute that a class does not have", () => {
    const more = "class C(Module):\n  n : int\n  def m(self: __torch__.C) -> int:\n    return 1";
    expect(() => lower("c: __torch__.C", "return (c).nothing()", { more })).toThrow(/no attribute or method `nothing`/);
    expect(() => lower("c: __torch__.C", 'c.n = "a"\nreturn 1', { more })).toThrow(/cannot hold a `str`/);
  });

  it("tells the line of the code", () => {
    expect(() => lower("x: Tensor", "y = x\nreturn torch.frobnicate(y)")).toThrow(
      expect.objectContaining({ where: expect.objectContaining({ line: 4, text: "  return torch.frobnicate(y)" }) as unknown }) as Error,
    );
  });

  it("bounds the branches that early returns open", () => {
    const body = Array.from({ length: 3000 }, (_, i) => `if n == ${i}:\n  return ${i}`).join("\n");
    expect(() => lower("n: int", `${body}\nreturn -1`, { returns: "int" })).toThrow(expect.objectContaining({ code: "limit-exceeded" }) as Error);
  });
});

it("keeps the places of nodes", () => {
  const graph = lower("x: Tensor", "y = torch.neg(x)\nreturn y");
  expect(graph.nodes[0]?.location).toMatchObject({ record: "code/__torch__.py", line: 3, column: 7 });
  expect(printBlock(graph)).toContain("%1.y: Tensor = aten::neg(%0.x)  # code/__torch__.py:3");
});

describe("copies of a file, as tracing writes them", () => {
  /** Two files of a class `Layer`, which is told its own name. */
  const unitOfCopies = (file: (own: string) => string): CodeUnit => {
    const names = new Map([
      ["code/__torch__/layer.py", "__torch__.layer.Layer"],
      ["code/__torch__/layer/a.py", "__torch__.layer.a.Layer"],
    ]);
    return new CodeUnit(new SchemaTable(), 10, (record) => {
      const own = names.get(record);
      return own === undefined ? undefined : new SourceText(record, file(own));
    });
  };
  const methodOf = (unit: CodeUnit, name: string): FunctionDecl => {
    const type = unit.typeNamed(name);
    const method = type?.kind === "Class" ? type.methods.get("forward") : undefined;
    if (method === undefined) throw new Error(`no method of ${name}`);
    return method;
  };
  const layer = (own: string, body: string): string =>
    `class Layer(Module):\n  scale : float\n  def forward(self: ${own},\n    x: Tensor) -> Tensor:\n    return ${body}\n`;

  it("have classes, attributes and places of their own", () => {
    const unit = unitOfCopies((own) => layer(own, "torch.mul(x, self.scale)"));
    for (const [name, record] of [
      ["__torch__.layer.Layer", "code/__torch__/layer.py"],
      ["__torch__.layer.a.Layer", "code/__torch__/layer/a.py"],
    ] as const) {
      const method = methodOf(unit, name);
      expect(method.params.map((param) => param.type)).toEqual([unit.typeNamed(name), T.Tensor]);
      const [read, multiply] = method.graph().nodes;
      expect([read?.op, read?.operands[0]?.type]).toEqual(["prim::GetAttr", unit.typeNamed(name)]);
      expect([multiply?.location?.record, multiply?.location?.line, multiply?.location?.column]).toEqual([record, 5, 12]);
    }
  });

  it("say what is wrong with them in their own words", () => {
    const unit = unitOfCopies((own) => layer(own, "torch.mul(x, self.none)"));
    for (const name of ["__torch__.layer.Layer", "__torch__.layer.a.Layer"])
      expect(() => methodOf(unit, name).graph()).toThrow(`\`${name}\` has no attribute or method \`none\``);
  });

  it("may take an object of another class of the file as `self`", () => {
    const unit = unitOfCopies((own) => `${layer(own, "x")}class Other(Module):\n  def forward(self: ${own}, x: Tensor) -> Tensor:\n    return x\n`);
    expect(methodOf(unit, "__torch__.layer.a.Other").params[0]?.type).toBe(unit.typeNamed("__torch__.layer.a.Layer"));
  });
});
