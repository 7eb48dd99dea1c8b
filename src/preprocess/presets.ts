/** Ready-made pipelines: what the usual models were trained with. */

import type { Normalize, Step } from "./step.ts";

const IMAGENET: Normalize = { op: "Normalize", mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Resize, centre crop, numbers: torchvision's `ImageClassification`. */
function classification(resize: number, crop: number): readonly Step[] {
  return [{ op: "Resize", size: resize, interpolation: "bilinear", path: "pil" }, { op: "CenterCrop", size: crop }, { op: "ToTensor" }, IMAGENET];
}

export type PresetName = "imagenet" | "imagenet-v2" | "inception" | "clip" | "vit" | "yolo";

export const PRESETS: Readonly<Record<PresetName, readonly Step[]>> = {
  /** ResNet, VGG, MobileNet, DenseNet …, weights V1. */
  imagenet: classification(256, 224),
  /** torchvision's weights V2. */
  "imagenet-v2": classification(232, 224),
  inception: classification(342, 299),
  clip: [
    { op: "Resize", size: 224, interpolation: "bicubic", path: "pil" },
    { op: "CenterCrop", size: 224 },
    { op: "ToTensor" },
    { op: "Normalize", mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
  ],
  vit: [
    { op: "Resize", size: [224, 224], interpolation: "bilinear", path: "pil" },
    { op: "ToTensor" },
    { op: "Normalize", mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  ],
  yolo: [{ op: "Letterbox", size: 640 }, { op: "PILToTensor" }, { op: "ConvertImageDtype", dtype: "float32" }],
};

export function isPreset(name: string): name is PresetName {
  return Object.hasOwn(PRESETS, name);
}
