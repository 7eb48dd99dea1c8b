/** One step of a recurrent layer: gates, state and output of every unit in one pass. */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, FLOAT, type I32, type V128 } from "./emit.ts";
import { floatLiteral } from "./literals.ts";
import { polynomial } from "./vector-math.ts";
import type { VectorProductFunctions } from "./vector-product.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/**
 * (products of the input, of the hidden state, state, out, samples, units, byte stride of samples in the state, in the output, places of the gates, units of
 * the layer). Products are `[samples, gates * units of the layer]`, contiguous; gate k is the block that byte k of the places names. Of each block the
 * first units are taken. An LSTM's state is its cell state, read and written; a GRU's is the hidden state, only read; the others have none.
 */
export type CellFunction = Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]>, undefined>;

interface Cell {
  readonly name: "lstm" | "gru" | "rnn_tanh" | "rnn_relu";
  readonly gates: number;
  /** Writes the state anew where it is kept; gives the output. */
  readonly step: (c: Code, fused: boolean, input: readonly V128[], hidden: readonly V128[], state: V128) => Value<"v128">;
}

const CACHE_LINE = 64;

/** Beyond this the quotient is 1. */
const [TANH_HIGHEST, TANH_LOWEST] = [floatLiteral(7.998811721801758), floatLiteral(-7.998811721801758)];
const [HALF, TWO] = [floatLiteral(0.5), floatLiteral(2)];
/** tanh as a quotient of polynomials, odd over even, within 5 units in the last place; coefficients are those of Eigen. */
const NUMERATOR = [
  -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8, 1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3,
].map(floatLiteral);
const DENOMINATOR = [1.19825839466702e-6, 1.18534705686654e-4, 2.268434632439e-3, 4.89352518554385e-3].map(floatLiteral);

/** A quotient that is not taken yet: products of two cost one division. */
interface Quotient {
  readonly over: V128;
  readonly under: V128;
}

/** tanh(x). Its error is one of its own size, so that small states keep their digits. */
function tanh(c: Code, fused: boolean, x: () => Value<"v128">): Quotient {
  const cut = c.hold(c.op("f32x4.pmax", c.op("f32x4.pmin", x(), TANH_HIGHEST(c)), TANH_LOWEST(c)));
  const square = c.hold(c.op("f32x4.mul", c.get(cut), c.get(cut)));
  const over = polynomial(c, fused, square, NUMERATOR);
  c.set(over, c.op("f32x4.mul", c.get(over), c.get(cut)));
  return { over, under: polynomial(c, fused, square, DENOMINATOR) };
}
const tanhOf = (c: Code, fused: boolean, x: V128): Quotient => tanh(c, fused, () => c.get(x));
/** 1 / (1 + e^-x) = (1 + tanh(x / 2)) / 2. */
function sigmoid(c: Code, fused: boolean, x: V128): Quotient {
  const { over, under } = tanh(c, fused, () => c.op("f32x4.mul", c.get(x), HALF(c)));
  c.set(over, c.op("f32x4.add", c.get(over), c.get(under)));
  c.set(under, c.op("f32x4.mul", c.get(under), TWO(c)));
  return { over, under };
}
const quotient = (c: Code, { over, under }: Quotient): Value<"v128"> => c.op("f32x4.div", c.get(over), c.get(under));
const product = (c: Code, a: Quotient, b: Quotient): Value<"v128"> =>
  c.op("f32x4.div", c.op("f32x4.mul", c.get(a.over), c.get(b.over)), c.op("f32x4.mul", c.get(a.under), c.get(b.under)));

/** Gate `k` of a cell; its description names them. */
function gate(gates: readonly V128[], k: number): V128 {
  const found = gates[k];
  if (found === undefined) throw new RangeError(`a cell has no gate ${k}`);
  return found;
}

function sum(c: Code, input: readonly V128[], hidden: readonly V128[], k: number): V128 {
  return c.hold(c.op("f32x4.add", c.get(gate(input, k)), c.get(gate(hidden, k))));
}

