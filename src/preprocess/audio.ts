/** Resampling of sound as torchaudio's `resample` does it: a sinc under a Hann window. */

import { OpwiseError } from "../tensor/error.ts";

/** Zero crossings of the sinc on each side, and the share of the band that is kept. */
const CROSSINGS = 6;
const ROLLOFF = 0.99;

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** A sound at another rate: `ceil(length * to / from)` samples. @throws bad-argument for rates that are no whole numbers */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  for (const rate of [from, to]) {
    if (!Number.isSafeInteger(rate) || rate < 1) throw new OpwiseError("bad-argument", "a sample rate is a whole number above 0", { got: `${rate}` });
  }
  if (from === to) return samples;
  const divisor = gcd(from, to);
  const [orig, wanted] = [from / divisor, to / divisor];
  const cutoff = Math.min(orig, wanted) * ROLLOFF;
  const width = Math.ceil((CROSSINGS * orig) / cutoff);
  const size = 2 * width + orig;
  const kernels = Array.from({ length: wanted }, (_, phase) =>
    Float32Array.from({ length: size }, (_, i) => kernelAt(-phase / wanted + (i - width) / orig, cutoff, orig)),
  );
  const out = new Float32Array(Math.ceil((samples.length * wanted) / orig));
  for (let i = 0; i < out.length; i++) {
    const kernel = kernels[i % wanted] ?? new Float32Array(0);
    const first = Math.floor(i / wanted) * orig - width;
    let sum = 0;
    for (let k = Math.max(0, -first); k < size && first + k < samples.length; k++) sum += (kernel[k] ?? 0) * (samples[first + k] ?? 0);
    out[i] = sum;
  }
  return out;
}

/** The windowed sinc `seconds` away, in units of the old rate's reduced period. */
function kernelAt(seconds: number, cutoff: number, orig: number): number {
  const t = Math.min(Math.max(seconds * cutoff, -CROSSINGS), CROSSINGS);
  const window = Math.cos((t * Math.PI) / CROSSINGS / 2) ** 2;
  const sinc = t === 0 ? 1 : Math.sin(t * Math.PI) / (t * Math.PI);
  return sinc * window * (cutoff / orig);
}
