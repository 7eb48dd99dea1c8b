/** Command-line words to options. */

/** Wrong use of the command line: exit code 2. */
export class UsageError extends Error {}

export interface Arguments {
  /** Empty for a command that takes none. */
  readonly model: string;
  readonly flags: ReadonlySet<string>;
  readonly options: ReadonlyMap<string, string>;
  readonly repeated: ReadonlyMap<string, readonly string[]>;
  /** Words behind the model; of commands that take them. */
  readonly words: readonly string[];
}

/**
 * `known.model: "none"`: the command takes no model. `known.words`: how many words may follow the model. `-i` and `-o` are short for `--input` and
 * `--output`.
 * @throws UsageError for an unknown option, a missing value or a missing model
 */
export function parseArguments(
  words: readonly string[],
  known: {
    readonly flags: readonly string[];
    readonly options: readonly string[];
    readonly repeated: readonly string[];
    readonly model?: "none";
    readonly words?: number;
  },
): Arguments {
  const flags = new Set<string>();
  const options = new Map<string, string>();
  const repeated = new Map<string, string[]>();
  const positional: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (!word.startsWith("--")) {
      // `-i FILE` is short for `--input FILE`.
      if (word === "-i" && known.repeated.includes("input")) {
        repeated.set("input", [...(repeated.get("input") ?? []), valueOf(words[++i], word)]);
      } else if (word === "-o" && known.options.includes("output")) options.set("output", valueOf(words[++i], word));
      else positional.push(word);
      continue;
    }
    const name = word.slice(2);
    if (known.flags.includes(name)) flags.add(name);
    else if (known.options.includes(name)) options.set(name, valueOf(words[++i], word));
    else if (known.repeated.includes(name)) repeated.set(name, [...(repeated.get(name) ?? []), valueOf(words[++i], word)]);
    else throw new UsageError(`there is no option \`${word}\``);
  }
  if (known.model === "none") {
    if (positional.length > 0) throw new UsageError(`\`${positional[0] ?? ""}\` is no option of this command`);
    return { model: "", flags, options, repeated, words: [] };
  }
  const [model, ...more] = positional;
  if (model === undefined) throw new UsageError("a model is wanted");
  const most = known.words ?? 0;
  if (more.length > most)
    throw new UsageError(
      most === 0 ? `one model is wanted, got ${positional.length}` : `at most ${most} words are wanted behind the model, got ${more.length}`,
    );
  return { model, flags, options, repeated, words: more };
}

function valueOf(word: string | undefined, option: string): string {
  if (word === undefined || word.startsWith("--")) throw new UsageError(`\`${option}\` wants a value`);
  return word;
}

/** `--program` as an option of `load`. */
export function programOption(args: Arguments): { readonly program?: string } {
  const program = args.options.get("program");
  return program === undefined ? {} : { program };
}

/** Words of a command that takes files: `-o FILE` is short for `--output FILE`. */
export interface FileArguments {
  readonly files: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly options: ReadonlyMap<string, string>;
}

/** As `parseArguments`, with any number of files. @throws UsageError */
export function parseFiles(words: readonly string[], known: { readonly flags: readonly string[]; readonly options: readonly string[] }): FileArguments {
  const files: string[] = [];
  const flags = new Set<string>();
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    const name = word === "-o" ? "output" : word.startsWith("--") ? word.slice(2) : undefined;
    if (name === undefined) files.push(word);
    else if (known.flags.includes(name)) flags.add(name);
    else if (known.options.includes(name)) options.set(name, valueOf(words[++i], word));
    else throw new UsageError(`there is no option \`${word}\``);
  }
  return { files, flags, options };
}
