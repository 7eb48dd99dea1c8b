/** Calls: what happens when a meaning is applied to arguments. */

import type { ClassType } from "../../ir/class-type.ts";
import type { Value } from "../../ir/graph.ts";
import { printType, T, type Type } from "../../ir/type.ts";
import type { Lowering } from "./lowering.ts";
import { type CallArguments, chooseOverload } from "./overload.ts";
import { memberOf } from "./members.ts";
import { type Meaning, Scope } from "./scope.ts";
import type { Span } from "./source-text.ts";

const MAGIC: Readonly<Record<string, string>> = {
  int: "__int__",
  float: "__float__",
  bool: "__bool__",
  complex: "__complex__",
  str: "__str__",
  "aten::len": "__len__",
  "aten::hex": "__hex__",
  "aten::round": "__round__",
  "prim::abs": "__abs__",
};
const CASTS: Readonly<Record<string, { readonly op: string; readonly type: Type }>> = {
  int: { op: "aten::Int", type: T.int },
  float: { op: "aten::Float", type: T.float },
  bool: { op: "aten::Bool", type: T.bool },
  complex: { op: "aten::Complex", type: T.complex },
  str: { op: "aten::str", type: T.str },
};

const onlyArgument = (call: CallArguments<Value>): Value | undefined =>
  call.args.length === 1 && call.kwargs.length === 0 && call.self === undefined ? call.args[0]?.value : undefined;

/** A call of a method of the single argument's class, as `int(x)` is `x.__int__()`. */
function magic(l: Lowering, name: string, call: CallArguments<Value>, span: Span): Meaning | undefined {
  const value = onlyArgument(call);
  const method = MAGIC[name];
  if (value === undefined || method === undefined || value.type.kind !== "Class" || !value.type.methods.has(method)) return undefined;
  return callMeaning(l, memberOf(l, { kind: "value", value }, method, span), { args: [], kwargs: [] }, span);
}

/** Makes an object and runs its `__init__`. */
function construct(l: Lowering, cls: ClassType, call: CallArguments<Value>, span: Span): Meaning {
  const object = l.one("prim::CreateObject", [], cls, span);
  const init = cls.methods.get("__init__");
  if (init !== undefined) callMeaning(l, { kind: "method", object, name: "__init__", decl: init }, call, span);
  else if (call.args.length > 0 || call.kwargs.length > 0) l.fail("bad-code", `\`${cls.name}\` has no \`__init__\``, span);
  return { kind: "value", value: object };
}

/** `fork(f, args...)`: the call becomes the block of the fork. */
function fork(l: Lowering, op: string, callee: Meaning, call: CallArguments<Value>, span: Span): Meaning {
  const saved = { scope: l.scope, returnType: l.returnType };
  l.builder.open();
  l.scope = new Scope(saved.scope);
  let result: Value;
  if (callee.kind === "closure") {
    l.scope = new Scope(callee.scope);
    l.returnType = callee.def.returns === undefined ? undefined : l.unit.typeOf(callee.def.returns, l.source);
    if (callee.def.params.length > 0) l.fail("bad-code", "the body of a fork takes no parameters", span);
    const exit = l.passes.block(l, callee.def.body);
    result = exit.value ?? l.none(span);
  } else result = l.asValue(callMeaning(l, callee, call, span), span);
  l.scope = saved.scope;
  l.returnType = saved.returnType;
  const block = l.builder.close([result]);
  const type: Type = { kind: op === "prim::fork" ? "Future" : "Await", elem: result.type };
  return { kind: "value", value: l.node(op, [], [type], span, { blocks: [block] })[0] as Value }; // one type, one result
}

