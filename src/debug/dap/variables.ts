/** Values as an editor's tree of variables: shape before numbers, pages instead of whole tensors. */

import type { DebugProtocol } from "@vscode/debugprotocol";
import type { Datum } from "../../ir/datum.ts";
import { Tensor, viewOf } from "../../tensor/tensor.ts";
import type { Debugger } from "../debugger.ts";
import { healthOf } from "../health.ts";
import { elementAt } from "../element-at.ts";
import { lineOf } from "../stop-text.ts";
import { plainText } from "../plain.ts";
import { typeText } from "../tensor-line.ts";

type Variable = DebugProtocol.Variable;

/** Children that are sent where a client names no page. */
const PAGE = 100;

/** What a reference in a client's tree stands for; valid until the run moves. */
export interface Holder {
  readonly children: (start: number, count: number, filter: "indexed" | "named" | undefined) => Variable[];
  /** The expression that sets a child by its name; undefined where it cannot be set. */
  readonly target: (name: string) => string | undefined;
  /** The call that expressions are looked up in. */
  readonly frame: number;
}

export class Variables {
  readonly #debug: Debugger;
  #holders: Holder[] = [];
  #memory = new Map<string, Tensor>();

  constructor(debug: Debugger) {
    this.#debug = debug;
  }

  /** The run has moved: references mean nothing any more. */
  reset(): void {
    this.#holders = [];
    this.#memory = new Map();
  }

  get(reference: number): Holder | undefined {
    return this.#holders[reference - 1];
  }
  hold(holder: Holder): number {
    return this.#holders.push(holder);
  }

  /** A list of variables under one reference. `expressions`: how each is set. */
  list(frame: number, variables: readonly { readonly name: string; readonly value: Datum; readonly expression: string | undefined }[]): number {
    return this.hold({
      frame,
      children: (start, count) =>
        variables
          .slice(start, start + (count > 0 ? count : variables.length))
          .map(({ name, value, expression }) => this.variable(name, value, expression, frame)),
      target: (name) => variables.find((v) => v.name === name)?.expression,
    });
  }

  /** Lines of text under one reference. */
  lines(frame: number, lines: readonly (readonly [string, string])[]): number {
    return this.hold({ frame, children: () => lines.map(([name, value]) => ({ name, value, variablesReference: 0 })), target: () => undefined });
  }

  variable(name: string, value: Datum, expression: string | undefined, frame: number): Variable {
    const named = expression === undefined ? {} : { evaluateName: expression };
    if (value instanceof Tensor) {
      const memoryReference = this.#remember(value);
      const size = value.shape[0] ?? 0;
      return {
        name,
        value: lineOf(this.#debug, value, name.replace(/^%/, "")),
        type: typeText(value),
        ...named,
        memoryReference,
        variablesReference: this.hold(this.#tensor(value, expression, frame)),
        indexedVariables: value.rank === 0 ? 0 : size,
        namedVariables: 4,
      };
    }
    const children = this.#children(value, expression, frame);
    return {
      name,
      value: plainText(value),
      type: typeOf(value),
      ...named,
      variablesReference: children === undefined ? 0 : this.hold(children.holder),
      ...(children?.indexed === undefined ? {} : { indexedVariables: children.indexed }),
    };
  }

  #remember(tensor: Tensor): string {
    const key = `storage:${this.#debug.writes.idOf(tensor.storage)}`;
    this.#memory.set(key, tensor);
    return key;
  }
  /** A tensor whose storage a memory reference names. */
  memory(reference: string): Tensor | undefined {
    return this.#memory.get(reference);
  }

  /** Statistics, then the numbers: a page of the first axis. */
  #tensor(tensor: Tensor, expression: string | undefined, frame: number): Holder {
    const facts = (): Variable[] => {
      const plain = (name: string, value: string): Variable => ({
        name,
        value,
        variablesReference: 0,
        presentationHint: { kind: "property", attributes: ["readOnly"] },
      });
      const health = tensor.storage.onHost ? healthOf(tensor, tensor.storage.bytes()) : undefined;
      const stats =
        health === undefined
          ? "on a device"
          : Object.entries(health)
              .flatMap(([key, v]) => (key === "bins" ? [] : [`${key} ${typeof v === "number" ? Number(v.toPrecision(6)) : v}`]))
              .join("  ");
      return [
        plain("shape", `[${tensor.shape.join(", ")}]`),
        plain("strides", `[${tensor.strides.join(", ")}] + ${tensor.offset}`),
        plain("statistics", stats),
        plain("storage", `#${this.#debug.writes.idOf(tensor.storage)}, ${tensor.storage.nbytes} bytes, version ${tensor.storage.version}`),
      ];
    };
    const at = (i: number): string | undefined => (expression === undefined ? undefined : `${expression}[${i}]`);
    const element = (i: number): Variable => {
      if (tensor.rank === 1) {
        const own = at(i);
        return {
          name: `[${i}]`,
          value: tensor.storage.onHost ? String(elementAt(tensor, [i])) : "on a device",
          type: tensor.dtype,
          ...(own === undefined ? {} : { evaluateName: own }),
          variablesReference: 0,
        };
      }
      const part = viewOf(tensor, tensor.shape.slice(1), tensor.strides.slice(1), tensor.offset + i * (tensor.strides[0] ?? 0));
      return { ...this.variable(`[${i}]`, part, at(i), frame) };
    };
    return {
      frame,
      children: (start, count, filter) => {
        const size = tensor.rank === 0 ? 0 : (tensor.shape[0] ?? 0);
        const end = Math.min(size, start + (count > 0 ? Math.min(count, 10 * PAGE) : PAGE));
        const elements = filter === "named" ? [] : Array.from({ length: Math.max(end - start, 0) }, (_, i) => element(start + i));
        return filter === "indexed" ? elements : [...facts(), ...elements];
      },
      target: (name) => {
        const index = /^\[(\d+)\]$/.exec(name)?.[1];
        return index === undefined || expression === undefined ? undefined : `${expression}[${index}]`;
      },
    };
  }

  #children(value: Datum, expression: string | undefined, frame: number): { readonly holder: Holder; readonly indexed?: number } | undefined {
    if (typeof value !== "object" || value === null || value instanceof Tensor) return undefined;
    const of = (entries: readonly { readonly name: string; readonly value: Datum; readonly path: string | undefined }[]): Holder => ({
      frame,
      children: (start, count) => entries.slice(start, start + (count > 0 ? count : PAGE)).map((e) => this.variable(e.name, e.value, e.path, frame)),
      target: (name) => entries.find((e) => e.name === name)?.path,
    });
    const path = (suffix: string): string | undefined => (expression === undefined ? undefined : `${expression}${suffix}`);
    switch (value.kind) {
      case "list":
      case "tuple":
        return { holder: of(value.items.map((item, i) => ({ name: `[${i}]`, value: item, path: path(`[${i}]`) }))), indexed: value.items.length };
      case "dict":
        return { holder: of([...value.entries.values()].map(([key, item]) => ({ name: plainText(key), value: item, path: path(`[${plainText(key)}]`) }))) };
      case "instance":
        return {
          holder: of(
            value.class.attributes.map((attribute, slot) => ({ name: attribute.name, value: value.slots[slot] ?? null, path: path(`.${attribute.name}`) })),
          ),
        };
      default:
        return undefined;
    }
  }
}

function typeOf(value: Datum): string {
  if (value === null) return "None";
  return typeof value === "object" && "kind" in value ? value.kind : typeof value;
}
