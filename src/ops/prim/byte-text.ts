/**
 * Strings of TorchScript are bytes; ours are JavaScript strings. Where a byte matters (length, index, search), a text is turned into a
 * string of one unit per UTF-8 byte and back. Bytes that are no UTF-8 become lone surrogates U+DC80..U+DCFF and come back unchanged.
 */

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
};

/** One unit (0..255) per UTF-8 byte. */
export function toBytes(text: string): string {
  if (isAscii(text)) return text;
  let out = "";
  for (const char of text) {
    const c = char.codePointAt(0) ?? 0;
    if (c < 0x80) out += char;
    else if (c >= 0xdc80 && c <= 0xdcff) out += String.fromCharCode(c - 0xdc00);
    else if (c < 0x800) out += String.fromCharCode(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out += String.fromCharCode(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else out += String.fromCharCode(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return out;
}

/** The text of a string of bytes. */
export function fromBytes(bytes: string): string {
  if (isAscii(bytes)) return bytes;
  let out = "";
  for (let i = 0; i < bytes.length; ) {
    const b = bytes.charCodeAt(i);
    const length = b < 0x80 ? 1 : b >= 0xc2 && b < 0xe0 ? 2 : b >= 0xe0 && b < 0xf0 ? 3 : b >= 0xf0 && b < 0xf5 ? 4 : 0;
    let point = length <= 1 ? b : b & (0xff >> (length + 1));
    let valid = length > 0 && i + length <= bytes.length;
    for (let k = 1; valid && k < length; k++) {
      const next = bytes.charCodeAt(i + k);
      if ((next & 0xc0) !== 0x80) valid = false;
      point = (point << 6) | (next & 63);
    }
    if (valid && ((length === 3 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) || (length === 4 && (point < 0x10000 || point > 0x10ffff)))) valid = false;
    out += valid ? String.fromCodePoint(point) : String.fromCharCode(0xdc00 + b);
    i += valid ? length : 1;
  }
  return out;
}
