/** How the debug adapter protocol lies on a wire: a header with the length, then JSON. */

import { OpwiseError } from "../../tensor/error.ts";

/** Bytes of one message; a client that asks for more is broken. */
const MAX_MESSAGE = 64 * 2 ** 20;
const MAX_HEADER = 4096;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A message as bytes. */
export function frameMessage(message: object): Uint8Array {
  const body = encoder.encode(JSON.stringify(message));
  const head = encoder.encode(`Content-Length: ${body.length}\r\n\r\n`);
  const out = new Uint8Array(head.length + body.length);
  out.set(head);
  out.set(body, head.length);
  return out;
}

/** Takes messages out of a stream of bytes, whatever its pieces are. */
export class MessageReader {
  #buffer: Uint8Array = new Uint8Array(0);

  /** Messages that are whole now. @throws limit-exceeded, bad-argument for what is no message */
  push(bytes: Uint8Array): unknown[] {
    const joined = new Uint8Array(this.#buffer.length + bytes.length);
    joined.set(this.#buffer);
    joined.set(bytes, this.#buffer.length);
    this.#buffer = joined;
    const out: unknown[] = [];
    for (let message = this.#take(); message !== undefined; message = this.#take()) out.push(message.value);
    return out;
  }

  #take(): { readonly value: unknown } | undefined {
    const end = this.#headerEnd();
    if (end === undefined) return undefined;
    const length = Number(/^content-length:\s*(\d+)\s*$/im.exec(decoder.decode(this.#buffer.subarray(0, end)))?.[1] ?? NaN);
    if (!Number.isInteger(length)) throw new OpwiseError("bad-argument", "a message has no length", { wanted: "Content-Length: N" });
    if (length > MAX_MESSAGE) throw new OpwiseError("limit-exceeded", `a message of ${length} bytes`, { wanted: `at most ${MAX_MESSAGE}` });
    const from = end + 4;
    if (this.#buffer.length < from + length) return undefined;
    const body = this.#buffer.subarray(from, from + length);
    this.#buffer = this.#buffer.slice(from + length);
    try {
      return { value: JSON.parse(decoder.decode(body)) as unknown };
    } catch (cause) {
      throw new OpwiseError("bad-argument", "a message is no JSON", { cause });
    }
  }

  /** Where the blank line behind the header begins. */
  #headerEnd(): number | undefined {
    const { length } = this.#buffer;
    for (let i = 0; i + 3 < Math.min(length, MAX_HEADER); i++) {
      if (this.#buffer[i] === 13 && this.#buffer[i + 1] === 10 && this.#buffer[i + 2] === 13 && this.#buffer[i + 3] === 10) return i;
    }
    if (length >= MAX_HEADER) throw new OpwiseError("limit-exceeded", "a message's header does not end");
    return undefined;
  }
}
