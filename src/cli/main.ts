#!/usr/bin/env node
/** `opwise`: inspect, run and print models from the terminal. */

import { isOpwiseError } from "../index.ts";
import { bisectCommand } from "./bisect.ts";
import { compare } from "./compare.ts";
import { checkCaseCommand, reduceCommand } from "./reduce.ts";
import { goldens } from "./goldens.ts";
import { diff, instrumentCommand } from "./instrument.ts";
import { inspect } from "./inspect.ts";
import { parseArguments, UsageError } from "./arguments.ts";
import { bench } from "./bench.ts";
import { BACKEND_NAMES } from "./backend.ts";
import { ops } from "./ops.ts";
import { print } from "./print.ts";
import { run } from "./run.ts";
import { save } from "./save.ts";

const USAGE = `usage:
  opwise inspect FILE [--json] [--extra] [--sizes]
                                   a model: format, inputs and outputs, parameters, ops, what this build lacks, extra files;
                                   --sizes: weights by module and dtype, alike, never read, all zero
                                   a checkpoint (.pth, .safetensors, *.index.json): names, dtypes, shapes and bytes of its tensors
  opwise run MODEL [--input [NAME=]FILE]... [--output DIR] [--method NAME] [--backend NAME] [--json]
             [--expect [NAME=]FILE]... [--tolerance X] [--seed N] [--max-steps N]
             [--image FILE]... [--preset NAME|FILE.json] [--top N] [--labels FILE]
                                   inputs: .npy (a tensor), .npz (tensors by name), .json (any value); pictures become the first
                                   input, by a preset (default imagenet), steps, or a preprocessor_config.json;
                                   --sample: those that a .pt2 was exported with
  opwise print MODEL               the typed graph with source lines
  opwise print TRACE [SELECTOR] [--hist] [--all] [--json]
                                   a recorded run; of one node, value or module: \`#112\`, \`%y1\`, \`encoder.**\`
  opwise trace MODEL[@BACKEND][:noplan] -i FILE... [-o run.opwtrace] [--values none|hash|stats|full] [--select SELECTOR]...
               [--max-bytes 2G] [--prims] [--hashes] [--no-timing] [--json];  opwise trace repair FILE [-o OUT]
                                   records a run; keeps what is whole of a recording that was cut off
  opwise profile MODEL[@BACKEND] -i FILE... [--by op|module|line|node] [--runs 5] [--top 25] [--plan] [--timing-only]
               [--chrome-trace FILE.json[.gz]] [--folded FILE] [--md] [--json]
                                   where the time goes; opwise mem ...: live bytes, the peak and who holds it
  opwise repeat MODEL[@BACKEND] -i FILE... [--runs 3] [--vary plan,batch=N,backend=NAME] [--json]
                                   is it the same every time, and what is the first value that is not
  opwise check MODEL|TRACE checks.opw [-i FILE]... [--junit FILE] [--sarif FILE] [--json]
                                   holds a run to assertions: lines of \`SELECTOR => {condition}\`
  opwise source MODEL|TRACE [SELECTOR] [--json]
                                   the module tree, or lines of the archive and the author with their nodes
  opwise select MODEL|TRACE SELECTOR [--json]
                                   what a selector matches
  opwise save MODEL --output FILE [--external-data]
                                   an ONNX model written again; --external-data: large tensors beside it, in FILE.data
  --program NAME                   with the commands above: one of several programs in a .pt2
  opwise bench MODEL [--backend NAME] [--inputs [NAME=]FILE]... [--shape NAME=SIZES[:DTYPE]]... [--method NAME]
             [--concurrency N] [--seconds S] [--json]
                                   latency, throughput, errors, processor time, memory and garbage collection under load; inputs from
                                   files, else those it was exported with, else made up from declared shapes
  opwise ops [--missing MODEL] [--json]
                                   which of PyTorch's operators this build has; what MODEL wants and this build lacks
  opwise compare A B [-i FILE]... [--mode both|isolated|propagated] [--stop-at first|source|end] [--only SELECTOR]
             [--judge f64] [--tolerance FILE] [--map A=B]... [--all] [--rank err] [--json] [--md FILE] [--junit FILE] [--sarif FILE]
             [--save FILE.opwcase]   two runs (MODEL[@BACKEND][:OPTION,…]), value by value: the first op that is wrong by itself
  opwise reduce MODEL@A MODEL@B [-i FILE]... [-o FILE.opwcase] [--only SELECTOR] [--emit pt-py|test]... [--max-seconds N] [--json]
                                   the smallest model that still shows it
  opwise bisect MODEL@BACKEND [-i FILE]... [--over nodes|composites|precision|passes] [--tolerance X] [--check 'COMMAND']
             [--dtype float16|bfloat16] [--save-replay FILE] [--replay FILE] [--json]
                                   the smallest set that is guilty of wrong outputs
  opwise goldens script pytorch > rec.py
                                   a recorder to run where PyTorch is; compare GOLDEN.npz MODEL then knows every op's value
  opwise instrument MODEL.onnx --select SELECTOR [-o STEM] [--batch N]
                                   the same model with chosen values as further outputs, and a script that reads them back
  opwise diff A B [--json]         what differs as two models are written: nodes, attributes, weights
  opwise check-case FILE.opwcase   whether a case still shows what it was made for
backends: ${BACKEND_NAMES}
exit codes: 0 fine, 1 diverged or failed, 2 usage, 3 unsupported op, 4 bad file; of the debugger also 5 limit, 6 undecided, 7 nothing matched`;

/** What commands that run a model take to open it. */
const RUN_FLAGS: readonly string[] = ["json", "sample"];
const RUN_OPTIONS: readonly string[] = ["backend", "method", "program", "seed"];

