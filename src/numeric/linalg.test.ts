import { describe, expect, it } from "vitest";
import * as la from "./linalg.ts";
import type { Matrix } from "./linalg.ts";

// Recorded from PyTorch 2.13 (CPU, MKL).
const REAL = {
  A: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(
      0.436160993281,
      1.01701354449,
      -2.19252680595,
      0.212330669302,
      -0.93949679157,
      -0.323578253413,
      -1.05471089574,
      0.823772722886,
      -0.527050190647,
    ),
    im: undefined,
  },
  S: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(
      0.872321986561,
      1.22934421379,
      -3.24723770169,
      1.22934421379,
      -1.87899358314,
      0.500194469473,
      -3.24723770169,
      0.500194469473,
      -1.05410038129,
    ),
    im: undefined,
  },
  lu: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(
      -1.05471089574,
      0.823772722886,
      -0.527050190647,
      -0.413536064758,
      1.35767327457,
      -2.41048106772,
      -0.201316465166,
      -0.569840913414,
      -1.80327286816,
    ),
    im: undefined,
  },
  V: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(
      -0.562679296437,
      -0.178354144036,
      0.807206174819,
      0.46869914396,
      -0.87316778395,
      0.133787643389,
      -0.680964846238,
      -0.453616380191,
      -0.574907868976,
    ),
    im: undefined,
  },
  eV: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(
      0.904901086821,
      0.716892322815,
      0.661002916025,
      0.129167673511,
      0.129697883263,
      0.3817056812,
      -0.405548684117,
      0.685013763778,
      0.646046374455,
    ),
    im: Float64Array.of(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
  },
  ld: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(0.872321986561, 0.0, 0.0, -3.24723770169, -1.05410038129, 0.0, -0.0286458651107, -0.386276813398, -1.65056442887),
    im: undefined,
  },
  chol: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(2.651740326, 0.0, 0.0, -0.0578550661502, 1.4244627801, 0.0, 0.578237590193, -0.557321228363, 1.55686634421),
    im: undefined,
  },
  solve: {
    rows: 3,
    cols: 2,
    re: Float64Array.of(-0.395557312329, 0.393655823934, -0.179904467092, 1.25694798846, 0.324371818703, -0.0313559828829),
    im: undefined,
  },
  B: { rows: 3, cols: 2, re: Float64Array.of(-1.06668585759, 1.51877927716, -0.0199289458045, -1.08716728359, 0.0980379855974, 0.636772557066), im: undefined },
  piv: [3, 3, 3],
  w: [-4.0815608389, -1.36803217594, 3.38882103697],
  ewRe: [1.56395457136, -1.47487430722, -1.11946625308],
  ewIm: [0.0, 0.0, 0.0],
  ldp: [-3, -3, 3],
  det: [2.58220162468, 0.0],
  T: {
    rows: 6,
    cols: 3,
    re: Float64Array.of(
      -1.06992467976,
      -0.108837596788,
      -0.532123717569,
      1.45311503552,
      0.147258981603,
      2.1669103772,
      -1.50142257976,
      -0.73443074805,
      0.560282266974,
      0.621116828063,
      -0.548088322463,
      -0.169981304017,
      -0.0305765608207,
      3.1196422206,
      -1.19911485389,
      -0.0133824751723,
      0.0398945475784,
      0.0535861675309,
    ),
    im: undefined,
  },
  geqrf: {
    rows: 6,
    cols: 3,
    re: Float64Array.of(
      2.42846701041,
      0.410454198906,
      1.15597672666,
      -0.415366592485,
      3.23088326516,
      -1.28585849895,
      0.429175093223,
      0.15505120066,
      -1.94229239155,
      -0.177543535165,
      0.194065770716,
      -0.358402947424,
      0.00874017649501,
      -0.94691639943,
      0.507480801732,
      0.00382532213586,
      -0.0126938267564,
      0.0339133421485,
    ),
    im: undefined,
  },
  tau: { rows: 3, cols: 1, re: Float64Array.of(1.44057616396, 1.02118228251, 1.44181600017), im: undefined },
  sv: [3.59125496454, 2.85726239407, 1.48515478667],
  lsx: {
    rows: 3,
    cols: 2,
    re: Float64Array.of(-0.403022260643, -0.403022260643, 0.396482855306, 0.396482855306, 0.513144654227, 0.513144654227),
    im: undefined,
  },
  lsr: [4.57115523648, 4.57115523648],
};
const COMPLEX = {
  A: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(
      0.387436396729,
      1.05066034825,
      -1.19316836774,
      0.757119089933,
      -0.137192398213,
      1.16722098172,
      0.451598360808,
      -0.446436010179,
      0.884402064473,
    ),
    im: Float64Array.of(
      0.241456890929,
      -0.501691866395,
      -0.0470948064115,
      0.924612850818,
      -0.231293156845,
      -1.04775545373,
      -0.604680411321,
      0.0422342067396,
      0.567926972563,
    ),
  },
  S: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(
      0.774872793457,
      1.80777943818,
      -0.741570006935,
      1.80777943818,
      -0.274384796426,
      0.720784971539,
      -0.741570006935,
      0.720784971539,
      1.76880412895,
    ),
    im: Float64Array.of(0.0, -1.42630471721, 0.557585604909, 1.42630471721, 0.0, -1.08998966047, -0.557585604909, 1.08998966047, 0.0),
  },
  lu: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(
      0.757119089933,
      -0.137192398213,
      1.16722098172,
      0.361722431214,
      1.128695465,
      -1.48668343521,
      -0.152073190729,
      -0.228235139641,
      1.29057695412,
    ),
    im: Float64Array.of(
      0.924612850818,
      -0.231293156845,
      -1.04775545373,
      -0.122829180558,
      -0.434879173229,
      0.475270640346,
      -0.612943975497,
      -0.156184949687,
      1.00030840987,
    ),
  },
  V: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(
      -0.582921383177,
      -0.543741933057,
      -0.603777584273,
      0.629295703866,
      -0.375246991091,
      -0.269623122911,
      -0.102045156946,
      -0.497986386724,
      0.546990138735,
    ),
    im: Float64Array.of(-0.0, 0.0, 0.0, 0.405189136032, 0.085291404947, -0.468003338288, -0.299329464163, 0.555220083204, -0.211022898756),
  },
  eV: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(
      -0.362986147897,
      0.562704764623,
      0.716252062548,
      0.839740423649,
      0.725322158573,
      0.048480417845,
      0.0285556213412,
      0.383512874888,
      -0.3956094753,
    ),
    im: Float64Array.of(0.333853098244, 0.00348065220807, 0.0, 0.0, 0.0, 0.29383675233, -0.225396900174, -0.100880493698, -0.491717132114),
  },
  ld: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(0.774872793457, 0.0, 0.0, 1.80777943818, -0.274384796426, 0.0, -0.0825223244628, -0.488556021841, 2.50454535282),
    im: Float64Array.of(0.0, 0.0, 0.0, 1.42630471721, 0.0, 0.0, 0.515959022933, -0.14413177307, 0.0),
  },
  chol: {
    rows: 3,
    cols: 3,
    re: Float64Array.of(1.99746313169, 0.0, 0.0, -0.42797405404, 2.10598196314, 0.0, -0.772613389662, 0.133117915843, 1.38638552505),
    im: Float64Array.of(0.0, 0.0, 0.0, 0.585090599619, -0.0, 0.0, -0.580184926141, -0.045223605896, 0.0),
  },
  solve: {
    rows: 3,
    cols: 2,
    re: Float64Array.of(1.30401801897, -0.596153827264, 2.59290870507, -0.441184763599, 1.05707523812, -0.0156348651814),
    im: Float64Array.of(1.42597337436, -0.414936611911, -0.528473452115, -0.101724545242, -0.757832661711, 0.244177745471),
  },
  B: {
    rows: 3,
    cols: 2,
    re: Float64Array.of(1.3230897566, -0.615197570592, -0.369318934851, 0.206884506876, 1.68117553853, -0.471371746054),
    im: Float64Array.of(-0.134309980016, -0.480854975145, -0.233990547146, -0.447978165655, 0.131004877302, 0.406950099845),
  },
  piv: [2, 2, 3],
  w: [-2.58428762623, 1.68891526287, 3.16466448933],
  ewRe: [-1.07359928749, 0.917183841881, 1.2910615086],
  ewIm: [-0.678886712672, -0.226685839052, 1.48366325837],
  ldp: [-2, -2, 3],
  det: [-0.907234474235, -2.17896426693],
  T: {
    rows: 6,
    cols: 3,
    re: Float64Array.of(
      0.207199206062,
      0.643817951784,
      0.0666180807042,
      0.338220832272,
      0.0536944690632,
      -0.239119405584,
      -0.351078132904,
      0.337925130958,
      -0.601656445438,
      -1.09225546942,
      -0.697287613109,
      0.504895779385,
      -0.0308497662519,
      0.613112139529,
      0.258919298601,
      -0.102676539849,
      0.32664792929,
      0.670696049991,
    ),
    im: Float64Array.of(
      -0.0799436231638,
      0.0578472735994,
      -0.354874102675,
      0.0763427896902,
      -0.524290100411,
      -1.46411435987,
      -1.47273396365,
      0.460082301445,
      1.15988364653,
      -0.973362732648,
      1.05008223533,
      0.820332356102,
      1.37791371871,
      0.367252648935,
      0.150499443461,
      0.0837699723485,
      -0.792232809233,
      -1.08331980087,
    ),
  },
  geqrf: {
    rows: 6,
    cols: 3,
    re: Float64Array.of(
      -2.5533037528,
      0.22033379124,
      1.15835458718,
      0.121618559981,
      1.70771231903,
      1.00172643756,
      -0.111635306568,
      -0.54716022909,
      1.82385202003,
      -0.385138302062,
      -0.0011073297279,
      -0.467758803656,
      -0.0256093140821,
      -0.11714905808,
      0.171725261635,
      -0.0380417738637,
      -0.0592379133964,
      0.137770419744,
    ),
    im: Float64Array.of(
      0.0,
      0.943741095565,
      0.998456331154,
      0.0311774409597,
      0.0,
      0.10430650608,
      -0.536734977868,
      -0.203873029826,
      0.0,
      -0.363756930856,
      -0.497628220538,
      0.430389877626,
      0.498411498869,
      -0.0479770951047,
      -0.249035969052,
      0.0292442269823,
      0.49838745087,
      0.245693263471,
    ),
  },
  tau: {
    rows: 3,
    cols: 1,
    re: Float64Array.of(1.08114945424, 1.01489066207, 1.19040344956),
    im: Float64Array.of(-0.0313098757154, 0.251653698993, 0.307685662772),
  },
  sv: [3.49803796109, 1.79047714485, 1.26973617692],
  lsx: {
    rows: 3,
    cols: 2,
    re: Float64Array.of(-0.226130763803, -0.226130763803, 0.623140610927, 0.623140610927, -0.0972615760852, -0.0972615760852),
    im: Float64Array.of(0.558841258375, 0.558841258375, -0.364983590653, -0.364983590653, 0.543341968485, 0.543341968485),
  },
  lsr: [3.83745693027, 3.83745693027],
};

