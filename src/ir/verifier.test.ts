import { describe, expect, it } from "vitest";
import { addAttribute, makeClass } from "./class-type.ts";
import type { FunctionDecl, Program } from "./graph.ts";
import { fetchSchemas, schemaOf } from "./schema-table.ts";
import { parseFunction } from "./text-parser.ts";
import type { Type } from "./type.ts";
import { verifyProgram } from "./verifier.ts";

const cls = makeClass("__torch__.C", true);
addAttribute(cls, "n", { kind: "int" });
await fetchSchemas();
const types = new Map<string, Type>([["__torch__.C", cls]]);

function verify(text: string): void {
  const decl: FunctionDecl = parseFunction(text, { typeNamed: (name) => types.get(name), schemaOf });
  const program: Program = { format: "torchscript", version: "3", name: "test", classes: new Map(), functions: new Map([["f", decl]]), extra: new Map() };
  verifyProgram(program);
}

describe("the verifier", () => {
  it("takes a sound function", () => {
    expect(() =>
      verify(`function f(%0.x: Tensor, %1.n: int) -> Tensor {
  %2: bool = prim::Constant[value=True]()
  %9: Tensor = prim::Loop(%1.n, %2, %0.x) {
    block(%3: int, %4: Tensor) {
      %5: int = prim::Constant[value=3]()
      %6: Tensor = aten::add.Scalar(%4, %5, _)
      %7: bool = aten::gt.int(%3, %5)
      yield %7, %6
    }
  }
  return %9
}`),
    ).not.toThrow();
  });

  it.each([
    [1, "%0: int = prim::Constant[value=1]()"],
    [2, "%2: Tensor = aten::neg(%3)\n  %3: Tensor = aten::neg(%0)"],
    [2, "%2: Tensor = prim::If(%1) {\n    block() {\n      %3: Tensor = aten::neg(%0)\n      yield %3\n    }\n    block() {\n      yield %3\n    }\n  }"],
    [3, "%2: Tensor = aten::add.Tensor(%0, _, _)"],
    [3, "%2: Tensor = aten::neg(%0, %0)"],
    [4, "%2: Tensor = aten::add.Tensor(%0, %1, _)"],
    [4, "%2: int[] = aten::append.t(%1, %1)".replace("int[]", "List[int]")],
    [5, "%2: int = aten::neg(%0)"],
    [5, "%2: Tensor, %3: Tensor = aten::neg(%0)"],
    [6, "%2: Tensor = prim::If(%0) {\n    block() {\n      yield %0\n    }\n    block() {\n      yield %0\n    }\n  }"],
    [6, "%2: Tensor = prim::If(%1) {\n    block() {\n      yield %0\n    }\n    block() {\n      yield %1\n    }\n  }"],
    [6, "%2: Tensor = prim::If(%1) {\n    block() {\n      yield %0\n    }\n  }"],
    [7, "%2: Tensor = prim::Loop(%1, %1, %0) {\n    block(%3: int, %4: Tensor) {\n      yield %1, %4\n    }\n  }"],
    [8, "%2: int = prim::Constant[value=1.5]()"],
    [8, "%2: int = prim::Constant()"],
    [9, '%2: int = prim::GetAttr[name="m"](%8)'],
    [9, '%2: str = prim::GetAttr[name="n"](%8)'],
    [10, '%2: int = prim::CallMethod[name="m"](%8)'],
    [10, '%2: int = prim::CallFunction[name="g"](%1)'],
    [11, "%2: List[int] = prim::ListConstruct(%0)"],
    [11, "%2: Tuple[int, Tensor] = prim::TupleConstruct(%0, %0)"],
    [13, "%2: Future[int] = prim::fork() {\n    block() {\n      yield %0\n    }\n  }"],
    [14, "%2: Tensor = aten::frobnicate(%0)"],
    [14, "%2: Tensor = prim::mystery(%0)"],
    [15, "%2: Tensor = aten::neg(%0) {\n    block() {\n      yield %0\n    }\n  }"],
  ])("names rule %i", (rule, line) => {
    const text = `function f(%0: Tensor, %1: bool, %8: __torch__.C) -> Tensor {\n  ${line}\n  return %0\n}`;
    // The reader refuses a use before the definition itself; a graph built in memory can have one.
    if (rule === 2) expect(() => verify(text)).toThrow(/cannot be read|rule 2 /);
    else
      expect(() => verify(text)).toThrow(
        expect.objectContaining({ code: "verify-failed", message: expect.stringContaining(`rule ${rule} `) as unknown }) as Error,
      );
  });

  it("finds a use before the definition in a graph built in memory", () => {
    const decl = parseFunction("function f(%0: Tensor) -> Tensor {\n  %1: Tensor = aten::neg(%0)\n  %2: Tensor = aten::neg(%1)\n  return %2\n}", { schemaOf });
    const block = decl.graph();
    const broken: FunctionDecl = { ...decl, graph: () => ({ ...block, nodes: [...block.nodes].reverse() }) };
    const program: Program = { format: "torchscript", version: "3", name: "test", classes: new Map(), functions: new Map([["f", broken]]), extra: new Map() };
    expect(() => verifyProgram(program)).toThrow(/rule 2 .*%1 is used before it is defined/);
  });

  it("refuses a result that does not fit the function", () => {
    expect(() => verify("function f(%0: Tensor) -> int {\n  return %0\n}")).toThrow(/rule 12/);
  });

  it("shows the lines around the node", () => {
    expect(() => verify("function f(%0: Tensor) -> Tensor {\n  %1: Tensor = aten::neg(%0)\n  %2: int = aten::neg(%1)\n  return %1\n}")).toThrow(
      expect.objectContaining({ got: expect.stringMatching(/%1: Tensor = aten::neg[^]*> %2: int = aten::neg/) as unknown }) as Error,
    );
  });
});
