import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limitsWith } from "./limits.ts";
import { readPickle } from "./pickle.ts";
import { childrenOf, depthOf, describePickle, type PickleValue, stringEntries } from "./pickle-value.ts";

const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));
const KNOWN = new Set(["collections.OrderedDict", "_codecs.encode", "__builtin__.set", "__builtin__.frozenset", "builtins.set", "builtins.frozenset", "m.C", "m.f"]);
const options = { allow: (global: string) => KNOWN.has(global), record: "data.pkl" };
const read = (bytes: Uint8Array): PickleValue => readPickle(bytes, options).value;

/** The plain value where there is one: ints and floats tell themselves apart by `{float}`. */
function plain(value: PickleValue): unknown {
  switch (value.kind) {
    case "none": return null;
    case "bool": case "int": case "string": return value.value;
    case "bytes": return `b:${Buffer.from(value.value).toString("latin1")}`;
    case "float": return { float: value.value };
    case "tuple": return { tuple: value.items.map(plain) };
    case "list": return value.items.map(plain);
    case "set": return { set: value.items.map(plain) };
    case "dict": return Object.fromEntries([...stringEntries(value.entries)].map(([key, item]) => [key, plain(item)]));
    case "reduce": return { call: value.callable.fullName, args: plain(value.args) };
    case "object": case "global": case "persistent": return describePickle(value);
    default: return value satisfies never;
  }
}

// What CPython 3 writes for one dict by protocols 0 to 4 (5 has no other opcodes for it).
const WRITTEN: readonly string[] = [
  "286470300a56610a70310a286c70320a49310a61492d310a61493235360a614937303030300a614c323134373438333634384c0a614c393030373139393235343734303939314c0a614c393030373139393235343734303939324c0a614c2d313138303539313632303731373431313330333432344c0a614930310a614e617356660a70330a46312e300a7356740a70340a2849310a7470350a735674300a70360a2874735674340a70370a2849310a49320a49330a49340a7470380a7356620a70390a635f636f646563730a656e636f64650a7031300a285678790a7031310a566c6174696e310a7031320a747031330a527031340a7356730a7031350a5668e95c75303030610a7031360a7356780a7031370a286c7031380a49310a617356790a7031390a6731380a73567365740a7032300a635f5f6275696c74696e5f5f0a7365740a7032310a28286c7032320a49330a61747032330a527032340a735666730a7032350a635f5f6275696c74696e5f5f0a66726f7a656e7365740a7032360a28286c7032370a49340a61747032380a527032390a732e",
  "7d71002858010000006171015d7102284b014affffffff4d00014a701101004c323134373438333634384c0a4c393030373139393235343734303939314c0a4c393030373139393235343734303939324c0a4c2d313138303539313632303731373431313330333432344c0a4930310a4e655801000000667103473ff00000000000005801000000747104284b0174710558020000007430710629580200000074347107284b014b024b034b047471085801000000627109635f636f646563730a656e636f64650a710a2858020000007879710b58060000006c6174696e31710c74710d52710e580100000073710f580400000068c3a90a711058010000007871115d71124b01615801000000797113681258030000007365747114635f5f6275696c74696e5f5f0a7365740a7115285d71164b0361747117527118580200000066737119635f5f6275696c74696e5f5f0a66726f7a656e7365740a711a285d711b4b046174711c52711d752e",
  "80027d71002858010000006171015d7102284b014affffffff4d00014a701101008a0500000080008a07ffffffffffff1f8a07000000000000208a090000000000000000c0884e655801000000667103473ff000000000000058010000007471044b0185710558020000007430710629580200000074347107284b014b024b034b047471085801000000627109635f636f646563730a656e636f64650a710a58020000007879710b58060000006c6174696e31710c86710d52710e580100000073710f580400000068c3a90a711058010000007871115d71124b01615801000000797113681258030000007365747114635f5f6275696c74696e5f5f0a7365740a71155d71164b0361857117527118580200000066737119635f5f6275696c74696e5f5f0a66726f7a656e7365740a711a5d711b4b046185711c52711d752e",
  "80037d71002858010000006171015d7102284b014affffffff4d00014a701101008a0500000080008a07ffffffffffff1f8a07000000000000208a090000000000000000c0884e655801000000667103473ff000000000000058010000007471044b0185710558020000007430710629580200000074347107284b014b024b034b04747108580100000062710943027879710a580100000073710b580400000068c3a90a710c580100000078710d5d710e4b0161580100000079710f680e58030000007365747110636275696c74696e730a7365740a71115d71124b0361857113527114580200000066737115636275696c74696e730a66726f7a656e7365740a71165d71174b0461857118527119752e",
  "800495a6000000000000007d94288c0161945d94284b014affffffff4d00014a701101008a0500000080008a07ffffffffffff1f8a07000000000000208a090000000000000000c0884e658c016694473ff00000000000008c0174944b0185948c02743094298c02743494284b014b024b034b0474948c01629443027879948c0173948c0468c3a90a948c0178945d944b01618c017994680e8c03736574948f94284b03908c02667394284b049194752e",
];

