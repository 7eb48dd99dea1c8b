/** Checks steps that come as JSON. */

import { TRANSPOSITIONS } from "../codecs/transpose.ts";
import { OpwiseError } from "../tensor/error.ts";
import type { Step } from "./step.ts";

interface Rule {
  readonly wanted: string;
  readonly fits: (value: unknown) => boolean;
}

const isNumber = (v: unknown): v is number => typeof v === "number" && Number.isFinite(v);
const isCount = (v: unknown): boolean => isNumber(v) && Number.isInteger(v) && v >= 1;
const isList = (v: unknown, each: (item: unknown) => boolean, lengths?: readonly number[]): boolean =>
  Array.isArray(v) && v.every(each) && (lengths?.includes(v.length) ?? true);
const oneOf = (...values: readonly (string | number)[]): Rule => ({ wanted: values.join(", "), fits: (v) => values.some((value) => value === v) });

const INTEGER: Rule = { wanted: "a whole number", fits: (v) => Number.isSafeInteger(v) };
const COUNT: Rule = { wanted: "a whole number above 0", fits: isCount };
const NUMBER: Rule = { wanted: "a number", fits: isNumber };
const FLAG: Rule = { wanted: "true or false", fits: (v) => typeof v === "boolean" };
const SIZE: Rule = { wanted: "a whole number, or height and width", fits: (v) => isCount(v) || isList(v, isCount, [2]) };
const PAIR: Rule = { wanted: "width and height", fits: (v) => isList(v, isCount, [2]) };
const NUMBERS: Rule = { wanted: "numbers", fits: (v) => isList(v, isNumber) };
const LEVEL: Rule = { wanted: "a number, or one for each channel", fits: (v) => isNumber(v) || isList(v, isNumber) };
const PADDING: Rule = { wanted: "one, two or four whole numbers", fits: (v) => Number.isSafeInteger(v) || isList(v, Number.isSafeInteger, [1, 2, 4]) };
const BOX: Rule = { wanted: "x0, y0, x1, y1", fits: (v) => isList(v, isNumber, [4]) };
const CONFIG: Rule = { wanted: "the fields of a preprocessor config", fits: (v) => typeof v === "object" && v !== null && !Array.isArray(v) };
const FILTERS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] as const;
const API = oneOf("v1", "v2");

/** Fields of each op; a question mark ends the name of one that may be left out. */
const RULES: Readonly<Record<Step["op"], Readonly<Record<string, Rule>>>> = {
  Resize: {
    size: SIZE,
    "interpolation?": oneOf(...FILTERS, "nearest-exact"),
    "max_size?": COUNT,
    "path?": oneOf("pil", "tensor"),
    "antialias?": FLAG,
    "api?": API,
  },
  CenterCrop: { size: SIZE, "middle?": oneOf("even", "floor") },
  Crop: { top: INTEGER, left: INTEGER, height: COUNT, width: COUNT },
  FiveCrop: { size: SIZE },
  TenCrop: { size: SIZE, "vertical_flip?": FLAG },
  Pad: { padding: PADDING, "fill?": LEVEL, "padding_mode?": oneOf("constant", "edge", "reflect", "symmetric") },
  HorizontalFlip: {},
  VerticalFlip: {},
  Rotate90: { k: INTEGER },
  Grayscale: { "num_output_channels?": oneOf(1, 3), "api?": API },
  PILToTensor: {},
  ToTensor: {},
  ConvertImageDtype: { dtype: oneOf("uint8", "int16", "int32", "float32") },
  Normalize: { mean: NUMBERS, std: NUMBERS },
  Cast: { dtype: oneOf("uint8", "int16", "int32", "float32", "float16", "bfloat16") },
  ChannelsLast: {},
  Unsqueeze: {},
  Stack: {},
  ExifTranspose: {},
  Convert: { mode: oneOf("1", "L", "LA", "La", "P", "RGB", "RGBA", "RGBa", "CMYK", "I;16", "I", "F") },
  Transpose: { method: oneOf(...TRANSPOSITIONS) },
  PilResize: { size: PAIR, "resample?": oneOf(...FILTERS), "box?": BOX, "reducing_gap?": NUMBER },
  Thumbnail: { size: PAIR },
  Reduce: { factor: { wanted: "one or two whole numbers above 0", fits: (v) => isCount(v) || isList(v, isCount, [2]) } },
  CropBorders: { threshold: NUMBER },
  Letterbox: {
    size: SIZE,
    "pad?": NUMBER,
    "stride?": COUNT,
    "auto?": FLAG,
    "scaleup?": FLAG,
    "center?": FLAG,
    "resample?": oneOf("cv2-linear", "pil-bilinear"),
  },
  Rescale: { factor: NUMBER },
  OnWhite: {},
  HFProcessor: { config: CONFIG },
};

const isOp = (op: unknown): op is Step["op"] => typeof op === "string" && Object.hasOwn(RULES, op);

function parseStep(value: unknown, index: number): Step {
  const place = `step ${index + 1}`;
  if (typeof value !== "object" || value === null || !("op" in value) || !isOp(value.op)) {
    throw new OpwiseError("bad-argument", `${place} is no step`, {
      wanted: `an op of ${Object.keys(RULES).join(", ")}`,
      got: JSON.stringify(value) ?? "nothing",
    });
  }
  const fields = new Map(Object.entries(value));
  fields.delete("op");
  for (const [key, rule] of Object.entries(RULES[value.op])) {
    const name = key.replace("?", "");
    const field: unknown = fields.get(name);
    fields.delete(name);
    if (field === undefined || field === null ? name === key : !rule.fits(field)) {
      throw new OpwiseError("bad-argument", `\`${name}\` of ${place}, \`${value.op}\``, { wanted: rule.wanted, got: JSON.stringify(field) ?? "nothing" });
    }
  }
  const [unknown] = fields.keys();
  if (unknown !== undefined) throw new OpwiseError("bad-argument", `${place}, \`${value.op}\`, has no field \`${unknown}\``);
  return value as Step; // each field was checked against its op's rules
}

/** Steps from parsed JSON: a list, or an object with a list named `steps`. @throws bad-argument naming the step and field at fault */
export function parseSteps(json: unknown): readonly Step[] {
  const list: unknown = typeof json === "object" && json !== null && "steps" in json ? json.steps : json;
  if (!Array.isArray(list)) throw new OpwiseError("bad-argument", "a pipeline is a list of steps", { got: JSON.stringify(json)?.slice(0, 80) ?? "nothing" });
  return list.map(parseStep);
}
