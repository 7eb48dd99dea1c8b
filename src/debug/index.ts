/**
 * opwise/debug: what a run does, op by op. Each feature is a function that returns plain data; printers are functions of their own.
 *
 *     const { trace, run } = await record(session, { args: [x] });
 *     for (const e of run.executions) console.log(run.node(e.node).op, e.ms);
 */

export {
  graphOf,
  numberingOf,
  placeOf,
  sourceOf,
  type GraphBlock,
  type GraphFunction,
  type GraphNode,
  type GraphValue,
  type GraphWeight,
  type Numbering,
  type TraceGraph,
} from "./graph.ts";
export type { BlobRef, ErrorJson, EventOf, Health, NodeId, SourceRange, Step, StorageId, TensorFacts, Tier, TraceEvent, ValueId, ValueRef } from "./events.ts";
export { decodeBins, exponentRange, headroomOf, healthOf, healthOfElements, type Headroom } from "./health.ts";
export { hashBytes } from "./hash.ts";
export { healthText, shortNumber, tensorLine, typeText } from "./tensor-line.ts";
export { longDtype, shortDtype } from "./elements.ts";
export { plainText, tensorsIn } from "./plain.ts";
export { contentKey } from "./content.ts";
export { Recorder } from "./recorder.ts";
export type { KeptStorage, RecorderOptions, Sink } from "./sink.ts";
export { factsOf } from "./storage-book.ts";
export { errorJson } from "./error-json.ts";
export { manifestOf, MemoryTrace, record, TOOL, type Recording, type RecordOptions, type RunInputs } from "./record.ts";
export {
  placeOfExecution,
  readRun,
  runOf,
  tensorOf,
  type Execution,
  type FrameRecord,
  type Trace,
  type TraceCounts,
  type TraceManifest,
  type TraceRun,
  type ValueRecord,
} from "./trace.ts";
export { parseRunSpec, printRunSpec, type RunSpec } from "./run-spec.ts";
export { recordBytes, recordTo, type WrittenRecording } from "./file/writer.ts";
export { openTrace, TRACE_LIMITS, type TraceLimits } from "./file/reader.ts";
export { repairTrace, type Repaired } from "./file/repair.ts";
export { SCHEMAS } from "./file/schemas.ts";
export type { JsonSchema } from "./file/json-schema.ts";
export type { NodeSummary, TraceIndex } from "./trace-index.ts";
export { MemoryBytes, type ByteSink } from "../bytes/zip-writer.ts";
export { fileBytes } from "../bytes/file.ts";
export { FACTS, parseSelector, printSelector, valueSelector, type Literal, type Predicate, type Selector } from "./selector.ts";
export {
  candidateOf,
  matches,
  matchesOp,
  needsRun,
  primsOf,
  selectExecutions,
  selectNodes,
  selectValues,
  subjectOf,
  suggestions,
  type Candidate,
  type NodeMatch,
  type Subject,
  type Verdict,
} from "./match.ts";
export {
  bisectExit,
  EXIT,
  exitOf,
  junitXml,
  markdownTable,
  resultJson,
  sarif,
  textTable,
  type Exit,
  type Finding,
  type ResultCase,
  type ResultSuite,
} from "./results.ts";
export {
  attributesText,
  baseOf,
  bytesText,
  executionText,
  histogramText,
  nodeName,
  nodeText,
  placeText,
  summaryText,
  valueLine,
  valueText,
} from "./trace-text.ts";
export { fallbacksOf, profile, selfTimes, timesByNode, type Profile, type ProfileBy, type ProfileOptions, type ProfileRow, type Times } from "./profile.ts";
export { measureRoofline, type Roofline } from "./roofline.ts";
export { memoryOf, type MemoryUse, type StorageLife } from "./memory.ts";
export { sizesOf, type Sizes, type WeightSize } from "./sizes.ts";
export { chromeTrace, foldedStacks, type ChromeEvent, type ChromeTrace } from "./exports.ts";
export { memoryText, planText, profileMarkdown, profileText, sizesText } from "./profile-text.ts";
export { batched, copies, firstDifference, repeat, type Difference, type RepeatOptions, type Repetition, type Variant } from "./repeat.ts";
export { checkRun, checkText, keeps, parseChecks, unmatchedChecks, type Check, type CheckFailure, type CheckReport } from "./checks.ts";
export { isSampled, on, watchChecks, type ListenOptions } from "./listen.ts";
export { moduleTree, moduleTreeText, nodeSourceText, sourceFiles, sourceText, type ModuleTree, type SourceFile, type SourceLine } from "./source-view.ts";
export { rewriteTrace, type StripOptions } from "./strip.ts";
export { reportHtml, type PageText, type ReportTrace } from "./report.ts";
export { debug, type DebugStop, type StoppedValue } from "./debug.ts";
export { Debugger, type DebugOptions, type Reason, type StepKind, type Stop } from "./debugger.ts";
export { CATCH_KINDS, type CatchKind } from "./catcher.ts";
export { type Answer, command, completions, repeats, type Surroundings } from "./commands.ts";
export { callsText, lineOf, sourceLines, stopJson, stopText } from "./stop-text.ts";
export { type Action, Timeline, type TimelineOptions } from "./timeline.ts";
export { type HistoryFacts } from "./history.ts";
export { type Birth, findNonFinite, type NodeExecution, type NonFiniteOptions, type NonFiniteReport, type Warning } from "./non-finite.ts";
export { type Cause, type CauseKind } from "./non-finite-cause.ts";
export { isHarmful, nonFiniteText } from "./non-finite-text.ts";
export { type DeadNode, deadNodes, deadText } from "./dead-code.ts";
export { type Explanation, type Term, why, whyOf, whyText } from "./why.ts";
export { type Change, type OutputChange, sweep, type SweepRow, whatIf, type WhatIfOptions, type WhatIfReport } from "./what-if.ts";
export { sweepText, whatIfText } from "./what-if-text.ts";
export { Adapter, type AdapterHost, type LaunchArguments, type RunArguments } from "./dap/adapter.ts";
export { frameMessage, MessageReader } from "./dap/framing.ts";
export { type PrimitiveCall, primitiveCalls, primitiveText } from "./primitives.ts";
export { record as recordTape, type Execution as TapeExecution, type Tape, type TapeOptions } from "./compare/tape.ts";
export { ownInputs } from "./compare/inputs.ts";
export { compareTapes, type CompareOptions, type Comparison } from "./compare/compare.ts";
export { comparisonExit, comparisonFindings, comparisonJson, comparisonMarkdown, comparisonSuite, comparisonText } from "./compare/compare-text.ts";
export type { Detail, Place, Row, Verdict as CompareVerdict } from "./compare/verdict.ts";
export { Judge, type Judgement, type Override, type Profile as BudgetProfile } from "./compare/budget.ts";
export { parseTolerances } from "./compare/tolerances.ts";
export { executionsOf } from "./compare/select.ts";
export { ddmin, type Ddmin } from "./reduce/ddmin.ts";
export { reduce, reductionText, type ReduceOptions, type Reduction } from "./reduce/reduce.ts";
export { readCase, writeCase, type CaseFailure, type CaseFile } from "./reduce/case-file.ts";
export { checkCase, type CaseCheck } from "./reduce/check.ts";
export { caseAsPython, caseAsTest } from "./reduce/emit.ts";
export { tensorsIn as tapeTensors } from "./compare/tape.ts";
export { bisect, bisectComposites, bisectNodes, bisectPrecision, bisectionText, type Bisection, type BisectOptions, type Suspect } from "./reduce/bisect.ts";
export { PASSES, type PassName, ROUNDING } from "../run/plan/passes.ts";
export { metricsOf, relativeError, type Metrics } from "./compare/metrics.ts";
export { PYTORCH_RECORDER } from "./goldens/script.ts";
export { tapeOfGoldens } from "./goldens/goldens.ts";
export { instrument, type Instrumented, type Probe } from "./goldens/instrument.ts";
export { diffGraphs, diffText, type GraphDiff } from "./compare/structure.ts";
