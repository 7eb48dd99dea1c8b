"""Runs converted models in onnxruntime. One line of JSON per job on stdin: {"dir": ...}; answers one line per job."""

import json
import os
import sys

import numpy as np
import onnxruntime as ort

ort.set_default_logger_severity(4)
RAW = {"bfloat16": (np.uint16, 16), "float8_e4m3fn": (np.uint8, 17), "float8_e5m2": (np.uint8, 19)}


def read(folder, entry, blob):
    raw, code = RAW.get(entry["dtype"], (None, None))
    dtype = raw or np.dtype(entry["dtype"])
    data = np.frombuffer(blob, dtype, int(np.prod(entry["shape"])), entry["at"]).reshape(entry["shape"])
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(data, code) if raw else data


def run(folder):
    spec = json.load(open(os.path.join(folder, "inputs.json")))
    blob = open(os.path.join(folder, "inputs.bin"), "rb").read()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(os.path.join(folder, "model.onnx"), options, providers=["CPUExecutionProvider"])
    feeds = {e["name"]: read(folder, e, blob) for e in spec}
    feeds = {k: v if isinstance(v, ort.OrtValue) else ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(v).reshape(v.shape)) for k, v in feeds.items()}
    names = [o.name for o in session.get_outputs()]
    values = session.run_with_ort_values(names, feeds)
    out, parts, at = [], [], 0

    def put(array, kind=None):
        nonlocal at
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        entry = {"dtype": kind or str(array.dtype), "shape": list(array.shape), "at": at}
        data = array.tobytes()
        parts.append(data)
        at += len(data)
        return entry

    for name, value in zip(names, values):
        if value.data_type().startswith("seq"):
            items = session.run([name], {k: v.numpy() for k, v in feeds.items()})[0]
            out.append({"name": name, "items": [put(i) for i in items]})
        elif "bfloat16" in value.data_type():
            import ctypes
            shape = value.shape()
            n = int(np.prod(shape))
            buffer = (ctypes.c_uint16 * n).from_address(value.data_ptr()) if n else []
            out.append({"name": name, **put(np.array(buffer, np.uint16).reshape(shape), "bfloat16")})
        else:
            out.append({"name": name, **put(value.numpy())})
    open(os.path.join(folder, "outputs.bin"), "wb").write(b"".join(parts))
    return out


for line in sys.stdin:
    try:
        answer = {"outputs": run(json.loads(line)["dir"])}
    except Exception as error:  # whatever onnxruntime says is the answer
        answer = {"error": str(error)[:600]}
    print(json.dumps(answer), flush=True)
