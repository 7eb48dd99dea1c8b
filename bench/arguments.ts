/** Words of `npm run bench` to options. */

/** Wrong use: printed with the usage, exit status 2. */
export class UsageError extends Error {}

export interface BenchArguments {
  /** Folder of models to race; undefined: the micro comparisons. */
  readonly models: string | undefined;
  /** Whether other runtimes take part, and the folder that they are installed in: undefined for this package's own `node_modules`. */
  readonly peers: { readonly folder: string | undefined } | undefined;
  /** A Python with torch or onnxruntime. */
  readonly python: string | undefined;
  /** Our backends that take part. */
  readonly backends: readonly string[];
  readonly threads: readonly number[];
  /** Only models whose name has this text. */
  readonly only: string;
  /** Only contestants whose names begin so. */
  readonly contestants: readonly string[] | undefined;
  /** Processes of each contestant that load a model. */
  readonly starts: number;
  readonly rounds: number;
  /** Milliseconds of one turn. */
  readonly ms: number;
  readonly json: string | undefined;
}

export const USAGE = `usage: npm run bench                        small comparisons within the library
       npm run bench -- --models DIR [--peers [DIR]] [--python PATH] [--backends cpu,wasm,tfjs] [--threads 1,2]
                        [--only TEXT] [--contestants A,B] [--starts N] [--rounds N] [--ms N] [--json FILE]
DIR holds folders of model.pt and model.onnx with model.json, inputs.npz and outputs.npz.`;

const OPTIONS: ReadonlySet<string> = new Set(["models", "peers", "python", "backends", "threads", "only", "contestants", "starts", "rounds", "ms", "json"]);

/** Options as text; `--peers` alone has an empty one. @throws UsageError */
function words(argv: readonly string[], known: ReadonlySet<string>, bare: ReadonlySet<string>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? "";
    const name = word.slice(2);
    if (!word.startsWith("--") || !known.has(name)) throw new UsageError(`there is no option \`${word}\``);
    const value = argv[i + 1];
    if (value !== undefined && !value.startsWith("--")) {
      found.set(name, value);
      i++;
    } else if (bare.has(name)) found.set(name, "");
    else throw new UsageError(`\`${word}\` wants a value`);
  }
  return found;
}

/** Options of one value each, for the other benches. @throws UsageError */
export function optionsOf(argv: readonly string[], known: readonly string[]): ReadonlyMap<string, string> {
  return words(argv, new Set(known), new Set());
}

/** @throws UsageError */
export function positiveInteger(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`\`--${option}\` wants whole numbers from 1 on, got \`${text}\``);
  return value;
}

/** @throws UsageError */
export function parseBenchArguments(argv: readonly string[]): BenchArguments {
  const given = words(argv, OPTIONS, new Set(["peers"]));
  const models = given.get("models");
  const others = [...given.keys()].filter((name) => name !== "models");
  if (models === undefined && others.length > 0) throw new UsageError(`\`--${others[0] ?? ""}\` is for whole models: say where they are with \`--models DIR\``);
  const list = (name: string): readonly string[] | undefined =>
    given
      .get(name)
      ?.split(",")
      .filter((item) => item !== "");
  const peers = given.get("peers");
  return {
    models,
    peers: peers === undefined ? undefined : { folder: peers === "" ? undefined : peers },
    python: given.get("python"),
    backends: list("backends") ?? ["cpu", "wasm", "tfjs"],
    threads: (list("threads") ?? ["1", "2"]).map((t) => positiveInteger(t, "threads")),
    only: given.get("only") ?? "",
    contestants: list("contestants"),
    starts: positiveInteger(given.get("starts") ?? "5", "starts"),
    rounds: positiveInteger(given.get("rounds") ?? "24", "rounds"),
    ms: positiveInteger(given.get("ms") ?? "100", "ms"),
    json: given.get("json"),
  };
}
