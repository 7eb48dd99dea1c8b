"""Programs of torch.export with recorded calls: models/pt2/<case>/ holds model.pt2, case.json, data.npz for `npm run corpus`; custom_op.pt2 is test/pt2.test.ts's.

    python test/golden/pt2_models.py [--out DIR] [--only TEXT]

Every case is called at the exported sizes and at others within their ranges. Seeded; written from a neutral folder by relative names.
The archives are zipped anew, deflated, without the tracer's notes on its own frames, so that they stay small and say nothing of a machine.
"""

import argparse
import collections
import dataclasses
import io
import json
import os
import pathlib
import sys
import tempfile
import traceback
import warnings
import zipfile

import torch
from torch import Tensor
from torch.export import Dim

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE))
import model_cases  # noqa: E402
import pt2_programs as p  # noqa: E402

AUTO = Dim.AUTO
SEED = 7


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ids(high: int, *shape: int, seed: int = 1) -> Tensor:
    return torch.randint(1, high, shape, generator=torch.Generator().manual_seed(seed))


@dataclasses.dataclass
class Case:
    name: str
    why: str
    module: object
    """The sizes that the program is exported at come first."""
    calls: list
    shapes: object = None
    decompose: bool = False
    strict: bool = False
    training: bool = False


class Values(model_cases.Tensors):
    """Values of containers that torch.export knows besides Python's own."""

    def value(self, v: object) -> dict:
        if dataclasses.is_dataclass(v) and not isinstance(v, dict):
            fields = sorted((f.name for f in dataclasses.fields(v)), key=lambda name: getattr(v, name) is None)  # absent ones are last in the tree
            return {"namedtuple": type(v).__name__, "fields": [[name, self.value(getattr(v, name))] for name in fields]}
        if isinstance(v, collections.deque):
            return {"list": [self.value(item) for item in v]}
        if isinstance(v, complex):
            return {"complex": [repr(v.real), repr(v.imag)]}
        return super().value(v)


def split(call: object) -> tuple[tuple, dict]:
    """A call is a tuple of arguments, or that and a dict by name."""
    if isinstance(call, tuple) and len(call) == 2 and isinstance(call[0], tuple) and isinstance(call[1], dict):
        return call
    return call, {}


def copied(value):
    return torch.utils._pytree.tree_map(lambda t: t.clone() if isinstance(t, Tensor) else t, value)


def record(program, calls: list, tensors: Values) -> list:
    out = []
    for args, kwargs in map(split, calls):
        call = {"method": "forward", "args": [tensors.value(a) for a in args], "kwargs": {k: tensors.value(v) for k, v in kwargs.items()}}
        given, named = copied(args), copied(kwargs)
        with torch.no_grad():
            call["returns"] = tensors.value(copied(program(*given, **named)))
        if any(isinstance(a, Tensor) and not torch.equal(a, b) for a, b in zip(args, given)):
            call["args_after"] = [tensors.value(a) for a in given]
        out.append(call)
    return out


def export(case: Case) -> torch.export.ExportedProgram:
    torch.manual_seed(SEED)
    module = case.module()
    args, kwargs = split(case.calls[0])
    if not case.training and isinstance(module, torch.nn.Module):
        module.eval()
    program = torch.export.export(module, copied(args), copied(kwargs), dynamic_shapes=case.shapes, strict=case.strict)
    return program.run_decompositions() if case.decompose else program


def plain_trace(text: str) -> str:
    """Frames by file name alone."""
    for root in (str(HERE), str(pathlib.Path(torch.__file__).resolve().parents[1])):
        text = text.replace(f"{root}/", "")
    return text


def tidy(program: torch.export.ExportedProgram) -> None:
    for graph in (m.graph for m in program.graph_module.modules() if isinstance(m, torch.fx.GraphModule)):
        for node in graph.nodes:
            for key in ("nn_module_stack", "source_fn_stack", "torch_fn", "from_node"):
                node.meta.pop(key, None)
            if "stack_trace" in node.meta:
                frames = plain_trace(node.meta["stack_trace"])
                node.meta["stack_trace"] = "\n".join(frames.split("\n")[-3:])


