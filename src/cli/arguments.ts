/** Command-line words to options. */

/** Wrong use of the command line: exit code 2. */
export class UsageError extends Error {}

export interface Arguments {
  /** Empty for a command that takes none. */
  readonly model: string;
  readonly flags: ReadonlySet<string>;
  readonly options: ReadonlyMap<string, string>;
  readonly repeated: ReadonlyMap<string, readonly string[]>;
  /** Words after the model, for a command that takes some. */
  readonly rest: readonly string[];
}

/** `known.model: "none"`: the command takes no model. @throws UsageError for an unknown option, a missing value or a missing model */
export function parseArguments(
  words: readonly string[],
  known: { readonly flags: readonly string[]; readonly options: readonly string[]; readonly repeated: readonly string[]; readonly model?: "none" | "more" },
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
      } else positional.push(word);
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
    return { model: "", flags, options, repeated, rest: [] };
  }
  const [model, ...more] = positional;
  if (model === undefined) throw new UsageError("a model is wanted");
  if (more.length > 0 && known.model !== "more") throw new UsageError(`one model is wanted, got ${positional.length}`);
  return { model, flags, options, repeated, rest: more };
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
