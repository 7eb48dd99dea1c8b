/**
 * The backend over any TensorFlow.js engine that is handed in: `tfjs(tf)`. float32, int32 and bool live on the engine; what it has no
 * exact kernel for is refused with the reason and runs on the cpu. With `@tensorflow/tfjs-node-gpu` this is the way to CUDA.
 */

import type { Backend } from "../../prims/backend.ts";
import type { Call, Region } from "../../prims/call.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { itemsize } from "../../tensor/dtype.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import { hostBytes, nativeDtype, TfBuffer, tfBuffer, uploadFlat } from "./buffer.ts";
import { type Packer, type Reader, readElements, refusesContract, refusesConvolve, refusesReduce, refusesScan, refusesWindow, runContract, runConvolve, runReduce, runScan, runWindow } from "./calls.ts";
import { computeReadsOnHost, refusesCompute, runCompute } from "./compute.ts";
import { refusesRegion, runRegion } from "./regions.ts";
import type { TensorFlow, TfTensor } from "./tensorflow.ts";
import { readView, writeView } from "./view.ts";
import { type Engine, refusesProgram, walkProgram } from "./walk.ts";

export interface TfjsOptions {
  /** Name in placements; default `tfjs`. */
  readonly name?: string;
}

/** A backend over the engine that `tf` has selected now. Buffers are the engine's; `dispose` gives them back. */
export function tfjs(tf: TensorFlow, options: TfjsOptions = {}): Backend {
  const engineName = tf.getBackend();
  const kernels = new Map<string, boolean>();
  const engine: Engine = {
    tf,
    has: (kernel) => {
      let known = kernels.get(kernel);
      if (known === undefined) kernels.set(kernel, (known = tf.getKernel(kernel, engineName) !== undefined && tf.getKernel(kernel, engineName) !== null));
      return known;
    },
  };
  const alive = new Set<TfBuffer>();

  const keep = (flat: TfTensor, dtype: View["dtype"]): TfBuffer => {
    const buffer = new TfBuffer(tf.keep(flat), dtype);
    alive.add(buffer);
    return buffer;
  };
  const elements = (view: View): number => Math.floor(view.storage.nbytes / itemsize(view.dtype));
  const bufferOf = (view: View): TfBuffer => {
    const buffer = tfBuffer(view.storage.bufferOn(backend));
    if (buffer.dtype !== view.dtype) throw new OpwiseError("internal", `storage of ${buffer.dtype} read as ${view.dtype} on ${engineName}`);
    return buffer;
  };
  const read: Reader = (view, expand) => readView(tf, bufferOf(view).flat, elements(view), view, expand);
  const packed: Packer = (view, key, make) => {
    const { flat, packed: forms } = bufferOf(view);
    const full = `${key}/${view.offset}/${view.shape.join(",")}/${view.strides.join(",")}`;
    let form = forms.get(full);
    if (form === undefined) forms.set(full, (form = tf.keep(make(readView(tf, flat, elements(view), view, true)))));
    return form;
  };

  /** Puts a call's values into its results' storages. */
  const settle = (results: readonly View[], values: readonly TfTensor[]): void => {
    results.forEach((view, i) => {
      const value = values[i] ?? unreachable("fewer values than results");
      const shaped = value.shape.length === view.shape.length && value.shape.every((s, d) => s === view.shape[d]) ? value : spread(value, view.shape);
      const typed = shaped.dtype === nativeDtype(view.dtype) ? shaped : tf.cast(shaped, nativeDtype(view.dtype) ?? "float32");
      const old = view.storage.bufferOn(backend);
      const flat = writeView(tf, old === undefined ? undefined : tfBuffer(old).flat, elements(view), view, typed);
      view.storage.deviceWritten(backend, keep(flat === undefined ? unreachable("flat") : ownCopy(flat), view.dtype));
    });
  };
  /** A reshape shares its data with an operand; the storage needs a tensor of its own life. */
  const ownCopy = (flat: TfTensor): TfTensor => tf.reshape(flat, [...flat.shape]);
  const spread = (value: TfTensor, shape: readonly number[]): TfTensor => {
    if (numelOf(value.shape) === numelOf(shape)) return tf.reshape(value, [...shape]);
    const lead = shape.length - value.shape.length;
    const ranked = tf.reshape(value, [...Array.from({ length: lead }, () => 1), ...value.shape]);
    return tf.tile(ranked, shape.map((s, i) => (ranked.shape[i] === s ? 1 : s)));
  };

  const refuses = (what: Call | Region): string | undefined => {
    for (const view of [...what.operands, ...what.results]) {
      if (numelOf(view.shape) === 0) return "an empty tensor";
      const other = view.storage.bufferOn(backend);
      if (other !== undefined && tfBuffer(other).dtype !== view.dtype) return "the storage is read as another dtype";
    }
    for (const view of what.results) if (nativeDtype(view.dtype) === undefined) return `TensorFlow.js has no ${view.dtype}`;
    switch (what.kind) {
      case "region": return refusesRegion(engine, what);
      case "map": return what.results[0] !== undefined && what.results[0].shape.length > 6 ? "more than 6 axes" : refusesProgram(engine, what.program);
      case "compute": return refusesCompute(engine, what);
      case "reduce": return refusesReduce(engine, what);
      case "scan": return refusesScan(engine, what);
      case "contract": return refusesContract(engine, what);
      case "convolve": return refusesConvolve(engine, what);
      case "window": return refusesWindow(engine, what);
      default: return `TensorFlow.js has no ${what.kind}`;
    }
  };

  const values = (what: Call | Region, host: Backend): readonly TfTensor[] => {
    switch (what.kind) {
      case "region": return runRegion(engine, what, read);
      case "map": return walkProgram(engine, what.program, what.operands.map((v) => readElements(engine, read, v, false)), what.scalars);
      case "compute": return runCompute(engine, what, (view) => bufferOf(view).flat, host);
      case "reduce": return runReduce(engine, what, read);
      case "scan": return runScan(engine, what, read);
      case "contract": return runContract(engine, what, read);
      case "convolve": return runConvolve(engine, what, read, packed);
      case "window": return runWindow(engine, what, read);
      default: return unreachable(`a claimed ${what.kind}`);
    }
  };

  const backend: Backend = {
    name: options.name ?? "tfjs",
    onHost: false,
    limits: { maxBytes: 2 ** 31 },
    upload: (bytes, dtype) => keep(uploadFlat(tf, bytes, dtype), dtype),
    download: (buffer, nbytes) => {
      const { flat, dtype } = tfBuffer(buffer);
      // WebGL and WebGPU engines have their values later; the others at once.
      if (engineName === "webgpu") return flat.data().then((v) => hostBytes(v, dtype, nbytes));
      return hostBytes(flat.dataSync(), dtype, nbytes);
    },
    release: (handle) => {
      const buffer = tfBuffer(handle);
      if (!alive.delete(buffer)) return;
      buffer.flat.dispose();
      for (const form of buffer.packed.values()) form.dispose();
    },
    readsOnHost: (what, operand) => nativeDtype(operand.dtype) === undefined || (what.kind === "compute" && computeReadsOnHost(what, operand)),
    refuses,
    run: (what, host) => {
      tf.tidy(() => {
        settle(what.results, values(what, host));
      });
    },
    live: () => ({ buffers: alive.size, bytes: [...alive].reduce((n, b) => n + numelOf(b.flat.shape) * itemsize(b.dtype), 0) }),
    dispose: () => {
      for (const buffer of [...alive]) backend.release(buffer);
    },
  };
  return backend;
}
