/** What a measurement was made on: without it a number says nothing. */

import { cpus, loadavg, totalmem } from "node:os";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
  readonly platform: string;
  readonly node: string;
  readonly v8: string;
  readonly date: string;
  /** Average number of running processes over the last minute. */
  readonly load: number;
}

export function machine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? "",
    cores: cpus().length,
    memory: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    date: new Date().toISOString(),
    load: loadavg()[0] ?? 0,
  };
}

export function machineLine(m: Machine): string {
  return `${m.processor}, ${m.cores} cores, ${(m.memory / 2 ** 30).toFixed(0)} GiB, ${m.platform}, Node ${m.node} (V8 ${m.v8}), load ${m.load.toFixed(2)}`;
}
