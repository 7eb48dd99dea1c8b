#!/usr/bin/env node
/** `opwise`: inspect, run and print models from the terminal. */

import { isOpwiseError } from "../index.ts";
import { inspect } from "./inspect.ts";
import { convert } from "./convert.ts";
import { parseArguments, UsageError } from "./arguments.ts";
import { BACKEND_NAMES } from "./backend.ts";
import { ops } from "./ops.ts";
import { print } from "./print.ts";
import { run } from "./run.ts";
import { save } from "./save.ts";

const USAGE = `usage:
  opwise inspect FILE [--json] [--extra]
                                   a model: format, inputs and outputs, parameters, ops, what this build lacks, extra files
                                   a checkpoint (.pth, .safetensors, *.index.json): names, dtypes, shapes and bytes of its tensors
  opwise run MODEL [--input [NAME=]FILE]... [--output DIR] [--method NAME] [--backend NAME] [--json]
             [--expect [NAME=]FILE]... [--tolerance X] [--seed N] [--max-steps N]
             [--image FILE]... [--preset NAME|FILE.json] [--top N] [--labels FILE]
                                   inputs: .npy (a tensor), .npz (tensors by name), .json (any value); pictures become the first
                                   input, by a preset (default imagenet), steps, or a preprocessor_config.json;
                                   --sample: those that a .pt2 was exported with
  opwise print MODEL               the typed graph with source lines
  opwise save MODEL --output FILE [--external-data]
                                   an ONNX model written again; --external-data: large tensors beside it, in FILE.data
  opwise convert MODEL FILE.onnx [--opset N] [--method NAME] [--input [NAME=]FILE|float32[1,3,224,224]]... [--static]
                 [--check FILE.npz] [--external-data]
                                   a method of a TorchScript module or .pt2 program as an ONNX model; --input: example arguments
                                   (sizes stay open but with --static); --check: both run on these inputs and are compared
  --program NAME                   with the commands above: one of several programs in a .pt2
  opwise ops [--missing MODEL] [--json]
                                   which of PyTorch's operators this build has; what MODEL wants and this build lacks
backends: ${BACKEND_NAMES}
exit codes: 0 fine, 1 diverged or failed, 2 usage, 3 unsupported op, 4 bad file`;

/** Exit codes by what went wrong. */
function exitCode(error: unknown): number {
  if (error instanceof UsageError) return 2;
  if (!isOpwiseError(error)) return 1;
  switch (error.code) {
    case "unsupported-op":
      return 3;
    case "bad-argument":
    case "type-mismatch":
      return 2;
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
      return inspect(parseArguments(rest, { flags: ["json", "extra"], options: ["program"], repeated: [] }));
    case "run":
      return run(
        parseArguments(rest, {
          flags: ["json", "sample"],
          options: ["output", "method", "backend", "seed", "max-steps", "tolerance", "program", "preset", "top", "labels"],
          repeated: ["input", "expect", "image"],
        }),
      );
    case "print":
      return print(parseArguments(rest, { flags: [], options: ["program"], repeated: [] }));
    case "ops":
      return ops(parseArguments(rest, { flags: ["json"], options: ["missing"], repeated: [], model: "none" }));
    case "save":
      return save(parseArguments(rest, { flags: ["external-data"], options: ["output"], repeated: [] }));
    case "convert":
      return convert(parseArguments(rest, { flags: ["static", "external-data"], options: ["opset", "method", "check", "program"], repeated: ["input"], model: "more" }));
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

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : isOpwiseError(error) ? error.toString() : error);
  process.exitCode = exitCode(error);
}
