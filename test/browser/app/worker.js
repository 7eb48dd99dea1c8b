// The worker: loads the demo models from the page's own origin, runs every recorded case on `cpu`, and posts the numbers.

import { load, Tensor } from "opwise";

const violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(`worker: ${event.violatedDirective} ${event.blockedURI}`));

/** Grey pixels of a picture over 255, decoded by the browser. */
async function pixels(url) {
  const bitmap = await createImageBitmap(await (await fetch(url)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  return Float32Array.from({ length: data.length / 4 }, (_, i) => data[4 * i] / 255);
}

async function inputs(folder, file) {
  if (folder === "shapes") return { picture: Tensor.from(await pixels(`/shapes/${file}`), [1, 1, 32, 32]) };
  const { rates, minute } = await (await fetch(`/replicas/${file}`)).json();
  return { rates: Tensor.from(Float32Array.from(rates), [1, rates.length]), minute: Tensor.from(Float32Array.of(minute), [1]) };
}

async function run() {
  const results = [];
  for (const folder of ["shapes", "replicas"]) {
    const { cases } = await (await fetch(`/${folder}/expected.json`)).json();
    for (const model of ["model.pt", "model.onnx"]) {
      const session = await (await load(new URL(`/${folder}/${model}`, location.href).href)).session();
      for (const { file } of cases) {
        const given = await inputs(folder, file);
        const out = model === "model.pt" ? await session.forward(...Object.values(given)) : Object.values(await session.run(given))[0];
        results.push({ name: `${folder}/${model} ${file}`, folder, file, values: Array.from(out.data, Number) });
      }
      session.dispose();
    }
  }
  return results;
}

run().then(
  (results) => postMessage({ results, violations }),
  (error) => postMessage({ error: `${error}\n${error.stack}`, results: [], violations }),
);
