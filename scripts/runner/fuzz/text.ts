/** Damage to program text and to JSON that leaves most of it well formed. */

import { type Damage } from "./bytes.ts";
import type { Random } from "./random.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const HOSTILE: readonly string[] = [
  "9223372036854775807",
  "9223372036854775808",
  "-1",
  "0",
  "1e999",
  "1" + "0".repeat(400),
  "1j",
  "None",
  "True",
  "(",
  ")",
  "[",
  "]",
  "{",
  "}",
  ",",
  ":",
  ".",
  "...",
  "=",
  "-",
  "**",
  "//",
  "%",
  "<<",
  "self",
  "x",
  "()",
  "[]",
  "{}",
  "(x,)",
  "[x, x]",
  "not",
  "and",
  "in",
  "is",
  "if",
  "else",
  "for",
  "while",
  "return",
  "def",
  "class",
  "with",
  "as",
  "raise",
  "assert",
  "pass",
  "break",
  "continue",
  '""',
  "'\\u0000'",
  "annotate(List[int], [])",
  "torch.zeros([1000000, 1000000])",
  "torch.expand(x, [1073741824, 1073741824])",
  "torch.cat([x, x])",
  "self.forward(x)",
  "int",
  "Tensor",
  "List[List[int]]",
  "Optional[Tensor]",
  "Dict[str, Tensor]",
  "Tuple[int, int]",
  "Future[int]",
  "__torch__.Net",
  "\n",
  "  ",
  "    ",
  "#",
  "\\",
  "@",
  "\u0000",
  "é",
  "uninitialized(Tensor)",
  "unchecked_cast(int, x)",
  "range(9223372036854775807)",
  "CONSTANTS.c0",
  "CONSTANTS.c999999",
  "ops.prim.data(x)",
  "fork(x)",
  "wait(x)",
  '"a" * 1000000000',
  "[0] * 1000000000",
];

function tokens(text: string): string[] {
  return text.match(/[A-Za-z_][\w]*|\d[\w.]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\n[ ]*|[ ]+|[^\s\w]|\s/g) ?? [];
}

function nested(random: Random): string {
  const depth = random.of([10, 150, 1000, 30_000]);
  const [open, close] = random.of([
    ["(", ")"],
    ["[", "]"],
    ["List[", "]"],
    ["-", ""],
    ["not ", ""],
    ["x if x else ", ""],
    ["x.add(", ")"],
    ["Optional[", "]"],
    ["Tuple[int, ", "]"],
    ["x[", "]"],
  ] as const);
  return open.repeat(depth) + "x" + close.repeat(depth);
}

/** One change to a text of tokens. */
export const damageText: Damage = (bytes, random) => {
  const parts = tokens(decoder.decode(bytes));
  if (parts.length === 0) return encoder.encode(random.of(HOSTILE));
  const at = random.below(parts.length);
  const words = parts.flatMap((p, i) => (/^\w/.test(p) ? [i] : []));
  const word = words.length > 0 ? random.of(words) : at;
  switch (random.below(11)) {
    case 0:
      parts.splice(at, 1);
      break;
    case 1:
      parts.splice(at, 0, parts[at] ?? "");
      break;
    case 2:
      parts[word] = random.of(HOSTILE);
      break;
    case 3:
      parts.splice(at, 0, ` ${random.of(HOSTILE)} `);
      break;
    case 4:
      parts[word] = parts[random.of(words.length > 0 ? words : [0])] ?? "";
      break;
    case 5:
      parts[word] = nested(random);
      break;
    case 6: {
      const from = random.below(parts.length);
      parts.splice(at, 0, ...parts.slice(from, from + random.size(200)));
      break;
    }
    case 7:
      parts.splice(at, random.size(30));
      break;
    case 8: {
      const lines = parts.join("").split("\n");
      const line = random.below(lines.length);
      const other = random.below(lines.length);
      const mode = random.below(4);
      if (mode === 0) lines.splice(line, 1);
      else if (mode === 1) lines.splice(other, 0, lines[line] ?? "");
      else if (mode === 2) lines[line] = `  ${lines[line] ?? ""}`;
      else lines[line] = (lines[line] ?? "").slice(2);
      return encoder.encode(lines.join("\n"));
    }
    case 9: {
      // A block many times over: quadratic work shows.
      const lines = parts.join("").split("\n");
      const line = random.below(lines.length);
      const block = lines.slice(line, line + random.size(6));
      for (let i = random.of([10, 100, 1000]); i > 0; i--) lines.splice(line, 0, ...block);
      return encoder.encode(lines.join("\n"));
    }
    default: {
      const digits = parts.flatMap((p, i) => (/^\d+$/.test(p) ? [i] : []));
      parts[digits.length > 0 ? random.of(digits) : word] = random.of([
        "0",
        "-1",
        "2147483648",
        "9223372036854775807",
        "4294967296",
        "1000000000",
        "65536",
        "1.5",
        "3",
      ]);
    }
  }
  return encoder.encode(parts.join(""));
};

