/** The values of ONNX's onnx-data.proto as plain data: sequences, maps and optionals, as the files of ONNX's test data hold. */

import { type DecodeOptions, type Int, readSparse, readTensor, type SparseTensorProto, type TensorProto } from "./onnx-proto.ts";
import { MessageReader } from "./protobuf.ts";

export interface SequenceProto {
  readonly name: string;
  /** 1 tensor, 2 sparse tensor, 3 sequence, 4 map, 5 optional; 0 where it is not said. */
  readonly elemType: number;
  readonly tensors: readonly TensorProto[];
  readonly sparseTensors: readonly SparseTensorProto[];
  readonly sequences: readonly SequenceProto[];
  readonly maps: readonly MapProto[];
  readonly optionals: readonly OptionalProto[];
}
export interface MapProto {
  readonly name: string;
  /** A number of `TensorProto.DataType`. */
  readonly keyType: number;
  readonly keys: readonly Int[];
  readonly stringKeys: readonly Uint8Array[];
  readonly values: SequenceProto | undefined;
}
export interface OptionalProto {
  readonly name: string;
  /** As in `SequenceProto`. */
  readonly elemType: number;
  readonly tensor: TensorProto | undefined;
  readonly sparseTensor: SparseTensorProto | undefined;
  readonly sequence: SequenceProto | undefined;
  readonly map: MapProto | undefined;
  readonly optional: OptionalProto | undefined;
}

/** Decodes a SequenceProto. @throws bad-onnx, limit-exceeded */
export function decodeSequence(bytes: Uint8Array, options: DecodeOptions = {}): SequenceProto {
  return readSequence(MessageReader.open(bytes, "SequenceProto", options));
}
/** Decodes a MapProto. @throws bad-onnx, limit-exceeded */
export function decodeMap(bytes: Uint8Array, options: DecodeOptions = {}): MapProto {
  return readMap(MessageReader.open(bytes, "MapProto", options));
}
/** Decodes an OptionalProto. @throws bad-onnx, limit-exceeded */
export function decodeOptional(bytes: Uint8Array, options: DecodeOptions = {}): OptionalProto {
  return readOptional(MessageReader.open(bytes, "OptionalProto", options));
}

function readSequence(r: MessageReader): SequenceProto {
  let name = "";
  let elemType = 0;
  const tensors: TensorProto[] = [];
  const sparseTensors: SparseTensorProto[] = [];
  const sequences: SequenceProto[] = [];
  const maps: MapProto[] = [];
  const optionals: OptionalProto[] = [];
  while (r.next()) {
    switch (r.field) {
      case 1: name = r.string(); break;
      case 2: elemType = r.int32(); break;
      case 3: tensors.push(readTensor(r.message("TensorProto"))); break;
      case 4: sparseTensors.push(readSparse(r.message("SparseTensorProto"))); break;
      case 5: sequences.push(readSequence(r.message("SequenceProto"))); break;
      case 6: maps.push(readMap(r.message("MapProto"))); break;
      case 7: optionals.push(readOptional(r.message("OptionalProto"))); break;
      default:
    }
  }
  return { name, elemType, tensors, sparseTensors, sequences, maps, optionals };
}

function readMap(r: MessageReader): MapProto {
  let name = "";
  let keyType = 0;
  const keys: Int[] = [];
  const stringKeys: Uint8Array[] = [];
  let values: SequenceProto | undefined;
  while (r.next()) {
    switch (r.field) {
      case 1: name = r.string(); break;
      case 2: keyType = r.int32(); break;
      case 3: r.addInt64s(keys); break;
      case 4: stringKeys.push(r.bytes()); break;
      case 5: values = readSequence(r.message("SequenceProto")); break;
      default:
    }
  }
  return { name, keyType, keys, stringKeys, values };
}

function readOptional(r: MessageReader): OptionalProto {
  let name = "";
  let elemType = 0;
  let tensor: TensorProto | undefined;
  let sparseTensor: SparseTensorProto | undefined;
  let sequence: SequenceProto | undefined;
  let map: MapProto | undefined;
  let optional: OptionalProto | undefined;
  while (r.next()) {
    switch (r.field) {
      case 1: name = r.string(); break;
      case 2: elemType = r.int32(); break;
      case 3: tensor = readTensor(r.message("TensorProto")); break;
      case 4: sparseTensor = readSparse(r.message("SparseTensorProto")); break;
      case 5: sequence = readSequence(r.message("SequenceProto")); break;
      case 6: map = readMap(r.message("MapProto")); break;
      case 7: optional = readOptional(r.message("OptionalProto")); break;
      default:
    }
  }
  return { name, elemType, tensor, sparseTensor, sequence, map, optional };
}
