/** One step of a recurrent layer: gates, state and output of every unit in one pass. */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, FLOAT, type I32, type V128 } from "./emit.ts";
import { vectorExp, vectorTanh } from "./vector-math.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/**
 * (products of the input, of the hidden state, input biases or 0, hidden biases or 0, state, out, samples, units, byte stride of samples in
 * the state, in the output). Products are `[samples, gates * units]`, contiguous. An LSTM's state is its cell state, read and written; a GRU's
 * is the hidden state, only read; the others have none.
 */
export type CellFunction = Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]>, undefined>;

interface Cell {
  readonly name: "lstm" | "gru" | "rnn_tanh" | "rnn_relu";
  readonly gates: number;
  /** Writes the state anew where it is kept; gives the output. */
  readonly step: (c: Code, fused: boolean, input: readonly V128[], hidden: readonly V128[], state: V128) => Value<"v128">;
}

function sigmoid(c: Code, fused: boolean, x: V128): V128 {
  const negative = c.hold(c.op("f32x4.neg", c.get(x)));
  const power = c.hold(vectorExp(c, fused, negative));
  return c.hold(c.op("f32x4.div", c.f32x4(1), c.op("f32x4.add", c.f32x4(1), c.get(power))));
}

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
      const [i, f, o] = [0, 1, 3].map((k) => sigmoid(c, fused, sum(c, input, hidden, k)));
      const g = c.hold(vectorTanh(c, fused, sum(c, input, hidden, 2)));
      if (i === undefined || f === undefined || o === undefined) throw new RangeError("an LSTM has four gates");
      c.set(state, c.op("f32x4.add", c.op("f32x4.mul", c.get(f), c.get(state)), c.op("f32x4.mul", c.get(i), c.get(g))));
      const squashed = c.hold(vectorTanh(c, fused, state));
      return c.op("f32x4.mul", c.get(o), c.get(squashed));
    },
  },
  {
    name: "gru",
    gates: 3,
    step: (c, fused, input, hidden, state) => {
      const [r, z] = [0, 1].map((k) => sigmoid(c, fused, sum(c, input, hidden, k)));
      if (r === undefined || z === undefined) throw new RangeError("a GRU has three gates");
      const mixed = c.hold(c.op("f32x4.add", c.get(gate(input, 2)), c.op("f32x4.mul", c.get(r), c.get(gate(hidden, 2)))));
      const n = c.hold(vectorTanh(c, fused, mixed));
      return c.op("f32x4.add", c.get(n), c.op("f32x4.mul", c.get(z), c.op("f32x4.sub", c.get(state), c.get(n))));
    },
  },
  { name: "rnn_tanh", gates: 1, step: (c, fused, input, hidden) => vectorTanh(c, fused, sum(c, input, hidden, 0)) },
  { name: "rnn_relu", gates: 1, step: (c, _fused, input, hidden) => c.op("f32x4.max", c.get(sum(c, input, hidden, 0)), c.f32x4(0)) },
];

export type CellFunctions = { readonly [K in Cell["name"]]: CellFunction };

/** Gates of a cell. */
export const GATES: Readonly<Record<string, number>> = Object.fromEntries(CELLS.map((cell) => [cell.name, cell.gates]));

export function emitCells(m: ModuleBuilder, fused: boolean): void {
  for (const cell of CELLS) emitCell(m, cell, fused);
}

function emitCell(m: ModuleBuilder, cell: Cell, fused: boolean): CellFunction {
  return m.func(
    cell.name,
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    undefined,
    (c, input, hidden, inputBias, hiddenBias, state, out, samples, units, stateStride, outStride) => {
      const [sample, unit, at] = [c.local("i32"), c.local("i32"), c.local("i32")];
      const width = c.hold(c.op("i32.shl", c.get(units), c.i32(2)));
      const inputs = Array.from({ length: cell.gates }, () => c.local("v128"));
      const hiddens = Array.from({ length: cell.gates }, () => c.local("v128"));
      const [value, result] = [c.local("v128"), c.local("v128")];
      const trip = (vector: boolean): void => {
        const load = (base: I32, k: number): Value<"v128"> => {
          const address = c.op("i32.add", c.op("i32.add", c.get(base), c.get(at)), c.op("i32.mul", c.get(width), c.i32(k)));
          return vector ? c.load("v128.load", address) : c.load("v128.load32_splat", address);
        };
        const gather = (into: readonly V128[], base: I32, bias: I32): void => {
          into.forEach((local, k) => {
            c.set(local, load(base, k));
            c.if(c.get(bias), () => c.set(local, c.op("f32x4.add", c.get(local), load(bias, k))));
          });
        };
        gather(inputs, input, inputBias);
        gather(hiddens, hidden, hiddenBias);
        c.if(c.get(state), () => c.set(value, load(state, 0)));
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
      c.for(sample, 0, samples, 1, () => {
        c.set(at, c.i32(0));
        c.for(unit, 0, whole, 4, () => trip(true));
        c.for(unit, whole, units, 1, () => trip(false));
        const gates = c.hold(c.op("i32.mul", c.get(width), c.i32(cell.gates)));
        advance(c, input, c.get(gates));
        advance(c, hidden, c.get(gates));
        advance(c, state, c.select(c.get(stateStride), c.i32(0), c.get(state)));
        advance(c, out, c.get(outStride));
      });
    },
  );
}
