/**
 * Hostile models, made here: what nests, doubles, loops, lies about sizes or shares without end is refused with a typed error, or carried out
 * within bounds. LibTorch's own loader crashes on some of these and hangs on others.
 */

import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { MessageWriter } from "../src/bytes/protobuf-writer.ts";
import { isOpwiseError, load, type LoadOptions, printProgram, readStateDict, Tensor } from "../src/index.ts";
import { scriptArchive } from "./support/archive.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const RUN = { maxSteps: 2000, maxBytes: 2 ** 22, maxWork: 2 ** 22 };

function joined(parts: readonly (number | string | readonly number[])[]): Uint8Array {
  const out: number[] = [];
  for (const part of parts) {
    if (typeof part === "number") out.push(part);
    else for (const byte of typeof part === "string" ? utf8(part) : part) out.push(byte);
  }
  return Uint8Array.from(out);
}

/** An archive of raw records. */
function archive(records: Readonly<Record<string, Uint8Array>>): Uint8Array {
  return zipSync(Object.fromEntries(Object.entries(records).map(([name, bytes]): [string, Uint8Array] => [`net/${name}`, bytes])), { level: 0 });
}

/** A model with one attribute `a`, of the given type, which the pickle opcodes make; `forward` gives it back. */
function holding(type: string, ...opcodes: readonly (number | string | readonly number[])[]): Uint8Array {
  return archive({
    "data.pkl": joined([0x80, 2, "c__torch__\nNet\n", 0x29, 0x81, 0x7d, 0x28, 0x58, 1, 0, 0, 0, "a", ...opcodes, 0x75, 0x62, 0x2e]),
    "constants.pkl": Uint8Array.of(0x80, 2, 0x29, 0x2e),
    version: utf8("3\n"),
    "code/__torch__.py": utf8(`class Net(Module):\n  a : ${type}\n  def forward(self: __torch__.Net, x: Tensor) -> ${type}:\n    return self.a\n`),
  });
}

/** A model whose `forward(x)` is these lines. */
function body(...lines: readonly string[]): Uint8Array {
  return scriptArchive(`class Net(Module):\n  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n${lines.map((line) => `    ${line}\n`).join("")}`);
}

/** Loads, looks at and runs a model once; the error's code, or "ok". Whatever is no typed error fails the test. */
async function outcome(bytes: Uint8Array, options: LoadOptions = {}): Promise<string> {
  try {
    const model = await load(bytes, options);
    model.summary();
    printProgram(model.program);
    using session = await model.session(RUN);
    session.tensors();
    const x = Tensor.from(new Float32Array([1]), [1, 1]);
    if (model.format === "onnx") await session.run({ x }, RUN);
    else await session.call("forward", [x], {}, RUN);
    return "ok";
  } catch (error) {
    // A stack that ran over is typed by a net at the border; here that counts as a crash.
    if (!isOpwiseError(error) || error.code === "internal" || error.cause instanceof RangeError) throw error;
    return error.code;
  }
}

const times = <X>(n: number, make: (i: number) => X): X[] => Array.from({ length: n }, (_, i) => make(i));

