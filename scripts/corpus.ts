/**
 * `npm run corpus -- DIR [--backend NAME] [--filter TEXT] [--plans] [--json]`: runs every recorded case and every damaged file
 * under DIR. With `--plans`, each case runs three times over with planning and three times without, and has to give the same bits; where the pass `fold`
 * has something to do, numbers within the tolerance of whole models with it.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Job, runJobs } from "./runner/pool.ts";
import { finish, parseFlags, report } from "./runner/report.ts";
import { CASE_FILES } from "./runner/torch-case.ts";
import { array, type Json, object } from "./runner/value.ts";

/** Case folders below `dir`, and folders of damaged files. */
function jobsUnder(dir: string): Job[] {
  if (existsSync(join(dir, "cases.json"))) {
    const cases = array(object(JSON.parse(readFileSync(join(dir, "cases.json"), "utf8")) as Json)["cases"]).map(object);
    return cases.map((c) => ({ kind: "bad", name: String(c["file"]), path: join(dir, String(c["file"])), spec: c }));
  }
  if (existsSync(join(dir, "case.json")) && CASE_FILES.some((f) => existsSync(join(dir, f)))) return [{ kind: "torch", name: basename(dir), path: dir }];
  return readdirSync(dir, { withFileTypes: true })
    .filter((e) => e.isDirectory())
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((e) => jobsUnder(join(dir, e.name)));
}

const flags = parseFlags(process.argv.slice(2));
const [dir] = flags.positional;
if (dir === undefined || !existsSync(dir)) {
  console.error("usage: npm run corpus -- DIR [--backend cpu|tfjs|tfjs-cpu] [--filter TEXT] [--timeout SECONDS] [--workers N] [--plans] [--json]");
  process.exit(2);
}
const { filter } = flags;
const jobs = jobsUnder(dir)
  .filter((job) => filter === undefined || job.name.includes(filter))
  .flatMap((job): Job[] => (!flags.plans ? [job] : job.kind === "torch" ? [{ ...job, kind: "plan" }] : []));
const outcomes = await runJobs(jobs, { backend: flags.backend, workers: flags.workers, timeoutMs: flags.timeoutMs });
finish(report(outcomes, { json: flags.json }).failed > 0 ? 1 : 0);
