// The page: starts the worker, and keeps what it answered and every breach of the page's Content-Security-Policy.

globalThis.violations = [];
addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`page: ${event.violatedDirective} ${event.blockedURI}`));

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
globalThis.answer = new Promise((resolve) => {
  worker.addEventListener("message", (event) => resolve(event.data), { once: true });
  worker.addEventListener("error", (event) => resolve({ error: `worker: ${event.message}`, results: [], violations: [] }), { once: true });
});