describe("program text", () => {
  const around = (open: string, close: string, n = 3000): Uint8Array => body(`return ${open.repeat(n)}x${close.repeat(n)}`);
  it.each<[string, Uint8Array, string]>([
    ["parentheses in parentheses", around("(", ")", 100_000), "limit-exceeded"],
    ["calls in calls", around("torch.neg(", ")"), "limit-exceeded"],
    ["brackets that stay open", around("[", ""), "bad-code"],
    ["a chain of operators", around("", " + x"), "limit-exceeded"],
    ["minus before minus", around("-", ""), "limit-exceeded"],
    ["conditionals in conditionals", around("x if True else ", ""), "limit-exceeded"],
    ["powers of powers", around("x ** ", ""), "limit-exceeded"],
    ["attributes of attributes", around("", ".a"), "limit-exceeded"],
    ["types in types", body(`a = annotate(${"List[".repeat(3000)}int${"]".repeat(3000)}, [])`, "return x"), "limit-exceeded"],
    ["an int of a million digits", body(`a = ${"9".repeat(1_000_000)}`, "return x"), "bad-code"],
    ["a string without an end", body(`a = "${'\\"'.repeat(200_000)}`, "return x"), "bad-code"],
    ["a list of a thousand tensors", body(`a = torch.cat([${"x, ".repeat(1000)}])`, "return x"), "ok"],
    ["a call of two thousand keywords", body(`return torch.add(x, ${times(2000, (i) => `k${i}=x`).join(", ")})`), "bad-code"],
    ["returns in the middle, two thousand times", body(...times(2000, () => ["if bool(x):", "  return x"]).flat(), "return x"), "limit-exceeded"],
    ["loops in loops", body(...times(40, (i) => `${"  ".repeat(i)}while bool(x):`), `${"  ".repeat(40)}x = x`, "return x"), "step-limit"],
    [
      "two thousand functions of one name",
      scriptArchive(
        `${"def f(x: Tensor) -> Tensor:\n  return x\n".repeat(2000)}class Net(Module):\n  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n    return x\n`,
      ),
      "ok",
    ],
    [
      "a function that calls itself",
      scriptArchive(
        "def f(x: Tensor) -> Tensor:\n  return __torch__.f(x)\nclass Net(Module):\n  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n    return __torch__.f(x)\n",
      ),
      "bad-code",
    ],
    [
      "a class that holds itself",
      scriptArchive("class Net(Module):\n  a : __torch__.Net\n  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n    return x\n"),
      "bad-model",
    ],
  ])("refuses or bounds %s", async (_, bytes, code) => expect(await outcome(bytes)).toBe(code));
});

describe("what doubles", () => {
  const doubled = (first: string, step: (name: string) => string, ...last: readonly string[]): Uint8Array =>
    body(`a0 = ${first}`, ...times(60, (i) => `a${i + 1} = ${step(`a${i}`)}`), ...last, "return x");
  it.each<[string, Uint8Array, string]>([
    ["tuples", doubled("(x, x)", (a) => `(${a}, ${a})`), "limit-exceeded"],
    ["tuples that are compared at a join", doubled("(x, x)", (a) => `(${a}, ${a})`, "if bool(x):", "  b = a60", "else:", "  b = a60"), "limit-exceeded"],
    ["lists of lists", doubled("[x, x]", (a) => `[${a}, ${a}]`), "ok"],
    ["strings", doubled('"ab"', (a) => `${a} + ${a}`), "out-of-memory"],
    ["lists", doubled("[1]", (a) => `${a} + ${a}`), "out-of-memory"],
    ["tensors", doubled("x", (a) => `torch.cat([${a}, ${a}])`), "out-of-memory"],
    [
      "named tuples",
      scriptArchive(
        `${times(40, (i) => `class N${i}(NamedTuple):\n  a : Tuple[${i === 0 ? "int, int" : `__torch__.N${i - 1}, __torch__.N${i - 1}`}]\n`).join("")}class Net(Module):\n  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n    a = annotate(List[__torch__.N39], [])\n    return x\n`,
      ),
      "limit-exceeded",
    ],
  ])("bounds %s", async (_, bytes, code) => expect(await outcome(bytes)).toBe(code));

  it("counts ONNX functions that call each other twice with what they are inlined to", async () => {
    const node = (w: MessageWriter, field: number, op: string, input: string, output: string, domain: string): void =>
      void w.message(field, (n) => n.string(1, input).string(2, output).string(4, op).string(7, domain));
    const float = (name: string) => (w: MessageWriter) => w.string(1, name).message(2, (t) => t.message(1, (tensor) => tensor.int(1, 1)));
    const opset = (domain: string, version: number) => (w: MessageWriter) => w.string(1, domain).int(2, version);
    const model = new MessageWriter().int(1, 8);
    model.message(7, (g) => {
      node(g, 1, "f0", "x", "y", "f");
      g.string(2, "g").message(11, float("x")).message(12, float("y"));
    });
    model.message(8, opset("", 18)).message(8, opset("f", 1));
    for (let i = 0; i < 40; i++) {
      model.message(25, (f) => {
        f.string(1, `f${i}`).string(4, "a").string(5, "c");
        const [op, domain] = i === 39 ? ["Identity", ""] : [`f${i + 1}`, "f"];
        node(f, 7, op, "a", "b", domain);
        node(f, 7, op, "b", "c", domain);
        f.message(9, opset("", 18)).message(9, opset("f", 1)).string(10, "f");
      });
    }
    expect(await outcome(model.finish(), { limits: { maxNodes: 500 } })).toBe("limit-exceeded");
  });
});

