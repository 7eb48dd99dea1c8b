/** Packed sequences: the rows of all steps one after another, with the batch size of each step (PyTorch: pack_padded_sequence and back). */

import { copyInto, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { narrowed, permuted, selected } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { filled } from "./filling.ts";

const timeFirst = (t: Tensor, batchFirst: boolean): Tensor => (batchFirst ? permuted(t, [1, 0, ...t.shape.map((_, i) => i).slice(2)]) : t);
const longs = (values: readonly number[]): Tensor => Tensor.from(BigInt64Array.from(values, BigInt), [values.length], "int64");

/** Runs of steps with the same batch size: first step, number of steps, size, first row. */
function runs(sizes: readonly number[]): { readonly step: number; readonly count: number; readonly size: number; readonly row: number }[] {
  const out: { step: number; count: number; size: number; row: number }[] = [];
  let row = 0;
  sizes.forEach((size, step) => {
    const last = out[out.length - 1];
    if (last?.size === size) last.count++;
    else out.push({ step, count: 1, size, row });
    row += size;
  });
  return out;
}

/** The rows of a run as `[steps, size, ...]`. */
function block(rows: Tensor, row: number, count: number, size: number): Tensor {
  const part = narrowed(rows, 0, row, count * size);
  const stride = rows.strides[0] ?? 1;
  return viewOf(part, [count, size, ...rows.shape.slice(1)], [stride * size, stride, ...rows.strides.slice(1)], part.offset);
}

function pack(ctx: Context, input: Tensor, lengths: readonly number[], batchFirst: boolean): [Tensor, Tensor] {
  const sequence = timeFirst(input, batchFirst);
  const [time = 0, batch = 0] = sequence.shape;
  if (input.numel === 0) throw new OpwiseError("bad-argument", "Cannot pack empty tensors.");
  if (lengths.length !== batch) throw new OpwiseError("shape-mismatch", `Expected \`len(lengths)\` to be equal to batch_size, but got ${lengths.length} (batch_size=${batch})`);
  lengths.forEach((n, i) => {
    if (i > 0 && n > (lengths[i - 1] ?? 0)) {
      throw new OpwiseError("bad-argument", "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not need ONNX exportability.");
    }
    if (n <= 0) throw new OpwiseError("bad-argument", "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0");
  });
  if ((lengths[0] ?? 0) > time) throw new OpwiseError("shape-mismatch", `Expected lengths of at most ${time}, but got ${lengths[0]}`);
  const sizes = Array.from({ length: lengths[0] ?? 0 }, (_, t) => lengths.filter((n) => n > t).length);
  const out = empty(ctx, [lengths.reduce((a, b) => a + b, 0), ...sequence.shape.slice(2)], input.dtype);
  for (const { step, count, size, row } of runs(sizes)) copyInto(ctx, block(out, row, count, size), narrowed(narrowed(sequence, 0, step, count), 1, 0, size));
  return [out, longs(sizes)];
}

export const packedSequences: readonly Op[] = [
  op("aten::_pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first) -> (Tensor, Tensor)", {
    reads: function* (ctx, input, lengths, batchFirst) {
      yield lengths;
      return pack(ctx, input, Array.from(lengths.data, Number), batchFirst);
    },
    quantised: "codes",
  }),
  op("aten::_pad_packed_sequence(Tensor data, Tensor batch_sizes, bool batch_first, Scalar padding_value, int total_length) -> (Tensor, Tensor)", {
    reads: function* (ctx, data, batchSizes, batchFirst, value, totalLength) {
      yield batchSizes;
      const sizes = Array.from(batchSizes.data, Number);
      const batch = sizes[0] ?? 0;
      if (totalLength > 0 && totalLength < sizes.length) {
        throw new OpwiseError("bad-argument", `Expected total_length to be at least the length of the longest sequence in input, but got total_length=${totalLength} and max sequence length being ${sizes.length}`);
      }
      const time = totalLength > 0 ? totalLength : sizes.length;
      const out = filled(ctx, [time, batch, ...data.shape.slice(1)], data.dtype, value);
      for (const { step, count, size, row } of runs(sizes)) copyInto(ctx, narrowed(narrowed(out, 0, step, count), 1, 0, size), block(data, row, count, size));
      const lengths = Array.from({ length: batch }, (_, b) => sizes.filter((n) => n > b).length);
      return [timeFirst(out, batchFirst), longs(lengths)];
    },
  }),
  op('aten::pad_sequence(Tensor[] sequences, bool batch_first=False, float padding_value=0., str padding_side="right") -> Tensor', {
    run: (ctx, sequences, batchFirst, value, side) => {
      const [first] = sequences;
      if (first === undefined) throw new OpwiseError("bad-argument", "received an empty list of sequences");
      if (side !== "left" && side !== "right") throw new OpwiseError("bad-argument", `Expected padding_side to be one of left or right, but got ${side}.`);
      const longest = sequences.reduce((n, t) => Math.max(n, t.shape[0] ?? 0), 0);
      const tail = first.shape.slice(1);
      const out = filled(ctx, batchFirst ? [sequences.length, longest, ...tail] : [longest, sequences.length, ...tail], first.dtype, { kind: "float", value });
      sequences.forEach((t, i) => {
        const length = t.shape[0] ?? 0;
        copyInto(ctx, narrowed(selected(out, batchFirst ? 0 : 1, i), 0, side === "right" ? 0 : longest - length, length), t);
      });
      return out;
    },
  }),
];
