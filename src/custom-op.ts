/** Ops of a user's own: for custom namespaces in TorchScript and custom domains in ONNX. */

import type { Datum } from "./ir/datum.ts";
import { domainPrefix } from "./ir/onnx-domain.ts";
import type { Template } from "./ir/template.ts";
import { T } from "./ir/type.ts";
import type { ArgumentsOf } from "./ops/arguments.ts";
import type { Op, Reads } from "./ops/define.ts";
import { onnxOp } from "./ops/onnx/define.ts";
import { parsedSchema } from "./ops/registry.ts";
import { type CustomOp, register } from "./registered-ops.ts";
import { type Input, toDatum } from "./run/convert.ts";
import { OpwiseError } from "./tensor/error.ts";
import { Tensor } from "./tensor/tensor.ts";

/** An ONNX node's attribute as a JavaScript value. */
export type AttributeValue = number | bigint | string | Tensor | readonly AttributeValue[];

/** The function behind an ONNX op: its inputs (null where one is left out), its attributes, and how many outputs the node names. */
export type OnnxFunction = (inputs: readonly Datum[], attributes: Readonly<Record<string, AttributeValue>>, outputs: number) => Input;

/** The function behind a TorchScript op: arguments as its schema's types, numbers of type `Scalar` with their kind. */
export type TorchFunction<S extends string> = (...args: ArgumentsOf<S>) => Input;

/** By what the schema is a schema of: with parentheses it is TorchScript's. */
export type CustomFunction<S extends string> = S extends `${string}(${string}` ? TorchFunction<S> : OnnxFunction;

/**
 * Declares an op. `schema` in TorchScript's notation (`acme::scale(Tensor x, float by=1.0) -> Tensor`): `fn` gets the arguments in its order.
 * `domain::Name@version` for ONNX (no version: 1). Tensors can be read on the host, on every backend. Several results come as an array, one
 * item for each.
 * @throws bad-argument for a schema that is neither
 */
export function customOp<const S extends string>(schema: S, fn: CustomFunction<S>): CustomOp {
  // The schema's text tells the two kinds apart for the compiler, and here.
  return schema.includes("(") ? torchOp(schema, fn as (...args: readonly unknown[]) => Input) : onnxDomainOp(schema, fn as OnnxFunction);
}

function torchOp(schema: string, fn: (...args: readonly unknown[]) => Input): CustomOp {
  const name = schema.slice(0, schema.indexOf("("));
  if (!/^\w+::\w+(?:\.\w+)?$/.test(name)) throw badSchema(schema);
  const op: Op = {
    name,
    schema,
    quantised: "own", quantisedWrites: false,
    body: {
      kind: "reads",
      run: function* run(_ctx, args): Reads {
        for (const tensor of args.flat()) if (tensor instanceof Tensor) yield tensor;
        const { returns } = parsedSchema(op);
        const value = fn(...args);
        if (returns.length === 0) return null;
        const values = returns.length === 1 ? [value] : value;
        if (!Array.isArray(values) || values.length !== returns.length) throw wrongCount(name, returns.length, value);
        const data = returns.map((r, i) => toDatum((values as readonly Input[])[i], r.type, `a result of \`${name}\``));
        return returns.length === 1 ? data[0] : data;
      },
    },
  };
  parsedSchema(op); // a text that is no schema is refused here, where it was written
  return { world: "torch", schema, op };
}

function onnxDomainOp(schema: string, fn: OnnxFunction): CustomOp {
  const [, domain, name, version = "1"] = /^([\w.-]+)::(\w+)(?:@([1-9]\d*))?$/.exec(schema) ?? [];
  if (domain === undefined || name === undefined) throw badSchema(schema);
  const full = `${domainPrefix(domain)}::${name}`;
  const op = onnxOp(full, {
    [Number(version)]: {
      *reads(_ctx, call) {
        for (const input of call.inputs) if (input instanceof Tensor) yield input;
        const attributes: Record<string, AttributeValue> = {};
        for (const key of call.attributes.names) {
          const template = call.attributes.template(key);
          if (template !== undefined) attributes[key] = template.kind === "tensor" ? (call.attributes.tensor(key) ?? []) : attributeValue(template, full);
        }
        const value = fn(call.inputs, attributes, call.outputs);
        const values: readonly Input[] = Array.isArray(value) ? value : [value];
        if (values.length < call.outputs) throw wrongCount(full, call.outputs, value);
        return values.map((v) => (v === null || v === undefined ? null : toDatum(v, T.Tensor, `a result of \`${full}\``)));
      },
    },
  });
  return { world: "onnx", domain, name, op };
}

function attributeValue(template: Template, op: string): AttributeValue {
  switch (template.kind) {
    case "int":
    case "float":
    case "str":
      return template.value;
    case "list":
      return template.items.map((item) => attributeValue(item, op));
    default:
      throw new OpwiseError("unsupported-op", `\`${op}\` has an attribute that a custom op cannot take`, {
        wanted: "numbers, strings, tensors and lists of numbers or strings",
        got: template.kind,
      });
  }
}

function badSchema(schema: string): OpwiseError {
  return new OpwiseError("bad-argument", "this is no op's schema", {
    wanted: "`acme::scale(Tensor x, float by) -> Tensor` for TorchScript, `com.acme::Scale@1` for ONNX",
    got: schema,
  });
}

function wrongCount(name: string, wanted: number, got: Input): OpwiseError {
  return new OpwiseError("bad-argument", `the function of \`${name}\` returned the wrong number of results`, {
    wanted: `an array of ${wanted}`,
    got: Array.isArray(got) ? `${got.length}` : typeof got,
  });
}

/** Makes an op known to every later load in this process. Two of one name: the later one counts. @throws bad-argument */
export function registerOp<const S extends string>(schema: S, fn: CustomFunction<S>): void {
  const op = customOp(schema, fn);
  register(op);
}
