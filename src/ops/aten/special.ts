/** Special functions of one tensor (PyTorch: torch.special); integers become the default float. */

import { fold } from "../../expr/expr.ts";
import type { SpecialUnary } from "../../expr/meanings.ts";
import { Num } from "../../expr/num.ts";
import { copyInto, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op, pointwise } from "../define.ts";
import { apply, checkCast, elementwise } from "../elementwise.ts";
import { floatPromoted } from "../promotion.ts";
import { special1, special2 } from "../special-functions.ts";

/** Names that are one intrinsic of the expression language. */
const INTRINSICS: Readonly<Record<string, SpecialUnary>> = {
  "erfc special_erfc": "erfc", "erfinv special_erfinv": "erfinv", special_erfcx: "erfcx",
  "lgamma special_gammaln": "lgamma", "digamma special_digamma special_psi": "digamma",
  "i0 special_i0 special_modified_bessel_i0": "i0", special_i0e: "i0e", "special_i1 special_modified_bessel_i1": "i1", special_i1e: "i1e",
  special_ndtri: "ndtri", special_log_ndtr: "logndtr",
  special_bessel_j0: "j0", special_bessel_j1: "j1", special_bessel_y0: "y0", special_bessel_y1: "y1",
  special_modified_bessel_k0: "k0", special_modified_bessel_k1: "k1",
};
/** The same, where the schema calls its argument `x`. */
const INTRINSICS_OF_X: Readonly<Record<string, SpecialUnary>> = {
  special_scaled_modified_bessel_k0: "k0e", special_scaled_modified_bessel_k1: "k1e", special_airy_ai: "airyai", special_spherical_bessel_j0: "sphericalj0",
};

const polygamma = elementwise("polygamma", (x, n) => n.call(special2("polygamma"), x), { promotion: "float" });

/** In the operand's own precision, poles included, as PyTorch's kernel has it: reflected below 1/2, moved up by six, then the asymptotic series. */
const trigamma = elementwise("trigamma", (x) => {
  const pi = x.lit(Math.PI);
  const low = x.lt(0.5);
  const sine = pi.mul(x).sin();
  let total = low.where(pi.mul(pi).div(sine.mul(sine)).neg(), x.lit(0));
  let y = low.where(x.lit(1).sub(x), x);
  for (let i = 0; i < 6; i++) {
    total = total.add(y.mul(y).reciprocal());
    y = y.add(1);
  }
  const inverse = y.mul(y).reciprocal();
  const series = inverse.mul(x.lit(1 / 6).sub(inverse.mul(x.lit(1 / 30).sub(inverse.mul(1 / 42)))));
  total = total.add(y.mul(2).reciprocal().add(1).add(series).div(y));
  return low.where(total.neg(), total);
}, { promotion: "float" });

/** (1 + erf(x / sqrt 2)) / 2, rounded at each step. */
const ndtr = pointwise("ndtr", { stepwise: (round) => (x) => round(round(round(x.mul(Math.SQRT1_2)).apply("erf")).add(1)).mul(0.5) }, { promotion: "float" });

/** log of the multivariate gamma function: p(p-1)/4 log(pi) + sum over j < p of lgamma(x - j/2). */
const mvlgamma = elementwise("mvlgamma", (x, p) => {
  const [total = x.re] = fold(0, p.to("index").re, [x.lit(0).re], ([s = x.re], j) => [new Num(s).add(x.sub(new Num(j).to(x.type).mul(0.5)).apply(special1("lgamma"))).re]);
  return new Num(total).add(p.mul(p.sub(1)).mul(Math.log(Math.PI) / 4));
}, { promotion: "float" });

function multigamma(ctx: Context, self: Tensor, p: number): Tensor {
  if (p < 1) throw new OpwiseError("bad-argument", "p has to be greater than or equal to 1", { got: String(p) });
  // a sum over a new axis, so row-major
  return apply(ctx, mvlgamma, [self, { kind: "float", value: p }], empty(ctx, self.shape, floatPromoted(self.dtype, ctx.defaultDtype)));
}
function derivative(ctx: Context, n: number, self: Tensor): Tensor {
  if (n < 0) throw new OpwiseError("bad-argument", "polygamma(n, x) does not support negative n.");
  if (n === 1) return apply(ctx, trigamma, [self]);
  return apply(ctx, polygamma, [self, { kind: "float", value: n }]);
}

export const special: readonly Op[] = [
  ...[["self", INTRINSICS] as const, ["x", INTRINSICS_OF_X] as const].flatMap(([argument, table]) =>
    Object.entries(table).flatMap(([names, fn]) =>
      names.split(" ").map((name) => op(`aten::${name}(Tensor ${argument}) -> Tensor`, { run: pointwise(fn, (x) => x.apply(special1(fn)), { promotion: "float" }) })),
    ),
  ),
  ...["erf", "special_erf"].map((name) => op(`aten::${name}(Tensor self) -> Tensor`, { run: pointwise("erf", (x) => x.erf(), { promotion: "float" }) })),
  op("aten::special_ndtr(Tensor self) -> Tensor", { run: ndtr }),
  op("aten::special_entr(Tensor self) -> Tensor", {
    run: pointwise("entr", (x) => x.isnan().where(x, x.gt(0).where(x.neg().mul(x.log()), x.eq(0).where(x.lit(0), x.lit(-Infinity)))), { promotion: "float" }),
  }),
  op("aten::polygamma(int n, Tensor self) -> Tensor", { run: derivative }),
  op("aten::special_polygamma(int n, Tensor self) -> Tensor", { run: derivative }),
  op("aten::polygamma_(Tensor(a!) self, int n) -> Tensor(a!)", {
    run: (ctx, self, n) => {
      const value = derivative(ctx, n, self);
      checkCast(value.dtype, self.dtype);
      copyInto(ctx, self, value);
      return self;
    },
  }),
  op("aten::mvlgamma(Tensor self, int p) -> Tensor", { run: multigamma }),
  op("aten::special_multigammaln(Tensor self, int p) -> Tensor", { run: multigamma }),
];
