/** Tries files in a child process under a time and a memory limit. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Reply, Request } from "./child.ts";

export interface Result {
  readonly outcome: "accepted" | "refused" | "fault" | "hang" | "crash" | "memory";
  readonly text: string;
  readonly time: number;
}

/** Bytes of JavaScript heap of a child, and by how much one file may raise its peak. */
const HEAP_MIB = 400;
const GROWTH = 400 * 2 ** 20;

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));

export class Lab {
  #child: ChildProcess | undefined;
  #peak = 0;
  readonly #limitMs: number;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Starts a child and warms it up, so that code and tables do not count as growth. */
  async #start(): Promise<ChildProcess> {
    const child = fork(CHILD, [], {
      execArgv: ["--import", "tsx", `--max-old-space-size=${HEAP_MIB}`],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child = child;
    const { reply, text } = await this.#ask(child, { name: "warm.onnx", bytes: Uint8Array.of(8, 7) }, 60_000);
    if (reply === undefined) throw new Error(`the fuzzer's child process does not start: ${text}`);
    return child;
  }

  async try(bytes: Uint8Array, name: string, limitMs: number = this.#limitMs): Promise<Result> {
    const child = this.#child ?? (await this.#start());
    const before = this.#peak;
    const { reply, text, hung } = await this.#ask(child, { name, bytes }, limitMs);
    if (reply === undefined) {
      this.stop();
      return { outcome: hung ? "hang" : "crash", text, time: limitMs };
    }
    const growth = reply.peak - before;
    if (growth > GROWTH + 16 * bytes.length) {
      this.stop();
      return { outcome: "memory", text: `memory grew by ${Math.round(growth / 2 ** 20)} MiB for ${bytes.length} bytes`, time: reply.time };
    }
    return reply;
  }

  #ask(child: ChildProcess, request: Request, limitMs: number): Promise<{ reply?: Reply; text: string; hung: boolean }> {
    return new Promise((resolve) => {
      let stderr = "";
      const done = (value: { reply?: Reply; text: string; hung: boolean }): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        child.stderr?.removeAllListeners();
        resolve(value);
      };
      const timer = setTimeout(() => done({ text: `no answer after ${limitMs / 1000} s`, hung: true }), limitMs);
      child.stderr?.on("data", (chunk: Uint8Array) => (stderr = (stderr + String(chunk)).slice(-800)));
      child.on("message", (message) => {
        const reply = message as Reply; // the child sends nothing else
        this.#peak = Math.max(this.#peak, reply.peak);
        done({ reply, text: "", hung: false });
      });
      child.on("exit", (code, signal) =>
        done({ text: `the process ended (${signal ?? String(code)}): ${stderr.trim().split("\n").slice(-3).join(" | ")}`, hung: false }),
      );
      child.on("error", (error) => done({ text: error.message, hung: false }));
      child.send(request);
    });
  }

  stop(): void {
    this.#child?.removeAllListeners();
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
    this.#peak = 0;
  }
}
