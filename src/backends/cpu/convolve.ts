/** n-d convolution on the CPU, up to three spatial axes: gathered columns through the product's tiles; direct loops for depthwise and transposed. */

import { type ConvolveCall, convolveOperands } from "../../prims/call.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import { packPanels, tile } from "./contract.ts";
import { doublesOf, writeDoubles } from "./dense.ts";

type Triple = readonly [number, number, number];

/** Spatial facts padded on the left to three axes. */
function triple(values: readonly number[], fill: number): Triple {
  if (values.length > 3) throw new OpwiseError("unsupported-op", `a convolution over ${values.length} spatial axes`, { wanted: "at most 3" });
  const padded = [...Array.from({ length: 3 - values.length }, () => fill), ...values];
  return [padded[0] ?? fill, padded[1] ?? fill, padded[2] ?? fill];
}

interface Geometry {
  readonly batch: number;
  readonly cin: number;
  readonly cout: number;
  readonly groups: number;
  readonly in: Triple;
  readonly out: Triple;
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly pad: Triple;
  readonly dilation: Triple;
}

/** Runs a convolve call without its epilogue. */
export function convolve(call: ConvolveCall): void {
  const { x, w, bias } = convolveOperands(call);
  const result = call.results[0] ?? unreachable("result");
  const g: Geometry = {
    batch: x.shape[0] ?? 0, cin: x.shape[1] ?? 0, cout: result.shape[1] ?? 0, groups: call.groups,
    in: triple(x.shape.slice(2), 1), out: triple(result.shape.slice(2), 1), kernel: triple(w.shape.slice(2), 1),
    stride: triple(call.stride, 1), pad: triple(call.padBegin, 0), dilation: triple(call.dilation, 1),
  };
  const out = new Float64Array(numelOf(result.shape));
  const [xs, ws] = [doublesOf(x), doublesOf(w)];
  if (call.transposed) transposed(g, xs, ws, out);
  else if (g.cout / g.groups < 4) direct(g, xs, ws, out);
  else columns(g, xs, ws, out);
  if (bias !== undefined) addBias(g, doublesOf(bias), out);
  writeDoubles(result, out);
}

function addBias(g: Geometry, bias: Float64Array, out: Float64Array): void {
  const plane = g.out[0] * g.out[1] * g.out[2];
  for (let i = 0; i < g.batch * g.cout; i++) {
    const b = bias[i % g.cout] ?? 0;
    for (let at = i * plane; at < (i + 1) * plane; at++) out[at] = (out[at] as number) + b;
  }
}

/** Output positions four at a time: their inputs gathered as a `[depth][4]` panel, multiplied by all rows of weights. */
function columns(g: Geometry, x: Float64Array, w: Float64Array, out: Float64Array): void {
  const [kd, kh, kw] = g.kernel;
  const cpg = g.cin / g.groups;
  const opg = g.cout / g.groups;
  const depth = cpg * kd * kh * kw;
  const [id, ih, iw] = g.in;
  const [od, oh, ow] = g.out;
  const plane = od * oh * ow;
  const inPlane = id * ih * iw;
  const panel = new Float64Array(depth * 4);
  const c = new Float64Array(16);
  for (let group = 0; group < g.groups; group++) {
    const rows = packPanels(w, group * opg * depth, opg, depth, depth, 1);
    for (let n = 0; n < g.batch; n++) {
      const base = (n * g.cin + group * cpg) * inPlane;
      const target = (n * g.cout + group * opg) * plane;
      for (let p = 0; p < plane; p += 4) {
        const count = Math.min(4, plane - p);
        for (let q = 0; q < 4; q++) {
          if (q >= count) {
            for (let k = 0; k < depth; k++) panel[k * 4 + q] = 0;
            continue;
          }
          const at = p + q;
          const ox = at % ow;
          const oy = Math.floor(at / ow) % oh;
          const oz = Math.floor(at / (ow * oh));
          const x0 = ox * g.stride[2] - g.pad[2];
          const y0 = oy * g.stride[1] - g.pad[1];
          const z0 = oz * g.stride[0] - g.pad[0];
          let k = q;
          for (let ch = 0; ch < cpg; ch++) {
            const chBase = base + ch * inPlane;
            for (let a = 0; a < kd; a++) {
              const z = z0 + a * g.dilation[0];
              for (let b = 0; b < kh; b++) {
                const y = y0 + b * g.dilation[1];
                const rowOk = z >= 0 && z < id && y >= 0 && y < ih;
                const row = chBase + (z * ih + y) * iw;
                for (let e = 0; e < kw; e++, k += 4) {
                  const xx = x0 + e * g.dilation[2];
                  panel[k] = rowOk && xx >= 0 && xx < iw ? (x[row + xx] as number) : 0;
                }
              }
            }
          }
        }
        for (let o = 0; o < opg; o += 4) {
          tile(rows, o * depth, panel, 0, depth, c);
          const many = Math.min(4, opg - o);
          for (let r = 0; r < many; r++) {
            const to = target + (o + r) * plane + p;
            for (let q = 0; q < count; q++) out[to + q] = c[r * 4 + q] as number;
          }
        }
      }
    }
  }
}

