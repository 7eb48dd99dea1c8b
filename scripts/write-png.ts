/** Writes a screenshot as PNG with a palette of 256 colours: a third of what a browser writes. */

import { crc32, deflateSync } from "node:zlib";

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

type Colour = readonly [red: number, green: number, blue: number];

/** The most frequent colours, alike ones taken together as the most frequent of them. */
function paletteOf(counts: ReadonlyMap<number, number>): Colour[] {
  const groups = new Map<number, { colour: number; most: number; sum: number }>();
  for (const [colour, count] of counts) {
    const key = ((colour >> 19) << 10) | (((colour >> 11) & 31) << 5) | ((colour >> 3) & 31);
    const group = groups.get(key) ?? { colour, most: 0, sum: 0 };
    if (count > group.most) [group.colour, group.most] = [colour, count];
    group.sum += count;
    groups.set(key, group);
  }
  const chosen = [...groups.values()].sort((a, b) => b.sum - a.sum || a.colour - b.colour).slice(0, 256);
  return chosen.map(({ colour }) => [colour >> 16, (colour >> 8) & 255, colour & 255]);
}

/** `rgb`: three bytes a pixel, line by line. */
export function writePng(width: number, height: number, rgb: Uint8Array): Buffer {
  const colourAt = (pixel: number): number => ((rgb[3 * pixel] ?? 0) << 16) | ((rgb[3 * pixel + 1] ?? 0) << 8) | (rgb[3 * pixel + 2] ?? 0);
  const counts = new Map<number, number>();
  for (let i = 0; i < width * height; i++) counts.set(colourAt(i), (counts.get(colourAt(i)) ?? 0) + 1);
  const palette = paletteOf(counts);
  const indexOf = new Map<number, number>();
  const nearest = (colour: number): number => {
    let known = indexOf.get(colour);
    if (known === undefined) {
      const distances = palette.map(([r, g, b]) => (r - (colour >> 16)) ** 2 + (g - ((colour >> 8) & 255)) ** 2 + (b - (colour & 255)) ** 2);
      known = distances.indexOf(Math.min(...distances));
      indexOf.set(colour, known);
    }
    return known;
  };
  const lines = Buffer.alloc((width + 1) * height); // each line begins with its filter: none
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) lines[y * (width + 1) + 1 + x] = nearest(colourAt(y * width + x));
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("PLTE", Uint8Array.from(palette.flat())),
    chunk("IDAT", deflateSync(lines, { level: 9, memLevel: 9 })),
    chunk("IEND", new Uint8Array(0)),
  ]);
}
