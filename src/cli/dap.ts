/** `opwise dap`: the debug adapter, on standard input and output or on a port. */

import { existsSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { isOpwiseError, writeNpy } from "../index.ts";
import { Adapter, type AdapterHost, frameMessage, MessageReader, type RunArguments } from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { makeBackend } from "./backend.ts";
import { openTarget } from "./target.ts";

const host: AdapterHost = {
  backend: makeBackend,
  writeTensor: (path, tensor) => writeFileSync(path, writeNpy(tensor)),
  fileExists: existsSync,
  open: async (launch: RunArguments, print) => {
    const options = new Map<string, string>();
    for (const name of ["method", "backend", "seed"] as const) if (launch[name] !== undefined) options.set(name, String(launch[name]));
    const target = await openTarget(
      { model: launch.program, flags: new Set(), options, repeated: new Map([["input", launch.inputs ?? []]]), words: [] },
      launch.program,
      print,
    );
    return { session: target.session, inputs: target.inputs };
  },
};

/** Speaks the protocol over a pair of streams until the client goes. */
function serve(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Promise<void> {
  const reader = new MessageReader();
  const adapter = new Adapter(host, (message) => void output.write(frameMessage(message)));
  return new Promise((done, fail) => {
    input.on("data", (bytes: Uint8Array) => {
      try {
        for (const message of reader.push(bytes)) adapter.receive(message);
      } catch (error) {
        // A stream that is no protocol cannot be taken up again.
        fail(isOpwiseError(error) ? error : new Error("the client's stream cannot be read", { cause: error }));
      }
    });
    const end = async (): Promise<void> => {
      await adapter.idle;
      done();
    };
    input.on("end", () => void end());
    input.on("error", fail);
  });
}

export async function dap(args: Arguments): Promise<number> {
  const port = args.options.get("port");
  if (port === undefined) {
    await serve(process.stdin, process.stdout);
    return 0;
  }
  if (!/^\d+$/.test(port)) throw new UsageError(`\`--port\` wants a number, got \`${port}\``);
  const server = createServer((socket: Socket) => {
    serve(socket, socket).catch((error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      socket.destroy();
    });
  });
  await new Promise<void>((listening, fail) => {
    server.on("error", fail);
    server.listen(Number(port), "127.0.0.1", listening);
  });
  const address = server.address();
  console.error(`the debug adapter listens on 127.0.0.1:${typeof address === "object" && address !== null ? address.port : port}`);
  await new Promise<void>((closed) => server.on("close", closed));
  return 0;
}
