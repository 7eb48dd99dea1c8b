/** Loading a model, and making sessions of it. */

import { cpu } from "./backends/cpu/cpu.ts";
import { DEFAULT_LIMITS, type Limits, limitsWith } from "./bytes/limits.ts";
import { openSource, type Progress, type SourceLike } from "./bytes/source.ts";
import { customOps, type CustomOp } from "./registered-ops.ts";
import type { FunctionDecl, Program } from "./ir/graph.ts";
import { allFunctions, isForeign, walkNodes, type WriteOptions } from "./ir/graph.ts";
import type { Schema } from "./ir/schema.ts";
import { printType } from "./ir/type.ts";
import { detectFormat, loadProgram, type ModelFormat } from "./loaders/load.ts";
import { seedTwister } from "./numeric/mt19937.ts";
import { expectTables, expectUncommon, type OpTables, tablesFor } from "./op-tables.ts";
import { onnxMeaning, type OnnxTable } from "./ops/onnx/define.ts";
import type { OpTable, Registry } from "./ops/registry.ts";
import type { Exported } from "./export/export.ts";
import { fromDatum, type Input } from "./run/convert.ts";
import { Instantiator } from "./run/instantiate.ts";
import { machineOps } from "./run/link.ts";
import type { PlanOptions } from "./run/plan/planner.ts";
import type { Preparation } from "./run/sizes-only.ts";
import { type RunOptions, Session } from "./run/session.ts";
import type { Backend } from "./prims/backend.ts";
import { OpwiseError, typedError } from "./tensor/error.ts";

export interface LoadOptions {
  /** Bytes received and in all; only sources that are downloaded report it. */
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
  /** In place of the platform's `fetch`. */
  readonly fetch?: (url: string, init?: RequestInit) => Promise<Response>;
  /** Files that belong to the model by relative path, for models given as bytes (ONNX external data). */
  readonly siblings?: Readonly<Record<string, Uint8Array | ArrayBuffer | Blob>>;
  /** Ops of custom namespaces and domains, besides the registered ones. */
  readonly ops?: readonly CustomOp[];
  /** Where a device that the archive names lives here; default: the host. */
  readonly mapLocation?: (device: string) => string;
  readonly limits?: Partial<Limits>;
  /** The only format to take; left out: whatever the content is. */
  readonly format?: "torchscript" | "onnx" | "pt2" | "mobile";
  /** Which program of a `.pt2` archive that holds several; left out: the only one, or `model`. */
  readonly program?: string;
  /** What to call the source in messages. */
  readonly name?: string;
}

/** Arguments that a program was exported with, as `session.call` takes them. */
export interface SampleArguments {
  readonly args: readonly Input[];
  readonly kwargs: Readonly<Record<string, Input>>;
}

/** Besides the below: bounds of what making a session runs (`__setstate__`); `maxSteps` there has `Limits.maxSetupSteps` as default. */
export interface SessionChoice extends Pick<RunOptions, "signal" | "maxSteps" | "maxBytes" | "maxWork"> {
  /** Default: a new `cpu()`. */
  readonly backend?: Backend | "cpu";
  /** Whether straight lines of code are planned where the backend compiles them (default), with which passes. */
  readonly plan?: boolean | PlanOptions;
  /** Sizes of `forward`'s arguments that the session is made ready for, where the backend compiles: see `Preparation`. */
  readonly prepare?: Preparation;
  /** Seed of the session's random generator (torch.manual_seed); default 0x9e3779b9 as PyTorch's is unspecified. */
  readonly seed?: bigint;
  /** Gets each line the model prints; default: nothing is printed. */
  readonly print?: (text: string) => void;
}

/** Newest version of ai.onnx that `toOnnx` writes. */
const NEWEST_OPSET = 23;

export interface ToOnnxOptions {
  /** Version of ai.onnx, 17 to 23; default: the oldest that has all nodes that are needed. */
  readonly opset?: number;
  /** Default: `forward`. */
  readonly method?: string;
  /** Example arguments; default: those that a `.pt2` holds, or likely ones. */
  readonly args?: readonly Input[];
  readonly kwargs?: Readonly<Record<string, Input>>;
  /** Whether sizes of inputs stay open (default); false: all are those of the examples. */
  readonly dynamic?: boolean;
  /** The instance whose state is taken; default: a new one. It is not changed. */
  readonly session?: Session;
}

/** Facts about a model for `inspect`. */
export interface ModelSummary {
  readonly format: Program["format"];
  readonly version: string;
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
  readonly outputs: readonly { readonly name: string; readonly type: string }[];
  readonly methods: readonly string[];
  /** Ops by name: how often in all graphs, and whether this build has a meaning for them. */
  readonly ops: readonly { readonly name: string; readonly count: number; readonly supported: boolean }[];
}

