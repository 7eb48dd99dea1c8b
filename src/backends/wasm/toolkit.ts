/**
 * What the extension has of the rest of the backend, and of the packages below. It is handed over instead of imported: bundlers put modules that two parts import
 * into files of their own, and a page that never needs the extension would fetch two kilobytes more.
 */

export { operandsOf, reachable } from "../../expr/expr.ts";
export { schedule } from "../../expr/schedule.ts";
export { convolveOperands } from "../../prims/call.ts";
export { dtypeInfo } from "../../tensor/dtype.ts";
export { unreachable } from "../../tensor/error.ts";
export { isContiguous, numelOf } from "../../tensor/shape.ts";
export { ArgumentBlock, emitLoops } from "./arguments.ts";
export { advance, FLOAT, multiplyAdd, SPILL, storeLanes } from "./emit.ts";
export { flattened } from "./epilogue.ts";
export { COLUMNS, DEPTH, emitPack, emitTranspose4, ROWS } from "./gemm.ts";
export { kernelModule } from "./dense.ts";
export { multiplyPanels, packInPanels, tallOf } from "./panels.ts";
export { geometryOf, pair, Tables, writeWords } from "./planes.ts";
export { DIVIDE } from "./pool.ts";
export { padded } from "./products.ts";
export { evenly, inRanges } from "./ranges.ts";
export { PANEL, TOGETHER } from "./vector-product.ts";
export { ARITHMETIC, COMPARE, UNARY } from "./vector.ts";
