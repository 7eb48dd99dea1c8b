/** What a file is, by its first bytes: to choose a loader, and to say in an error what was given instead. */

/** Formats that a loader of ours reads, or that people hand us by mistake. */
export type FileFormat =
  | "empty" | "zip" | "onnx" | "torch-legacy" | "pickle" | "torch-mobile" | "npy" | "hdf5" | "safetensors" | "gguf" | "gzip" | "tar"
  | "png" | "jpeg" | "gif" | "webp" | "wav" | "flac" | "ogg" | "pdf" | "elf" | "html" | "json" | "text" | "zeros" | "unknown";

const SPOKEN: Readonly<Record<FileFormat, string>> = {
  empty: "an empty file",
  zip: "a zip archive",
  onnx: "an ONNX protobuf",
  "torch-legacy": "a legacy torch.save file (before PyTorch 1.6)",
  pickle: "a Python pickle",
  "torch-mobile": "a PyTorch mobile flatbuffer",
  npy: "a NumPy array (.npy)",
  hdf5: "an HDF5 file (Keras or MATLAB)",
  safetensors: "a safetensors file",
  gguf: "a GGUF file",
  gzip: "gzip data",
  tar: "a tar archive",
  png: "a PNG picture",
  jpeg: "a JPEG picture",
  gif: "a GIF picture",
  webp: "a WebP picture",
  wav: "a WAV sound",
  flac: "a FLAC sound",
  ogg: "an Ogg sound",
  pdf: "a PDF document",
  elf: "an executable",
  html: "an HTML page",
  json: "JSON text",
  text: "text",
  zeros: "zero bytes only",
  unknown: "bytes of no known format",
};

/** How many bytes `sniffFormat` looks at. */
export const SNIFF_BYTES = 512;

function startsWith(head: Uint8Array, text: string, at: number = 0): boolean {
  if (head.length < at + text.length) return false;
  for (let i = 0; i < text.length; i++) if (head[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Whether the bytes read as a ModelProto: `ir_version` first, or any other field of it with a fitting wire type. */
function looksLikeOnnx(head: Uint8Array): boolean {
  const [tag, second, third] = head;
  if (tag === undefined || second === undefined) return false;
  if (tag === 0x08) return second > 0 && second < 128 && (third === undefined || ONNX_TAGS.has(third));
  return false;
}
/** Tags of producer_name, producer_version, domain, model_version, doc_string, graph, opset_import, metadata_props. */
const ONNX_TAGS: ReadonlySet<number> = new Set([0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72, 0xa2, 0xca]);

/** The format of a file of `size` bytes that starts with `head` (its first `SNIFF_BYTES`). */
export function sniffFormat(head: Uint8Array, size: number = head.length): FileFormat {
  if (size === 0 || head.length === 0) return "empty";
  if (startsWith(head, "PK\x03\x04") || startsWith(head, "PK\x05\x06") || startsWith(head, "PK\x06\x06")) return "zip";
  if (startsWith(head, "\x89PNG")) return "png";
  if (startsWith(head, "\xff\xd8\xff")) return "jpeg";
  if (startsWith(head, "GIF8")) return "gif";
  if (startsWith(head, "RIFF")) return startsWith(head, "WEBP", 8) ? "webp" : startsWith(head, "WAVE", 8) ? "wav" : "unknown";
  if (startsWith(head, "fLaC")) return "flac";
  if (startsWith(head, "OggS")) return "ogg";
  if (startsWith(head, "%PDF")) return "pdf";
  if (startsWith(head, "\x7fELF") || startsWith(head, "MZ")) return "elf";
  if (startsWith(head, "\x89HDF")) return "hdf5";
  if (startsWith(head, "GGUF")) return "gguf";
  if (startsWith(head, "\x1f\x8b")) return "gzip";
  if (startsWith(head, "\x93NUMPY")) return "npy";
  if (startsWith(head, "PTMF", 4)) return "torch-mobile";
  if (startsWith(head, "ustar", 257)) return "tar";
  if (startsWith(head, "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 2) && head[0] === 0x80) return "torch-legacy";
  if (head[0] === 0x80 && (head[1] ?? 99) <= 5) return "pickle";
  if (startsWith(head, "{", 8) && (head[7] ?? 1) === 0 && (head[6] ?? 1) === 0) return "safetensors";
  if (looksLikeOnnx(head)) return "onnx";
  if (head.every((byte) => byte === 0)) return "zeros";
  return sniffText(head);
}

function sniffText(head: Uint8Array): FileFormat {
  const plain = head.every((byte) => byte >= 0x20 || byte === 9 || byte === 10 || byte === 12 || byte === 13);
  if (!plain) return "unknown";
  const text = new TextDecoder().decode(head).trimStart().toLowerCase();
  if (text.startsWith("<!doctype") || text.startsWith("<html")) return "html";
  if (text.startsWith("{") || text.startsWith("[")) return "json";
  return "text";
}

/** The format in words: "a PNG picture". */
export function describeFormat(format: FileFormat): string {
  return SPOKEN[format];
}

/** What to do with a file of `format` that was given for a model, where there is advice. */
export function formatHint(format: FileFormat): string | undefined {
  switch (format) {
    case "onnx": return "open it as an ONNX model";
    case "html": return "the download gave a web page (a login or an error page) in place of the file";
    case "text": return "a text that starts with `version https://git-lfs` is a pointer: fetch the file with `git lfs pull`";
    case "torch-legacy": case "pickle": return "it holds tensors, no program: open it as a state dict";
    case "safetensors": case "gguf": case "hdf5": return "it holds weights, no program";
    case "gzip": case "tar": return "unpack it first";
    case "empty": case "zeros": return "the download or the copy failed: fetch the file again";
    default: return undefined;
  }
}