/** Opens and loads a model: a path, a URL, bytes or a Blob. Nothing of it is run. @throws typed errors, see `docs/errors.md` */
export async function load(what: SourceLike, options: LoadOptions = {}): Promise<Model> {
  const source = await openSource(what, options);
  const ops = customOps(options.ops);
  const limits = limitsWith(options.limits);
  const program = await typed(loadProgram(source, {
    mapLocation: options.mapLocation,
    format: options.format,
    program: options.program,
    schemas: ops.flatMap((o) => (o.world === "torch" ? [o.schema] : [])),
    customOps: ops.flatMap((o) => (o.world === "onnx" ? [o.op.name] : [])),
    limits,
    found: expectTables,
    uncommon: expectUncommon,
  }));
  return new Model(program, await typed(tablesFor(program)), ops, limits);
}

/** A model of a program that is at hand, as a reduced case holds one. */
export async function modelOf(program: Program): Promise<Model> {
  return new Model(program, await typed(tablesFor(program)));
}

/** The promise's value. @throws OpwiseError, whatever it is rejected with */
async function typed<X>(work: Promise<X>): Promise<X> {
  try {
    return await work;
  } catch (error) {
    throw typedError(error);
  }
}

/**
 * What a file is, by its content: a model of one of four formats, or a checkpoint (`state-dict`), which has tensors and no program.
 * @throws unsupported-format for anything else, bad-zip for a damaged archive
 */
export async function formatOf(what: SourceLike, options: Pick<LoadOptions, "fetch" | "signal" | "limits" | "name" | "siblings"> = {}): Promise<ModelFormat> {
  return detectFormat(await openSource(what, options), limitsWith(options.limits));
}

/** A loaded model. Sessions made of it are independent. */
export class Model {
  readonly program: Program;
  readonly #ops: OpTable;
  readonly #registry: Registry;
  readonly #onnx: OnnxTable;
  readonly #limits: Limits;
  /** Whether its ops are those of most networks. */
  readonly #common: boolean;
  readonly #custom: boolean;

  constructor(program: Program, tables: OpTables, custom: readonly CustomOp[] = [], limits: Limits = DEFAULT_LIMITS) {
    this.#limits = limits;
    this.program = program;
    this.#registry = tables.registry;
    this.#custom = custom.length > 0;
    this.#common = tables.common && custom.length === 0;
    const torch = custom.flatMap((o) => (o.world === "torch" ? [o.op] : []));
    const onnx = custom.flatMap((o) => (o.world === "onnx" ? [o.op] : []));
    this.#ops = torch.length === 0 ? tables.torch : new Map([...tables.torch, ...torch.map((o) => [o.name, o] as const)]);
    this.#onnx = onnx.length === 0 ? tables.onnx : new Map([...tables.onnx, ...onnx.map((o) => [o.name, o] as const)]);
  }

  get name(): string {
    return this.program.name;
  }
  get format(): Program["format"] {
    return this.program.format;
  }
  /** Extra files of the archive, or an ONNX model's metadata, by name. */
  get extra(): ReadonlyMap<string, string> {
    return this.program.extra;
  }

  /** Names of all programs of a `.pt2` archive; none for other formats. */
  get programs(): readonly string[] {
    return this.program.programs ?? [];
  }

  /**
   * The arguments that a `.pt2` program was exported with, fresh at each call; undefined where the file holds none.
   * @throws unsafe-pickle where they are objects of the author's own classes
   */
  async sampleInputs(): Promise<SampleArguments | undefined> {
    const saved = await this.program.sampleInputs?.();
    if (saved === undefined) return undefined;
    const instantiator = new Instantiator();
    const data = [...saved.args, ...saved.kwargs.values()].map((template) => instantiator.datum(template));
    await instantiator.prefetch();
    const kwargs = [...saved.kwargs.keys()].map((key, i) => [key, fromDatum(data[saved.args.length + i] ?? null)] as const);
    return { args: data.slice(0, saved.args.length).map((datum) => fromDatum(datum)), kwargs: Object.fromEntries(kwargs) };
  }

  /** An instance of the model on a backend. */
  async session(choice: SessionChoice = {}): Promise<Session> {
    const host = cpu();
    const backend = choice.backend === undefined || choice.backend === "cpu" ? host : choice.backend;
    if (!this.#common) await backend.extend?.();
    return Session.create(this.program, {
      backend, cpu: backend.onHost ? backend : host, ops: this.#ops, onnx: this.#onnx, registry: this.#registry, custom: this.#custom,
      generator: seedTwister(choice.seed ?? 0x9e3779b9n), print: choice.print, plan: choice.plan, prepare: choice.prepare,
      setup: { signal: choice.signal, maxSteps: choice.maxSteps ?? this.#limits.maxSetupSteps, maxBytes: choice.maxBytes, maxWork: choice.maxWork },
    });
  }

  /**
   * Writes the model as it was loaded: the same graph, weights, functions and metadata. ONNX only. Data that one file cannot hold, or all of it
   * where `externalData` says so, goes to `PATH.data` beside it. @throws unsupported-format, io-error, and as loading does
   */
  async save(path: string, options: WriteOptions = {}): Promise<void> {
    await this.#writer()(path, (await import("./bytes/file.ts")).writeFile, options);
  }

  /** As `save`, into memory: the files by name, `name` first. @throws unsupported-format, and as loading does */
  async toFiles(name: string, options: WriteOptions = {}): Promise<ReadonlyMap<string, Uint8Array>> {
    const files = new Map<string, Uint8Array>([[name, new Uint8Array(0)]]);
    await this.#writer()(name, async (path, pieces) => {
      const parts: Uint8Array[] = [];
      for await (const piece of pieces) parts.push(piece);
      files.set(path, new Uint8Array(await new Blob(parts.map((part) => new Uint8Array(part))).arrayBuffer()));
    }, options);
    return files;
  }

