/**
 * An ONNX model with chosen values as further outputs, for runtimes that show none. Nothing of the file is changed: two occurrences of a message
 * field are one message with the fields of both, so what is added stands behind the model's own bytes.
 */

import { MessageWriter } from "../../bytes/protobuf-writer.ts";
import { OpwiseError } from "../../tensor/error.ts";

export interface Probe {
  /** File name and content. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Values that it gives besides the model's own outputs. */
  readonly values: readonly string[];
}

export interface Instrumented {
  readonly probes: readonly Probe[];
  readonly manifest: {
    readonly format: "opwise.probe/1";
    readonly model: string;
    readonly outputs: readonly string[];
    readonly probes: readonly { readonly file: string; readonly values: readonly string[] }[];
  };
  /** Python text: runs the probes with ONNX Runtime, checks that the model's own outputs did not change, and writes the values as goldens. */
  readonly script: string;
}

const GRAPH = 7;
const OUTPUT = 12;
const NAME = 1;

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * Probes of a model: `batch` values in each, so that none holds more than a machine can. Outputs may move a runtime's fusions, and so its answers:
 * the script checks the model's own.
 * @throws bad-argument where nothing is chosen
 */
export function instrument(
  model: Uint8Array,
  choice: {
    readonly stem: string;
    readonly file: string;
    readonly values: readonly string[];
    readonly outputs: readonly string[];
    readonly batch?: number | undefined;
  },
): Instrumented {
  const { stem, values, outputs } = choice;
  const wanted = values.filter((name) => !outputs.includes(name));
  if (wanted.length === 0) throw new OpwiseError("bad-argument", "no value is chosen that the model does not give already");
  const size = choice.batch ?? 64;
  const probes = Array.from({ length: Math.ceil(wanted.length / size) }, (_, i): Probe => {
    const own = wanted.slice(i * size, (i + 1) * size);
    const added = new MessageWriter().message(GRAPH, (graph) => {
      for (const name of own) graph.message(OUTPUT, (value) => void value.string(NAME, name));
    });
    return { name: `${stem}.${i}.onnx`, bytes: joined([model, added.finish()]), values: own };
  });
  const manifest = { format: "opwise.probe/1" as const, model: choice.file, outputs, probes: probes.map((p) => ({ file: p.name, values: p.values })) };
  const script = `"""Runs the probes with ONNX Runtime: python ${stem}.py INPUTS.npz GOLDEN.npz"""
import json
import sys

import numpy as np
import onnxruntime as ort

manifest = json.load(open(${JSON.stringify(`${stem}.json`)}))
inputs = dict(np.load(sys.argv[1]))


def run(file, names):
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    wanted = [i.name for i in session.get_inputs()]
    feeds = inputs if set(wanted) <= set(inputs) else dict(zip(wanted, inputs.values()))
    return dict(zip(names, session.run(names, {name: feeds[name] for name in wanted})))


plain = run(manifest["model"], manifest["outputs"])
values = dict(plain)
for probe in manifest["probes"]:
    got = run(probe["file"], manifest["outputs"] + probe["values"])
    for name in manifest["outputs"]:
        if not np.array_equal(got[name], plain[name], equal_nan=True):
            print("warning: with probes in place output %s has other bits (largest difference %g)" % (name, np.abs(got[name].astype(float) - plain[name].astype(float)).max()))
    values.update({name: got[name] for name in probe["values"]})
np.savez(sys.argv[2], **values)
print("%d values" % len(values))
`;
  return { probes, manifest, script };
}
