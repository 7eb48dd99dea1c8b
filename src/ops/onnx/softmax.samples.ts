/** Samples of ONNX's softmaxes, before and after opset 13. */

import { int, onnx, type Sample, t } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = ["Softmax", "LogSoftmax", "Hardmax"].flatMap((name) => [
  onnx(`${name}@13`, [t([2, 3, 2])], { axis: int(1) }),
  onnx(`${name}@13`, [t([2, 3])]),
  onnx(`${name}@11`, [t([2, 3, 2])]),
]);
