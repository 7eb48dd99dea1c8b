/** Crops, pads, mirrors and quarter turns, of pictures and tensors alike. */

import { CHANNELS, type Image } from "../codecs/image.ts";
import { transpose } from "../codecs/transpose.ts";
import { OpwiseError } from "../tensor/error.ts";
import { backwards, gather, heightOf, isTensor, type Item, span, swapAxes, widthOf } from "./item.ts";
import { centreRegion, fiveRegions, type Margins, marginsOf, type Region } from "./sizes.ts";
import type { CropBorders, FiveCrop, Pad, PaddingMode, TenCrop } from "./step.ts";

/** What lies outside of the item is 0. */
export function crop(item: Item, { top, left, height, width }: Region): Item {
  if (top === 0 && left === 0 && height === heightOf(item) && width === widthOf(item)) return item;
  return gather(item, { rows: span(top, height, heightOf(item)), columns: span(left, width, widthOf(item)) });
}

export function centerCrop(item: Item, size: number | readonly [number, number], middle: "even" | "floor"): Item {
  return crop(item, centreRegion(size, heightOf(item), widthOf(item), middle));
}

export function fiveCrop(item: Item, { size }: Pick<FiveCrop, "size">): readonly Item[] {
  return fiveRegions(size, heightOf(item), widthOf(item)).map((region) => crop(item, region));
}

export function tenCrop(item: Item, { size, vertical_flip }: TenCrop): readonly Item[] {
  const mirrored = vertical_flip === true ? flipVertically(item) : flipHorizontally(item);
  return [...fiveCrop(item, { size }), ...fiveCrop(mirrored, { size })];
}

export function flipHorizontally(item: Item): Item {
  return gather(item, { rows: span(0, heightOf(item), heightOf(item)), columns: backwards(widthOf(item)) });
}

export function flipVertically(item: Item): Item {
  return gather(item, { rows: backwards(heightOf(item)), columns: span(0, widthOf(item), widthOf(item)) });
}

/** `k` quarter turns counter-clockwise. */
export function rotate90(item: Item, k: number): Item {
  const turns = ((k % 4) + 4) % 4;
  if (turns === 0) return item;
  if (!isTensor(item)) return transpose(item, turns === 1 ? "ROTATE_90" : turns === 2 ? "ROTATE_180" : "ROTATE_270");
  if (turns === 2) return flipVertically(flipHorizontally(item));
  return turns === 1 ? flipVertically(swapAxes(item)) : flipHorizontally(swapAxes(item));
}

/** Source index of each padded one. Reflections go back and forth as often as the padding needs. */
function paddedIndices(samples: number, before: number, after: number, mode: PaddingMode): Int32Array {
  const period = mode === "reflect" ? Math.max(2 * samples - 2, 1) : 2 * samples;
  return Int32Array.from({ length: samples + before + after }, (_, i) => {
    const at = i - before;
    if (at >= 0 && at < samples) return at;
    if (mode === "constant") return -1;
    if (mode === "edge") return at < 0 ? 0 : samples - 1;
    const phase = ((at % period) + period) % period;
    return phase < samples ? phase : mode === "reflect" ? period - phase : period - 1 - phase;
  });
}

/** torch reflects tensors once only. */
function checkReflection(item: Item, { left, top, right, bottom }: Margins, mode: PaddingMode): void {
  if (!isTensor(item) || (mode !== "reflect" && mode !== "symmetric")) return;
  const spare = mode === "reflect" ? 1 : 0;
  const most = [heightOf(item) - spare, widthOf(item) - spare] as const;
  if (Math.max(top, bottom) > most[0] || Math.max(left, right) > most[1]) {
    throw new OpwiseError("bad-argument", `\`${mode}\` padding is larger than the tensor`, {
      wanted: `at most ${most.join(" and ")}`,
      got: [left, top, right, bottom].join(", "),
    });
  }
}

export function pad(item: Item, step: Pick<Pad, "padding" | "fill" | "padding_mode">): Item {
  const margins = marginsOf(step.padding);
  const { left, top, right, bottom } = margins;
  const mode = step.padding_mode ?? "constant";
  checkReflection(item, margins, mode);
  // Negative padding crops, as in torchvision.
  const kept: Region = {
    left: Math.max(-left, 0),
    top: Math.max(-top, 0),
    width: widthOf(item) - Math.max(-left, 0) - Math.max(-right, 0),
    height: heightOf(item) - Math.max(-top, 0) - Math.max(-bottom, 0),
  };
  const inner = crop(item, kept);
  const more = (n: number): number => Math.max(n, 0);
  const rows = paddedIndices(kept.height, more(top), more(bottom), mode);
  const columns = paddedIndices(kept.width, more(left), more(right), mode);
  return gather(inner, { rows, columns }, step.fill ?? 0);
}

/** Crops to the box around the pixels that have a channel above the threshold; without any, nothing changes. */
export function cropBorders(image: Image, { threshold }: Pick<CropBorders, "threshold">): Item {
  const { width, height, data, mode } = image;
  const channels = CHANNELS[mode];
  const colours = mode === "RGBA" || mode === "LA" ? channels - 1 : channels;
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * channels;
      let most = 0;
      for (let c = 0; c < colours; c++) most = Math.max(most, data[at + c] ?? 0);
      if (most <= threshold) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  return right < 0 ? image : crop(image, { top, left, height: bottom - top + 1, width: right - left + 1 });
}
