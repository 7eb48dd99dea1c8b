/** Subsampled components brought to the picture's width and height ("fancy upsampling" of libjpeg): triangle filters for the usual ratios. */

/** A component's samples. */
export interface Plane {
  readonly samples: Uint8Array;
  readonly stride: number;
  readonly width: number;
  readonly height: number;
  /** Output columns and rows of one sample. */
  readonly across: number;
  readonly down: number;
}

/** Row `y` of the picture, `plane.width * plane.across` samples, from `to` on in `out`. */
export function upsampleRow(plane: Plane, y: number, out: Uint8Array, to: number): void {
  const { samples, stride, width, height, across, down } = plane;
  const row = Math.floor(y / down);
  const near = row * stride;
  const smooth = width > 2;
  if (down === 2 && (across === 1 || (across === 2 && smooth))) {
    const isUpper = (y & 1) === 0;
    const far = Math.min(Math.max(isUpper ? row - 1 : row + 1, 0), height - 1) * stride;
    if (across === 1) blendRows(samples, near, far, width, isUpper ? 1 : 2, out, to);
    else blendBoth(samples, near, far, width, out, to);
  } else if (down === 1 && across === 2 && smooth) blendColumns(samples, near, width, out, to);
  else repeat(samples, near, width, across, out, to);
}

function repeat(samples: Uint8Array, near: number, width: number, across: number, out: Uint8Array, to: number): void {
  if (across === 1) {
    out.set(samples.subarray(near, near + width), to);
    return;
  }
  for (let x = 0; x < width; x++) out.fill(samples[near + x] ?? 0, to + x * across, to + (x + 1) * across);
}

/** Twice as high: three quarters of the nearer row; `bias` rounds the upper row down and the lower up. */
function blendRows(samples: Uint8Array, near: number, far: number, width: number, bias: number, out: Uint8Array, to: number): void {
  for (let x = 0; x < width; x++) out[to + x] = (3 * (samples[near + x] ?? 0) + (samples[far + x] ?? 0) + bias) >> 2;
}

/** Twice as wide: three quarters of the nearer column. */
function blendColumns(samples: Uint8Array, near: number, width: number, out: Uint8Array, to: number): void {
  out[to] = samples[near] ?? 0;
  for (let x = 0; x < width - 1; x++) {
    const [a, b] = [samples[near + x] ?? 0, samples[near + x + 1] ?? 0];
    out[to + 2 * x + 1] = (3 * a + b + 2) >> 2;
    out[to + 2 * x + 2] = (3 * b + a + 1) >> 2;
  }
  out[to + 2 * width - 1] = samples[near + width - 1] ?? 0;
}

/** Twice as wide and high. */
function blendBoth(samples: Uint8Array, near: number, far: number, width: number, out: Uint8Array, to: number): void {
  let left = 3 * (samples[near] ?? 0) + (samples[far] ?? 0);
  out[to] = (4 * left + 8) >> 4;
  for (let x = 1; x < width; x++) {
    const here = 3 * (samples[near + x] ?? 0) + (samples[far + x] ?? 0);
    out[to + 2 * x - 1] = (3 * left + here + 7) >> 4;
    out[to + 2 * x] = (3 * here + left + 8) >> 4;
    left = here;
  }
  out[to + 2 * width - 1] = (4 * left + 7) >> 4;
}
