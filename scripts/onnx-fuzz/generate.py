"""Writes random ONNX cases in ONNX's test layout: `python generate.py OUT [--filter TEXT] [--count N] [--seed S] [--domain TEXT]`.

Each op is tried in each of its versions. Expected outputs are onnxruntime's, or the reference evaluator's where
onnxruntime has no kernel; `refused.json` lists the cases that neither answers.
"""

import argparse
import json
import os
import zlib

import numpy as np
import onnx
from onnx import numpy_helper

import classic
import layers
import microsoft
import pointwise
import quantised
import shapes
from kit import NAME, Rng, model_of, tensor_proto
from oracle import NEWEST_ORT, by_reference, by_runtime, inferred

MAKERS = {**pointwise.MAKERS, **shapes.MAKERS, **layers.MAKERS, **quantised.MAKERS, **classic.MAKERS, **microsoft.MAKERS}


def versions(domain, name):
    out = sorted({s.since_version for s in onnx.defs.get_all_schemas_with_history() if (s.domain, s.name) == (domain, name)})
    return out or [1]


def newest_before(all_versions, since, domain):
    """The largest opset that still means `since`: what onnxruntime is likeliest to know."""
    later = [v for v in all_versions if v > since]
    if later:
        return later[0] - 1
    return max(since, NEWEST_ORT) if domain == "" else {"ai.onnx.ml": 5}.get(domain, since)


def write(folder, value, name):
    with open(os.path.join(folder, name), "wb") as f:
        if isinstance(value, list):
            sequence = onnx.SequenceProto()
            sequence.elem_type = onnx.SequenceProto.TENSOR
            sequence.tensor_values.extend(tensor_proto(np.asarray(v), "") for v in value)
            f.write(sequence.SerializeToString())
        else:
            f.write(tensor_proto(value, "").SerializeToString())


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("out")
    arguments.add_argument("--filter", default="")
    arguments.add_argument("--domain", default=None)
    arguments.add_argument("--count", type=int, default=6)
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    refused = []
    written = 0
    for (domain, name), maker in MAKERS.items():
        title = name if domain == "" else f"{domain}.{name}"
        if options.filter.lower() not in title.lower() or (options.domain is not None and options.domain != domain):
            continue
        known = versions(domain, name)
        for since in known:
            opset = newest_before(known, since, domain) if domain != "" or onnx.defs.has(name, domain) else 9
            for k in range(options.count):
                rng = Rng([options.seed, zlib.crc32(title.encode()), since, k])
                schema = onnx.defs.get_schema(name, since, domain) if onnx.defs.has(name, domain) else None
                case = maker(rng, name, since, schema)
                if case is None:
                    continue
                try:
                    types = microsoft.types(case) if domain == "com.microsoft" else inferred(case, opset)
                except Exception as error:
                    refused.append({"test": f"{title}_{since}_{k}", "error": f"the case cannot be built: {error!r}"})
                    continue
                got = by_runtime(case, opset, types)
                oracle = "onnxruntime"
                why = ""
                if isinstance(got, str):
                    why, oracle = got, "reference"
                    got = by_reference(case, opset)
                if isinstance(got, str):
                    refused.append({"test": f"{title}_{since}_{k}", "runtime": why, "reference": got})
                    continue
                types = [t if t is not None else (f"seq({NAME[np.asarray(g[0]).dtype] if g else 'float'})" if isinstance(g, list) else NAME[g.dtype]) for t, g in zip(types, got)]
                folder = os.path.join(options.out, f"test_{title.replace('.', '_')}_{since}_{k}")
                data = os.path.join(folder, "test_data_set_0")
                os.makedirs(data, exist_ok=True)
                onnx.save(model_of(case, opset, types), os.path.join(folder, "model.onnx"))
                fed = [v for i, v in enumerate(case.inputs) if v is not None and i not in case.consts]
                for i, v in enumerate(fed):
                    write(data, v, f"input_{i}.pb")
                for i, v in enumerate(got):
                    write(data, v, f"output_{i}.pb")
                half = any(t in ("float16", "bfloat16") for t in types)
                with open(os.path.join(folder, "tolerance.json"), "w") as f:
                    json.dump({"rtol": max(case.rtol, 4e-3 if half else 0), "atol": max(case.atol, 2e-3 if half else 0), "oracle": oracle, "why": why}, f)
                written += 1
    os.makedirs(options.out, exist_ok=True)
    with open(os.path.join(options.out, "refused.json"), "w") as f:
        json.dump(refused, f, indent=1)
    print(f"{written} cases, {len(refused)} that no oracle answers")


if __name__ == "__main__":
    main()