describe("pickles", () => {
  const NONE = 0x4e;
  /** Each value holds the one before twice, through the memo: 2^200 of them when somebody counts them all. */
  const shared = (twice: (i: number) => readonly number[]): number[] => [NONE, 0x71, 0, ...times(200, (i) => [0x30, ...twice(i), 0x71, i + 1]).flat()];
  it.each<[string, Uint8Array, string]>([
    [
      "lists shared through the memo",
      holding(
        "Any",
        shared((i) => [0x5d, 0x28, 0x68, i, 0x68, i, 0x65]),
      ),
      "ok",
    ],
    [
      "tuples shared through the memo",
      holding(
        "Any",
        shared((i) => [0x68, i, 0x68, i, 0x86]),
      ),
      "ok",
    ],
    [
      "dicts shared through the memo",
      holding(
        "Any",
        shared((i) => [0x7d, 0x28, 0x4b, 0, 0x68, i, 0x4b, 1, 0x68, i, 0x75]),
      ),
      "ok",
    ],
    ["a list that holds itself", holding("Any", [0x5d, 0x71, 0, 0x28, 0x68, 0, 0x65]), "ok"],
    ["tuples in tuples", holding("Any", NONE, new Array<number>(20_000).fill(0x85)), "limit-exceeded"],
    ["lists in lists", holding("Any", new Array<number>(20_000).fill(0x5d), new Array<number>(19_999).fill(0x61)), "limit-exceeded"],
    ["a long int of two gigabytes", holding("int", 0x8b, 255, 255, 255, 127), "limit-exceeded"],
    ["a text of four gigabytes", holding("str", 0x58, 255, 255, 255, 255), "truncated"],
    ["a text of 2^63 bytes", holding("str", 0x8d, 255, 255, 255, 255, 255, 255, 255, 127), "truncated"],
    ["digits without end", holding("int", `L${"9".repeat(100_000)}L\n`), "bad-pickle"],
    ["a memo index of 2^32", holding("Any", NONE, 0x72, 255, 255, 255, 255), "limit-exceeded"],
    ["marks without end", holding("Any", new Array<number>(20_000).fill(0x28)), "bad-pickle"],
  ])("read %s within bounds", async (_, bytes, code) => expect(await outcome(bytes)).toBe(code));

  it("keep a shared value one object in what leaves the model", async () => {
    using session = await (await load(holding("Any", [0x5d, 0x71, 0, 0x28, 0x68, 0, 0x65]))).session();
    const list = await session.call("forward", [Tensor.zeros([1])]);
    expect(Array.isArray(list) && list[0] === list).toBe(true);
  });

  it("give no state dict for a bare nest", async () => {
    const bytes = archive({ "data.pkl": joined([0x80, 2, NONE, new Array<number>(20_000).fill(0x85), 0x2e]), version: utf8("3\n") });
    await expect(readStateDict(bytes)).rejects.toMatchObject({ code: "limit-exceeded" });
  });
});

