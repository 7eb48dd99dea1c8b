/** Who takes part in a race of models, and as what process. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { packageForNode } from "../../scripts/build-node.ts";
import { FOR_NODE } from "../../scripts/bundle-node.ts";
import type { BenchArguments } from "../arguments.ts";
import { PEERS, packageFolder } from "./peers.ts";

/** A runtime with its number of threads: `onnxruntime-web@2`. */
export interface Entry {
  readonly name: string;
  /** Files it can read. */
  readonly files: readonly string[];
  readonly command: readonly string[];
}

const ROOT = join(import.meta.dirname, "../..");
const BUILT = join(ROOT, ".cache/bench");

/** The front door's module as the package that lies beside the program. */
const asPackage: Plugin = {
  name: "as-package",
  setup: (program) => program.onResolve({ filter: /\/src\/index\.ts$/ }, () => ({ path: "./opwise/index.js", external: true })),
};

/** Builds the package for Node, and the contestants' program, which imports it: their processes hold no compiler, and load what a user's would. Gives the script's path. */
export async function buildContestant(): Promise<string> {
  const script = join(BUILT, "contestant.js");
  await packageForNode(join(BUILT, "opwise"));
  await build({
    ...FOR_NODE,
    entryPoints: [join(import.meta.dirname, "contestant.ts")],
    outfile: script,
    plugins: [asPackage],
  });
  return script;
}

/** All contestants, ours first, and why others are not there. */
export function contestants(args: BenchArguments, script: string): { readonly entries: readonly Entry[]; readonly absent: readonly string[] } {
  const absent: string[] = [];
  const both = ["model.pt", "model.onnx"];
  const node = (name: string, ...more: string[]): string[] => ["node", script, name, ...more];
  // Only wasm has threads; the others' one entry is that of one thread.
  const own = args.backends.flatMap((backend): Entry[] =>
    backend === "wasm"
      ? args.threads.map((t) => ({ name: `opwise-wasm@${t}`, files: both, command: node(`opwise-wasm@${t}`) }))
      : [{ name: `opwise-${backend}@1`, files: both, command: node(`opwise-${backend}@1`) }],
  );
  const peers = PEERS.flatMap((peer): Entry[] => {
    if (args.peers === undefined) return [];
    const folder = packageFolder(peer, args.peers.folder ?? ROOT);
    if (folder === undefined) {
      absent.push(`${peer} is not installed in ${args.peers.folder ?? "node_modules"}: install it in a folder of its own and give that with \`--peers DIR\``);
      return [];
    }
    return args.threads.map((t) => ({ name: `${peer}@${t}`, files: ["model.onnx"], command: node(`${peer}@${t}`, folder) }));
  });
  const python = ["torch", "onnxruntime"].flatMap((name): Entry[] => {
    if (args.python === undefined) return [];
    if (!existsSync(args.python)) {
      if (name === "torch") absent.push(`there is no Python at ${args.python}`);
      return [];
    }
    return args.threads.map((t) => ({
      name: `${name}@${t}`,
      files: [name === "torch" ? "model.pt" : "model.onnx"],
      command: [args.python ?? "", join(import.meta.dirname, "contestant.py"), `${name}@${t}`],
    }));
  });
  const entries = [...own, ...peers, ...python].filter((e) => args.contestants === undefined || args.contestants.some((start) => e.name.startsWith(start)));
  return { entries, absent };
}
