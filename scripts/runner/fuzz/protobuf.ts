/** Damage to protobuf messages, field by field, with the lengths around put right again. */

import { blind, BOUNDARIES, concat, type Damage, varint } from "./bytes.ts";
import type { Random } from "./random.ts";

interface Field {
  number: number;
  wire: number;
  /** What follows the tag, without a length. */
  raw: Uint8Array;
  /** For wire type 2: the fields inside, where the content reads as a message. */
  inner: Field[] | undefined;
}

function readVarint(bytes: Uint8Array, at: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, next: at + i + 1 };
  }
  return undefined;
}

/** Fields that one file is taken apart into; what is inside of more stays bytes. */
const MAX_FIELDS = 50_000;

function parse(bytes: Uint8Array, depth: number, budget: { fields: number }): Field[] | undefined {
  const out: Field[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (--budget.fields < 0) return undefined;
    const tag = readVarint(bytes, at);
    if (tag === undefined) return undefined;
    const number = Math.floor(tag.value / 8);
    const wire = tag.value % 8;
    if (number === 0 || number > 5000) return undefined;
    at = tag.next;
    let end: number;
    if (wire === 0) {
      const v = readVarint(bytes, at);
      if (v === undefined) return undefined;
      end = v.next;
    } else if (wire === 1) end = at + 8;
    else if (wire === 5) end = at + 4;
    else if (wire === 2) {
      const length = readVarint(bytes, at);
      if (length === undefined) return undefined;
      at = length.next;
      end = at + length.value;
    } else return undefined;
    if (end > bytes.length) return undefined;
    const raw = bytes.slice(at, end);
    out.push({ number, wire, raw, inner: wire === 2 && depth > 0 && raw.length > 1 ? parse(raw, depth - 1, budget) : undefined });
    at = end;
  }
  return out;
}

function write(fields: readonly Field[]): Uint8Array {
  return concat(
    ...fields.flatMap((f) => {
      const body = f.inner === undefined ? f.raw : write(f.inner);
      return [varint(BigInt(f.number * 8 + f.wire)), ...(f.wire === 2 ? [varint(BigInt(body.length))] : []), body];
    }),
  );
}

function all(fields: Field[], out: { readonly list: Field[]; readonly field: Field }[] = []): { readonly list: Field[]; readonly field: Field }[] {
  for (const field of fields) {
    out.push({ list: fields, field });
    if (field.inner !== undefined) all(field.inner, out);
  }
  return out;
}

function clone(field: Field): Field {
  return { ...field, inner: field.inner?.map(clone) };
}

function deep(number: number, depth: number): Uint8Array {
  let body: Uint8Array = new Uint8Array();
  for (let i = 0; i < depth; i++) body = concat(varint(BigInt(number * 8 + 2)), varint(BigInt(body.length)), body);
  return body;
}

const WORDS = [
  "",
  "x",
  "Add",
  "If",
  "Loop",
  "Scan",
  "Reshape",
  "Expand",
  "ConstantOfShape",
  "Range",
  "Tile",
  "Pad",
  "SequenceMap",
  "MatMul",
  "Conv",
  "Resize",
  "Einsum",
  "Gather",
  "../../../etc/passwd",
  "location",
  "\u0000",
  "Identity",
  "OneHot",
  "Constant",
  "NonZero",
  "Upsample",
  "Slice",
  "Cast",
];

/** One change to a message. */
export const damageProtobuf: Damage = (bytes, random: Random) => {
  const root = parse(bytes, 12, { fields: MAX_FIELDS });
  if (root === undefined || root.length === 0) return blind(bytes, random);
  const places = all(root);
  const { list, field } = random.of(places);
  const other = random.of(places).field;
  const at = list.indexOf(field);
  const ints = places.filter((p) => p.field.wire === 0);
  const texts = places.filter((p) => p.field.wire === 2 && p.field.raw.length < 60 && p.field.raw.every((b) => b >= 32 && b < 127));
  switch (random.below(11)) {
    case 0:
      list.splice(at, 1);
      break;
    case 1:
      list.splice(at, 0, clone(field));
      break;
    case 2:
      list.splice(random.below(list.length + 1), 0, clone(other));
      break;
    case 3:
      if (ints.length > 0) random.of(ints).field.raw = varint(random.of([...BOUNDARIES, 1n, 2n, 3n, 5n, 7n, 9n, 11n, 16n, 22n]));
      break;
    case 4:
      if (texts.length > 0) {
        const f = random.of(texts).field;
        f.inner = undefined;
        f.raw = new TextEncoder().encode(random.of(WORDS));
      }
      break;
    case 5:
      if (texts.length > 0) {
        const f = random.of(texts).field;
        f.inner = undefined;
        f.raw = random.of(texts).field.raw;
      }
      break;
    case 6:
      field.number = random.of([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 25]);
      break;
    case 7:
      if (field.inner === undefined) field.raw = blind(field.raw, random);
      else field.wire = random.of([0, 1, 2, 3, 4, 5]);
      break;
    case 8:
      field.wire = 2;
      field.inner = undefined;
      field.raw = deep(random.of([1, 5, 6, 7, 9]), random.of([20, 200, 400, 2000]));
      break;
    case 9: {
      for (let i = random.of([3, 100, 1000]); i > 0; i--) list.splice(at, 0, clone(field));
      break;
    }
    default: {
      field.inner = undefined;
      field.raw = blind(field.raw, random);
    }
  }
  const out = write(root);
  return out.length > 8 << 20 ? bytes : out;
};
