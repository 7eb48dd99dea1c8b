/** What the adapter can do, as `initialize` answers it. */

import type { DebugProtocol } from "@vscode/debugprotocol";

type Filter = DebugProtocol.ExceptionBreakpointsFilter;

const condition = { supportsCondition: true, conditionDescription: "a predicate on what an op gave: {absmax>1e4}" };

export const FILTERS: readonly Filter[] = [
  { filter: "nan", label: "NaN is born", description: "an op gives NaN from operands without any", default: false, ...condition },
  { filter: "inf", label: "Infinity is born", description: "an op gives an infinity from operands without any", default: false, ...condition },
  { filter: "overflow", label: "Value overflows", description: "an op gives numbers beyond what float16 holds", default: false, ...condition },
  { filter: "fallback", label: "Fallback to the cpu", description: "a call does not run on the session's backend", default: false },
  { filter: "mismatch", label: "Differs from a golden run", description: "`catch mismatch` with a trace", default: false },
  { filter: "error", label: "The model raises", description: "an error ends the run", default: true },
];

export const CAPABILITIES: DebugProtocol.Capabilities = {
  supportsConfigurationDoneRequest: true,
  supportsStepBack: true,
  supportsConditionalBreakpoints: true,
  supportsHitConditionalBreakpoints: true,
  supportsLogPoints: true,
  supportsFunctionBreakpoints: true,
  supportsDataBreakpoints: true,
  supportsInstructionBreakpoints: true,
  supportsSetVariable: true,
  supportsSetExpression: true,
  supportsRestartRequest: true,
  supportsRestartFrame: true,
  supportsGotoTargetsRequest: true,
  supportsSteppingGranularity: true,
  supportsReadMemoryRequest: true,
  supportsDisassembleRequest: true,
  supportsEvaluateForHovers: true,
  supportsValueFormattingOptions: true,
  supportsCancelRequest: true,
  supportsCompletionsRequest: true,
  completionTriggerCharacters: ["%", "."],
  supportsExceptionInfoRequest: true,
  supportsExceptionFilterOptions: true,
  supportsLoadedSourcesRequest: true,
  supportsBreakpointLocationsRequest: true,
  supportsTerminateRequest: true,
  exceptionBreakpointFilters: [...FILTERS],
};
