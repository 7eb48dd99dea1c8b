/** The page: runs the checks over what the server has, in kernels and in JavaScript, and keeps what failed. */

import webp from "@jsquash/webp/codec/dec/webp_dec.js";
import { checkCase, checkDamaged, checkPicture } from "../../../scripts/runner/picture-case.ts";
import { array, type Json, type JsonObject, object } from "../../../scripts/runner/value.ts";
import { readNpz } from "../../../src/arrays.ts";
import { jpegKernels } from "../../../src/codecs/jpeg/kernels.ts";
import { loadDecoder } from "../../../src/codecs/peers.ts";

export interface Answer {
  readonly checked: number;
  readonly failed: readonly string[];
  readonly kernels: boolean;
}

async function bytesOf(file: string): Promise<Uint8Array> {
  const response = await fetch(`/${file}`);
  if (!response.ok) throw new Error(`${file}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function listOf(file: string, key: string): Promise<readonly JsonObject[]> {
  return array(object(JSON.parse(new TextDecoder().decode(await bytesOf(file))) as Json)[key]).map(object);
}

async function answer(): Promise<Answer> {
  await loadDecoder("webp", webp);
  const arrays = await readNpz(await bytesOf("cases.npz"));
  const failed: string[] = [];
  let checked = 0;
  const check = async (name: string, run: () => Promise<string | undefined>): Promise<void> => {
    checked++;
    try {
      const reason = await run();
      if (reason !== undefined) failed.push(`${name}: ${reason}`);
    } catch (error) {
      failed.push(`${name}: ${String(error)}`);
    }
  };
  for (const wasm of [true, false]) {
    for (const entry of await listOf("images.json", "files"))
      await check(String(entry["file"]), async () => checkPicture(entry, await bytesOf(String(entry["file"])), { wasm }));
    for (const entry of await listOf("bad.json", "files"))
      await check(String(entry["file"]), async () => checkDamaged(entry, await bytesOf(String(entry["file"])), { wasm }));
    for (const entry of await listOf("cases.json", "cases")) await check(String(entry["id"]), () => checkCase(entry, bytesOf, arrays, { wasm }));
  }
  return { checked, failed, kernels: jpegKernels.instance(new WebAssembly.Memory({ initial: 1 })) !== undefined };
}

Object.assign(globalThis, { answer: answer().catch((error: unknown): Answer => ({ checked: 0, failed: [String(error)], kernels: false })) });
