/** YOLO's letterbox: the picture scaled to fit, the rest padded. */

import type { Image } from "../codecs/image.ts";
import { resizeLinear } from "./cv-resize.ts";
import { pad } from "./geometry.ts";
import type { Item } from "./item.ts";
import { resize } from "./pil-resize.ts";
import { heightAndWidth, roundHalfEven } from "./sizes.ts";
import type { Letterbox } from "./step.ts";

export function letterbox(image: Image, step: Letterbox, pillow?: 12 | 13): Item {
  const [toHeight, toWidth] = heightAndWidth(step.size);
  const stride = step.stride ?? 32;
  const ratio = Math.min(toHeight / image.height, toWidth / image.width);
  const scale = step.scaleup === false ? Math.min(ratio, 1) : ratio;
  const [width, height] = [Math.max(1, roundHalfEven(image.width * scale)), Math.max(1, roundHalfEven(image.height * scale))];
  let [dw, dh] = [toWidth - width, toHeight - height];
  if (step.auto === true) [dw, dh] = [dw % stride, dh % stride];
  const scaled = step.resample === "pil-bilinear" ? resize(image, width, height, "bilinear", { pillow }) : resizeLinear(image, width, height);
  // An odd row or column goes last.
  const halves = (n: number): readonly [number, number] => (step.center === false ? [0, n] : [roundHalfEven(n / 2 - 0.1), roundHalfEven(n / 2 + 0.1)]);
  const [left, right] = halves(dw);
  const [top, bottom] = halves(dh);
  return pad(scaled, { padding: [left, top, right, bottom], fill: step.pad ?? 114 });
}
