import { existsSync, readdirSync, readFileSync } from "node:fs";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { fileSource } from "../../bytes/file.ts";
import { bytesSource } from "../../bytes/source.ts";
import type { Program } from "../../ir/graph.ts";
import { walkNodes } from "../../ir/graph.ts";
import { debugOrigins } from "./debug-info.ts";
import { placeOfOrigin } from "./source-text.ts";
import { DEFAULT_LIMITS } from "../../bytes/limits.ts";
import { isOpwiseError } from "../../tensor/error.ts";
import { loadTorchScript } from "./loader.ts";

// A pickle, written from a tree of arrays: enough opcodes for an archive.
type Item =
  | null
  | boolean
  | number
  | string
  | readonly Item[]
  | { readonly list: readonly Item[]; readonly memo?: number }
  | { readonly get: number }
  | { readonly dict: readonly (readonly [Item, Item])[] }
  | { readonly float: number }
  | { readonly call: string; readonly args: readonly Item[] }
  | { readonly object: string; readonly state: Item }
  | { readonly persistent: readonly Item[] }
  | { readonly global: string };

function pickle(root: Item): Uint8Array {
  const out: number[] = [0x80, 2];
  const text = (value: string): void => {
    const bytes = new TextEncoder().encode(value);
    out.push(0x58, bytes.length & 255, bytes.length >> 8, 0, 0, ...bytes);
  };
  const global = (name: string): void => {
    const dot = name.lastIndexOf(".");
    out.push(0x63, ...new TextEncoder().encode(`${name.slice(0, dot)}\n${name.slice(dot + 1)}\n`));
  };
  const tuple = (items: readonly Item[]): void => {
    out.push(0x28);
    for (const item of items) write(item);
    out.push(0x74);
  };
  function write(item: Item): void {
    if (item === null) out.push(0x4e);
    else if (typeof item === "boolean") out.push(item ? 0x88 : 0x89);
    else if (typeof item === "number") out.push(0x4a, item & 255, (item >> 8) & 255, (item >> 16) & 255, (item >> 24) & 255);
    else if (typeof item === "string") text(item);
    else if (Array.isArray(item)) tuple(item as readonly Item[]); // an item that is an array is a list of items
    else if ("list" in item) {
      out.push(0x5d);
      if (item.memo !== undefined) out.push(0x71, item.memo);
      out.push(0x28);
      for (const part of item.list) write(part);
      out.push(0x65);
    } else if ("dict" in item) {
      out.push(0x7d, 0x28);
      for (const [key, value] of item.dict) {
        write(key);
        write(value);
      }
      out.push(0x75);
    } else if ("float" in item) {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, item.float);
      out.push(0x47, ...new Uint8Array(view.buffer));
    } else if ("call" in item) {
      global(item.call);
      tuple(item.args);
      out.push(0x52);
    } else if ("object" in item) {
      global(item.object);
      out.push(0x29, 0x81);
      write(item.state);
      out.push(0x62);
    } else if ("persistent" in item) {
      tuple(item.persistent);
      out.push(0x51);
    } else if ("get" in item) out.push(0x68, item.get);
    else if ("global" in item) global(item.global);
  }
  write(root);
  out.push(0x2e);
  return Uint8Array.from(out);
}

const tensor = (shape: readonly number[], strides: readonly number[], key = "0", numel = 6, offset = 0): Item => ({
  call: "torch._utils._rebuild_tensor_v2",
  args: [
    { persistent: ["storage", { global: "torch.FloatStorage" }, key, "cuda:0", numel] },
    offset,
    shape,
    strides,
    false,
    { call: "collections.OrderedDict", args: [] },
  ],
});

const CODE = `class Net(Module):
  __parameters__ = ["w", ]
  w : Tensor
  v : Tensor
  k : int
  names : Dict[str, List[int]]
  maybe : Optional[float]
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    w = self.w
    return torch.add(x, w, alpha=self.k)
`;