const CELLS: readonly Cell[] = [
  {
    name: "lstm",
    gates: 4,
    step: (c, fused, input, hidden, state) => {
      const of = (k: number): V128 => sum(c, input, hidden, k);
      const added = c.hold(product(c, sigmoid(c, fused, of(0)), tanhOf(c, fused, of(2))));
      const kept = c.hold(quotient(c, sigmoid(c, fused, of(1))));
      c.set(state, c.op("f32x4.add", c.op("f32x4.mul", c.get(kept), c.get(state)), c.get(added)));
      const shown = sigmoid(c, fused, of(3));
      return product(c, shown, tanhOf(c, fused, state));
    },
  },
  {
    name: "gru",
    gates: 3,
    step: (c, fused, input, hidden, state) => {
      const r = c.hold(quotient(c, sigmoid(c, fused, sum(c, input, hidden, 0))));
      const z = c.hold(quotient(c, sigmoid(c, fused, sum(c, input, hidden, 1))));
      const mixed = c.hold(c.op("f32x4.add", c.get(gate(input, 2)), c.op("f32x4.mul", c.get(r), c.get(gate(hidden, 2)))));
      const n = c.hold(quotient(c, tanhOf(c, fused, mixed)));
      return c.op("f32x4.add", c.get(n), c.op("f32x4.mul", c.get(z), c.op("f32x4.sub", c.get(state), c.get(n))));
    },
  },
  { name: "rnn_tanh", gates: 1, step: (c, fused, input, hidden) => quotient(c, tanhOf(c, fused, sum(c, input, hidden, 0))) },
  { name: "rnn_relu", gates: 1, step: (c, _fused, input, hidden) => c.op("f32x4.max", c.get(sum(c, input, hidden, 0)), c.f32x4(0)) },
];

/**
 * All steps of a layer for one sample: (products of the input, panels of the hidden weights, their biases or 0, room for a step's products, first hidden
 * state, cell state, out, steps, units, byte stride of steps in the input's products, in out, places of the gates, first unit, number of units). Strides are
 * negative for a layer that runs backwards. A cell state is read and written where there is one. Some of the units, from the first of a panel on, can be had
 * of one step: the others of the step before have to be there.
 */
export type StepsFunction = Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]>, undefined>;

export type CellFunctions = { readonly [K in Cell["name"]]: CellFunction } & { readonly [K in Cell["name"] as `${K}_steps`]: StepsFunction };

/** Gates of a cell. */
export const GATES: Readonly<Record<string, number>> = Object.fromEntries(CELLS.map((cell) => [cell.name, cell.gates]));

export function emitCells(m: ModuleBuilder, fused: boolean, { panels }: VectorProductFunctions): CellFunctions {
  const functions = CELLS.flatMap((cell) => {
    const one = emitCell(m, cell, fused);
    return [[cell.name, one] as const, [`${cell.name}_steps`, emitSteps(m, cell, one, panels)] as const];
  });
  return Object.fromEntries(functions) as CellFunctions; // both of each cell
}