  #writer(): NonNullable<Program["write"]> {
    const { write } = this.program;
    if (write === undefined) throw new OpwiseError("unsupported-format", `a model of the format ${this.format} cannot be written`, { wanted: "an ONNX model", got: this.format });
    return write;
  }

  /**
   * One method of a TorchScript module or a `.pt2` program as an ONNX model: see docs/convert.md. Example arguments tell dtypes and numbers of axes; a `.pt2`
   * brings its own; without any, likely ones are tried. @throws unsupported-op naming the node and its Python line where something cannot be expressed
   */
  async toOnnx(options: ToOnnxOptions = {}): Promise<Exported> {
    if (this.format === "onnx") throw new OpwiseError("unsupported-format", "the model is an ONNX model already", { hint: "`opwise save` writes it again" });
    const { opset, method = "forward", dynamic = true } = options;
    if (opset !== undefined && (!Number.isInteger(opset) || opset < 17 || opset > NEWEST_OPSET)) throw new OpwiseError("bad-argument", `opset ${opset} is not written`, { wanted: `17 to ${NEWEST_OPSET}` });
    // The exporter is fetched when a model is converted.
    const [{ exportMethod }, { withGuessedArguments }] = await Promise.all([import("./export/export.ts"), import("./export/guess.ts")]);
    const session = options.session ?? (await this.session());
    for (const { tensor } of session.tensors()) await session.executor.sync(tensor);
    const attempt = (args: readonly Input[], kwargs: Readonly<Record<string, Input>>): Exported => exportMethod(session, { opset, method, args, kwargs, dynamic, ops: this.#ops });
    if (options.args !== undefined || options.kwargs !== undefined) return attempt(options.args ?? [], options.kwargs ?? {});
    const sample = await this.sampleInputs();
    if (sample !== undefined) return attempt(sample.args, sample.kwargs);
    return withGuessedArguments(session, session.paramsOf(method), (args) => attempt(args, {})).result;
  }

  /** Every function of the model. */
  functions(): readonly FunctionDecl[] {
    return [...allFunctions(this.program)];
  }

  /** Whether this build can run the op, which is one of the model's. */
  supports(name: string, schema: Schema | undefined): boolean {
    if (machineOps.has(name)) return true;
    const own = this.#ops.get(name);
    const known = schema ?? (own === undefined ? undefined : this.#registry.parsedSchema(own));
    return known === undefined ? onnxMeaning(this.#onnx, name) !== undefined : this.#registry.supports(known, this.#ops);
  }

  /** Format, signature, ops and what is missing. @throws unsupported-op never: missing ops are listed */
  summary(): ModelSummary {
    const counts = new Map<string, { count: number; supported: boolean }>();
    for (const fn of this.functions()) {
      if (isForeign(fn)) continue;
      walkNodes(fn.graph(), (node) => {
        const line = counts.get(node.op);
        if (line === undefined) counts.set(node.op, { count: 1, supported: this.supports(node.op, node.schema) });
        else line.count++;
      });
    }
    const { program } = this;
    const root = program.root?.kind === "object" ? program.root.class : undefined;
    const forward = root?.methods.get("forward");
    return {
      format: program.format, version: program.version,
      inputs: program.inputs?.map((i) => ({ name: i.name, type: printType(i.type) })) ?? forward?.params.slice(1).map((p) => ({ name: p.name, type: printType(p.type) })) ?? [],
      outputs: program.outputs?.map((o) => ({ name: o.name, type: printType(o.type) })) ?? (forward === undefined ? [] : [{ name: "output", type: printType(forward.returns) }]),
      methods: root === undefined ? (program.main === undefined ? [] : ["forward"]) : [...root.methods.keys()],
      ops: [...counts].map(([name, line]) => ({ name, ...line })).sort((a, b) => b.count - a.count || a.name.localeCompare(b.name)),
    };
  }

  /** @throws unsupported-op that lists every missing op with its count */
  requireSupport(): void {
    const missing = this.summary().ops.filter((o) => !o.supported);
    if (missing.length === 0) return;
    throw new OpwiseError("unsupported-op", `${missing.length} ops of \`${this.name}\` are not in this build`, { got: missing.map((o) => `${o.name} (${o.count})`).join(", ") });
  }
}
