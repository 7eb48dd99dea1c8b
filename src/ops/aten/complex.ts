/** Complex numbers as pairs: parts, conjugates (lazy flags on views), and building them from reals. */

import { type Num } from "../../expr/num.ts";
import { empty, map, resolved } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import type { Program } from "../../prims/program.ts";
import { aliasOf, conjugated, partOf } from "../../prims/views.ts";
import { complexOf, type DType, isComplex, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { operandNum, outputParts } from "../elementwise.ts";
import { writeOut } from "../registry.ts";
import { copyOf } from "../../prims/calls.ts";

type Pair = (a: Num, b: Num) => Num;

/** Programs of two reals that give a complex number, by name and dtype. */
const programs = new Map<string, Program>();

function joined(ctx: Context, name: string, build: Pair, a: Tensor, b: Tensor): Tensor {
  if (a.dtype !== b.dtype) throw new OpwiseError("dtype-mismatch", `Expected object of scalar type ${scalarName(a.dtype)} but got scalar type ${scalarName(b.dtype)} for second argument`);
  if (a.dtype !== "float32" && a.dtype !== "float64" && a.dtype !== "float16") {
    throw new OpwiseError("dtype-mismatch", `Expected both inputs to be Half, Float or Double tensors but got ${scalarName(a.dtype)} and ${scalarName(b.dtype)}`);
  }
  const key = `${name}/${a.dtype}`;
  let program = programs.get(key);
  if (program === undefined) {
    const compute: DType = a.dtype === "float64" ? "float64" : "float32";
    const dtype = complexOf(a.dtype);
    program = { name, operands: [a.dtype, a.dtype], scalars: [], outputs: [{ dtype, parts: outputParts(build(operandNum(0, a.dtype, compute), operandNum(1, a.dtype, compute)), dtype) }], messages: [] };
    programs.set(key, program);
  }
  const [out] = map(ctx, program, [a, b]);
  return out ?? empty(ctx, [], complexOf(a.dtype));
}

const fromParts: Pair = (a, b) => a.withImag(b);
const fromPolar: Pair = (r, phi) => r.mul(phi.cos()).withImag(r.mul(phi.sin()));
const conjugate = (self: Tensor): Tensor => (isComplex(self.dtype) ? conjugated(self) : self);

export const complexOps: readonly Op[] = [
  op("aten::complex(Tensor real, Tensor imag) -> Tensor", { run: (ctx, re, im) => joined(ctx, "complex", fromParts, re, im) }),
  ...(["complex", "polar"] as const).map((name) =>
    op(`aten::${name}.out(Tensor real, Tensor imag, *, Tensor(a!) out) -> Tensor(a!)` as "aten::complex.out(Tensor real, Tensor imag, *, Tensor(a!) out) -> Tensor(a!)", {
      run: (ctx, a, b, out) => {
        const value = joined(ctx, name, name === "complex" ? fromParts : fromPolar, a, b);
        if (out.dtype !== value.dtype) throw new OpwiseError("dtype-mismatch", `Expected object of scalar type ${scalarName(value.dtype)} but got scalar type ${scalarName(out.dtype)} for argument 'out'`);
        writeOut(ctx, out, value);
        return out;
      },
    }),
  ),
  op("aten::polar(Tensor abs, Tensor angle) -> Tensor", { run: (ctx, abs, angle) => joined(ctx, "polar", fromPolar, abs, angle) }),
  op("aten::real(Tensor(a) self) -> Tensor(a)", { run: (_ctx, self) => (isComplex(self.dtype) ? partOf(self, 0) : self), quantised: "copies" }),
  op("aten::imag(Tensor(a) self) -> Tensor(a)", {
    run: (_ctx, self) => {
      if (!isComplex(self.dtype)) throw new OpwiseError("dtype-mismatch", "imag is not implemented for tensors with non-complex dtypes.");
      return partOf(self, 1);
    },
  }),
  op("aten::conj(Tensor(a) self) -> Tensor(a)", { run: (_ctx, self) => conjugate(self), quantised: "copies" }),
  op("aten::_conj(Tensor(a) self) -> Tensor(a)", { run: (_ctx, self) => conjugate(self) }),
  op("aten::_neg_view(Tensor(a) self) -> Tensor(a)", {
    run: (_ctx, self) => {
      const out = aliasOf(self);
      out.neg = !self.neg;
      return out;
    },
  }),
  op("aten::resolve_conj(Tensor(a) self) -> Tensor(a)", { run: (ctx, self) => (self.conj ? resolved(ctx, self) : self) }),
  op("aten::resolve_neg(Tensor(a) self) -> Tensor(a)", { run: (ctx, self) => (self.neg ? resolved(ctx, self) : self) }),
  op("aten::_conj_copy(Tensor self) -> Tensor", { run: (ctx, self) => copyOf(ctx, resolved(ctx, conjugate(self))) }),
  op("aten::_neg_view_copy(Tensor self) -> Tensor", {
    run: (ctx, self) => {
      const view = aliasOf(self);
      view.neg = !self.neg;
      return copyOf(ctx, resolved(ctx, view));
    },
  }),
];