interface Parts {
  readonly code?: string;
  readonly state?: readonly (readonly [string, Item])[];
  readonly records?: Readonly<Record<string, Uint8Array | undefined>>;
  readonly constants?: Item;
}

const STATE: readonly (readonly [string, Item])[] = [
  ["w", tensor([2, 3], [3, 1])],
  ["v", tensor([3], [1], "0", 6, 3)],
  ["k", 2],
  [
    "names",
    {
      call: "torch.jit._pickle.restore_type_tag",
      args: [{ dict: [["a", { call: "torch.jit._pickle.build_intlist", args: [{ list: [1, 2] }] }]] }, "Dict[str, List[int]]"],
    },
  ],
  ["maybe", { float: 0.5 }],
];

function archive({ code = CODE, state = STATE, records = {}, constants = [] }: Parts = {}): Uint8Array {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const all: Record<string, Uint8Array | undefined> = {
    "data.pkl": pickle({ object: "__torch__.Net", state: { dict: state } }),
    "constants.pkl": pickle(constants),
    version: text("3\n"),
    byteorder: text("little"),
    "code/__torch__.py": text(code),
    "data/0": new Uint8Array(24),
    "extra/notes.txt": text("hello"),
    ...records,
  };
  const files: Record<string, Uint8Array> = {};
  for (const [name, bytes] of Object.entries(all)) if (bytes !== undefined) files[`net/${name}`] = bytes;
  return zipSync(files, { level: 0 });
}

const load = (parts?: Parts, options?: Parameters<typeof loadTorchScript>[1]): Promise<Program> => loadTorchScript(bytesSource(archive(parts)), options);
const changed = (name: string, item: Item): Parts => ({ state: STATE.map(([key, value]) => [key, key === name ? item : value]) });
/** What loading throws, as `code: message`. */
const refusal = (parts: Parts): Promise<string> =>
  load(parts).then(
    () => "loads",
    (error: unknown) => (isOpwiseError(error) ? `${error.code}: ${error.message}` : "crash"),
  );