function emitSteps(m: ModuleBuilder, cell: Cell, one: CellFunction, panels: VectorProductFunctions["panels"]): StepsFunction {
  return m.func(
    `${cell.name}_steps`,
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    undefined,
    (c, input, weights, bias, hidden, last, state, out, steps, units, inputStride, outStride, places, first, count) => {
      const step = c.local("i32");
      const skipped = c.hold(c.op("i32.shl", c.get(first), c.i32(2)));
      const from = (base: I32): Value<"i32"> => c.op("i32.add", c.get(base), c.get(skipped));
      // All units of all gates at once, or those wanted gate by gate.
      const isWhole = c.hold(c.op("i32.eq", c.get(count), c.get(units)));
      const blocks = c.hold(c.select(c.i32(1), c.i32(cell.gates), c.get(isWhole)));
      const columns = c.hold(c.select(c.op("i32.mul", c.get(units), c.i32(cell.gates)), c.get(count), c.get(isWhole)));
      const blockBytes = c.hold(c.op("i32.shl", c.get(units), c.i32(2)));
      const panelBytes = c.hold(c.op("i32.mul", c.get(blockBytes), c.get(units)));
      const [block, panel, to, shift, at] = [c.local("i32"), c.local("i32"), c.local("i32"), c.local("i32"), c.local("i32")];
      c.for(step, 0, steps, 1, () => {
        // What other threads wrote is asked for at once: the product would wait for one line of the cache after another.
        c.if(c.op("i32.eqz", c.get(isWhole)), () =>
          c.for(at, 0, blockBytes, CACHE_LINE, () => c.drop(c.load("i32.load", c.op("i32.add", c.get(last), c.get(at))))),
        );
        c.set(panel, c.op("i32.add", c.get(weights), c.op("i32.mul", c.get(skipped), c.get(units))));
        c.set(to, from(hidden));
        c.set(shift, c.select(from(bias), c.i32(0), c.get(bias)));
        c.for(block, 0, blocks, 1, () => {
          c.run(panels, c.get(last), c.get(panel), c.get(to), c.get(units), c.get(columns), c.get(shift));
          advance(c, panel, c.get(panelBytes));
          advance(c, to, c.get(blockBytes));
          c.set(shift, c.select(c.op("i32.add", c.get(shift), c.get(blockBytes)), c.i32(0), c.get(bias)));
        });
        const kept = cell.name === "gru" ? last : state;
        c.run(one, from(input), from(hidden), from(kept), from(out), c.i32(1), c.get(count), c.i32(0), c.i32(0), c.get(places), c.get(units));
        c.set(last, c.get(out));
        advance(c, input, c.get(inputStride));
        advance(c, out, c.get(outStride));
      });
    },
  );
}

function emitCell(m: ModuleBuilder, cell: Cell, fused: boolean): CellFunction {
  return m.func(
    cell.name,
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    undefined,
    (c, input, hidden, state, out, samples, units, stateStride, outStride, places, layer) => {
      const [sample, unit, at] = [c.local("i32"), c.local("i32"), c.local("i32")];
      const width = c.hold(c.op("i32.shl", c.get(layer), c.i32(2)));
      const blocks = Array.from({ length: cell.gates }, (_, k) =>
        c.hold(c.op("i32.mul", c.op("i32.and", c.op("i32.shr_u", c.get(places), c.i32(8 * k)), c.i32(255)), c.get(width))),
      );
      const inputs = blocks.map(() => c.local("v128"));
      const hiddens = blocks.map(() => c.local("v128"));
      const [value, result] = [c.local("v128"), c.local("v128")];
      const trip = (vector: boolean): void => {
        const load = (address: Value<"i32">): Value<"v128"> => (vector ? c.load("v128.load", address) : c.load("v128.load32_splat", address));
        const gather = (into: readonly V128[], base: I32): void =>
          into.forEach((local, k) => {
            const here = c.op("i32.add", c.get(base), c.get(at));
            c.set(local, load(c.op("i32.add", here, c.get(blocks[k] ?? at))));
          });
        gather(inputs, input);
        gather(hiddens, hidden);
        if (cell.name === "lstm" || cell.name === "gru") c.set(value, load(c.op("i32.add", c.get(state), c.get(at))));
        c.set(result, cell.step(c, fused, inputs, hiddens, value));
        const store = (base: I32, what: V128): void => {
          const address = c.op("i32.add", c.get(base), c.get(at));
          if (vector) c.store("v128.store", address, c.get(what));
          else c.store("f32.store", address, c.extract("f32x4.extract_lane", c.get(what), 0));
        };
        if (cell.name === "lstm") store(state, value);
        store(out, result);
        advance(c, at, c.i32(vector ? 16 : FLOAT));
      };
      const whole = c.hold(c.op("i32.and", c.get(units), c.i32(-4)));
      const gates = c.hold(c.op("i32.mul", c.get(width), c.i32(cell.gates)));
      c.for(sample, 0, samples, 1, () => {
        c.set(at, c.i32(0));
        c.for(unit, 0, whole, 4, () => trip(true));
        c.for(unit, whole, units, 1, () => trip(false));
        advance(c, input, c.get(gates));
        advance(c, hidden, c.get(gates));
        advance(c, state, c.get(stateStride));
        advance(c, out, c.get(outStride));
      });
    },
  );
}
