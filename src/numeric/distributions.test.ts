import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as draw from "./distributions.ts";
import { binomial, poisson, standardGamma } from "./rejection.ts";
import { cloneTwister, random32, random64, seedTwister, seedTwisterByArray, type TwisterState } from "./mt19937.ts";
import { philox4x32 } from "./philox.ts";

const f = Math.fround;

function take(count: number, from: (state: TwisterState) => number, seed: bigint = 0n): number[] {
  const state = seedTwister(seed);
  return Array.from({ length: count }, () => from(state));
}

/** The largest relative distance; infinite where the lengths differ. */
function apart(got: ArrayLike<number>, wanted: readonly number[]): number {
  if (got.length !== wanted.length) return Infinity;
  return Math.max(...wanted.map((w, i) => Math.abs((got[i] ?? NaN) - w) / (Math.abs(w) || 1)));
}

// All recorded after torch.manual_seed(0) in PyTorch 2.13, unless a seed is named.
describe("draws after torch.manual_seed", () => {
  it("random_ of a range takes 32 bits below 2^28 and 64 from there", () => {
    const integers = (from: bigint, to: bigint): number[] => take(5, (s) => Number(draw.randomInteger(s, from, to)));
    expect(integers(0n, 10n)).toEqual([4, 9, 3, 0, 3]);
    expect(integers(0n, 1n << 28n)).toEqual([130329135, 136432832, 195187451, 149257575, 262266579]);
    expect(integers(-(1n << 40n), 1n << 40n)).toEqual([-358231004625, -593374360384, 291447657211, -258354086553, -1058178736429]);
  });
  it("random_ without a range follows the dtype", () => {
    expect(take(5, (s) => draw.randomModulo(s, 2 ** 31))).toEqual([209652396, 398764591, 924231285, 1478610112, 441365315]);
    expect(take(5, (s) => draw.randomModulo(s, 2 ** 24 + 1))).toEqual([8325664.0, 12888472.0, 1484222.0, 2214888.0, 5157545.0]);
    const state = seedTwister(0);
    expect(random64(state) % (1n << 63n)).toBe(900450186894289455n);
  });
  it("uniform numbers", () => {
    expect(take(5, (s) => draw.uniformSingle(s))).toEqual([
      0.49625658988952637, 0.7682217955589294, 0.08847743272781372, 0.13203048706054688, 0.30742281675338745,
    ]);
    expect(take(5, (s) => draw.uniformDouble(s))).toEqual([0.9700530018065531, 0.707819864399788, 0.45938294312745087, 0.9207476841219603, 0.6450241201227648]);
    expect(take(5, (s) => draw.stretch(draw.uniformSingle(s), -2, 3, f))).toEqual([
      0.48128294944763184, 1.841109037399292, -1.5576128959655762, -1.3398475646972656, -0.46288591623306274,
    ]);
    expect(take(3, (s) => draw.uniformSingle(s), (1n << 40n) + 5n)).toEqual([0.8302518725395203, 0.12611091136932373, 0.9074696898460388]);
    expect(take(3, (s) => draw.uniformSingle(s), -1n)).toEqual([0.9937993884086609, 0.5713063478469849, 0.5700080394744873]);
  });
  it("normal numbers come singly below 16 and in blocks of 16 from there", () => {
    const fill = <T extends Float32Array | Float64Array>(data: T): T => (draw.fillNormal(seedTwister(0), data, 0, 1), data);
    expect(
      apart(fill(new Float32Array(5)), [1.5409960746765137, -0.293428897857666, -2.1787893772125244, 0.5684312582015991, -1.0845223665237427]),
    ).toBeLessThanOrEqual(1e-7);
    expect(
      apart(fill(new Float64Array(5)), [1.5409961082440433, -0.2934289057609464, -2.1787893820745574, 0.5684312772806678, -1.084522342424021]),
    ).toBeLessThanOrEqual(1e-15);
    expect(
      apart(
        fill(new Float32Array(20)),
        [
          -1.1258398294448853, -1.152360200881958, -0.2505785822868347, -0.4338788092136383, 0.5988394618034363, -1.5550950765609741, -0.3413603901863098,
          1.85300612449646, 0.46809640526771545, -0.1577124446630478, 1.4436601400375366, 0.26604941487312317, 1.3893661499023438, 1.586334228515625,
          0.946298360824585, -0.843676745891571, 0.9318265914916992, 1.2590092420578003, 2.0049805641174316, 0.05373690277338028,
        ],
      ),
    ).toBeLessThanOrEqual(3e-7);
    expect(
      apart(
        fill(new Float64Array(20)),
        [
          -2.310411800234176, -0.3732508612577643, -1.0608166785462863, 0.9995093547811761, -0.019964750907762653, 0.2102998901016947, 0.17718935139366584,
          -0.830510051008449, 0.23871805816817063, 0.7335283685272841, -1.3218818291421377, 1.3148113651971234, -0.6870036940435463, 1.4880743158106724,
          -0.4484158047114511, -0.8910030351707375, 0.6748575435940039, 1.0468653769814655, 0.15429517864658948, -0.7498915228391941,
        ],
      ),
    ).toBeLessThanOrEqual(1e-14);
    const half = new Float32Array(16);
    draw.fillNormal(seedTwister(0), half, 0, 1, true);
    expect(
      apart(
        half,
        [
          -1.1259765625, -1.15234375, -0.25048828125, -0.433837890625, 0.8486328125, 0.69189453125, -0.31591796875, -2.115234375, 0.322265625, -1.263671875,
          0.35009765625, 0.30810546875, 0.11981201171875, 1.2373046875, 1.1171875, -0.247314453125,
        ],
      ),
    ).toBeLessThanOrEqual(2 ** -11);
  });
  it("the second normal number of a pair waits in the state", () => {
    expect(
      apart(take(2, draw.normalDouble), [1.5409961082440433, -0.2934289057609464, -2.1787893820745574, 0.5684312772806678, -1.084522342424021].slice(0, 2)),
    ).toBeLessThanOrEqual(1e-15);
    const state = seedTwister(0);
    draw.normalDouble(state);
    const copy = cloneTwister(state);
    expect(draw.normalDouble(copy)).toBe(draw.normalDouble(state));
    expect(random32(copy)).toBe(random32(state));
  });
  it("bernoulli by a number is a double draw, by a float tensor a single one", () => {
    expect(take(12, (s) => draw.bernoulliDouble(s, 0.3))).toEqual([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    expect(take(8, (s) => draw.bernoulliSingle(s, 0.3))).toEqual([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
  });
  it("the continuous distributions", () => {
    expect(
      apart(
        take(6, (s) => draw.exponential(s, 2)),
        [1.754163093353821, 0.6151923820898384, 0.30752204694700574, 1.2675593221079409, 0.517852717911404, 0.783064447792376],
      ),
    ).toBeLessThanOrEqual(1e-15);
    expect(
      apart(
        take(20, (s) => f(draw.logNormal(s, 1, 2))),
        [
          59.2634162902832, 1.5115599632263184, 0.03481946140527725, 8.47281265258789, 0.3106635808944702, 0.16576389968395233, 6.090277671813965,
          14.527634620666504, 0.6449934244155884, 1.2132624387741089, 0.8242588043212891, 3.912094831466675, 0.49000033736228943, 24.562191009521484,
          0.31906044483184814, 3.474332809448242, 0.8757847547531128, 5.732944488525391, 0.45658034086227417, 0.1328924000263214,
        ],
      ),
    ).toBeLessThanOrEqual(1e-7);
    expect(
      apart(
        take(6, (s) => draw.cauchy(s, 0, 1)),
        [10.597729326682297, 0.7647672596059, -0.12829934208317406, 3.93307331099465, 0.48998891003243533, 1.298836902572973],
      ),
    ).toBeLessThanOrEqual(1e-14);
    const state = seedTwister(0);
    expect(
      apart(
        [0.5, 1, 3].map((alpha) => standardGamma(state, alpha)),
        [0.0007893581641837955, 0.11898370087146759, 2.9372358322143555],
      ),
    ).toBeLessThanOrEqual(1e-6);
  });
  it("the discrete distributions", () => {
    expect(take(6, (s) => draw.geometric(s, 0.3))).toEqual([1.0, 1.0, 3.0, 1.0, 2.0, 1.0]);
    const state = seedTwister(0);
    expect([0.5, 3, 5, 20, 100].map((rate) => poisson(state, rate))).toEqual([2.0, 4.0, 4.0, 22.0, 98.0]);
    const other = seedTwister(0);
    expect([binomial(other, 10, f(0.3)), binomial(other, 20, 0.5), binomial(other, 100, f(0.2))]).toEqual([6.0, 9.0, 17.0]);
    expect(take(8, (s) => draw.category(s, [0.1, 0.3, 0.6, 1]))).toEqual([3, 3, 2, 3, 3, 3, 1, 2]);
    expect([...draw.permutation(seedTwister(0), 10)]).toEqual([4, 1, 7, 5, 3, 9, 0, 8, 6, 2]);
  });
  it("a permutation holds every number once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), fc.bigInt({ min: 0n, max: 1n << 40n }), (n, seed) => {
        expect([...draw.permutation(seedTwister(seed), n)].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      }),
      { numRuns: 20 },
    );
  });
});

describe("draws of NumPy's RandomState", () => {
  it("rand and randn after RandomState(42)", () => {
    const state = seedTwister(42);
    expect(
      apart(
        [1, 2, 3, 4].map(() => draw.numpyDouble(state)),
        [0.3745401188473625, 0.9507143064099162, 0.7319939418114051, 0.5986584841970366],
      ),
    ).toBeLessThanOrEqual(0);
    expect(
      apart(
        [1, 2, 3].map(() => draw.numpyNormal(state)),
        [-0.23415337472333597, -0.23413695694918055, 1.5792128155073915],
      ),
    ).toBeLessThanOrEqual(1e-15);
  });
  it("a list seeds by init_by_array", () => {
    const state = seedTwisterByArray([1, 2, 3]);
    expect(
      apart(
        [1, 2, 3].map(() => draw.numpyDouble(state)),
        [0.6098612722867289, 0.8866970434146851, 0.47633673750662764],
      ),
    ).toBeLessThanOrEqual(0);
  });
});

describe("philox4x32", () => {
  it("gives the published test vectors", () => {
    const ones = 0xffffffff;
    expect(philox4x32([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    expect(philox4x32([ones, ones, ones, ones], [ones, ones])).toEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  });
});