/** One output channel at a time, kernel position by kernel position: depthwise and thin groups. */
function direct(g: Geometry, x: Float64Array, w: Float64Array, out: Float64Array): void {
  const [kd, kh, kw] = g.kernel;
  const cpg = g.cin / g.groups;
  const opg = g.cout / g.groups;
  const [id, ih, iw] = g.in;
  const [od, oh, ow] = g.out;
  const [sz, sy, sx] = g.stride;
  for (let n = 0; n < g.batch; n++) {
    for (let o = 0; o < g.cout; o++) {
      const group = Math.floor(o / opg);
      const target = (n * g.cout + o) * od * oh * ow;
      for (let ch = 0; ch < cpg; ch++) {
        const base = (n * g.cin + group * cpg + ch) * id * ih * iw;
        for (let a = 0; a < kd; a++) for (let b = 0; b < kh; b++) for (let e = 0; e < kw; e++) {
          const weight = w[((o * cpg + ch) * kd + a) * kh * kw + b * kw + e] as number;
          const first = g.pad[2] - e * g.dilation[2];
          const lo = Math.max(0, Math.ceil(first / sx));
          const hi = Math.min(ow, Math.floor((iw - 1 + first) / sx) + 1);
          for (let oz = 0; oz < od; oz++) {
            const z = oz * sz - g.pad[0] + a * g.dilation[0];
            if (z < 0 || z >= id) continue;
            for (let oy = 0; oy < oh; oy++) {
              const y = oy * sy - g.pad[1] + b * g.dilation[1];
              if (y < 0 || y >= ih) continue;
              let from = base + (z * ih + y) * iw + lo * sx - first;
              const row = target + (oz * oh + oy) * ow;
              for (let ox = lo; ox < hi; ox++, from += sx) out[row + ox] = (out[row + ox] as number) + weight * (x[from] as number);
            }
          }
        }
      }
    }
  }
}

/** Each input element spreads its kernel over the output. */
function transposed(g: Geometry, x: Float64Array, w: Float64Array, out: Float64Array): void {
  const [kd, kh, kw] = g.kernel;
  const cpg = g.cin / g.groups;
  const opg = g.cout / g.groups;
  const [id, ih, iw] = g.in;
  const [od, oh, ow] = g.out;
  const [sz, sy, sx] = g.stride;
  for (let n = 0; n < g.batch; n++) for (let ch = 0; ch < g.cin; ch++) {
    const group = Math.floor(ch / cpg);
    const base = (n * g.cin + ch) * id * ih * iw;
    for (let oc = 0; oc < opg; oc++) {
      const target = (n * g.cout + group * opg + oc) * od * oh * ow;
      for (let a = 0; a < kd; a++) for (let b = 0; b < kh; b++) for (let e = 0; e < kw; e++) {
        const weight = w[((ch * opg + oc) * kd + a) * kh * kw + b * kw + e] as number;
        const shift = e * g.dilation[2] - g.pad[2];
        const lo = Math.max(0, Math.ceil(-shift / sx));
        const hi = Math.min(iw, Math.floor((ow - 1 - shift) / sx) + 1);
        for (let z = 0; z < id; z++) {
          const oz = z * sz - g.pad[0] + a * g.dilation[0];
          if (oz < 0 || oz >= od) continue;
          for (let y = 0; y < ih; y++) {
            const oy = y * sy - g.pad[1] + b * g.dilation[1];
            if (oy < 0 || oy >= oh) continue;
            const from = base + (z * ih + y) * iw;
            let to = target + (oz * oh + oy) * ow + lo * sx + shift;
            for (let xx = lo; xx < hi; xx++, to += sx) out[to] = (out[to] as number) + weight * (x[from + xx] as number);
          }
        }
      }
    }
  }
}