describe("a TorchScript archive", () => {
  it("becomes a program with its root object", async () => {
    const program = await load();
    expect(program).toMatchObject({ format: "torchscript", version: "3" });
    expect(program.extra.get("notes.txt")).toBe("hello");
    const { root } = program;
    if (root?.kind !== "object") throw new Error("no root");
    expect(root.class.parameters).toEqual(new Set(["w"]));
    const [w, v, k, names, maybe] = root.fields;
    if (w?.kind !== "tensor" || v?.kind !== "tensor") throw new Error("no tensors");
    expect(w.tensor).toMatchObject({ dtype: "float32", shape: [2, 3], strides: [3, 1], offset: 0, storage: { nbytes: 24, device: "cuda:0" } });
    expect(v.tensor.storage).toBe(w.tensor.storage);
    expect([k, maybe]).toEqual([
      { kind: "int", value: 2 },
      { kind: "float", value: 0.5 },
    ]);
    expect(names).toMatchObject({ kind: "dict", entries: [[{ value: "a" }, { kind: "list", items: [{ value: 1 }, { value: 2 }] }]] });
    const ops: string[] = [];
    const forward = root.class.methods.get("forward");
    if (forward !== undefined) walkNodes(forward.graph(), (node) => ops.push(node.op));
    expect(ops).toEqual(["prim::GetAttr", "prim::GetAttr", "aten::add.Tensor"]);
  });

  it("puts devices where the caller says", async () => {
    const program = await load({}, { mapLocation: () => "cpu" });
    const field = program.root?.kind === "object" ? program.root.fields[0] : undefined;
    expect(field?.kind === "tensor" ? field.tensor.storage.device : undefined).toBe("cpu");
  });

  it("keeps the identity of what is stored twice, and takes a list that holds itself", async () => {
    const code = CODE.replace("names : Dict[str, List[int]]", "names : Any").replace("maybe : Optional[float]", "maybe : Any");
    const names: Item = { list: [1, { get: 5 }], memo: 5 };
    const program = await load({ code, state: STATE.map(([key, value]) => [key, key === "names" ? names : key === "maybe" ? { get: 5 } : value]) });
    const fields = program.root?.kind === "object" ? program.root.fields : [];
    const [, , , list, again] = fields;
    expect(again).toBe(list);
    expect(list?.kind === "list" ? list.items[1] : undefined).toBe(list);
  });

  it("reads version numbers from .data/version first", async () => {
    const program = await load({ records: { ".data/version": new TextEncoder().encode("6\n") } });
    expect(program.version).toBe("6");
  });

  it("loads with a damaged debug record", async () => {
    await expect(load({ records: { "code/__torch__.py.debug_pkl": Uint8Array.of(1, 2, 3) } })).resolves.toBeDefined();
  });

  it.each([
    ["data.pkl", "missing-record"],
    ["constants.pkl", "missing-record"],
    ["version", "missing-record"],
    ["data/0", "missing-record"],
    ["code/__torch__.py", "bad-model"],
  ])("is refused without %s", async (name, code) => {
    expect(await refusal({ records: { [name]: undefined } })).toMatch(code);
  });

  it.each(["0", "11", "abc", "99999999999999999999999", ""])("is refused with the version %j", async (version) => {
    expect(await refusal({ records: { version: new TextEncoder().encode(version) } })).toMatch("unsupported-version");
  });

  it("is refused when its bytes are big-endian", async () => {
    expect(await refusal({ records: { byteorder: new TextEncoder().encode("big") } })).toMatch("unsupported-format");
  });

  it("is refused when code is not UTF-8", async () => {
    expect(await refusal({ records: { "code/__torch__.py": Uint8Array.of(0xff, 0xfe) } })).toMatch("bad-code");
  });
});

describe("stored values", () => {
  it.each<[string, string, Item, string]>([
    ["a string for an int", "k", "two", "bad-model"],
    ["an int for a float", "maybe", 1, "bad-model"],
    ["a list of another type", "names", { call: "torch.jit._pickle.build_intlist", args: [{ list: [1] }] }, "bad-model"],
    ["an unreadable type tag", "names", { call: "torch.jit._pickle.restore_type_tag", args: [{ dict: [] }, "Dict[str"] }, "bad-pickle"],
    ["a call of eval", "k", { call: "builtins.eval", args: ["1"] }, "unsafe-pickle"],
    ["an object of an unknown class", "k", { object: "__torch__.Missing", state: { dict: [] } }, "bad-model"],
    ["sizes beyond the storage", "w", tensor([200, 300], [300, 1]), "bad-tensor"],
    ["a negative size", "w", tensor([2, -3], [3, 1]), "bad-tensor"],
    ["an offset beyond the storage", "w", tensor([2], [1], "0", 6, 100000), "bad-tensor"],
    ["a stride beyond the storage", "w", tensor([2, 3], [1000000, 1]), "bad-tensor"],
    ["sizes and strides of two lengths", "w", tensor([2, 3], [3]), "bad-tensor"],
    ["a storage that claims more than its record", "w", tensor([2, 3], [3, 1], "0", 60), "bad-tensor"],
    ["a storage without a record", "w", tensor([2, 3], [3, 1], "7"), "missing-record"],
  ])("are refused: %s", async (_what, name, item, code) => {
    expect(await refusal(changed(name, item))).toMatch(code);
  });

  it("are refused where one is missing", async () => {
    expect(await refusal({ state: STATE.filter(([name]) => name !== "k") })).toMatch(/attribute `k`/);
  });

  it("are refused where the root is no module", async () => {
    expect(await refusal({ records: { "data.pkl": pickle(7) } })).toMatch("bad-model");
  });

  it("may be a constants table, which code refers to", async () => {
    const code = CODE.replace("alpha=self.k", "alpha=torch.len(CONSTANTS.c0)");
    await expect(load({ code, constants: ["é"] })).resolves.toBeDefined();
    expect(await refusal({ code })).toMatch(/no entry `c0`/);
  });
});