// ---- JSON

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
interface Place {
  readonly holder: Json[] | { [key: string]: Json };
  readonly key: string;
}

function placesOf(root: Json): Place[] {
  const out: Place[] = [];
  const todo: Json[] = [root];
  for (let value = todo.pop(); value !== undefined; value = todo.pop()) {
    if (value === null || typeof value !== "object") continue;
    const entries: readonly (readonly [string, Json])[] = Object.entries(value);
    for (const [key, inner] of entries) {
      out.push({ holder: value, key });
      todo.push(inner);
    }
  }
  return out;
}
function get({ holder, key }: Place): Json {
  return (Array.isArray(holder) ? holder[Number(key)] : holder[key]) ?? null;
}
function set({ holder, key }: Place, value: Json): void {
  if (Array.isArray(holder)) holder[Number(key)] = value;
  else holder[key] = value;
}

/** One change to a JSON document; what cannot be parsed is damaged as text. */
export const damageJson: Damage = (bytes, random) => {
  let root: Json;
  try {
    root = JSON.parse(decoder.decode(bytes)) as Json; // any JSON is one
    JSON.stringify(root); // what an earlier piece nested too deep cannot be walked
  } catch {
    return damageText(bytes, random);
  }
  const places = placesOf(root);
  if (places.length === 0) return damageText(bytes, random);
  const place = random.of(places);
  const other = random.of(places);
  const numbers = places.filter((p) => typeof get(p) === "number");
  const strings = places.filter((p) => typeof get(p) === "string");
  switch (random.below(9)) {
    case 0:
      if (Array.isArray(place.holder)) place.holder.splice(Number(place.key), 1);
      else delete place.holder[place.key];
      break;
    case 1:
      set(place, random.of<Json>([null, true, -1, 0, 1e300, 2 ** 53, 1.5, "", "x", [], {}, [[]], { "": 1 }]));
      break;
    case 2:
      if (numbers.length > 0) set(random.of(numbers), random.of([0, -1, 1, 2 ** 31, 2 ** 32, 2 ** 53, 1e18, -(2 ** 63), 1e308, 0.5, 65536]));
      break;
    case 3:
      if (strings.length > 0) set(random.of(strings), get(random.of(strings)));
      break;
    case 4:
      if (strings.length > 0)
        set(
          random.of(strings),
          random.of([
            "__proto__",
            "constructor",
            "",
            "s0",
            "((".repeat(2000),
            "Max(".repeat(500),
            "s0 + ".repeat(20_000),
            "2**2**2**99",
            "\u0000",
            "torch.ops.aten.add.Tensor",
            "9".repeat(500),
            "../../x",
          ]),
        );
      break;
    case 5:
      set(place, structuredClone(get(other)));
      break;
    case 6: {
      if (Array.isArray(place.holder)) place.holder.splice(Number(place.key), 0, structuredClone(get(other)));
      else place.holder[other.key] = structuredClone(get(other));
      break;
    }
    case 7: {
      const depth = random.of([50, 1000, 50_000]);
      const mark = "\u0001deep\u0001";
      set(place, mark);
      const [open, close] = random.of([
        ["[", "]"],
        ['{"a":', "}"],
      ] as const);
      return encoder.encode(JSON.stringify(root).replace(JSON.stringify(mark), () => `${open.repeat(depth)}1${close.repeat(depth)}`));
    }
    default: {
      const value = get(place);
      if (Array.isArray(value) && value.length > 0) for (let i = random.of([1, 100, 3000]); i > 0; i--) value.push(structuredClone(value[0] ?? null));
    }
  }
  return encoder.encode(JSON.stringify(root));
};
