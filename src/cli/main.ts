#!/usr/bin/env node
/** `opwise`: inspect, run and print models from the terminal. */

import { isOpwiseError } from "../index.ts";
import { inspect } from "./inspect.ts";
import { parseArguments, parseFiles, UsageError } from "./arguments.ts";
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
  opwise repeat MODEL[@BACKEND] -i FILE... [--runs 3] [--vary plan,threads=N,batch=N,backend=NAME] [--json]
                                   is it the same every time, and what is the first value that is not
  opwise check MODEL|TRACE checks.opw [-i FILE]... [--junit FILE] [--sarif FILE] [--json]
                                   holds a run to assertions: lines of \`SELECTOR => {condition}\`
  opwise source MODEL|TRACE [SELECTOR] [--json]
                                   the module tree, or lines of the archive and the author with their nodes
  opwise select MODEL|TRACE SELECTOR [--json]
                                   what a selector matches
  opwise debug MODEL[@BACKEND] -i FILE... [--break SELECTOR]... [--catch WHAT]... [--init FILE] [--ex COMMAND]... [--batch]
               [--history 512MB] [--json]
                                   steps a run forward and back; \`help\` there lists its commands
  opwise why MODEL[@BACKEND] 'output[0,5]'|'%y1[0,5]' -i FILE... [--depth N] [--json]
                                   the elements that one number was made from, with their shares; why MODEL --dead: ops that no output needs
  opwise whatif MODEL[@BACKEND] -i FILE... [--set '%h[:,3]=0'] [--dtype 'encoder.**=bf16'] [--backend '#37=wasm'] [--attr '#112.eps=0.1'] [--skip '#50']
               [--sweep dtype=f16,bf16,int8 --over SELECTOR] [--json]
                                   what the outputs are with that changed; or each node in each precision, the most damage first
  opwise dap [--stdio|--port N]    the same for editors: the debug adapter protocol
  opwise nan MODEL[@BACKEND] -i FILE... [--kind nan,inf,overflow:f16,subnormal] [--all] [--json]
                                   where NaN and infinities are born, why, and whether they reach an output
  opwise save MODEL --output FILE [--external-data]
                                   an ONNX model written again; --external-data: large tensors beside it, in FILE.data
  opwise convert MODEL FILE.onnx [--opset N] [--method NAME] [--input [NAME=]FILE|float32[1,3,224,224]]... [--static]
                 [--check FILE.npz] [--external-data]
                                   a method of a TorchScript module or .pt2 program as an ONNX model; --input: example arguments
                                   (sizes stay open but with --static); --check: both run on these inputs and are compared
  --program NAME                   with the commands above: one of several programs in a .pt2
  opwise bench MODEL [--backend NAME] [--inputs [NAME=]FILE]... [--shape NAME=SIZES[:DTYPE]]... [--method NAME]
             [--concurrency N] [--seconds S] [--json]
                                   latency, throughput, errors, processor time, memory and garbage collection under load; inputs from
                                   files, else those it was exported with, else made up from declared shapes
  opwise ops [--missing MODEL] [--json]
                                   which of PyTorch's operators this build has; what MODEL wants and this build lacks
  opwise view [TRACE [OTHER]] [--compare FILE.json] [--port N] [--open] [--json]
                                   the debugger's page on this machine: traces, two side by side; models by drag and drop
  opwise report TRACE [OTHER] -o FILE.html [--compare FILE.json] [--no-values] [--no-weights] [--no-paths] [--json]
                                   the page and the traces as one file that needs no network
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
    case "debug":
      return (await import("./debug.ts")).debug(parseArguments(rest, { flags: [...RUN_FLAGS, "batch"], options: [...RUN_OPTIONS, "init", "history"], repeated: ["input", "break", "catch", "ex"] }));
    case "why":
      return (await import("./why.ts")).why(parseArguments(rest, { flags: [...RUN_FLAGS, "dead"], options: [...RUN_OPTIONS, "depth"], repeated: ["input"], words: 1 }));
    case "whatif":
      return (await import("./whatif.ts")).whatif(parseArguments(rest, { flags: RUN_FLAGS, options: ["method", "program", "seed", "sweep", "over"], repeated: ["input", "set", "backend", "dtype", "attr", "skip"] }));
    case "dap":
      return (await import("./dap.ts")).dap(parseArguments(rest, { flags: ["stdio"], options: ["port"], repeated: [], model: "none" }));
    case "nan":
      return (await import("./nan.ts")).nan(parseArguments(rest, { flags: [...RUN_FLAGS, "all"], options: [...RUN_OPTIONS, "kind"], repeated: ["input"] }));
    case "bench":
      return bench(
        parseArguments(rest, { flags: ["json"], options: ["backend", "concurrency", "seconds", "method", "program"], repeated: ["input", "inputs", "shape"] }),
      );
    case "compare":
      return (await import("./compare.ts")).compare(
        parseArguments(rest, {
          flags: ["json", "all", "sample"],
          options: ["mode", "stop-at", "only", "judge", "tolerance", "method", "rank", "md", "junit", "sarif", "save", "max-seconds"],
          repeated: ["input", "map", "emit"],
          words: 1,
        }),
      );
    case "reduce":
      return (await import("./reduce.ts")).reduceCommand(
        parseArguments(rest, { flags: ["json", "sample"], options: ["output", "only", "method", "max-seconds"], repeated: ["input", "emit"], words: 1 }),
      );
    case "bisect":
      return (await import("./bisect.ts")).bisectCommand(
        parseArguments(rest, {
          flags: ["json", "sample"],
          options: ["over", "tolerance", "check", "dtype", "method", "save-replay", "replay", "max-tests", "program", "backend", "seed"],
          repeated: ["input"],
        }),
      );
    case "goldens":
      return (await import("./goldens.ts")).goldens(parseArguments(rest, { flags: [], options: [], repeated: [], words: 1 }));
    case "instrument":
      return (await import("./instrument.ts")).instrumentCommand(parseArguments(rest, { flags: [], options: ["select", "output", "batch"], repeated: [] }));
    case "diff":
      return (await import("./instrument.ts")).diff(parseArguments(rest, { flags: ["json"], options: [], repeated: [], words: 1 }));
    case "check-case":
      return (await import("./reduce.ts")).checkCaseCommand(parseArguments(rest, { flags: [], options: [], repeated: [] }));
    case "ops":
      return ops(parseArguments(rest, { flags: ["json"], options: ["missing"], repeated: [], model: "none" }));
    case "save":
      return save(parseArguments(rest, { flags: ["external-data"], options: ["output"], repeated: [] }));
    case "view":
      return (await import("./view.ts")).view(parseFiles(rest, { flags: ["open", "json"], options: ["port", "compare"] }));
    case "report":
      return (await import("./report.ts")).report(parseFiles(rest, { flags: ["no-values", "no-weights", "no-paths", "json"], options: ["output", "compare"] }));
    case "convert":
      return (await import("./convert.ts")).convert(parseArguments(rest, { flags: ["static", "external-data"], options: ["opset", "method", "check", "program"], repeated: ["input"], words: 1 }));
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

/** No `await` at the top: the package for Node has this file as a script. */
async function answer(): Promise<number> {
  try {
    return await main(words.filter((word) => word !== "--git-bisect"));
  } catch (error) {
    const code = await exitCode(error, words[0]);
    if (words.includes("--json") && !(error instanceof UsageError)) {
      const { errorJson, resultJson } = await import("../debug/index.ts");
      console.log(resultJson({ error: errorJson(error), exit: code }));
    }
    console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : isOpwiseError(error) ? error.toString() : error);
    return code;
  }
}

void answer().then((code) => (process.exitCode = finish(code)));