/** The debugger's commands, whose exit codes are those of docs/debugger.md. */
const DEBUGGING: ReadonlySet<string> = new Set(["trace", "select", "profile", "mem", "repeat", "check", "source", "compare", "diff", "debug", "nan", "why", "whatif", "bisect", "reduce", "goldens", "instrument", "tolerances", "view", "report", "dap"]);

/** Exit codes by what went wrong. */
async function exitCode(error: unknown, command: string | undefined): Promise<number> {
  if (error instanceof UsageError) return 2;
  if (command !== undefined && DEBUGGING.has(command)) return (await import("../debug/index.ts")).exitOf(error);
  if (!isOpwiseError(error)) return 1;
  switch (error.code) {
    case "unsupported-op":
      return 3;
    case "bad-argument":
    case "type-mismatch":
      return 2;
    case "no-match":
      return 7;
    case "model-raised":
    case "runtime-error":
    case "shape-mismatch":
    case "dtype-mismatch":
    case "index-out-of-range":
    case "out-of-memory":
    case "step-limit":
    case "internal":
      return 1;
    default:
      return 4;
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case "inspect":
      return inspect(parseArguments(rest, { flags: ["json", "extra", "sizes"], options: ["program"], repeated: [] }));
    case "run":
      return run(
        parseArguments(rest, {
          flags: ["json", "sample"],
          options: ["output", "method", "backend", "seed", "max-steps", "tolerance", "program", "preset", "top", "labels"],
          repeated: ["input", "expect", "image"],
        }),
      );
    case "print":
      return print(parseArguments(rest, { flags: ["json", "hist", "all"], options: ["program"], repeated: [], words: 1 }));
    case "profile":
    case "mem": {
      const own = { flags: [...RUN_FLAGS, "timing-only", "plan", "md"], options: [...RUN_OPTIONS, "runs", "by", "top", "chrome-trace", "folded"], repeated: ["input"] };
      return (await import("./profile.ts"))[command](parseArguments(rest, own));
    }
    case "repeat":
      return (await import("./repeat.ts")).repeat(parseArguments(rest, { flags: RUN_FLAGS, options: [...RUN_OPTIONS, "runs", "vary"], repeated: ["input"] }));
    case "check":
      return (await import("./repeat.ts")).check(parseArguments(rest, { flags: RUN_FLAGS, options: [...RUN_OPTIONS, "junit", "sarif"], repeated: ["input"], words: 1 }));
    case "source":
      return (await import("./source.ts")).source(parseArguments(rest, { flags: ["json"], options: ["program"], repeated: [], words: 1 }));
    case "select":
      return (await import("./select.ts")).select(parseArguments(rest, { flags: ["json"], options: ["program"], repeated: [], words: 1 }));
    case "trace":
      return (await import("./trace.ts")).trace(parseArguments(rest, { flags: [...RUN_FLAGS, "no-timing", "prims", "hashes"], options: [...RUN_OPTIONS, "output", "values", "max-bytes"], repeated: ["input", "select"], words: 1 }));
    case "bench":
      return bench(
        parseArguments(rest, { flags: ["json"], options: ["backend", "concurrency", "seconds", "method", "program"], repeated: ["input", "inputs", "shape"] }),
      );
    case "compare":
      return compare(
        parseArguments(rest, {
          flags: ["json", "all", "sample"],
          options: ["mode", "stop-at", "only", "judge", "tolerance", "method", "rank", "md", "junit", "sarif", "save", "max-seconds"],
          repeated: ["input", "map", "emit"],
          words: 1,
        }),
      );
    case "reduce":
      return reduceCommand(
        parseArguments(rest, { flags: ["json", "sample"], options: ["output", "only", "method", "max-seconds"], repeated: ["input", "emit"], words: 1 }),
      );
    case "bisect":
      return bisectCommand(
        parseArguments(rest, {
          flags: ["json", "sample"],
          options: ["over", "tolerance", "check", "dtype", "method", "save-replay", "replay", "max-tests", "program", "backend", "seed"],
          repeated: ["input"],
        }),
      );
    case "goldens":
      return goldens(parseArguments(rest, { flags: [], options: [], repeated: [], words: 1 }));
    case "instrument":
      return instrumentCommand(parseArguments(rest, { flags: [], options: ["select", "output", "batch"], repeated: [] }));
    case "diff":
      return diff(parseArguments(rest, { flags: ["json"], options: [], repeated: [], words: 1 }));
    case "check-case":
      return checkCaseCommand(parseArguments(rest, { flags: [], options: [], repeated: [] }));
    case "ops":
      return ops(parseArguments(rest, { flags: ["json"], options: ["missing"], repeated: [], model: "none" }));
    case "save":
      return save(parseArguments(rest, { flags: ["external-data"], options: ["output"], repeated: [] }));
    case undefined:
    case "help":
    case "--help":
      console.log(USAGE);
      return command === undefined ? 2 : 0;
    default:
      throw new UsageError(`there is no command \`${command}\``);
  }
}

// A reader that closes early (`| head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const words = process.argv.slice(2);
// For `git bisect run`: what could not be tested (3 to 7) is skipped.
const bisecting = words.includes("--git-bisect");
const finish = (code: number): number => (bisecting && code >= 3 && code <= 7 ? 125 : code);

try {
  process.exitCode = finish(await main(words.filter((word) => word !== "--git-bisect")));
} catch (error) {
  const code = await exitCode(error, words[0]);
  if (words.includes("--json") && !(error instanceof UsageError)) {
    const { errorJson, resultJson } = await import("../debug/index.ts");
    console.log(resultJson({ error: errorJson(error), exit: code }));
  }
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : isOpwiseError(error) ? error.toString() : error);
  process.exitCode = finish(code);
}
