/** Colours of data. All ramps are perceptually even and safe for colour-blind readers; they read the same in dark and light. */

/** Cividis-like for magnitudes: blue to yellow. */
const SEQUENTIAL: readonly (readonly [number, number, number])[] = [
  [0, 34, 78],
  [18, 53, 112],
  [59, 73, 108],
  [87, 93, 109],
  [112, 113, 115],
  [138, 134, 120],
  [165, 156, 116],
  [195, 179, 105],
  [225, 204, 85],
  [254, 232, 56],
];
/** Blue, neutral, orange for values around zero. */
const DIVERGING: readonly (readonly [number, number, number])[] = [
  [11, 79, 155],
  [46, 118, 190],
  [99, 157, 214],
  [160, 195, 230],
  [210, 222, 232],
  [238, 238, 236],
  [246, 221, 196],
  [243, 183, 124],
  [228, 139, 63],
  [198, 96, 20],
  [150, 62, 6],
];

/** 256 colours of a ramp as RGBA bytes. */
function tableOf(stops: readonly (readonly [number, number, number])[]): Uint8ClampedArray {
  const table = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    const share = at - low;
    for (let c = 0; c < 3; c++) table[4 * i + c] = (stops[low]?.[c] ?? 0) * (1 - share) + (stops[low + 1]?.[c] ?? 0) * share;
    table[4 * i + 3] = 255;
  }
  return table;
}

export const SEQUENTIAL_TABLE: Uint8ClampedArray = tableOf(SEQUENTIAL);
export const DIVERGING_TABLE: Uint8ClampedArray = tableOf(DIVERGING);
/** Non-finite elements. */
export const NONFINITE: readonly [number, number, number] = [214, 39, 180];

/** A CSS colour of a table at `share` 0 to 1. */
export function colourAt(table: Uint8ClampedArray, share: number): string {
  const at = 4 * Math.max(0, Math.min(255, Math.round(share * 255)));
  return `rgb(${table[at] ?? 0} ${table[at + 1] ?? 0} ${table[at + 2] ?? 0})`;
}

/** Families of ops, each with its colour (a CSS variable) and its name for the legend. */
export const FAMILIES = ["product", "convolution", "norm", "pointwise", "reduction", "view", "memory", "control", "other"] as const;
export type Family = (typeof FAMILIES)[number];

const BY_WORD: readonly (readonly [RegExp, Family])[] = [
  [/conv|pool|upsample|resize|interpolate|unfold|fold$/i, "convolution"],
  [/matmul|gemm|linear|addmm|bmm|mm$|einsum|attention|lstm|gru|rnn/i, "product"],
  [/norm|softmax/i, "norm"],
  [/sum|mean|max$|amax|amin|min$|argmax|argmin|prod|cumsum|topk|sort|any|all$|logsumexp|reduce/i, "reduction"],
  [/view|reshape|transpose|permute|slice|select|squeeze|flatten|expand|chunk|split|unbind|narrow|^t$|::t$|unsqueeze|identity|alias|detach/i, "view"],
  [
    /cat|stack|gather|scatter|index|embedding|copy|contiguous|clone|pad|where|fill|zeros|ones|empty|arange|full|^to$|::to$|cast|repeat|tile|masked|concat|constantofshape|range/i,
    "memory",
  ],
  [/prim::|If|Loop|Scan/, "control"],
  [
    /add|sub|mul|div|relu|gelu|silu|sigmoid|tanh|exp|log|sqrt|pow|erf|neg|abs|clamp|clip|sin|cos|hardswish|mish|rsqrt|reciprocal|eq|ne|lt|gt|le|ge|not|and|or|elu|softplus|floor|ceil|round|dropout/i,
    "pointwise",
  ],
];

const families = new Map<string, Family>();
/** The family of an op by its name: a hint for the eye, nothing depends on it. */
export function familyOf(op: string): Family {
  let family = families.get(op);
  if (family === undefined) {
    const word = op.replace(/@\d+$/, "").replace(/^(\w+::\w+)\..*$/, "$1");
    family = BY_WORD.find(([pattern]) => pattern.test(word.startsWith("prim::") ? word : (word.split("::").at(-1) ?? word).replace(/_$/, "")))?.[1] ?? "other";
    families.set(op, family);
  }
  return family;
}

/** Colours that a canvas needs, read from the style sheet once a theme. */
export interface Ink {
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly panel: string;
  readonly raised: string;
  readonly accent: string;
  readonly bad: string;
  readonly warn: string;
  readonly good: string;
  readonly family: Readonly<Record<Family, string>>;
  readonly mono: string;
  readonly sans: string;
}

export function readInk(): Ink {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    text: of("text"),
    muted: of("muted"),
    line: of("line"),
    panel: of("panel"),
    raised: of("raised"),
    accent: of("accent"),
    bad: of("bad"),
    warn: of("warn"),
    good: of("good"),
    mono: of("mono"),
    sans: of("sans"),
    family: Object.fromEntries(FAMILIES.map((family) => [family, of(`family-${family}`)])) as Record<Family, string>, // one colour for each family
  };
}
