/** Samples of ONNX's ops on shapes. */

import { int, ints, onnx, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([2, 3, 4]);
const longs = (...values: readonly number[]): ReturnType<typeof t> => tv([values.length], values, { dtype: "int64" });

export const samples: readonly Sample[] = [
  onnx("Reshape@14", [x, longs(0, -1)]),
  onnx("Reshape@14", [t([0, 3]), longs(3, 0)], { allowzero: int(1) }),
  onnx("Squeeze@13", [t([1, 3, 1]), longs(-1)]),
  onnx("Squeeze@11", [t([1, 3, 1])]),
  onnx("Unsqueeze@13", [t([3]), longs(0, -1)]),
  onnx("Slice@13", [x, longs(1, -1), longs(3, -5), longs(1, 2), longs(1, -2)]),
  onnx("Slice@1", [x], { starts: ints(1), ends: ints(9), axes: ints(2) }),
  onnx("Split@18", [t([5, 2])], { num_outputs: int(2) }, { outputs: 2 }),
  onnx("Split@13", [t([2, 5]), longs(1, 4)], { axis: int(1) }, { outputs: 2 }),
  onnx("Expand@13", [t([3, 1]), longs(2, 1, 4)]),
  onnx("Tile@13", [t([2, 3]), longs(2, 1)]),
  onnx("CenterCropPad@18", [t([3, 4]), longs(5, 2)]),
  onnx("Transpose@13", [x], { perm: ints(2, 0, 1) }),
  onnx("Transpose@13", [x]),
  onnx("Flatten@13", [x], { axis: int(-1) }),
  onnx("Concat@13", [t([2, 3]), t([2, 1])], { axis: int(-1) }),
  onnx("Identity@16", [t([2], { dtype: "bool" })]),
  onnx("Shape@15", [x], { start: int(1), end: int(-1) }),
  onnx("Size@13", [x]),
  onnx("DepthToSpace@13", [t([1, 4, 2, 2])], { blocksize: int(2) }),
  onnx("DepthToSpace@13", [t([1, 4, 2, 2])], { blocksize: int(2), mode: str("CRD") }),
  onnx("SpaceToDepth@13", [t([1, 1, 4, 2])], { blocksize: int(2) }),
];
