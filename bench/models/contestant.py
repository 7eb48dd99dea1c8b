"""LibTorch or onnxruntime in a process of its own: `python contestant.py NAME`, NAME torch@THREADS or onnxruntime@THREADS. See protocol.ts."""

import json
import os
import resource
import sys
import time

kind, _, threads = sys.argv[1].partition("@")
threads = int(threads or 1)
os.environ["OMP_NUM_THREADS"] = str(threads)

import numpy as np

if kind == "torch":
    import torch

    torch.set_num_threads(threads)
    version = torch.__version__
else:
    import onnxruntime

    version = onnxruntime.__version__


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def leaves(value):
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in leaves(item)]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    return [value.numpy()]


def prepare(path, feeds):
    if kind == "torch":
        model = torch.jit.load(path).eval()
        tensors = [torch.from_numpy(a) for a in feeds.values()]

        def run():
            with torch.inference_mode():
                return leaves(model(*tensors))

        return run
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feeds)


def error_of(got, wanted):
    worst = 0.0 if len(got) >= len(wanted) else float("nan")
    for mine, values in zip(got, wanted):
        top = float(np.abs(values.astype(np.float64)).max()) or 1.0
        worst = max(worst, float(np.abs(mine.astype(np.float64).reshape(values.shape) - values.astype(np.float64)).max()) / top)
    return worst


say({"kind": "ready", "version": version, "peak": peak()})
run = None
for line in sys.stdin:
    request = json.loads(line)
    try:
        if request["kind"] == "load":
            folder = request["folder"]
            with open(os.path.join(folder, "model.json")) as f:
                spec = json.load(f)
            inputs = np.load(os.path.join(folder, "inputs.npz"))
            outputs = np.load(os.path.join(folder, "outputs.npz"))
            feeds = {i["name"]: inputs[i["name"]] for i in spec["inputs"] if i["name"] in inputs.files}
            wanted = [outputs[o["name"]] for o in spec["outputs"] if o["name"] in outputs.files]
            started = time.perf_counter()
            run = prepare(os.path.join(folder, request["file"]), feeds)
            ready = time.perf_counter()
            got = run()
            done = time.perf_counter()
            say({"kind": "loaded", "load": 1e3 * (ready - started), "first": 1e3 * (done - ready), "error": error_of(got, wanted)})
        else:
            times = []
            end = time.perf_counter() + request["ms"] / 1e3
            while not times or time.perf_counter() < end:
                started = time.perf_counter()
                run()
                times.append(1e3 * (time.perf_counter() - started))
            say({"kind": "ran", "times": times, "peak": peak()})
    except Exception as error:
        say({"kind": "failed", "message": str(error)})