def small_zip(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as packed:
        for info in archive.infolist():
            packed.writestr(zipfile.ZipInfo(info.filename), archive.read(info), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def write_case(case: Case, folder: pathlib.Path) -> None:
    program = export(case)
    tidy(program)
    file = io.BytesIO()
    torch.export.save(program, file)
    data = small_zip(file.getvalue())
    file.seek(0)
    loaded = torch.export.load(file).module()
    tensors = Values()
    spec = {"name": case.name, "category": "golden", "how": "export", "why": case.why, "calls": record(loaded, case.calls, tensors)}
    spec |= {"attributes_after": {name: tensors.value(t) for name, t in loaded.named_buffers()}, "atol": 1e-5, "rtol": 1e-4, "torch": torch.__version__}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.pt2").write_bytes(data)
    (folder / "case.json").write_text(json.dumps(spec, indent=1) + "\n")
    with zipfile.ZipFile(folder / "data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in tensors.arrays.items():
            entry = io.BytesIO()
            model_cases.np.save(entry, array)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy"), entry.getvalue(), zipfile.ZIP_DEFLATED)
    for place in (str(HERE), sys.prefix):
        assert place.encode() not in model_cases.unpacked(data), (case.name, place)


def write_custom_op(file: pathlib.Path) -> None:
    """A program whose custom op has no recording here: a test gives it a meaning."""
    case = Case("custom_op", "", p.Writes, [(noise(2, 3), noise(3))], decompose=True)
    program, data = export(case), io.BytesIO()
    tidy(program)
    torch.export.save(program, data)
    file.write_bytes(small_zip(data.getvalue()))


def layers() -> list[Case]:
    batch = [{0: AUTO}]
    plane = [{0: AUTO, 2: AUTO, 3: AUTO}]
    return [
        Case("convnet", "a convolutional classifier with a dynamic batch", p.convnet, [(noise(n, 3, 8, 8, seed=n),) for n in (3, 2, 7)], batch),
        Case("convnet_decomposed", "the same in core ATen ops", p.convnet, [(noise(n, 3, 8, 8, seed=n),) for n in (3, 2, 7)], batch, decompose=True),
        Case("convolutions", "convolutions of one to three dimensions, transposed, grouped, dilated, every padding", p.Convolutions, [(noise(n, 2, h, 8),) for n, h in ((2, 6), (3, 5), (4, 9))], [{0: AUTO, 2: AUTO}]),
        Case("poolings", "every pooling at three sizes", p.poolings, [(noise(n, 2, h, w),) for n, h, w in ((2, 8, 6), (3, 9, 8), (1, 12, 7))], plane),
        Case("unpool", "pooling with indices, and back", p.Unpool, [(noise(n, 2, 4, 6, seed=n),) for n in (2, 3, 5)], batch),
        Case("norms", "every normalisation", p.norms, [(noise(n, 4, 5, 6, seed=n),) for n in (2, 3, 4)], batch),
        Case("activations", "every activation", p.activations, [(noise(n, 4) * 3,) for n in (3, 2, 6)], batch),
        Case("recurrent", "LSTM of two layers and directions, GRU, RNN and a cell; batch and length vary", p.Recurrent, [(noise(n, k, 3, seed=n),) for n, k in ((2, 4), (3, 4), (5, 4))], [{0: AUTO}]),
        Case("lstm_projected", "an LSTM with a projection and a given state, in core ATen ops", p.Projected, [(noise(4, n, 3, seed=n), (noise(1, n, 2), noise(1, n, 4))) for n in (2, 3, 5)], [{1: AUTO}, ({1: AUTO}, {1: AUTO})], decompose=True),
        Case("embeddings", "embedding, bags, one-hot and positions", p.Embeddings, [(ids(11, n, k),) for n, k in ((2, 5), (3, 7), (4, 2))], [{0: AUTO, 1: AUTO}]),
        Case("attention", "multi-head attention with two masks, causal attention; batch and length vary", p.Attention, [(noise(n, k, 8), torch.arange(k).expand(n, k) > k - 2) for n, k in ((2, 4), (3, 6), (5, 3))], [{0: AUTO, 1: AUTO}, {0: AUTO, 1: AUTO}]),
        Case("encoder", "a transformer encoder; batch and length vary", p.encoder, [(noise(n, k, 8),) for n, k in ((2, 4), (3, 6), (5, 3))], [{0: AUTO, 1: AUTO}]),
        Case("encoder_decomposed", "the same in core ATen ops", p.encoder, [(noise(n, k, 8),) for n, k in ((2, 4), (3, 6), (5, 3))], [{0: AUTO, 1: AUTO}], decompose=True),
        Case("seq2seq", "encoder and decoder of two lengths", p.Seq2Seq, [(noise(2, k, 8), noise(2, m, 8, seed=2)) for k, m in ((4, 3), (6, 5), (3, 7))], [{1: AUTO}, {1: AUTO}]),
        Case("losses", "every loss", p.Losses, [(noise(n, 5, seed=n), ids(5, n)) for n in (3, 2, 6)], [{0: AUTO}, {0: AUTO}]),
        Case("rearranged", "shuffles, folds, pads, rolls", p.Rearranged, [(noise(n, 4, 6, 4, seed=n),) for n in (2, 3, 4)], batch),
        Case("resized", "interpolation of every mode and sampling; height varies", p.Resized, [(noise(n, 2, h, 4),) for n, h in ((2, 4), (3, 6), (2, 5))], [{0: AUTO, 2: AUTO}]),
        Case("distances", "bilinear forms, similarities, distances", p.Distances, [(noise(n, 4, seed=n),) for n in (3, 2, 6)], batch),
        Case("linear_algebra", "factorisations, solves, norms", p.LinearAlgebra, [(noise(n, 3, 4, seed=n),) for n in (2, 3, 5)], batch),
        Case("spectra", "Fourier transforms and complex arithmetic", p.Spectra, [(noise(n, 16, seed=n),) for n in (2, 3, 4)], batch),
        Case("indexed", "indexing, scatters and gathers; masks of any count", p.Indexed, [(noise(n, 4, seed=n), ids(2, k)) for n, k in ((4, 3), (6, 4), (5, 2))], [{0: AUTO}, {0: AUTO}]),
        Case("ordered", "sorting, order statistics, cumulation, reductions", p.Ordered, [(noise(n, 5, seed=n),) for n in (3, 2, 6)], batch),
        Case("experts", "a mixture of experts", p.Experts, [(noise(n, 6, seed=n),) for n in (4, 2, 7)], batch),
        Case("strided", "views by strides, memory formats, writes to copies", p.Strided, [(noise(n, 2, 3, 4, seed=n),) for n in (2, 3, 4)], batch),
    ]


def semantics() -> list[Case]:
    batch = [{0: AUTO}]
    nest = lambda k: (  # noqa: E731
        (p.Batch(noise(3, 2, seed=k), None, {"w": noise(3), "v": noise(1)}), p.Pair(noise(3, 2, seed=3), noise(2)), {"deep": [(noise(3, 2), noise(3, 2))], "queue": collections.deque([noise(1), noise(2)]), "more": collections.defaultdict(list, k=[noise(1)])}, noise(2, seed=5), noise(1, seed=6)),
        {"second": noise(3, seed=8), "factor": 1.5, "first": noise(3, seed=9), "maybe": None},
    )
    decoder = lambda n, past, fresh: (ids(17, n, fresh), [(noise(n, 2, past, 4, seed=past), noise(n, 2, past, 4, seed=2))])  # noqa: E731
    return [
        Case("decoder_cache", "a decoder whose cache grows; batch, past and new tokens vary", p.Decoder, [decoder(2, 3, 2), decoder(3, 5, 4), decoder(4, 2, 3)], [{0: AUTO, 1: AUTO}, [({0: AUTO, 2: AUTO}, {0: AUTO, 2: AUTO})]]),
        Case("static_cache", "a cache in buffers, written at a position that a buffer holds", p.StaticCache, [(noise(1, k, 4, seed=k),) for k in (3, 2, 5)], [{1: Dim("new", min=1, max=8)}]),
        Case("detector", "anchors and boxes above a threshold; image sizes vary", p.Detector, [(noise(1, 3, h, w),) for h, w in ((8, 8), (12, 8), (10, 14))], [{2: AUTO, 3: AUTO}]),
        Case("condition", "branches on values and on a size, nested", p.Condition, [(noise(n, 4, seed=s),) for n, s in ((3, 1), (6, 2), (2, 5), (2, 11))], batch),
        Case("loop", "a loop that values end", p.Loop, [(noise(n, 3), torch.tensor(k)) for n, k in ((2, 3), (4, 0), (3, 6))], [{0: AUTO}, None]),
        Case("countdown", "a loop that carries a size", p.Countdown, [(noise(n),) for n in (6, 3, 9)], batch),
        Case("mapped", "a function of every row", p.Mapped, [(noise(n, 4, seed=n), noise(4)) for n in (3, 2, 5)], [{0: AUTO}, None]),
        Case("scanned", "a recurrence in both directions", p.Scanned, [(noise(n, 2, seed=n),) for n in (4, 2, 6)], batch),
        Case("prefix", "associative scans", p.Prefix, [(noise(4, 5, seed=s),) for s in (1, 2, 3)]),
        Case("batched", "functions mapped by vmap, nested", p.Batched, [(noise(n, 3, seed=n), noise(k)) for n, k in ((4, 3), (2, 5), (7, 2))], [{0: AUTO}, {0: AUTO}]),
        Case("unbacked", "sizes out of values: counts, masks, arange of an item", p.Unbacked, [(noise(n, 3, seed=n), torch.tensor(k)) for n, k in ((3, 4), (2, 1), (6, 16))], [{0: AUTO}, None]),
        Case("tensor_slices", "bounds out of a tensor, with checks on them", p.TensorSlices, [(noise(n, 3), torch.tensor(b)) for n, b in ((6, [1, 4]), (3, [0, 3]), (9, [5, 6]))], [{0: AUTO}, None]),
        Case("counting", "buffers that calls change, batch norm in training", p.Counting, [(noise(n, 3, seed=n),) for n in (4, 2, 7)], batch, training=True),
        Case("counting_decomposed", "the same in core ATen ops", p.Counting, [(noise(n, 3, seed=n),) for n in (4, 2, 7)], batch, training=True, decompose=True),
        Case("writing", "arguments written to; results that are arguments and views of them", p.Writing, [(noise(n, 3, seed=n), noise(n, 2)) for n in (3, 2, 5)], [{0: AUTO}, {0: AUTO}]),
        Case("writing_decomposed", "the same without in-place ops", p.Writing, [(noise(n, 3, seed=n), noise(n, 2)) for n in (3, 2, 5)], [{0: AUTO}, {0: AUTO}], decompose=True),
        Case("regions", "no-grad and autocast regions", p.Regions, [(noise(n, 4, seed=n),) for n in (3, 2, 5)], batch),
        Case("nested", "arguments and results in every container, by name in any order, fixed and absent ones", p.Nested, [nest(1), nest(2), nest(5)], None),
        Case("sizes", "sizes that are expressions of others, arithmetic on them as results", p.Sizes, [(noise(n, 2 * k), noise(n + 1), 3 * k) for n, k in ((4, 3), (6, 2), (10, 4))], [{0: 2 * Dim("half", min=2, max=32), 1: AUTO}, {0: AUTO}, Dim.DYNAMIC]),
        Case("half", "float16 weights and arithmetic", lambda: p.Halves(torch.float16), [(noise(n, 8).half(),) for n in (3, 2, 5)], batch),
        Case("bfloat16", "bfloat16 weights and arithmetic", lambda: p.Halves(torch.bfloat16), [(noise(n, 8).bfloat16(),) for n in (3, 2, 5)], batch),
        Case("numbers", "dtypes, lifted constants, integer and bool arithmetic", p.Numbers, [(noise(3, seed=s), ids(9, 3, seed=s)) for s in (1, 2, 3)], None),
        Case("checked", "checks of factorisations as ordered effects, in core ATen ops", p.Checked, [(noise(3, 4, seed=s),) for s in (1, 2, 3)], decompose=True),
        Case("quantised", "codes between quantise and dequantise, per tensor, channel and token", p.Quantised, [(noise(n, 6, seed=n),) for n in (5, 4, 7)], batch),
    ]


def transformers_cases() -> list[Case]:
    import transformers as t

    t.logging.set_verbosity_error()

    def model(kind, config_kind, **config):
        def make():
            return kind(config_kind(**config)).eval()

        return make

    def text(high, *sizes):
        return [((), {"input_ids": ids(high, n, k), "attention_mask": (torch.arange(k) < k - 1).long().expand(n, k) | (torch.arange(n) == 0).long()[:, None]}) for n, k in sizes]

    small = {"vocab_size": 31, "max_position_embeddings": 24}
    two = {"input_ids": {0: AUTO, 1: AUTO}, "attention_mask": {0: AUTO, 1: AUTO}}
    quiet = {"use_cache": False}
    return [
        Case("bert", "BERT with a mask; batch and length vary", model(t.BertModel, t.BertConfig, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12, **small), text(31, (2, 5), (3, 7), (4, 3)), two),
        Case("gpt2", "GPT-2; batch and length vary", model(t.GPT2LMHeadModel, t.GPT2Config, n_embd=8, n_layer=1, n_head=2, vocab_size=31, n_positions=24, **quiet), text(31, (2, 5), (3, 7), (4, 3)), two),
        Case("llama", "Llama with grouped heads; batch and length vary", model(t.LlamaForCausalLM, t.LlamaConfig, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, intermediate_size=12, **small, **quiet), text(31, (2, 5), (3, 7), (4, 3)), two),
        Case("t5", "T5, encoder and decoder of two lengths", model(t.T5ForConditionalGeneration, t.T5Config, vocab_size=31, d_model=8, d_kv=4, d_ff=12, num_layers=1, num_heads=2, **quiet), [((), {"input_ids": ids(31, n, k), "decoder_input_ids": ids(31, n, m, seed=2)}) for n, k, m in ((2, 5, 3), (3, 4, 6), (4, 7, 2))], {"input_ids": {0: AUTO, 1: AUTO}, "decoder_input_ids": {0: AUTO, 1: AUTO}}),
        Case("vit", "a vision transformer with a dynamic batch", model(t.ViTForImageClassification, t.ViTConfig, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12, image_size=8, patch_size=4), [((), {"pixel_values": noise(n, 3, 8, 8, seed=n)}) for n in (2, 3, 4)], {"pixel_values": {0: AUTO}}),
        Case("wav2vec2", "Wav2Vec2 on audio of three lengths", model(t.Wav2Vec2Model, t.Wav2Vec2Config, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12, conv_dim=(8, 8), conv_stride=(5, 2), conv_kernel=(10, 3), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, num_feat_extract_layers=2), [((), {"input_values": noise(n, k, seed=n)}) for n, k in ((2, 200), (3, 320), (4, 161))], {"input_values": {0: AUTO, 1: AUTO}}),
    ]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "models" / "pt2")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    out, failed = options.out.resolve(), 0
    for case in [*layers(), *semantics(), *transformers_cases()]:
        if options.only not in case.name:
            continue
        with tempfile.TemporaryDirectory() as neutral:
            os.chdir(neutral)
            try:
                write_case(case, out / case.name)
                print(case.name, (out / case.name / "model.pt2").stat().st_size + (out / case.name / "data.npz").stat().st_size)
            except Exception:
                failed += 1
                print("FAILED", case.name, traceback.format_exc()[-900:])
            os.chdir("/")
    if options.only in "custom_op":
        write_custom_op(out / "custom_op.pt2")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
