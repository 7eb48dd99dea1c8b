/** A scripted client of the debug adapter: it sets breakpoints on the author's lines, looks around, and steps in both directions. */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DebugProtocol } from "@vscode/debugprotocol";
import { afterAll, describe, expect, it } from "vitest";
import { Adapter, type AdapterHost, frameMessage, MessageReader, recordBytes } from "../../src/debug/index.ts";
import { load, Tensor, writeNpy } from "../../src/index.ts";
import { scriptArchive } from "../support/archive.ts";

const GOLDEN = join(import.meta.dirname, "../golden");
const STEPS = join(GOLDEN, "models/steps/model.pt");
const AUTHOR = join(GOLDEN, "model_cases.py");
/** `x = self.mix(x, 0.25 * i)` of `Steps.forward`, and its neighbours, as the model's debug information counts them. */
const LINE = { loop: 56, mix: 57, test: 58, inMix: 51 };

type Message = DebugProtocol.ProtocolMessage & {
  readonly command?: string;
  readonly event?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly message?: string;
};

/** A client that waits for what it asked. */
class Client {
  readonly messages: Message[] = [];
  readonly #send: (bytes: Uint8Array) => void;
  readonly #reader = new MessageReader();
  #waiting: (() => void)[] = [];
  #seen = 0;
  #seq = 1;

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  receive(bytes: Uint8Array): void {
    this.messages.push(...(this.#reader.push(bytes) as Message[])); // the adapter's messages
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #until<X>(find: () => X | undefined): Promise<X> {
    for (let found = find(); ; found = find()) {
      if (found !== undefined) return found;
      await new Promise<void>((wake) => this.#waiting.push(wake));
    }
  }

  /** The body of a request's answer. */
  async request(command: string, args: object = {}): Promise<Readonly<Record<string, unknown>>> {
    const seq = this.#seq++;
    this.#send(frameMessage({ seq, type: "request", command, arguments: args }));
    const answer = await this.#until(() => this.messages.find((m) => m.type === "response" && m.request_seq === seq));
    if (answer.success !== true) throw new Error(answer.message ?? "failed");
    return answer.body ?? {};
  }

  /** The next event of a kind that has not been waited for. */
  async event(name: string): Promise<Readonly<Record<string, unknown>>> {
    const at = await this.#until(() => {
      const i = this.messages.findIndex((m, k) => k >= this.#seen && m.event === name);
      return i < 0 ? undefined : i;
    });
    this.#seen = at + 1;
    return this.messages[at]?.body ?? {};
  }

  /** Asks for a movement, and gives where it stopped: `reason line:function`. */
  async go(command: string, args: object = {}): Promise<string> {
    await this.request(command, { threadId: 1, ...args });
    return this.stopped();
  }
  async stopped(): Promise<string> {
    const { reason } = await this.event("stopped");
    const [top] = await this.frames();
    return `${String(reason)} ${top?.line ?? 0}:${top?.name ?? ""}`;
  }
  async frames(): Promise<readonly DebugProtocol.StackFrame[]> {
    return (await this.request("stackTrace", { threadId: 1 }))["stackFrames"] as DebugProtocol.StackFrame[];
  }
  async scope(name: string, frameId = 1): Promise<readonly DebugProtocol.Variable[]> {
    const scopes = (await this.request("scopes", { frameId }))["scopes"] as DebugProtocol.Scope[];
    return this.variables(scopes.find((s) => s.name === name)?.variablesReference ?? 0);
  }
  async variables(variablesReference: number, page: object = {}): Promise<readonly DebugProtocol.Variable[]> {
    return (await this.request("variables", { variablesReference, ...page }))["variables"] as DebugProtocol.Variable[];
  }
}

const tensor = (): Tensor => Tensor.from([0.5, -1, 2, 0.25], [4], "float32");
const host = (model: string | Uint8Array, args: readonly (Tensor | number | boolean)[]): AdapterHost => ({
  open: async (_launch, print) => ({ session: await (await load(model)).session({ print }), inputs: { args } }),
  fileExists: existsSync,
});

/** A client of an adapter in this process. */
function connect(model: string | Uint8Array = STEPS, args: readonly (Tensor | number | boolean)[] = [tensor(), 3]): Client {
  const toAdapter = new MessageReader();
  const adapter: Adapter = new Adapter(host(model, args), (message) => client.receive(frameMessage(message)));
  const client = new Client((bytes) => {
    for (const message of toAdapter.push(bytes)) adapter.receive(message);
  });
  return client;
}

/** Initialised and launched, with breakpoints on lines of the author's file; it has begun to run. */
async function launched(
  lines: readonly object[],
  launch: object = {},
  model?: string | Uint8Array,
  args?: readonly (Tensor | number | boolean)[],
): Promise<Client> {
  const client = connect(model, args);
  await client.request("initialize", { adapterID: "opwise", supportsProgressReporting: true });
  await client.request("launch", { program: "model.pt", sourceMap: { "model_cases.py": AUTHOR }, ...launch });
  if (lines.length > 0) await client.request("setBreakpoints", { source: { path: AUTHOR }, breakpoints: lines });
  await client.request("configurationDone");
  return client;
}

describe("the adapter", () => {
  it("answers a client that launches, stops on a line of the author's file, looks around, steps back and goes on", async () => {
    const client = connect();
    const capabilities = await client.request("initialize", { adapterID: "opwise" });
    expect(capabilities).toMatchObject({ supportsStepBack: true, supportsSteppingGranularity: true, supportsDisassembleRequest: true });
    await client.event("initialized");
    await client.request("launch", { program: "model.pt", sourceMap: { "model_cases.py": AUTHOR } });
    const { breakpoints } = await client.request("setBreakpoints", { source: { path: AUTHOR }, breakpoints: [{ line: LINE.mix }] });
    expect(breakpoints).toMatchObject([{ verified: true, line: LINE.mix }]);
    await client.request("configurationDone");
    expect(await client.stopped()).toBe(`breakpoint ${LINE.mix}:forward`);

    const [top, trip] = await client.frames();
    expect(top).toMatchObject({ source: { path: AUTHOR }, instructionPointerReference: "0x000b" });
    expect(trip).toMatchObject({ name: "loop i=0 of 3", presentationHint: "subtle" });
    const x = (await client.scope("Arguments")).find((v) => v.name === "%x");
    expect(x).toMatchObject({ value: "f32[4] ∈[-1, 2] μ=.438 σ=1.07 nan:0 inf:0 ~v0 cpu", type: "f32[4]", indexedVariables: 4 });
    const children = await client.variables(x?.variablesReference ?? 0);
    expect(children.map((v) => `${v.name} ${v.value}`).slice(-4)).toEqual(["[0] 0.5", "[1] -1", "[2] 2", "[3] 0.25"]);
    expect(await client.variables(x?.variablesReference ?? 0, { filter: "indexed", start: 1, count: 2 })).toMatchObject([{ name: "[1]" }, { name: "[2]" }]);

    expect(await client.go("stepIn")).toBe(`step ${LINE.inMix}:mix`);
    expect(await client.go("stepOut")).toBe(`step ${LINE.test}:forward`);
    expect(await client.go("stepBack")).toBe(`step ${LINE.mix}:forward`);
    expect(await client.go("continue")).toBe(`breakpoint ${LINE.mix}:forward`);
    expect((await client.frames())[1]?.name).toBe("loop i=1 of 3");
    expect(await client.go("reverseContinue")).toBe(`breakpoint ${LINE.mix}:forward`);
    expect((await client.frames())[1]?.name).toBe("loop i=0 of 3");
    await client.request("setBreakpoints", { source: { path: AUTHOR }, breakpoints: [] });
    await client.request("continue", { threadId: 1 });
    expect(await client.event("exited")).toEqual({ exitCode: 0 });
    await client.event("terminated");
  });

  it("moves a breakpoint to the next line that has an op, and says of a file that the model does not have that it has not", async () => {
    const client = await launched([{ line: 55 - 3 }], { stopOnEntry: true });
    const answer = client.messages.find((m) => m.command === "setBreakpoints")?.body;
    expect(answer?.["breakpoints"]).toMatchObject([{ verified: true, line: 54, message: "moved to line 54, the next one that has an op" }]);
    const { breakpoints } = await client.request("setBreakpoints", { source: { path: "/elsewhere/other.py" }, breakpoints: [{ line: 3 }] });
    expect(breakpoints).toMatchObject([{ verified: false, message: "the model has no code from this file" }]);
    const locations = (await client.request("breakpointLocations", { source: { path: AUTHOR }, line: 54, endLine: 60 }))["breakpoints"];
    expect(locations).toEqual([54, 55, 56, 57, 58, 59, 60].map((line) => ({ line })));
  });

  it("takes breakpoints that come before the model is open, and verifies them then", async () => {
    const client = connect();
    await client.request("initialize");
    const early = (await client.request("setBreakpoints", { source: { path: AUTHOR }, breakpoints: [{ line: LINE.mix }] }))[
      "breakpoints"
    ] as DebugProtocol.Breakpoint[];
    await client.request("configurationDone");
    await client.request("launch", { program: "model.pt", sourceMap: { "model_cases.py": AUTHOR } });
    expect(await client.event("breakpoint")).toMatchObject({ reason: "changed", breakpoint: { id: early[0]?.id, verified: true, line: LINE.mix } });
    expect(await client.stopped()).toBe(`breakpoint ${LINE.mix}:forward`);
  });

  it("shows the text from inside the model where the author's file is not here, and stops on its lines", async () => {
    const client = await launched([], { stopOnEntry: true, sourceMap: {} });
    await client.stopped();
    const [top] = await client.frames();
    expect(top?.source).toMatchObject({ name: "code/__torch__/model_cases.py" });
    const reference = top?.source?.sourceReference ?? 0;
    const { content } = await client.request("source", { sourceReference: reference, source: { sourceReference: reference } });
    const line =
      String(content)
        .split("\n")
        .findIndex((text) => text.includes(").mix(")) + 1;
    expect(line).toBeGreaterThan(0);
    const { breakpoints } = await client.request("setBreakpoints", {
      source: { name: top?.source?.name, sourceReference: reference },
      breakpoints: [{ line }],
    });
    expect(breakpoints).toMatchObject([{ verified: true, line }]);
    expect(await client.go("continue")).toBe(`breakpoint ${line}:forward`);
  });

  it("holds conditions, hit counts and log points", async () => {
    const conditional = await launched([{ line: LINE.mix, condition: "i == 2" }]);
    await conditional.stopped();
    expect((await conditional.frames())[1]?.name).toBe("loop i=2 of 3");
    const counted = await launched([{ line: LINE.mix, hitCondition: "2" }]);
    await counted.stopped();
    expect((await counted.frames())[1]?.name).toBe("loop i=1 of 3");
    const logged = await launched([{ line: LINE.mix, logMessage: "trip {i}" }]);
    await logged.event("terminated");
    expect(logged.messages.filter((m) => m.event === "output" && String(m.body?.["output"]).startsWith("trip")).map((m) => m.body?.["output"])).toEqual([
      "trip 0\n",
      "trip 1\n",
      "trip 2\n",
    ]);
  });

  it("stops at selectors, at nodes, and at what writes memory", async () => {
    const client = await launched([], { stopOnEntry: true });
    await client.stopped();
    const functions = (
      await client.request("setFunctionBreakpoints", { breakpoints: [{ name: "aten::add & scale.**" }, { name: "aten::sub" }, { name: "aten::conv2d" }] })
    )["breakpoints"] as DebugProtocol.Breakpoint[];
    expect(functions.map((b) => b.verified)).toEqual([false, true, false]);
    expect(await client.go("continue")).toBe(`breakpoint ${LINE.inMix}:mix`);
    await client.request("setFunctionBreakpoints", { breakpoints: [] });
    await client.request("setInstructionBreakpoints", { breakpoints: [{ instructionReference: "0x000b" }] });
    await client.go("continue");
    expect((await client.frames())[0]?.instructionPointerReference).toBe("0x000b");
    await client.request("setInstructionBreakpoints", { breakpoints: [] });
    await client.go("restart");
    const { dataId } = await client.request("dataBreakpointInfo", { name: "self.count" });
    expect(dataId).toMatch(/self\.count$/);
    await client.request("setDataBreakpoints", { breakpoints: [{ dataId }] });
    expect(await client.go("continue")).toBe("data breakpoint 13:forward".replace("13", String((await client.frames())[0]?.line ?? 0)));
  });

  it("sets variables, evaluates names and commands, completes, hovers", async () => {
    const client = await launched([{ line: LINE.mix }]);
    await client.stopped();
    const x = (await client.scope("Arguments")).find((v) => v.name === "%x");
    expect(await client.request("setVariable", { variablesReference: x?.variablesReference, name: "[1]", value: "8" })).toMatchObject({
      value: expect.stringContaining("∈[8, 8]") as string,
    });
    expect(await client.request("evaluate", { expression: "%x[1]", frameId: 1, context: "hover" })).toMatchObject({
      result: expect.stringMatching(/^f32\[\] ∈\[8, 8\]/) as string,
    });
    expect(await client.request("evaluate", { expression: "i + 1", frameId: 1, context: "watch" })).toMatchObject({ result: "1" });
    expect(await client.request("evaluate", { expression: "info args", frameId: 1, context: "repl" })).toMatchObject({
      result: expect.stringContaining("rounds  3") as string,
    });
    const targets = (await client.request("completions", { text: "p %ro", column: 6, frameId: 1 }))["targets"] as DebugProtocol.CompletionItem[];
    expect(targets.map((t) => t.label)).toEqual(["%rounds"]);
    await expect(client.request("evaluate", { expression: "nothing", frameId: 1, context: "watch" })).rejects.toThrow("there is no value `nothing`");
    await client.request("evaluate", { expression: "rn", context: "repl" });
    await client.event("stopped");
    await client.request("setExpression", { expression: "%rounds", value: "1", frameId: 1 });
    await client.request("setBreakpoints", { source: { path: AUTHOR }, breakpoints: [] });
    await client.request("continue", { threadId: 1 });
    await client.event("terminated");
  });

  it("gives the graph as instructions, storages as memory, lines as places in time", async () => {
    const client = await launched([{ line: LINE.test }]);
    await client.stopped();
    const { instructions } = await client.request("disassemble", { memoryReference: "0x000b", instructionOffset: -1, instructionCount: 3 });
    expect(instructions).toMatchObject([
      { address: "0x000a" },
      { address: "0x000b", instruction: "%14: float = aten::mul.float_int(%13, %11.i)", line: LINE.mix },
      { address: "0x000c" },
    ]);
    const tensors = [...(await client.scope("Locals")), ...(await client.scope("Arguments"))];
    const x = tensors.find((v) => v.type === "f32[4]");
    const { data } = await client.request("readMemory", { memoryReference: x?.memoryReference, offset: 0, count: 8 });
    expect(Buffer.from(String(data), "base64")).toHaveLength(8);
    const targets = (await client.request("gotoTargets", { source: { path: AUTHOR }, line: LINE.mix }))["targets"] as DebugProtocol.GotoTarget[];
    expect(targets).toHaveLength(1);
    expect(await client.go("goto", { targetId: targets[0]?.id })).toBe(`goto ${LINE.mix}:forward`);
    expect(await client.go("next", { granularity: "line" })).toMatch(/^step 57:/);
    expect(await client.go("stepIn", { granularity: "instruction" })).toMatch(/:mix$/);
    expect(await client.go("restartFrame", { frameId: 1 })).toBe(`goto ${LINE.inMix}:mix`);
  });

  it("stops at the birth of a NaN where the filter is on, and at the error that ends a run", async () => {
    const code = `class Net(Module):
  __parameters__ = []
  training : bool
  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    y = torch.log(x)
    return torch.mul(y, 2.)
`;
    const client = await launched([], { stopOnEntry: true }, scriptArchive(code, { training: false }), [tensor()]);
    await client.stopped();
    await client.request("setExceptionBreakpoints", { filters: ["nan"] });
    expect(await client.go("continue")).toMatch(/^exception 6:/);
    expect(await client.request("exceptionInfo", { threadId: 1 })).toMatchObject({
      exceptionId: "nan",
      description: "aten::log gave 1 NaN from operands without any",
    });
    const failing = await launched([], {}, STEPS, [tensor(), 2, true]);
    expect((await failing.event("stopped"))["text"]).toBe("error[model-raised]: asked to fail after 2 rounds");
    expect(await failing.request("exceptionInfo", { threadId: 1 })).toMatchObject({ exceptionId: "builtins.ValueError" });
    expect(await failing.go("stepBack")).toMatch(/^step 61:forward/);
  });

  it("shows a recorded run, both ways, read-only", async () => {
    const session = await (await load(STEPS)).session();
    const { bytes } = await recordBytes(session, { args: [tensor(), 3] }, { values: "full" });
    const file = join(mkdtempSync(join(tmpdir(), "opwise-dap-")), "run.opwtrace");
    writeFileSync(file, bytes);
    const client = connect();
    await client.request("initialize");
    await client.request("launch", { trace: file, sourceMap: { "model_cases.py": AUTHOR } });
    expect((await client.request("setBreakpoints", { source: { path: AUTHOR }, breakpoints: [{ line: LINE.mix }] }))["breakpoints"]).toMatchObject([
      { verified: true },
    ]);
    await client.request("configurationDone");
    expect(await client.stopped()).toBe(`breakpoint ${LINE.mix}:forward`);
    expect(await client.go("stepIn")).toMatch(/^(?:step|breakpoint) 57:/);
    expect(await client.go("stepIn")).toBe(`step ${LINE.inMix}:mix`);
    const x = (await client.scope("This op")).find((v) => v.name === "%x");
    expect(x?.value).toMatch(/^f32\[4\] ∈\[-1, 2\]/);
    expect((await client.variables(x?.variablesReference ?? 0)).map((v) => v.value)).toEqual(["0.5", "-1", "2", "0.25"]);
    expect(await client.request("evaluate", { expression: "%rounds", context: "hover" })).toMatchObject({ result: "3" });
    expect(await client.go("stepOut")).toBe(`step ${LINE.test}:forward`);
    expect(await client.go("reverseContinue")).toBe(`breakpoint ${LINE.mix}:forward`);
    await client.request("setBreakpoints", { source: { path: AUTHOR }, breakpoints: [] });
    await expect(client.request("setVariable", { variablesReference: 1, name: "%x", value: "1" })).rejects.toThrow("nothing has been launched");
    await client.request("continue", { threadId: 1 });
    await client.event("terminated");
    rmSync(file);
  });

  it("says what is wrong with a request, and goes on", async () => {
    const client = connect();
    await client.request("initialize");
    await expect(client.request("stackTrace", { threadId: 1 })).rejects.toThrow("nothing has been launched yet");
    await expect(client.request("launch", {})).rejects.toThrow("wants a `program`");
    await expect(client.request("nonsense")).rejects.toThrow("does not know `nonsense`");
    await client.request("disconnect");
  });
});

describe("the framing", () => {
  it("takes messages out of pieces of any size, and refuses what is none", () => {
    const bytes = [frameMessage({ a: "ö" }), frameMessage({ b: 2 })].flatMap((part) => [...part]);
    for (const size of [1, 3, 7, 1000]) {
      const reader = new MessageReader();
      const out: unknown[] = [];
      for (let i = 0; i < bytes.length; i += size) out.push(...reader.push(Uint8Array.from(bytes.slice(i, i + size))));
      expect(out).toEqual([{ a: "ö" }, { b: 2 }]);
    }
    expect(() => new MessageReader().push(new TextEncoder().encode("Content-Length: 99999999999\r\n\r\n"))).toThrow("99999999999 bytes");
    expect(() => new MessageReader().push(new TextEncoder().encode("Hello: 1\r\n\r\n{}"))).toThrow("no length");
    expect(() => new MessageReader().push(new Uint8Array(5000))).toThrow("does not end");
  });
});

describe("opwise dap", () => {
  const dir = mkdtempSync(join(tmpdir(), "opwise-dap-"));
  afterAll(() => rmSync(dir, { recursive: true }));

  it("speaks over standard input and output", async () => {
    writeFileSync(join(dir, "x.npy"), writeNpy(tensor()));
    writeFileSync(join(dir, "rounds.json"), "2");
    const root = join(import.meta.dirname, "../..");
    const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), join(root, "src/cli/main.ts"), "dap", "--stdio"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    const client = new Client((bytes) => void child.stdin.write(bytes));
    child.stdout.on("data", (bytes: Buffer) => client.receive(bytes));
    await client.request("initialize");
    await client.request("launch", { program: STEPS, inputs: [join(dir, "x.npy"), join(dir, "rounds.json")], sourceMap: { "model_cases.py": AUTHOR } });
    await client.request("setBreakpoints", { source: { path: AUTHOR }, breakpoints: [{ line: LINE.mix }] });
    await client.request("configurationDone");
    expect(await client.stopped()).toBe(`breakpoint ${LINE.mix}:forward`);
    await client.request("disconnect");
    child.stdin.end();
    expect(await ended).toBe(0);
  }, 60_000);
});
