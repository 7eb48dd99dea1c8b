/** Samples of Fourier transforms. */

import { aten, bool, dtype, float, int, ints, none, type Sample, str, t } from "../../../test/golden/sample-tensor.ts";

const x = t([2, 5]);
const z = t([2, 4], { dtype: "complex64" });
const turned = t([4, 3], { dtype: "complex128", transpose: true });

export const samples: readonly Sample[] = [
  ...["fft_ihfft2.out", "fft_ihfftn.out"].flatMap((name) => [
    aten(name, [x, none, ints(0, 1)], { out: t([2, 3], { dtype: "complex64" }) }),
    aten(name, [x, none, ints(1)], { out: t([2, 3], { dtype: "complex64" }) }),
  ]),
  ...["fft_fft", "fft_rfft", "fft_ihfft"].map((name) => aten(name, [t([])])),
  aten("fft_fftn", [x, none, ints(0, 0)]),
  ...["fft_fft", "fft_ifft"].flatMap((name) => [aten(name, [x]), aten(name, [z, int(3), int(0), str("ortho")]), aten(name, [t([3], { dtype: "int64" }), int(6)]), aten(name, [z, int(0)])]),
  ...["fft_rfft", "fft_ihfft"].flatMap((name) => [aten(name, [x]), aten(name, [t([4, 3], { dtype: "float64", transpose: true }), int(5), int(0), str("forward")]), aten(name, [z])]),
  ...["fft_irfft", "fft_hfft"].flatMap((name) => [aten(name, [z]), aten(name, [turned, int(5), int(0), str("ortho")]), aten(name, [x])]),
  ...["fft_fft2", "fft_ifft2", "fft_fftn", "fft_ifftn"].flatMap((name) => [aten(name, [x]), aten(name, [turned, ints(3), ints(0), str("ortho")])]),
  ...["fft_rfft2", "fft_ihfft2", "fft_rfftn", "fft_ihfftn"].flatMap((name) => [aten(name, [x]), aten(name, [t([2, 3, 2], { dtype: "float64" }), ints(4, 2), ints(0, 1), str("forward")])]),
  ...["fft_irfft2", "fft_hfft2", "fft_irfftn", "fft_hfftn"].flatMap((name) => [aten(name, [z]), aten(name, [turned, ints(3, 4), ints(0, 1), str("ortho")])]),
  aten("_fft_c2c", [z, ints(0, 1), int(0), bool(true)]),
  aten("_fft_c2c", [turned, ints(1), int(2), bool(false)]),
  aten("_fft_r2c", [x, ints(1), int(1), bool(true)]),
  aten("_fft_r2c", [x, ints(1), int(0), bool(false)]),
  aten("_fft_c2r", [t([2, 3], { dtype: "complex64" }), ints(1), int(2), int(5)]),
  ...["fft_fftfreq", "fft_rfftfreq"].flatMap((name) => [aten(name, [int(5)]), aten(name, [int(4), float(0.5)], { dtype: dtype("float64") })]),
  ...["fft_fftshift", "fft_ifftshift"].flatMap((name) => [aten(name, [x, none]), aten(name, [t([3, 2], { dtype: "int64" }), ints(0)])]),
];
