/** The EXIF orientation of a picture, from its EXIF block or its XMP text. */

const TAG = 0x0112;
/** Sizes of TIFF's integer types: byte, short, long. */
const TYPES: Readonly<Record<number, 1 | 2 | 4>> = { 1: 1, 3: 2, 4: 4 };

/** 1 to 8; 1 where there is none, or none that makes sense. `exif` starts with its TIFF header. */
export function orientationOf(exif: Uint8Array | undefined, xmp?: Uint8Array): number {
  const found = exif === undefined ? undefined : fromExif(exif);
  const value = found ?? (xmp === undefined ? undefined : fromXmp(xmp));
  return value !== undefined && value >= 1 && value <= 8 ? value : 1;
}

function fromExif(exif: Uint8Array): number | undefined {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  const order = exif[0] === 0x49 && exif[1] === 0x49 ? true : exif[0] === 0x4d && exif[1] === 0x4d ? false : undefined;
  if (order === undefined || exif.length < 8) return undefined;
  const at = view.getUint32(4, order);
  if (at + 2 > exif.length) return undefined;
  const count = view.getUint16(at, order);
  for (let i = 0; i < count; i++) {
    const entry = at + 2 + 12 * i;
    if (entry + 12 > exif.length) return undefined;
    if (view.getUint16(entry, order) !== TAG) continue;
    const size = TYPES[view.getUint16(entry + 2, order)];
    if (size === undefined || view.getUint32(entry + 4, order) !== 1) return undefined;
    return size === 1 ? view.getUint8(entry + 8) : size === 2 ? view.getUint16(entry + 8, order) : view.getUint32(entry + 8, order);
  }
  return undefined;
}

function fromXmp(xmp: Uint8Array): number | undefined {
  const found = /tiff:Orientation(?:="|>)([0-9])/.exec(new TextDecoder("latin1").decode(xmp));
  return found === null ? undefined : Number(found[1]);
}