describe("values", () => {
  it.each(WRITTEN.map((hex, protocol) => ({ protocol, hex })))("are the same by protocol $protocol", ({ hex, protocol }) => {
    const value = read(fromHex(hex));
    const encoded = { call: "_codecs.encode", args: { tuple: ["xy", "latin1"] } };
    const set = (name: string, item: number): unknown => (protocol < 4 ? { call: `${protocol < 3 ? "__builtin__" : "builtins"}.${name}`, args: { tuple: [[item]] } } : { set: [item] });
    expect(plain(value)).toEqual({
      a: [1, -1, 256, 70000, 2 ** 31, Number.MAX_SAFE_INTEGER, 2n ** 53n, -(2n ** 70n), true, null],
      f: { float: 1 },
      t: { tuple: [1] },
      t0: { tuple: [] },
      t4: { tuple: [1, 2, 3, 4] },
      b: protocol < 3 ? encoded : "b:xy",
      s: "hé\n",
      x: [1],
      y: [1],
      set: set("set", 3),
      fs: set("frozenset", 4),
    });
    const entries = stringEntries(value.kind === "dict" ? value.entries : []);
    expect(entries.get("x")).toBe(entries.get("y"));
  });
  it("keeps what was set on an object", () => {
    const value = read(fromHex("800263636f6c6c656374696f6e730a4f726465726564446963740a71002952710158010000006b7102474004000000000000737d58010000006d4b0173622e"));
    expect(value).toMatchObject({ kind: "reduce", callable: { fullName: "collections.OrderedDict" }, entries: [[{ value: "k" }, { value: 2.5 }]], state: { kind: "dict" } });
  });
  it("makes objects of allowed classes without calling anything", () => {
    expect(read(ascii("\x80\x02cm\nC\n)\x81}X\x01\x00\x00\x00aK\x05sb."))).toMatchObject({ kind: "object", class: { fullName: "m.C" }, state: { kind: "dict" } });
    expect(read(ascii("\x80\x02cm\nC\nK\x05R."))).toMatchObject({ kind: "reduce", args: { kind: "int", value: 5 } });
    expect(read(ascii("(im\nC\n."))).toMatchObject({ kind: "object", class: { fullName: "m.C" } });
    expect(read(ascii("\x80\x02X\x01\x00\x00\x000Q."))).toMatchObject({ kind: "persistent", id: { value: "0" } });
    const { value, persistent } = readPickle(ascii("K\x01QK\x02Q\x86."), options);
    expect(persistent.map(({ id }) => id)).toEqual([{ kind: "int", value: 1 }, { kind: "int", value: 2 }]);
    expect(childrenOf(value)).toEqual(persistent);
  });
  it("reads Python 2 strings as text where they are, else as bytes", () => {
    expect(read(ascii("S'a\\x41\\n\\''\n."))).toEqual({ kind: "string", value: "aA\n'" });
    expect(read(ascii("U\x01\xff."))).toEqual({ kind: "bytes", value: Uint8Array.of(255) });
    expect(read(ascii("U\x02\xc3\xa9."))).toEqual({ kind: "string", value: "é" });
  });
  it("keeps cycles", () => {
    const value = read(ascii("\x80\x02]q\x00h\x00a."));
    expect(value.kind === "list" && value.items[0]).toBe(value);
    expect(depthOf(value)).toBe(1);
  });
  it("says where each of several pickles ends", () => {
    const bytes = ascii("K\x01.K\x02.");
    const first = readPickle(bytes, options);
    expect(first.end).toBe(3);
    expect(readPickle(bytes, { ...options, offset: first.end })).toEqual({ value: { kind: "int", value: 2 }, persistent: [], end: 6 });
  });
  it("lists children in order", () => {
    const value = read(ascii("\x80\x02cm\nf\nK\x01K\x02\x86R."));
    expect(childrenOf(value).map(describePickle)).toEqual(["the global m.f", "a tuple"]);
  });
});

