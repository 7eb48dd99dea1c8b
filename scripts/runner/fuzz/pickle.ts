/** Damage to pickles, opcode by opcode: what comes out is mostly a pickle again. */

import { OP } from "../../../src/bytes/pickle-ops.ts";
import { blind, concat, type Damage, spliced } from "./bytes.ts";
import type { Random } from "./random.ts";

const FIXED: Readonly<Record<number, number>> = {
  [OP.BININT]: 4,
  [OP.BININT1]: 1,
  [OP.BININT2]: 2,
  [OP.BINGET]: 1,
  [OP.LONG_BINGET]: 4,
  [OP.BINPUT]: 1,
  [OP.LONG_BINPUT]: 4,
  [OP.BINFLOAT]: 8,
  [OP.PROTO]: 1,
  [OP.EXT1]: 1,
  [OP.EXT2]: 2,
  [OP.EXT4]: 4,
  [OP.FRAME]: 8,
};
const LINES: Readonly<Record<number, number>> = {
  [OP.FLOAT]: 1,
  [OP.INT]: 1,
  [OP.LONG]: 1,
  [OP.STRING]: 1,
  [OP.UNICODE]: 1,
  [OP.GET]: 1,
  [OP.PUT]: 1,
  [OP.PERSID]: 1,
  [OP.GLOBAL]: 2,
  [OP.INST]: 2,
};
/** Bytes of the length before the content. */
const COUNTED: Readonly<Record<number, number>> = {
  [OP.SHORT_BINSTRING]: 1,
  [OP.BINSTRING]: 4,
  [OP.SHORT_BINUNICODE]: 1,
  [OP.BINUNICODE]: 4,
  [OP.BINUNICODE8]: 8,
  [OP.SHORT_BINBYTES]: 1,
  [OP.BINBYTES]: 4,
  [OP.BINBYTES8]: 8,
  [OP.BYTEARRAY8]: 8,
  [OP.LONG1]: 1,
  [OP.LONG4]: 4,
};

interface Op {
  readonly from: number;
  readonly to: number;
}

