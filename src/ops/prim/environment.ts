/** What TorchScript asks of the process around it: modes, devices, generators, identity, hashes, assertions. */

import type { Datum } from "../../ir/datum.ts";
import { canonicalInt, keyOf, makeList } from "../../ir/datum.ts";
import { T } from "../../ir/type.ts";
import { seedTwister } from "../../numeric/mt19937.ts";
import type { GeneratorState } from "../../tensor/generator.ts";
import { checkDevice } from "../../tensor/device.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { torchOfDtype } from "../../tensor/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { dataOp, type Op } from "../define.ts";
import { toBytes } from "./byte-text.ts";
import { boolOf, floatOf, type Int, intOf, listOf, raised, scalarOf, smallOf, textOf } from "./data.ts";
import { readableText } from "./text.ts";

/** Answers that are the same in every run: inference on the host, no tracing, no autograd, no autocast. */
const CONSTANTS: Readonly<Record<string, Datum>> = {
  "aten::is_scripting() -> bool": true, "aten::has_torch_function(...) -> bool": false, "aten::is_grad_enabled() -> bool": false, "aten::_get_tracing_state() -> bool": false,
  "aten::is_autocast_enabled() -> bool": false, "aten::is_autocast_cpu_enabled() -> bool": false, "aten::get_autocast_dtype(str device_type) -> ScalarType": torchOfDtype("bfloat16"),
  "aten::_nnpack_available() -> bool": false, "aten::is_vulkan_available() -> bool": false, "aten::_use_cudnn_rnn_flatten_weight() -> bool": false, "aten::_get_cpu_capability() -> str": "DEFAULT",
  "aten::set_grad_enabled(bool val) -> ()": null,
  "profiler::_record_function_enter_new(str name, str? args=None) -> __torch__.torch.classes.profiler._RecordFunction": { kind: "host", name: "profiler._RecordFunction", value: undefined },
  "profiler::_record_function_exit._RecordFunction(__torch__.torch.classes.profiler._RecordFunction record) -> ()": null, "prim::AddStatValue(str key, int val) -> ()": null, "prim::BailoutTemplate() -> int": 1,
  "aten::sym_constrain_range_for_size(Scalar size, *, int? min=None, int? max=None) -> ()": null,
};

function deviceOf(text: string): Datum {
  checkDevice(text);
  return { kind: "device", name: text };
}
function deviceName(value: Datum | undefined): string {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "device" ? value.name : textOf(value);
}

function reseed(state: GeneratorState, seed: Int): void {
  Object.assign(state, seedTwister(BigInt(seed)));
}
function generatorOf(value: Datum | undefined): GeneratorState {
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "generator") return value.state;
  throw new OpwiseError("type-mismatch", "expected a Generator");
}
/** A seed that differs from run to run. */
function freshSeed(): bigint {
  return BigInt(Math.floor(Math.random() * 2 ** 32)) * 2097152n + BigInt(Math.floor(Math.random() * 2097152));
}

const isEnum = (value: Datum): boolean => typeof value === "object" && value !== null && "kind" in value && value.kind === "enum";

/** Whether two values are the same object; numbers, texts and None are by value. Enum members are objects: each place that names one has its own. */
function isSame(a: Datum | undefined, b: Datum | undefined): boolean {
  const [x, y] = [a ?? null, b ?? null];
  if (x instanceof Tensor || y instanceof Tensor || x === null || y === null) return x === y;
  return x === y || (keyOf(x) === keyOf(y) && !isEnum(x));
}

const MASK = 2n ** 64n - 1n;
/** MurmurHash64A with the seed of libstdc++'s `std::hash`. */
function murmur(bytes: readonly number[]): bigint {
  const mul = 0xc6a4a7935bd1e995n;
  const mix = (v: bigint): bigint => v ^ (v >> 47n);
  const word = (from: number, count: number): bigint => {
    let out = 0n;
    for (let i = count - 1; i >= 0; i--) out = (out << 8n) | BigInt(bytes[from + i] ?? 0);
    return out;
  };
  const whole = bytes.length - (bytes.length % 8);
  let hash = 0xc70f6907n ^ ((BigInt(bytes.length) * mul) & MASK);
  for (let i = 0; i < whole; i += 8) hash = ((hash ^ ((mix((word(i, 8) * mul) & MASK) * mul) & MASK)) * mul) & MASK;
  if (whole < bytes.length) hash = ((hash ^ word(whole, bytes.length - whole)) * mul) & MASK;
  return mix((mix(hash) * mul) & MASK);
}
function hashOf(value: Datum | undefined): Int {
  if (value === null || value === undefined) return 0;
  if (typeof value === "string") return canonicalInt(murmur(Array.from(toBytes(value), (c) => c.charCodeAt(0))));
  if (typeof value === "object" && "kind" in value && value.kind === "tuple") return canonicalInt(value.items.reduce((seed: bigint, item) => seed ^ ((BigInt(hashOf(item)) + 0x9e3779b9n + (seed << 6n) + (seed >> 2n)) & MASK), 0n));
  const s = scalarOf(value);
  if (s.kind === "float" || (s.kind === "int" && typeof s.value === "number" && !Number.isInteger(s.value))) {
    if (s.value === 0) return 0;
    return canonicalInt(murmur([...new Uint8Array(new Float64Array([Number(s.value)]).buffer)]));
  }
  return intOf(s);
}