describe("runs", () => {
  it.each<[string, string, string]>([
    ["a loop that never ends", "while True:\n      x = torch.neg(x)", "step-limit"],
    ["a view of 2^60 elements", "y = torch.expand(x, [1073741824, 1073741824])", "ok"],
    ["a sum over a thousand million times one element", "y = torch.sum(torch.expand(x, [1000000000, 1]))", "step-limit"],
    ["a copy of 2^50 elements", "y = torch.contiguous(torch.expand(x, [1125899906842624, 1]))", "out-of-memory"],
    ["zeros of a terabyte", "y = torch.zeros([274877906944])", "out-of-memory"],
    ["a size below zero", "y = torch.zeros([-1])", "shape-mismatch"],
    ["views cut into a thousand million pieces", "y = torch.unbind(torch.expand(x, [1000000000, 1]), 0)[0]", "limit-exceeded"],
    ["more sections than memory", "y = torch.tensor_split(x, 1000000000000)[0]", "limit-exceeded"],
    ["the text of an expanded tensor", "y = str(torch.expand(x, [1000000000, 1]))", "limit-exceeded"],
    ["a padding of 2^62", "y = torch.conv1d(torch.zeros([1, 1, 4]), torch.zeros([1, 1, 2]), None, [1], [4611686018427387904])", "out-of-memory"],
    ["a pooling window of a million millions", "y = torch.max_pool1d(torch.zeros([1, 1, 4]), [1000000000000], [1], [500000000000])", "step-limit"],
    ["a list a hundred thousand million long", "y = [0] * 100000000000", "limit-exceeded"],
    ["a string a million million long", 'y = ("a").center(1000000000000)', "limit-exceeded"],
    ["seventy axes", `y = torch.neg(torch.reshape(x, [${"1, ".repeat(70)}]))`, "limit-exceeded"],
  ])("bound %s", async (_, line, code) => expect(await outcome(body(line, "return x"))).toBe(code));

  const endless = archive({
    "data.pkl": joined([0x80, 2, "c__torch__\nNet\n", 0x29, 0x81, 0x4b, 1, 0x62, 0x2e]),
    "constants.pkl": Uint8Array.of(0x80, 2, 0x29, 0x2e),
    version: utf8("3\n"),
    "code/__torch__.py": utf8(
      "class Net(Module):\n  a : int\n  def __setstate__(self: __torch__.Net, s: int) -> None:\n    while True:\n      self.a = s\n    return None\n",
    ),
  });
  it("bound `__setstate__` by the limits of the load", async () => {
    const model = await load(endless, { limits: { maxSetupSteps: 1000 } });
    await expect(model.session()).rejects.toMatchObject({ code: "step-limit" });
  });
  it("bound `__setstate__` by the session's own options, and end it by a signal", async () => {
    const model = await load(endless);
    await expect(model.session({ maxSteps: 1000 })).rejects.toMatchObject({ code: "step-limit" });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 30);
    await expect(model.session({ maxSteps: Infinity, signal: controller.signal })).rejects.toMatchObject({ code: "aborted" });
  });
});

it("an ONNX op of an old version refuses an axis far outside its operand", async () => {
  const float = (name: string) => (w: MessageWriter) => w.string(1, name).message(2, (t) => t.message(1, (tensor) => tensor.int(1, 1)));
  const model = new MessageWriter()
    .int(1, 3)
    .message(7, (g) => {
      g.message(1, (n) => {
        n.string(1, "x").string(1, "x").string(2, "y").string(4, "Add");
        n.message(5, (a) =>
          a
            .string(1, "axis")
            .int(3, -(2 ** 50))
            .int(20, 2),
        );
        n.message(5, (a) => a.string(1, "broadcast").int(3, 1).int(20, 2));
      });
      g.string(2, "g").message(11, float("x")).message(12, float("y"));
    })
    .message(8, (o) => o.string(1, "").int(2, 6));
  expect(await outcome(model.finish())).toBe("shape-mismatch");
});