/** Applies `callee`. `hint` is the type that the context wants. */
export function callMeaning(l: Lowering, callee: Meaning, call: CallArguments<Value>, span: Span, hint?: Type): Meaning {
  switch (callee.kind) {
    case "builtin": {
      if (callee.self === undefined) {
        const own = magic(l, callee.name, call, span);
        if (own !== undefined) return own;
        return l.builtin(callee.name, call, span);
      }
      return l.builtin(callee.name, { ...call, self: { type: callee.self.type, value: callee.self } }, span);
    }
    case "function": {
      if (l.owner !== undefined) l.unit.noteCall(l.owner, callee.decl);
      const operands = l.fillParams(callee.name, callee.decl, call, span);
      return { kind: "value", value: l.one("prim::CallFunction", operands, callee.decl.returns, span, { name: { kind: "str", value: callee.name } }) };
    }
    case "method":
    case "static": {
      const { decl } = callee;
      let all = call;
      if (callee.kind === "method") {
        const self = { type: callee.object.type, value: callee.object };
        if (!("graph" in decl)) {
          // An interface's method: its parameters are listed without the object.
          const operands = l.fillParams(callee.name, { params: decl.params }, call, span);
          return {
            kind: "value",
            value: l.one("prim::CallMethod", [callee.object, ...operands], decl.returns, span, { name: { kind: "str", value: callee.name } }),
          };
        }
        all = { args: [self, ...call.args], kwargs: call.kwargs };
      }
      if ("graph" in decl && l.owner !== undefined) l.unit.noteCall(l.owner, decl);
      const operands = l.fillParams(callee.name, decl, all, span);
      return { kind: "value", value: l.one("prim::CallMethod", operands, decl.returns, span, { name: { kind: "str", value: callee.name } }) };
    }
    case "type": {
      const { type } = callee;
      if (type.kind === "Class") return construct(l, type, call, span);
      if (type.kind === "NamedTuple") {
        const args = type.fields.map((name, i) => ({ name, type: type.elems[i] as Type }));
        const choice = chooseOverload([{ args, returns: [], vararg: false }], call);
        if (!("match" in choice)) return l.fail("bad-code", `\`${type.name}\` cannot be made: ${choice.join("; ")}`, span);
        const items = choice.match.operands.map((plan) => (plan === undefined ? l.none(span) : l.realise(plan, span)));
        return { kind: "value", value: l.one("prim::TupleConstruct", items, type, span) };
      }
      return l.fail("bad-code", `\`${printType(type)}\` cannot be called`, span);
    }
    case "new":
      return { kind: "value", value: l.one("prim::CreateObject", [], callee.class, span) };
    case "cast": {
      const value = onlyArgument(call);
      const target = CASTS[callee.to];
      if (target === undefined) return l.fail("internal", "unknown cast", span);
      const own = magic(l, callee.to, call, span);
      if (own !== undefined) return own;
      if (value !== undefined && value.type.kind === target.type.kind) return { kind: "value", value };
      if (callee.to === "bool" && value?.type.kind === "Class" && value.type.methods.has("__len__")) {
        return callMeaning(
          l,
          { kind: "cast", to: "bool" },
          {
            args: [
              { type: T.int, value: l.asValue(callMeaning(l, memberOf(l, { kind: "value", value }, "__len__", span), { args: [], kwargs: [] }, span), span) },
            ],
            kwargs: [],
          },
          span,
        );
      }
      return l.builtin(target.op, call, span);
    }
    case "tolist": {
      if (hint === undefined) return l.fail("bad-code", "`tolist` needs the type of its result", span, { hint: "write `annotate(List[int], x.tolist())`" });
      return { kind: "value", value: l.one("prim::tolist", [callee.tensor], hint, span) };
    }
    case "convert":
      if (call.args.length > 0 || call.kwargs.length > 0) return l.fail("bad-code", "this conversion takes no arguments", span);
      return l.callOp("aten::to", [callee.tensor, l.int(callee.dtype, span)], span);
    case "value": {
      const { type } = callee.value;
      if (type.kind === "Class") {
        const name = type.methods.has("__call__") ? "__call__" : "forward";
        return callMeaning(l, memberOf(l, callee, name, span), call, span);
      }
      if (type.kind === "Interface") return callMeaning(l, memberOf(l, callee, "forward", span), call, span);
      return l.fail("bad-code", `a value of type \`${printType(type)}\` cannot be called`, span);
    }
    case "path":
      return l.fail("bad-code", `undefined name \`${callee.path}\``, span, { hint: "the archive has no code for it" });
    default:
      return l.fail("bad-code", "this cannot be called", span);
  }
}

/** `fork(f, ...)` and `awaitable(f, ...)`. */
export function spawn(l: Lowering, form: string, callee: Meaning, call: CallArguments<Value>, span: Span): Meaning {
  return fork(l, form === "fork" ? "prim::fork" : "prim::awaitable", callee, call, span);
}