function distance(a: Matrix, b: Matrix): number {
  expect([a.rows, a.cols]).toEqual([b.rows, b.cols]);
  let largest = 0;
  for (let i = 0; i < a.re.length; i++) {
    const gap = Math.max(Math.abs((a.re[i] ?? NaN) - (b.re[i] ?? NaN)), Math.abs((a.im?.[i] ?? 0) - (b.im?.[i] ?? 0)));
    if (!(gap <= largest)) largest = gap;
  }
  return largest;
}

const gap = (a: ArrayLike<number>, b: readonly number[]): number =>
  Math.max(a.length === b.length ? 0 : Infinity, ...b.map((x, i) => Math.abs(x - (a[i] ?? NaN))));

describe.each([
  ["real", REAL],
  ["complex", COMPLEX],
] as const)("factorisations of a %s matrix as LAPACK has them", (_, c) => {
  const complex = c.A.im !== undefined;
  it("lu, determinant and solve", () => {
    const factors = la.luFactor(c.A);
    expect(distance(factors.lu, c.lu)).toBeLessThan(1e-11);
    expect([...factors.pivots]).toEqual(c.piv);
    expect(gap(la.determinant(factors), c.det)).toBeLessThan(1e-11);
    expect(distance(la.solve(c.A, c.B).x, c.solve)).toBeLessThan(1e-9);
    const { sign, log } = la.signAndLogDeterminant(factors);
    expect(
      gap(
        sign.map((s) => s * Math.exp(log)),
        c.det,
      ),
    ).toBeLessThan(1e-11);
  });
  it("geqrf has LAPACK's signs, and ormqr applies its Q", () => {
    const { a, tau } = la.geqrf(c.T);
    expect(distance(a, c.geqrf)).toBeLessThan(1e-11);
    expect(distance(tau, c.tau)).toBeLessThan(1e-11);
    const q = la.householderProduct(a, tau, c.T.rows);
    expect(distance(la.ormqr(a, tau, c.T, true, true), la.multiply(la.transposed(q, true), c.T))).toBeLessThan(1e-13);
    const wide = la.transposed(c.T, true);
    expect(distance(la.ormqr(a, tau, wide, false, false), la.multiply(wide, q))).toBeLessThan(1e-13);
  });
  it("eigenvalues and vectors of the Hermitian part", () => {
    const { values, vectors } = la.eigenSymmetric(c.S, true);
    expect(gap(values, c.w)).toBeLessThan(1e-11);
    expect(distance(vectors ?? la.zeros(0, 0, false), c.V)).toBeLessThan(1e-10);
    expect(gap(la.eigenSymmetric(c.S, false, true).values, c.w)).toBeLessThan(1e-11);
  });
  it("eigenvalues and vectors", () => {
    const { values, vectors } = la.eigenGeneral(c.A, true);
    expect(gap(values.re, c.ewRe)).toBeLessThan(1e-11);
    expect(gap(values.im, c.ewIm)).toBeLessThan(1e-11);
    expect(distance(vectors ?? la.zeros(0, 0, false), c.eV)).toBeLessThan(1e-10);
  });
  it("Bunch-Kaufman factors and their solve", () => {
    const factors = la.ldlFactor(c.S, true);
    expect(distance(factors.ld, c.ld)).toBeLessThan(1e-11);
    expect([...factors.pivots]).toEqual(c.ldp);
    expect(distance(la.multiply(c.S, la.ldlSolve(factors, c.B, true)), c.B)).toBeLessThan(1e-11);
  });
  it("singular values, least squares, Cholesky", () => {
    expect(gap(la.singularValues(c.T), c.sv)).toBeLessThan(1e-11);
    const ones = la.zeros(c.T.rows, 2, complex);
    ones.re.fill(1);
    for (const driver of ["gels", "gelsd"] as const) {
      const result = la.leastSquares(c.T, ones, 1e-15, driver);
      expect(distance(result.x, c.lsx)).toBeLessThan(1e-11);
      expect(gap(result.residuals, c.lsr)).toBeLessThan(1e-11);
    }
    const positive = la.multiply(c.A, la.transposed(c.A, true));
    for (let i = 0; i < 3; i++) positive.re[4 * i] = (positive.re[4 * i] ?? 0) + 1;
    expect(distance(la.cholesky(positive).factor, c.chol)).toBeLessThan(1e-11);
    expect(distance(la.transposed(la.cholesky(positive, true).factor, true), c.chol)).toBeLessThan(1e-11);
  });
});
