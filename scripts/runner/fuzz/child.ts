/** The fuzzer's child process: takes files, tries them, tells what happened and how much memory the process has had at most. */

import { probe, type Verdict } from "./probe.ts";

export interface Request {
  readonly name: string;
  readonly bytes: Uint8Array;
}
export interface Reply extends Verdict {
  /** Bytes of memory that the process has had at most so far. */
  readonly peak: number;
}

async function answer(request: Request): Promise<void> {
  const verdict = await probe(request.bytes, request.name);
  const reply: Reply = { ...verdict, peak: process.resourceUsage().maxRSS * 1024 };
  process.send?.(reply);
}

process.on("message", (request: Request) => void answer(request));
process.on("disconnect", () => process.exit());
