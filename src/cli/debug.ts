/** `opwise debug`: the stepping debugger at the terminal, or of a script. */

import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { isOpwiseError, OpwiseError, writeNpy } from "../index.ts";
import { CATCH_KINDS, command, Debugger, lineOf, repeats, stopJson, stopText, type Surroundings } from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { makeBackend } from "./backend.ts";
import { openTarget } from "./target.ts";
import { toJson } from "./inspect.ts";
import { bytesOption } from "./trace.ts";

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch (cause) {
    throw new OpwiseError("missing-file", `\`${file}\` cannot be read`, { where: { file }, cause });
  }
}

class Terminal {
  readonly #debug: Debugger;
  readonly #asJson: boolean;
  readonly #around: Surroundings = { backend: makeBackend, writeTensor: (path, tensor) => writeFileSync(path, writeNpy(tensor)) };
  #repeat = "";
  /** Set where a command failed. */
  failed: Error | undefined;

  constructor(debug: Debugger, asJson: boolean) {
    this.#debug = debug;
    this.#asJson = asJson;
  }

  show(lines: readonly string[], facts: Readonly<Record<string, unknown>>): void {
    if (this.#asJson) console.log(JSON.stringify(JSON.parse(toJson(facts))));
    else if (lines.length > 0) console.log(lines.join("\n"));
  }

  stop(): void {
    const stop = this.#debug.stop();
    this.show(stopText(this.#debug, stop), stopJson(this.#debug, stop));
  }

  /** Does a line; false where it was the last. */
  async line(text: string): Promise<boolean> {
    const line = text.trim() === "" ? this.#repeat : text.trim();
    if (line === "" || line.startsWith("#")) return true;
    this.#repeat = repeats(line) ? line : "";
    try {
      const answer = await command(this.#debug, line, this.#around);
      if (answer.stop !== undefined) this.show(answer.lines, stopJson(this.#debug, answer.stop));
      else this.show(answer.lines, { command: line, lines: answer.lines });
      return answer.quit !== true;
    } catch (error) {
      if (!isOpwiseError(error)) throw error;
      this.failed = error;
      this.show([`${error.message}${error.wanted === undefined ? "" : ` (wanted: ${error.wanted})`}${error.hint === undefined ? "" : `\n  ${error.hint}`}`], {
        command: line,
        error: { code: error.code, message: error.message, hint: error.hint },
      });
      return true;
    }
  }
}

/** Commands from `--init` and `--ex`, then from the terminal; `--batch` ends after them, at the first that fails. */
export async function debug(args: Arguments): Promise<number> {
  const catches = (args.repeated.get("catch") ?? []).map((word) => CATCH_KINDS.find((kind) => kind === word) ?? word);
  const unknown = catches.find((word) => !CATCH_KINDS.some((kind) => kind === word));
  if (unknown !== undefined) throw new UsageError(`\`--catch\` wants ${CATCH_KINDS.join(", ")}, got \`${unknown}\``);
  const asJson = args.flags.has("json");
  const target = await openTarget(args);
  using session = target.session;
  const debugged = new Debugger(session, target.inputs, {
    method: target.method,
    breaks: args.repeated.get("break") ?? [],
    catches: CATCH_KINDS.filter((kind) => catches.includes(kind)),
    history: bytesOption(args, "history"),
  });
  const terminal = new Terminal(debugged, asJson);
  debugged.textOf = (value) => lineOf(debugged, value);
  debugged.onLog = (text) => terminal.show([text], { log: text });
  const interrupt = (): void => debugged.interrupt();
  process.on("SIGINT", interrupt);
  try {
    const init = args.options.get("init");
    const script = [...(init === undefined ? [] : linesOf(init)), ...(args.repeated.get("ex") ?? [])];
    const isBatch = args.flags.has("batch");
    if (isBatch && script.length === 0) script.push(...linesOf("/dev/stdin"));
    terminal.stop();
    for (const line of script) {
      if (!asJson && line.trim() !== "") console.log(`(opwise) ${line.trim()}`);
      if (!(await terminal.line(line))) return 0;
      if (isBatch && terminal.failed !== undefined) throw terminal.failed;
    }
    if (isBatch) return 0;
    const reader = createInterface({ input: process.stdin, output: process.stdout, prompt: "(opwise) ", terminal: process.stdin.isTTY });
    reader.on("SIGINT", interrupt);
    reader.prompt();
    for await (const line of reader) {
      if (!(await terminal.line(line))) break;
      reader.prompt();
    }
    reader.close();
    return 0;
  } finally {
    process.off("SIGINT", interrupt);
    debugged.dispose();
  }
}
