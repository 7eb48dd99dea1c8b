/** Dense linear algebra, gathered. Conventions are LAPACK's as PyTorch shows them: 1-based pivots, reflectors with tau, `info` codes. */

export { cholesky, choleskyInverse, choleskySolve } from "./cholesky.ts";
export { eigenGeneral, type GeneralEigen } from "./eigen-general.ts";
export { eigenSymmetric, type SymmetricEigen } from "./eigen-symmetric.ts";
export { type LdlFactors, ldlFactor, ldlSolve } from "./ldl.ts";
export { type LeastSquares, leastSquares } from "./lstsq.ts";
export { determinant, inverse, type LuFactors, luFactor, luSolve, pivotOrder, signAndLogDeterminant, solve } from "./lu.ts";
export { complexified, copyOf, corner, identity, type Matrix, multiply, transposed, zeros } from "./matrix.ts";
export { geqrf, householderProduct, ormqr, qr, type QrFactors } from "./qr.ts";
export { pseudoInverse, rank, singularValues, type Svd, svd } from "./svd.ts";
export { solveTriangular, solveTriangularRight, type TriangularOptions } from "./triangular.ts";
