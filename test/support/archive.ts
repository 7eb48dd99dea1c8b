/** Tiny models made in memory: TorchScript archives of program text, ONNX graphs of one node. */

import { zipSync } from "fflate";
import { MessageWriter } from "../../src/bytes/protobuf-writer.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Pickled attributes: strings, booleans, small non-negative ints, devices, tensors of float32, modules of a class of the archive. */
export type Attribute =
  | string
  | number
  | boolean
  | Tensor
  | { readonly device: string; readonly index: number }
  | { readonly module: string; readonly attributes: Readonly<Record<string, Attribute>> };

/** @param storages gets the bytes of tensors, in the order of their keys */
function pickled(attributes: Readonly<Record<string, Attribute>>, storages: Uint8Array[]): Uint8Array {
  const out: number[] = [0x80, 2];
  const put = (text: string): void => void out.push(...utf8(text));
  const int = (value: number): void => void out.push(0x4a, value & 255, (value >> 8) & 255, (value >> 16) & 255, value >> 24);
  const tuple = (values: readonly number[]): void => {
    put("(");
    for (const value of values) int(value);
    put("t");
  };
  const write = (value: Attribute): void => {
    if (typeof value === "boolean") out.push(value ? 0x88 : 0x89);
    else if (typeof value === "number") out.push(0x4b, value);
    else if (typeof value === "string") out.push(0x58, value.length, 0, 0, 0, ...utf8(value));
    else if ("device" in value && "index" in value) {
      put("ctorch\ndevice\n(");
      write(value.device);
      write(value.index);
      put("tR");
    } else if ("module" in value) module(value.module, value.attributes);
    else {
      put("ctorch._utils\n_rebuild_tensor_v2\n((");
      write("storage");
      put("ctorch\nFloatStorage\n");
      write(String(storages.length));
      write("cpu");
      int(value.numel);
      put("tQK\0");
      tuple(value.shape);
      tuple(value.strides);
      out.push(0x89);
      put("ccollections\nOrderedDict\n)RtR");
      const { buffer, byteOffset, byteLength } = value.data;
      storages.push(new Uint8Array(buffer, byteOffset, byteLength));
    }
  };
  const module = (name: string, members: Readonly<Record<string, Attribute>>): void => {
    put(`c__torch__\n${name}\n`);
    out.push(0x29, 0x81, 0x7d, 0x28);
    for (const [key, value] of Object.entries(members)) {
      write(key);
      write(value);
    }
    out.push(0x75, 0x62);
  };
  module("Net", attributes);
  return Uint8Array.from([...out, 0x2e]);
}

/** An archive whose root is `__torch__.Net` of the given class text, with attributes. */
export function scriptArchive(code: string, attributes: Readonly<Record<string, Attribute>> = {}): Uint8Array {
  const storages: Uint8Array[] = [];
  const records: Readonly<Record<string, Uint8Array>> = {
    "data.pkl": pickled(attributes, storages),
    "constants.pkl": Uint8Array.of(0x80, 2, 0x29, 0x2e),
    version: utf8("3\n"),
    "code/__torch__.py": utf8(code),
    ...Object.fromEntries(storages.map((bytes, i) => [`data/${i}`, bytes])),
  };
  return zipSync(Object.fromEntries(Object.entries(records).map(([name, bytes]): [string, Uint8Array] => [`net/${name}`, bytes])), { level: 0 });
}

/** An ONNX model of one node: float inputs `x0`, `x1`…, outputs `y0`, `y1`…, one int and one float attribute. */
export function onnxNode(domain: string, op: string, inputs: number, outputs: number, attributes: { readonly count: number; readonly by: number }): Uint8Array {
  const float = (name: string) => (w: MessageWriter) => w.string(1, name).message(2, (type) => type.message(1, (tensor) => tensor.int(1, 1)));
  return new MessageWriter()
    .int(1, 8)
    .message(7, (graph) => {
      graph.message(1, (node) => {
        for (let i = 0; i < inputs; i++) node.string(1, `x${i}`);
        for (let i = 0; i < outputs; i++) node.string(2, `y${i}`);
        node.string(4, op);
        node.message(5, (a) => a.string(1, "count").int(3, attributes.count).int(20, 2));
        node.message(5, (a) => a.string(1, "by").float(2, attributes.by).int(20, 1));
        node.string(7, domain);
      });
      graph.string(2, "g");
      for (let i = 0; i < inputs; i++) graph.message(11, float(`x${i}`));
      for (let i = 0; i < outputs; i++) graph.message(12, float(`y${i}`));
    })
    .message(8, (o) => o.string(1, "").int(2, 17))
    .message(8, (o) => o.string(1, domain).int(2, 2))
    .finish();
}

