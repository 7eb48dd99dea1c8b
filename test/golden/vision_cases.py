"""Archives made with torchvision, in models/ beside those of model_cases.py. Needs torchvision (0.29.1 with PyTorch 2.14), no onnx:

    python test/golden/vision_cases.py
"""

import os
import pathlib
import tempfile
import warnings
from typing import Dict

import torch
import torchvision.ops as ops
from torch import Tensor, nn
from torchvision import transforms

import model_cases


class Heads(nn.Module):
    """What follows a detector's features; code for rotated boxes comes along."""

    def forward(self, features: Tensor, boxes: Tensor, scores: Tensor) -> Dict[str, Tensor]:
        kept = ops.batched_nms(boxes, scores, torch.arange(boxes.size(0)) % 2, 0.3)
        rois = torch.cat([torch.zeros(kept.size(0), 1), boxes[kept]], 1)
        turned = torch.cat([boxes, scores[:, None] * 90.0], 1)
        return {
            "kept": kept,
            "pooled": ops.roi_align(features, rois, [2, 3], 0.5, -1, True),
            "overlaps": ops.box_iou(boxes, boxes),
            "turned": ops.box_iou(turned, turned, fmt="xywhr"),
        }


class Preprocess(nn.Module):
    """Bytes resized as floats and rounded again, where ties decide a byte."""

    def __init__(self) -> None:
        super().__init__()
        steps = [transforms.Resize([12], antialias=True), transforms.CenterCrop([10, 12]), transforms.ConvertImageDtype(torch.float32)]
        self.steps = nn.Sequential(*steps, transforms.Normalize([0.4, 0.5, 0.6], [0.2, 0.3, 0.25]))

    def forward(self, x: Tensor) -> Tensor:
        return self.steps(x)


def cases() -> list:
    boxes = torch.tensor([[1.0, 2, 10, 12], [3, 3, 20, 18], [2, 2, 11, 12], [0, 0, 8, 8], [5, 4, 22, 19]])
    scores = torch.tensor([0.5, 0.25, 1.0, 0.0, 0.75])
    picture = (torch.arange(3 * 20 * 16) * 37 % 251).to(torch.uint8).view(3, 20, 16)
    return [
        model_cases.scripted("vision_heads", "suppression, pooling and overlaps of boxes, axis-aligned and rotated", Heads, [("forward", (model_cases.grid(1, 2, 12, 12), boxes, scores))]),
        model_cases.scripted("vision_preprocess", "scripted transforms of a picture of bytes", Preprocess, [("forward", (picture,)), ("forward", (picture[None] / 255,))]),
    ]


if __name__ == "__main__":
    home, models = pathlib.Path.cwd(), pathlib.Path(__file__).resolve().parent / "models"
    warnings.simplefilter("ignore")
    for name, file, write_one in cases():
        folder = models / name
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as neutral:
            os.chdir(neutral)
            write_one(folder)
            model_cases.without_debug(file)  # it names the installation
            data = pathlib.Path(file).read_bytes()
            os.chdir(home)
        (folder / file).write_bytes(data)
        print(name, len(data))
