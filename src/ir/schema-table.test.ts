import { describe, expect, it, vi } from "vitest";
import { fullName, parseSchema } from "./schema.ts";
import { allSchemas, builtinLines, fetchSchemas, schemaOf, schemasOf, SchemaTable } from "./schema-table.ts";

await fetchSchemas();

/** The module as it is before anything has been imported. */
function fresh(): Promise<typeof import("./schema-table.ts")> {
  vi.resetModules();
  return import("./schema-table.ts");
}

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
    for (const text of builtinLines()) {
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

  it("lists names as PyTorch registers them, whichever of its two parts they are in", () => {
    const names = [
      "prim::rpc_async",
      "aten::as_tensor",
      "aten::addr_",
      "aten::abs",
      "aten::addr",
      "aten::allclose",
      "aten::all",
      "quantized::linear",
      "torchvision::nms",
    ];
    const all = [...new Set(allSchemas().map(({ name }) => name))].filter((name) => names.includes(name));
    expect(all).toEqual(names);
  });
});

describe("schemas of operators that are not common", () => {
  it("are not there before one is asked for, then all are", async () => {
    const { SchemaTable: Table, schemaOf: find } = await fresh();
    const uncommon = vi.fn<() => void>();
    const table = new Table(["my::op(Tensor x) -> Tensor"], uncommon);
    expect(find("aten::relu")?.returns).toHaveLength(1);
    expect(() => find("aten::linalg_inv")).toThrow("`aten::linalg_inv`: the schemas of operators that are not common have not been imported");
    expect(() => table.similar("my::opp")).toThrow("have not been imported");
    let times = 0;
    const name = await table.complete(() => {
      times++;
      return [table.schemaOf("my::op"), table.schemaOf("aten::linalg_inv"), table.schemaOf("aten::frobnicate")].map((schema) => schema?.name);
    });
    expect(name).toEqual(["my::op", "aten::linalg_inv", undefined]);
    expect(times).toBe(2);
    expect(uncommon).toHaveBeenCalledTimes(1);
    expect(find("aten::linalg_inv")?.returns).toHaveLength(1);
  });

  it("are not imported for names of other libraries, or for what has no schema", async () => {
    const { SchemaTable: Table } = await fresh();
    const table = new Table(["my::op(Tensor x) -> Tensor"], () => expect.fail("nothing needs the others"));
    expect(await table.complete(() => ["my::op", "other::op", "onnx::Relu@13", "prim::shape"].map((name) => table.schemasOf(name).length))).toEqual([
      1, 0, 0, 0,
    ]);
  });

  it("leave errors of the work as they are", async () => {
    const { SchemaTable: Table } = await fresh();
    const failing = new Table().complete(() => {
      throw new Error("the work's own");
    });
    await expect(failing).rejects.toThrow("the work's own");
  });

  it("are looked for in the namespaces that they have, and in no other", async () => {
    const { schemasOf: find } = await fresh();
    const names = allSchemas().map(({ name }) => name);
    const namespaces = new Set(names.filter((name) => !name.startsWith("prim::")).map((name) => name.split("::")[0] ?? ""));
    for (const namespace of namespaces) expect(() => find(`${namespace}::frobnicate`), namespace).toThrow("have not been imported");
    for (const name of names.filter((one) => one.startsWith("prim::"))) expect(find(name).length, name).toBeGreaterThan(0);
  });
});
