/** A runtime in a process of its own: `node contestant.js NAME [PACKAGE_FOLDER]`, answering `protocol.ts` on its standard streams. NAME is `RUNTIME@THREADS`. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { tensorflow } from "../../scripts/runner/tensorflow.ts";
import { cpu, load, type Output, readNpz, Tensor, tfjs, wasm } from "../../src/index.ts"; // the package as it is built
import type { Answer, Request } from "./protocol.ts";

/** Output values in the order of the file's outputs. */
type Runner = () => Promise<readonly ArrayLike<number | bigint>[]>;
interface Contestant {
  readonly version: string;
  prepare(path: string, feeds: ReadonlyMap<string, Tensor>): Promise<Runner>;
}

function leaves(value: Output): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap((v: Output) => leaves(v));
  return typeof value === "object" && value !== null ? Object.values(value).flatMap((v) => leaves(v as Output)) : [];
}

/** Waits for all threads. @throws where there are fewer than were asked for */
async function threadsOf(backend: ReturnType<typeof wasm>, wanted: number): Promise<void> {
  if (wanted === 1) return;
  for (const end = performance.now() + 5000; performance.now() < end; await new Promise((resume) => setTimeout(resume, 1))) {
    const { refused, running } = backend.threads; // as of now
    if (refused !== undefined) throw new Error(refused);
    if (running >= wanted) return;
  }
  throw new Error(`${backend.threads.running} of ${wanted} threads have started`);
}

async function backendOf(name: string, threads: number): Promise<ReturnType<typeof cpu>> {
  if (name === "cpu") return cpu();
  if (name === "tfjs") return tfjs(await tensorflow("wasm"));
  const backend = wasm({ threads });
  await threadsOf(backend, threads);
  return backend;
}

/** Our own runtime; making the backend (compiling its kernels, starting an engine) is a part of getting a session ready. */
function opwise(backendName: string, threads: number): Contestant {
  return {
    version: "this checkout",
    prepare: async (path, feeds) => {
      // As a user makes it: what a model needs besides is imported with its session.
      const backend = await backendOf(backendName, threads);
      const model = await load(path);
      const [named, given] = [Object.fromEntries(feeds), [...feeds.values()]];
      // An ONNX file declares sizes, a TorchScript one does not: a session is made ready for these.
      const session = await model.session({ backend, prepare: model.format === "onnx" ? named : given });
      return async () => {
        const result = model.format === "onnx" ? Object.values(await session.run(named)) : await session.forward(...given);
        return leaves(result).map((t) => t.data);
      };
    },
  };
}

/** The part of onnxruntime's interface that both its packages have. */
interface OnnxRuntime {
  readonly env: { readonly versions: Readonly<Record<string, string>>; readonly wasm?: { numThreads?: number } };
  readonly Tensor: new (type: string, data: Tensor["data"], dims: readonly number[]) => object;
  readonly InferenceSession: {
    create(
      path: string | Uint8Array,
      options: object,
    ): Promise<{
      readonly outputNames: readonly string[];
      run(feeds: Record<string, object>): Promise<Record<string, { readonly data: ArrayLike<number | bigint> }>>;
    }>;
  };
}

async function onnxruntime(name: "onnxruntime-web" | "onnxruntime-node", folder: string, threads: number): Promise<Contestant> {
  const ort = createRequire(join(folder, "package.json"))(folder) as OnnxRuntime; // the part that both packages have
  if (ort.env.wasm !== undefined) ort.env.wasm.numThreads = threads;
  const options =
    name === "onnxruntime-web" ? { executionProviders: ["wasm"] } : { executionProviders: ["cpu"], intraOpNumThreads: threads, interOpNumThreads: 1 };
  return {
    version: ort.env.versions["web"] ?? ort.env.versions["node"] ?? ort.env.versions["common"] ?? "",
    prepare: async (path, feeds) => {
      const session = await ort.InferenceSession.create(name === "onnxruntime-web" ? readFileSync(path) : path, { ...options, graphOptimizationLevel: "all" });
      const given = Object.fromEntries([...feeds].map(([key, { dtype, data, shape }]) => [key, new ort.Tensor(dtype, data, shape)]));
      return async () => {
        const result = await session.run(given);
        return session.outputNames.map((output) => result[output]?.data ?? []);
      };
    },
  };
}

async function contestantOf(name: string, folder: string): Promise<Contestant> {
  const [kind = "", threads = "1"] = name.split("@");
  if (kind === "onnxruntime-web" || kind === "onnxruntime-node") return onnxruntime(kind, folder, Number(threads));
  return opwise(kind.replace("opwise-", ""), Number(threads));
}

/** Largest difference over the largest wanted value. */
function errorOf(got: readonly ArrayLike<number | bigint>[], wanted: readonly ArrayLike<number | bigint>[]): number {
  let worst = got.length < wanted.length ? NaN : 0;
  wanted.forEach((values, k) => {
    const mine = got[k];
    let [top, difference] = [0, 0];
    for (let i = 0; i < values.length; i++) {
      top = Math.max(top, Math.abs(Number(values[i])));
      const d = Math.abs(Number(mine?.[i]) - Number(values[i]));
      if (!(d <= difference)) difference = d;
    }
    const relative = difference / (top || 1);
    if (!(relative <= worst)) worst = relative;
  });
  return worst;
}

const peakBytes = (): number => process.resourceUsage().maxRSS * 1024;

async function main(): Promise<void> {
  const say = (answer: Answer): void => {
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  };
  const [name = "opwise-cpu", folder = "."] = process.argv.slice(2);
  const contestant = await contestantOf(name, folder);
  let run: Runner | undefined;
  say({ kind: "ready", version: contestant.version, peak: peakBytes() });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request; // our own protocol
    try {
      if (request.kind === "load") {
        const spec = JSON.parse(readFileSync(join(request.folder, "model.json"), "utf8")) as {
          readonly inputs: readonly { readonly name: string }[];
          readonly outputs: readonly { readonly name: string }[];
        };
        const inputs = await readNpz(join(request.folder, "inputs.npz"));
        const outputs = await readNpz(join(request.folder, "outputs.npz"));
        const feeds = new Map<string, Tensor>();
        for (const { name: key } of spec.inputs) {
          const tensor = inputs.get(key);
          if (tensor !== undefined) feeds.set(key, tensor);
        }
        const started = performance.now();
        run = await contestant.prepare(join(request.folder, request.file), feeds);
        const ready = performance.now();
        const got = await run();
        const done = performance.now();
        const wanted = spec.outputs.flatMap(({ name: key }) => outputs.get(key)?.data ?? []);
        say({ kind: "loaded", load: ready - started, first: done - ready, error: errorOf(got, wanted) });
      } else {
        if (run === undefined) throw new Error("no model is loaded");
        const times: number[] = [];
        await run(); // those before it have had the caches
        for (const end = performance.now() + request.ms; times.length < 3 || performance.now() < end;) {
          const started = performance.now();
          await run();
          times.push(performance.now() - started);
        }
        say({ kind: "ran", times, peak: peakBytes() });
      }
    } catch (error) {
      say({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
    }
  }
}

await main();
