"""Answers to a case: onnxruntime's where it has a kernel, else those of ONNX's reference evaluator."""

import io
import warnings
from contextlib import redirect_stdout

import numpy as np
import onnx
import onnxruntime as ort
from onnx.reference import ReferenceEvaluator

from kit import NAME, NARROW, NP, model_of

ort.set_default_logger_severity(4)
#: The newest opset that this onnxruntime runs.
NEWEST_ORT = 26


def inferred(case, opset):
    """Element types of the outputs by ONNX's inference; None where it does not say."""
    model = model_of(case, opset)
    try:
        done = onnx.shape_inference.infer_shapes(model, strict_mode=False)
    except Exception:
        return [None] * case.outputs
    types = {v.name: v.type for v in done.graph.output}
    out = []
    for i in range(case.outputs):
        t = types.get(f"y{i}")
        if t is None or t.WhichOneof("value") is None:
            out.append(None)
        elif t.HasField("tensor_type"):
            kind = onnx.helper.tensor_dtype_to_np_dtype(t.tensor_type.elem_type) if t.tensor_type.elem_type else None
            out.append(None if kind is None else NAME.get(np.dtype(kind)))
        elif t.HasField("sequence_type") and t.sequence_type.elem_type.HasField("tensor_type"):
            out.append(f"seq({NAME[np.dtype(onnx.helper.tensor_dtype_to_np_dtype(t.sequence_type.elem_type.tensor_type.elem_type))]})")
        else:
            out.append(None)
    return out


def by_runtime(case, opset, types):
    """onnxruntime's outputs, or the error. Narrow outputs come back through float."""
    if opset > NEWEST_ORT and case.domain == "":
        return "too new"
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        model = model_of(case, opset, types, narrow=True)
        model.ir_version = 11
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        feeds = {f"x{i}": v for i, v in enumerate(case.inputs) if v is not None and i not in case.consts and (isinstance(v, list) or NAME[v.dtype] not in NARROW)}
        got = session.run(None, feeds)
    except Exception as error:
        return str(error)[:300]
    out = []
    for value, declared in zip(got, types):
        if declared in NARROW:
            with np.errstate(all="ignore"):
                value = np.asarray(value, np.float32).astype(NP[declared])
        out.append(np.array(value, dtype=object) if declared == "string" and not isinstance(value, list) else value)
    return out


def by_reference(case, opset):
    if case.domain == "com.microsoft":
        return "not a domain of the reference evaluator"
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            evaluator = ReferenceEvaluator(model_of(case, opset))
            got = evaluator.run(None, {f"x{i}": v for i, v in enumerate(case.inputs) if v is not None and i not in case.consts})
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    return [np.asarray(g, dtype=object) if isinstance(g, np.ndarray) and g.dtype.kind in "UO" else g if isinstance(g, list) else np.asarray(g) for g in got]
