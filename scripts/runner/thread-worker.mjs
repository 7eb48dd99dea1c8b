// The wasm backend's thread, from its source: pass this file as `workerUrl` where the package is not built.
import { tsImport } from "tsx/esm/api";
await tsImport("../../src/backends/wasm/thread-worker.ts", import.meta.url);
