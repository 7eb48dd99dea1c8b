/** Names of ONNX domains. Apart from the schemas, which are large. */

/** `ai.onnx` and the empty text are one domain; the empty text is its normal form. */
export function normalDomain(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}

/** How the IR writes a domain before `::`: `onnx` for the standard's own. */
export function domainPrefix(domain: string): string {
  return domain === "" || domain === "ai.onnx" ? "onnx" : domain;
}