/** The opcodes with their arguments, as far as they read. */
function opsOf(bytes: Uint8Array): Op[] {
  const out: Op[] = [];
  let at = 0;
  while (at < bytes.length) {
    const from = at;
    const code = bytes[at++] ?? 0;
    at += FIXED[code] ?? 0;
    for (let n = LINES[code] ?? 0; n > 0; n--) {
      const end = bytes.indexOf(10, at);
      at = end < 0 ? bytes.length + 1 : end + 1;
    }
    const width = COUNTED[code] ?? 0;
    if (width > 0) {
      let length = 0;
      for (let i = 0; i < width; i++) length += (bytes[at + i] ?? 0) * 256 ** i;
      at += width + length;
    }
    if (at > bytes.length) break;
    out.push({ from, to: at });
  }
  return out;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** Lists (or tuples, dicts) of the one before, twice: 2^depth values when somebody counts them all. */
function laughs(random: Random): Uint8Array {
  const depth = random.of([8, 30, 120, 250]);
  const kind = random.below(3);
  const out: number[] = [OP.NONE, OP.BINPUT, 0];
  for (let i = 0; i < depth; i++) {
    const put = [OP.BINPUT, (i + 1) & 255];
    const got = [OP.BINGET, i & 255, OP.BINGET, i & 255];
    if (kind === 0) out.push(OP.POP, OP.EMPTY_LIST, OP.MARK, ...got, OP.APPENDS, ...put);
    else if (kind === 1) out.push(OP.POP, ...got, OP.TUPLE2, ...put);
    else out.push(OP.POP, OP.EMPTY_DICT, OP.MARK, OP.BININT1, 0, OP.BINGET, i & 255, OP.BININT1, 1, OP.BINGET, i & 255, OP.SETITEMS, ...put);
  }
  return Uint8Array.from(out);
}

function snippet(random: Random): Uint8Array {
  switch (random.below(14)) {
    case 0:
      return laughs(random);
    case 1:
      return Uint8Array.of(OP.LONG1, 255, ...new Uint8Array(255).fill(127));
    case 2:
      return Uint8Array.of(OP.LONG4, 255, 255, 255, 127);
    case 3:
      return Uint8Array.of(OP.BINUNICODE, 255, 255, 255, 255, 65);
    case 4:
      return Uint8Array.of(OP.BININT, random.below(256), random.below(256), random.below(256), random.of([0, 127, 128, 255]));
    case 5:
      return Uint8Array.of(OP.BININT1, random.below(256));
    case 6:
      return Uint8Array.of(random.of([OP.NONE, OP.NEWTRUE, OP.NEWFALSE, OP.EMPTY_TUPLE, OP.EMPTY_LIST, OP.EMPTY_DICT, OP.EMPTY_SET]));
    case 7:
      return Uint8Array.of(
        random.of([
          OP.MARK,
          OP.POP,
          OP.DUP,
          OP.POP_MARK,
          OP.TUPLE,
          OP.TUPLE1,
          OP.TUPLE2,
          OP.TUPLE3,
          OP.APPEND,
          OP.APPENDS,
          OP.SETITEM,
          OP.SETITEMS,
          OP.REDUCE,
          OP.BUILD,
          OP.NEWOBJ,
          OP.BINPERSID,
          OP.STOP,
          OP.DICT,
          OP.LIST,
        ]),
      );
    case 8:
      return Uint8Array.of(OP.BINGET, random.below(32));
    case 9:
      return concat(
        ascii(
          "c" +
            random.of([
              "torch\nFloatStorage",
              "torch\nQInt8Storage",
              "torch._utils\n_rebuild_tensor_v2",
              "torch._utils\n_rebuild_qtensor",
              "collections\nOrderedDict",
              "__torch__\nNet",
              "torch.jit._pickle\nbuild_intlist",
              "torch\ndevice",
              "os\nsystem",
              "torch._utils\n_rebuild_sparse_tensor",
              "torch.jit._pickle\nrestore_type_tag",
              "torch._utils\n_rebuild_parameter",
            ]) +
            "\n",
        ),
      );
    case 10: {
      const code = random.of([OP.TUPLE1, OP.EMPTY_LIST]);
      const depth = random.of([20, 900, 5000]);
      return code === OP.TUPLE1
        ? new Uint8Array(depth).fill(OP.TUPLE1)
        : concat(new Uint8Array(depth).fill(OP.EMPTY_LIST), new Uint8Array(depth - 1).fill(OP.APPEND));
    }
    case 11:
      return Uint8Array.of(OP.BINFLOAT, ...(random.oneIn(2) ? [0x7f, 0xf8] : [0x7f, 0xf0]), 0, 0, 0, 0, 0, 0);
    case 12:
      return Uint8Array.of(OP.LONG1, 8, 255, 255, 255, 255, 255, 255, 255, random.of([127, 63, 31, 255]));
    default:
      return Uint8Array.of(OP.BINUNICODE, 1, 0, 0, 0, random.of([48, 49, 120]));
  }
}

/** One change to a pickle's opcodes. */
export const damagePickle: Damage = (bytes, random) => {
  const ops = opsOf(bytes);
  if (ops.length < 3) return blind(bytes, random);
  const op = random.of(ops);
  const other = random.of(ops);
  const text = (o: Op): Uint8Array => bytes.slice(o.from, o.to);
  const ints = ops.filter((o) => bytes[o.from] === OP.BININT || bytes[o.from] === OP.BININT1 || bytes[o.from] === OP.BININT2 || bytes[o.from] === OP.LONG1);
  switch (random.below(8)) {
    case 0:
      return spliced(bytes, op.from, op.to, new Uint8Array());
    case 1:
      return spliced(bytes, op.from, op.from, text(op));
    case 2:
      return spliced(bytes, op.from, op.to, text(other));
    case 3:
      return spliced(bytes, op.from, op.from, snippet(random));
    case 4:
      return spliced(bytes, op.from, op.to, snippet(random));
    case 5: {
      if (ints.length === 0) return blind(bytes, random);
      const int = random.of(ints);
      return spliced(
        bytes,
        int.from,
        int.to,
        random.of([
          Uint8Array.of(OP.BININT1, 0),
          Uint8Array.of(OP.BININT, 255, 255, 255, 255),
          Uint8Array.of(OP.BININT, 255, 255, 255, 127),
          Uint8Array.of(OP.LONG1, 8, 0, 0, 0, 0, 0, 0, 0, 16),
          Uint8Array.of(OP.LONG1, 6, 0, 0, 0, 0, 0, 4),
          Uint8Array.of(OP.BININT1, random.below(9)),
          Uint8Array.of(OP.NONE),
        ]),
      );
    }
    case 6: {
      const [a, b] = op.from <= other.from ? [op, other] : [other, op];
      return a === b ? blind(bytes, random) : concat(bytes.subarray(0, a.from), text(b), bytes.subarray(a.to, b.from), text(a), bytes.subarray(b.to));
    }
    default: {
      const out = bytes.slice();
      const at = op.from + random.below(op.to - op.from);
      out[at] = random.below(256);
      return out;
    }
  }
};