describe("what is refused", () => {
  const code = (bytes: Uint8Array, limits = limitsWith()): unknown => {
    try {
      readPickle(bytes, { ...options, limits });
      return "read";
    } catch (error) {
      return error instanceof Error && "code" in error ? error.code : error;
    }
  };
  it.each([
    ["a global that is not allowed", "cos\nsystem\n.", "unsafe-pickle"],
    ["one spelled by the stack", "\x80\x04\x8c\x02os\x8c\x06system\x93.", "unsafe-pickle"],
    ["a call of a value", "K\x01)R.", "unsafe-pickle"],
    ["an extension", "\x82\x01.", "bad-pickle"],
    ["an unknown opcode", "\xfe.", "bad-pickle"],
    ["a future protocol", "\x80\x06N.", "bad-pickle"],
    ["no STOP", "N", "bad-pickle"],
    ["nothing", "", "truncated"],
    ["STOP alone", ".", "bad-pickle"],
    ["a pop below a mark", "N(\x85.", "bad-pickle"],
    ["a missing mark", "t.", "bad-pickle"],
    ["an empty memo slot", "h\x07.", "bad-pickle"],
    ["a huge memo index", "Nr\xff\xff\xff\xff.", "limit-exceeded"],
    ["a string longer than the rest", "X\xff\xff\xff\xff.", "truncated"],
    ["8-byte lengths beyond the rest", "\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "truncated"],
    ["a negative length", "T\xff\xff\xff\xff.", "truncated"],
    ["a huge int", "\x8b\xff\xff\xff\x7f.", "limit-exceeded"],
    ["text that is not UTF-8", "X\x01\x00\x00\x00\xff.", "bad-pickle"],
    ["a dict with a key only", "(Nd.", "bad-pickle"],
    ["an append to a tuple", ")Na.", "bad-pickle"],
    ["state of a list", "]Nb.", "bad-pickle"],
    ["a line without an end", "I12", "truncated"],
    ["an int that is none", "I1x\n.", "bad-pickle"],
    ["a float that is none", "F\n.", "bad-pickle"],
  ])("%s", (_, text, wanted) => expect(code(ascii(text))).toBe(wanted));
  it("too many opcodes", () => expect(code(ascii("N0N0N."), limitsWith({ maxPickleOps: 5 }))).toBe("limit-exceeded"));
  it("deep nesting, without using up the stack", () => {
    const deep = ascii(`${"]".repeat(200_000)}${"a".repeat(199_999)}.`);
    expect(code(deep)).toBe("limit-exceeded");
    expect(code(deep, limitsWith({ maxPickleDepth: 200_000 }))).toBe("read");
    expect(depthOf(readPickle(deep, { ...options, limits: limitsWith({ maxPickleDepth: 200_000 }) }).value)).toBe(200_000);
  });
  it("depth that grows after a value was shared", () => {
    // a = []; b = [a]; a.append([[]]): b is four deep, whatever was known of `a` when it went in.
    expect(code(ascii("]q\x00]h\x00a0h\x00]]aa0]h\x00a."), limitsWith({ maxPickleDepth: 3 }))).toBe("limit-exceeded");
  });
  it("any bytes whatever, with an error of ours or a value", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const result = code(bytes);
        expect(typeof result).toBe("string");
      }),
    );
  });
});
