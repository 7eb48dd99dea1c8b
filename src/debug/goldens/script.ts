/** The recorder that users run where PyTorch is: every aten op that the interpreter executes, its results, and what it came from. */

/** Python text of the recorder. `python rec.py MODEL.pt INPUTS.npz GOLDEN.npz`. */
export const PYTORCH_RECORDER: string = `"""Records every op that PyTorch runs in a TorchScript file: python rec.py MODEL.pt INPUTS.npz GOLDEN.npz [METHOD]"""
import json
import sys

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


class Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.ops, self.arrays, self.names, self.kept = [], {}, {}, []

    def keep(self, tensor, name):
        """Stores what the tensor holds now, and knows the tensor by it from here on."""
        self.kept.append(tensor)  # an id stands for one tensor as long as that lives
        self.names[id(tensor)] = name
        self.arrays[name] = to_array(tensor)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = [t for t in tree_flatten((args, kwargs or {}))[0] if isinstance(t, torch.Tensor)]
        sources = [self.names.get(id(t)) for t in given]
        out = func(*args, **(kwargs or {}))
        made = [t for t in tree_flatten(out)[0] if isinstance(t, torch.Tensor)]
        at = len(self.ops)
        outs = ["op%d/%d" % (at, i) for i in range(len(made))]
        for tensor, name in zip(made, outs):
            self.keep(tensor, name)
        self.ops.append({"op": str(func), "args": sources, "outs": outs})
        return out


def to_array(tensor):
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.cpu().contiguous().numpy().copy()


def main(model, inputs, golden, method="forward"):
    module = torch.jit.load(model, map_location="cpu").eval()
    given = [torch.from_numpy(a) for a in np.load(inputs).values()]
    recorder = Recorder()
    with torch.no_grad(), torch.jit.optimized_execution(False):
        for i, tensor in enumerate(given):
            recorder.keep(tensor, "input/%d" % i)
        with recorder:
            result = getattr(module, method)(*given)
    outputs = [recorder.names.get(id(t)) for t in tree_flatten(result)[0] if isinstance(t, torch.Tensor)]
    index = {"format": "opwise.goldens/1", "torch": torch.__version__, "ops": recorder.ops, "inputs": ["input/%d" % i for i in range(len(given))], "outputs": outputs}
    text = np.frombuffer(json.dumps(index).encode(), dtype=np.uint8)
    np.savez(golden, opwise_index=text, **{name.replace("/", "."): array for name, array in recorder.arrays.items()})
    print("%d ops, %d values" % (len(recorder.ops), len(recorder.arrays)))


if __name__ == "__main__":
    main(*sys.argv[1:])
`;