describe("debug information", () => {
  const debugPlaces =
    (bytes: Uint8Array, ...args: [string, typeof DEFAULT_LIMITS]) =>
    (offset: number): string | undefined => {
      const origin = debugOrigins(() => bytes, ...args)(offset);
      return origin === undefined ? undefined : placeOfOrigin(origin);
    };
  const entries = (list: readonly Item[]): Uint8Array => pickle(["FORMAT_WITH_STRING_TABLE", ["", "def f(x):\n  y = x\n", "  return y\n", "net.py"], list]);
  const ids = (...list: number[]): Item => ({ call: "torch.jit._pickle.build_intlist", args: [{ list }] });

  it("gives file and line of a byte offset", () => {
    const place = debugPlaces(
      entries([
        [0, [[ids(), 0, 0], 0, 0], 1],
        [10, [[ids(1, 2), 3, 40], 12, 14], 2],
        [20, [[ids(1, 2), 3, 40], 20, 24], 3],
      ]),
      "x.debug_pkl",
      DEFAULT_LIMITS,
    );
    expect([place(5), place(10), place(19), place(1000)]).toEqual([undefined, "net.py:41", "net.py:41", "net.py:42"]);
  });

  it("reads the format without a string table", () => {
    const place = debugPlaces(pickle([[0, [["a\nb\nc", "old.py", 7], 2, 3]]]), "x.debug_pkl", DEFAULT_LIMITS);
    expect(place(3)).toBe("old.py:8");
  });

  it("takes the first frame of a traced stack", () => {
    const place = debugPlaces(pickle([[0, [["/a/net.py(88): forward\n/a/main.py(3): <module>\n", null, 0], 0, 1]]]), "x.debug_pkl", DEFAULT_LIMITS);
    expect(place(0)).toBe("/a/net.py:88");
  });

  it("says nothing where it is damaged", () => {
    expect(debugPlaces(Uint8Array.of(0x80, 2, 0x2e), "x.debug_pkl", DEFAULT_LIMITS)(0)).toBeUndefined();
  });
});

const CORPUS = new URL("../../../../shared/corpus/torchscript/", import.meta.url);

describe.skipIf(!existsSync(CORPUS))("the open corpus", () => {
  it("loads and verifies whole", async () => {
    const failed: string[] = [];
    for (const name of readdirSync(CORPUS)) {
      const file = new URL(`${name}/model.pt`, CORPUS);
      if (!existsSync(file)) continue;
      await loadTorchScript(fileSource(file.pathname)).catch((error: unknown) => failed.push(`${name}: ${String(error)}`));
    }
    expect(failed).toEqual([]);
  }, 60_000);

  it("has damaged neighbours that fail with a code, or load, as recorded", async () => {
    const folder = new URL("../bad/", CORPUS);
    // Written together with the files.
    const { cases } = JSON.parse(readFileSync(new URL("cases.json", folder), "utf8")) as {
      readonly cases: readonly { readonly file: string; readonly expect: string; readonly kind: string }[];
    };
    const wrong: string[] = [];
    for (const { file, expect: wanted, kind } of cases) {
      const got = await loadTorchScript(fileSource(new URL(file, folder).pathname)).then(
        () => "loads",
        (error: unknown) => (typeof error === "object" && error !== null && "code" in error ? "error" : "crash"),
      );
      // A flipped byte of a weight is found when the weight is first read.
      if (got !== wanted && wanted !== "either" && !(kind === "crc" && got === "loads")) wrong.push(`${file}: ${got}`);
      if (got === "crash") wrong.push(`${file}: no code`);
    }
    expect(wrong).toEqual([]);
  }, 60_000);
});
