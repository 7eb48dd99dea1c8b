import { describe, expect, it } from "vitest";
import { fullName, parseSchema } from "./schema.ts";
import { schemaOf, schemasOf, SchemaTable } from "./schema-table.ts";
import { TORCH_SCHEMAS } from "./torch-schemas.generated.ts";

describe("the schema table", () => {
  it("keeps the overloads of a name in registration order", () => {
    expect(schemasOf("aten::max").map((schema) => schema.overload)).toEqual(["other", "", "dim", "dim_max", "unary_out", "out"]);
  });

  it("finds a schema by its full name", () => {
    expect(schemaOf("aten::add.Tensor")?.args.map((arg) => arg.name)).toEqual(["self", "other", "alpha"]);
    expect(schemaOf("aten::frobnicate")).toBeUndefined();
    expect(schemaOf("torchvision::nms")?.args).toHaveLength(3);
  });

  it("parses every schema it holds, and each full name is one schema", () => {
    const seen = new Set<string>();
    for (const text of TORCH_SCHEMAS.trim().split("\n")) {
      const name = fullName(parseSchema(text));
      expect(seen.has(name)).toBe(false);
      seen.add(name);
    }
    expect(seen.size).toBeGreaterThan(4000);
  });

  it("reads fixed lengths and escaped defaults", () => {
    expect(schemaOf("aten::avg_pool2d")?.args.map((arg) => arg.fixedLength)).toEqual([undefined, 2, 2, 2, undefined, undefined, undefined]);
    expect(schemaOf("aten::strip")?.args[1]?.default).toEqual({ kind: "str", value: " \n\t\f\v" });
  });

  it("adds custom schemas to one table only", () => {
    const table = new SchemaTable(["my::op(Tensor x) -> Tensor", "aten::max.mine(str x) -> str"]);
    expect(table.schemasOf("my::op")).toHaveLength(1);
    expect(table.schemasOf("aten::max").at(-1)?.overload).toBe("mine");
    expect(schemasOf("my::op")).toEqual([]);
  });

  it("suggests names near a wrong one", () => {
    expect(new SchemaTable().similar("aten::addmmm")).toContain("aten::addmm");
  });
});