/** A node of `onnxGraph`; attributes are strings or ints. */
export interface GraphNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number | string>>;
}

/** An ONNX model of nodes over float inputs and weights. */
export function onnxGraph(
  nodes: readonly GraphNode[],
  inputs: readonly string[],
  outputs: readonly string[],
  weights: ReadonlyMap<string, Tensor>,
): Uint8Array {
  const float = (name: string) => (w: MessageWriter) => w.string(1, name).message(2, (type) => type.message(1, (tensor) => tensor.int(1, 1)));
  return new MessageWriter()
    .int(1, 8)
    .message(7, (graph) => {
      for (const { op, inputs, outputs, attributes } of nodes) {
        graph.message(1, (node) => {
          for (const name of inputs) node.string(1, name);
          for (const name of outputs) node.string(2, name);
          node.string(4, op);
          for (const [name, value] of Object.entries(attributes ?? {})) {
            node.message(5, (a) =>
              typeof value === "number" ? a.string(1, name).int(3, value).int(20, 2) : a.string(1, name).bytes(4, utf8(value)).int(20, 3),
            );
          }
        });
      }
      graph.string(2, "g");
      for (const [name, tensor] of weights) {
        graph.message(5, (w) => {
          for (const size of tensor.shape) w.int(1, size);
          const { buffer, byteOffset, byteLength } = tensor.data;
          w.int(2, 1)
            .string(8, name)
            .bytes(9, new Uint8Array(buffer, byteOffset, byteLength));
        });
      }
      for (const name of inputs) graph.message(11, float(name));
      for (const name of outputs) graph.message(12, float(name));
    })
    .message(8, (o) => o.string(1, "").int(2, 17))
    .finish();
}

/** Codes of ONNX's dtypes. */
const ONNX_DTYPES = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const;

export interface OnnxParts {
  readonly inputs: Readonly<Record<string, keyof typeof ONNX_DTYPES>>;
  readonly weights: Readonly<Record<string, { readonly dtype: keyof typeof ONNX_DTYPES; readonly shape: readonly number[]; readonly bytes: Uint8Array }>>;
  /** In the order in which they run; attributes are ints and lists of ints. */
  readonly nodes: readonly {
    readonly op: string;
    readonly domain?: string;
    readonly inputs: readonly string[];
    readonly output: string;
    readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
  }[];
  readonly outputs: Readonly<Record<string, keyof typeof ONNX_DTYPES>>;
}

/** An ONNX model of a few nodes with weights. */
export function onnxModel({ inputs, weights, nodes, outputs }: OnnxParts): Uint8Array {
  const value = (name: string, dtype: keyof typeof ONNX_DTYPES) => (w: MessageWriter) =>
    w.string(1, name).message(2, (type) => type.message(1, (tensor) => tensor.int(1, ONNX_DTYPES[dtype])));
  return new MessageWriter()
    .int(1, 8)
    .message(7, (graph) => {
      for (const { op, domain = "", inputs: from, output, attributes = {} } of nodes)
        graph.message(1, (node) => {
          for (const name of from) node.string(1, name);
          node.string(2, output).string(4, op).string(7, domain);
          for (const [name, number] of Object.entries(attributes))
            node.message(5, (a) => {
              a.string(1, name);
              if (typeof number === "number") a.int(3, number).int(20, 2);
              else for (const one of number) a.int(8, one);
              if (typeof number !== "number") a.int(20, 7);
            });
        });
      graph.string(2, "g");
      for (const [name, { dtype, shape, bytes }] of Object.entries(weights))
        graph.message(5, (t) => {
          for (const size of shape) t.int(1, size);
          t.int(2, ONNX_DTYPES[dtype]).string(8, name).bytes(9, bytes);
        });
      for (const [name, dtype] of Object.entries(inputs)) graph.message(11, value(name, dtype));
      for (const [name, dtype] of Object.entries(outputs)) graph.message(12, value(name, dtype));
    })
    .message(8, (o) => o.string(1, "").int(2, 17))
    .message(8, (o) => o.string(1, "com.microsoft").int(2, 1))
    .finish();
}
