/** `--backend`: the cpu, or a TensorFlow.js that is installed where the command runs. */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Backend, cpu, OpwiseError, type TensorFlow, tfjs, wasm } from "../index.ts";
import { UsageError } from "./arguments.ts";

/** Packages that bring an engine, the fastest first. */
const ENGINES: readonly { readonly name: string; readonly package: string; readonly engine: string }[] = [
  { name: "tfjs-node-gpu", package: "@tensorflow/tfjs-node-gpu", engine: "tensorflow" },
  { name: "tfjs-node", package: "@tensorflow/tfjs-node", engine: "tensorflow" },
  { name: "tfjs-wasm", package: "@tensorflow/tfjs-backend-wasm", engine: "wasm" },
  { name: "tfjs-cpu", package: "@tensorflow/tfjs-backend-cpu", engine: "cpu" },
];

export const BACKEND_NAMES: string = ["cpu", "wasm", "tfjs", ...ENGINES.map((e) => e.name)].join(", ");

interface WholeTensorFlow extends TensorFlow {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  env(): { set(flag: string, value: boolean): void };
}

/** Node 23 has dropped two functions of `util` that tfjs-node 4.22 calls; gone once tfjs-node stops calling them. */
function mendUtil(require: NodeJS.Require): void {
  const legacy = require("node:util") as { isNullOrUndefined?: (v: unknown) => boolean; isArray?: (v: unknown) => boolean };
  legacy.isNullOrUndefined ??= (v) => v === null || v === undefined;
  legacy.isArray ??= Array.isArray;
}

/** Whether the package can be found from the working directory. */
function isInstalled(require: NodeJS.Require, name: string): boolean {
  try {
    require.resolve(`${name}/package.json`);
    return true;
  } catch {
    return false; // absent, as far as this command is concerned
  }
}

/** The backend of that name. @throws UsageError for an unknown name, bad-argument where its packages are not installed */
export async function makeBackend(name: string): Promise<Backend> {
  if (name === "cpu") return cpu();
  if (name === "wasm") return wasm();
  const wanted = ENGINES.filter((e) => name === "tfjs" || e.name === name);
  if (wanted.length === 0) throw new UsageError(`there is no backend \`${name}\`; there are ${BACKEND_NAMES}`);
  const require = createRequire(join(process.cwd(), "package.json"));
  const found = wanted.find((e) => isInstalled(require, e.package));
  const core = "@tensorflow/tfjs-core";
  if (found === undefined || (found.engine !== "tensorflow" && !isInstalled(require, core))) {
    throw new OpwiseError("bad-argument", `backend \`${name}\` needs TensorFlow.js, which is not installed in ${process.cwd()}`, {
      wanted: wanted.map((e) => e.package).join(" or "),
      got: found === undefined ? "none of them" : `${found.package} without ${core}`,
      hint: `npm install ${found?.engine === "tensorflow" ? "" : `${core} `}${(found ?? wanted.at(-2) ?? wanted.at(-1))?.package ?? ""}`,
    });
  }
  if (found.engine === "tensorflow") {
    mendUtil(require);
    process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "2";
    const tf = require(found.package) as WholeTensorFlow;
    return tfjs(tf, { name: found.name });
  }
  const tf = require(core) as WholeTensorFlow;
  if (found.engine === "wasm") {
    const wasm = require(found.package) as { setWasmPaths(path: string): void };
    wasm.setWasmPaths(join(dirname(require.resolve(`${found.package}/package.json`)), "dist/"));
  } else require(found.package);
  tf.env().set("IS_TEST", true); // keeps its advertisement for tfjs-node off the terminal
  await tf.setBackend(found.engine);
  await tf.ready();
  return tfjs(tf, { name: found.name });
}