function unwrapped(value: Datum | undefined): Datum {
  if (value === null || value === undefined) throw raised("Unwrapping null optional");
  return value;
}

/** All of them. */
export const environment: readonly Op[] = [
  ...Object.entries(CONSTANTS).map(([schema, value]) => dataOp(schema, () => value)),
  dataOp("aten::sym_constrain_range(Scalar size, *, int? min=None, int? max=None) -> ()", ([size, min, max]) => {
    const [value, low, high] = [floatOf(size), min === null ? -Infinity : floatOf(min), max === null ? Infinity : floatOf(max)];
    if (value < low || value > high) throw new OpwiseError("bad-argument", `Invalid value range for ${value} between [${low}, ${high}].`);
    return null;
  }),
  dataOp("prim::TimePoint() -> int", () => Math.round(performance.now() * 1e6)),
  dataOp("aten::__is__(t1 self, t2 obj) -> bool", ([a, b]) => isSame(a, b)),
  dataOp("aten::__isnot__(t1 self, t2 obj) -> bool", ([a, b]) => !isSame(a, b)),
  dataOp("prim::unchecked_unwrap_optional(t(a)? optional) -> t(a)", ([a]) => a ?? null),
  dataOp("aten::_unwrap_optional(t(a)? optional) -> t(a)", ([a]) => unwrapped(a)),
  dataOp("prim::IfThenElse(bool cond, Any(a) x, Any(b) y) -> Any(b|a)", ([cond, x, y]) => (boolOf(cond) ? x : y) ?? null),
  dataOp("aten::hash.generic(t value) -> int", ([value]) => hashOf(value)),
  dataOp("prim::id(AnyClassType? x) -> int", ([x]) => {
    if (x === null || x === undefined) return 0;
    throw new OpwiseError("unsupported-op", "objects have no address here", { hint: "id() of an object differs from run to run; compare with `is`" });
  }),
  dataOp("aten::warn(str message, int stacklevel=2) -> ()", ([message], ctx) => {
    ctx.print(`Warning: ${textOf(message)}`);
    return null;
  }),
  dataOp("aten::_print(str s) -> ()", ([s], ctx) => {
    ctx.print(textOf(s));
    return null;
  }),
  dataOp("aten::_assert_scalar(Scalar self, str assert_msg) -> ()", ([self, message]) => {
    if (floatOf(scalarOf(self)) === 0) throw raised(textOf(message));
    return null;
  }),
  dataOp("aten::_assert_tensor_metadata(Tensor a, SymInt[]? size=None, SymInt[]? stride=None, ScalarType? dtype=None, *, Device? device=None, Layout? layout=None) -> ()", ([a, size, stride, dtype]) => {
    if (!(a instanceof Tensor)) throw new OpwiseError("type-mismatch", "expected a Tensor");
    const differs = (wanted: Datum | undefined, own: readonly number[]): boolean => wanted !== null && wanted !== undefined && readableText(wanted) !== readableText(makeList(T.int, [...own]));
    if (differs(size, a.shape)) throw raised("Tensor sizes mismatch!");
    if (differs(stride, a.strides)) throw raised("Tensor strides mismatch!");
    if (dtype !== null && dtype !== undefined && smallOf(dtype) !== torchOfDtype(a.dtype)) throw raised("Tensor dtype mismatch!");
    return null;
  }),
  dataOp("aten::device(str a) -> Device", ([a]) => deviceOf(textOf(a))),
  dataOp("aten::device.with_index(str type, int index) -> Device", ([type, index]) => deviceOf(`${textOf(type)}:${smallOf(index)}`)),
  dataOp("prim::type(Device self) -> str", ([d]) => deviceName(d).split(":")[0] ?? ""),
  dataOp("prim::index(Device self) -> int?", ([d]) => {
    const index = deviceName(d).split(":")[1];
    return index === undefined ? null : Number(index);
  }),
  dataOp("aten::manual_seed(int seed) -> ()", ([seed], ctx) => {
    reseed(ctx.generator, intOf(seed));
    return null;
  }),
  dataOp("aten::manual_seed.generator(Generator(a!) self, int seed) -> Generator(a!)", ([g, seed]) => {
    reseed(generatorOf(g), intOf(seed));
    return g ?? null;
  }),
  dataOp("aten::seed(Generator(a!) self) -> int", ([g]) => {
    reseed(generatorOf(g), freshSeed());
    return canonicalInt(generatorOf(g).seed);
  }),
  dataOp("aten::initial_seed(Generator self) -> int", ([g]) => canonicalInt(generatorOf(g).seed)),
  dataOp("aten::Generator(*, Device? device=None, int? seed=None) -> Generator", ([, seed]) => ({ kind: "generator", state: seedTwister(seed === null || seed === undefined ? 67280421310721n : BigInt(intOf(seed))) })),
  dataOp("aten::count.Tensor(Tensor[] self, Tensor el) -> int", ([l, el]) => listOf(l).items.filter((t) => t === el).length),
];
