/** The package as a user gets it: built, packed into a tarball, and unpacked into the `node_modules` of a fresh folder. */

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";

export const ROOT: string = join(import.meta.dirname, "../..");

/** What every package carries besides its code. */
export const PAPERS: readonly string[] = ["README.md", "LICENSE", "CHANGELOG.md"];

/** A JSON file of the project; the caller knows its shape. */
export function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, path), "utf8"));
}

/** Runs a command and gives what it printed; its output is in the error where it fails. */
function run(command: string, args: readonly string[], cwd: string): string {
  const done = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command} ${args.join(" ")} gave ${done.status ?? "no status"}:\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

/** Package names that npm installs beside opwise: its dependencies. */
function dependencies(): string[] {
  const manifest = readJson("package.json") as { readonly dependencies?: Readonly<Record<string, string>> };
  return Object.keys(manifest.dependencies ?? {});
}

/** Builds from `src/` into `folder` and packs there, leaving the checkout alone. Gives the tarball's path. */
export function pack(folder: string): string {
  const stage = join(folder, "stage");
  mkdirSync(stage, { recursive: true });
  for (const file of ["package.json", ...PAPERS].filter((name) => existsSync(join(ROOT, name)))) cpSync(join(ROOT, file), join(stage, file));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  run(process.execPath, [tsc, "-p", join(ROOT, "tsconfig.build.json"), "--outDir", join(stage, "dist")], ROOT);
  for (const part of ["node", "page"]) run(process.execPath, ["--import", "tsx", join(ROOT, `scripts/build-${part}.ts`), join(stage, "dist", part)], ROOT);
  const name = run("npm", ["pack", "--silent", "--pack-destination", folder], stage).trim().split("\n").at(-1) ?? "";
  return join(folder, name);
}

/**
 * Unpacks the tarball into `app/node_modules/opwise` and links the dependencies from the checkout's own, so that nothing is fetched.
 */
export function install(tarball: string, app: string): string {
  const modules = join(app, "node_modules");
  const target = join(modules, "opwise");
  mkdirSync(target, { recursive: true });
  run("tar", ["-xzf", tarball, "-C", target, "--strip-components", "1"], app);
  for (const name of dependencies()) symlinkSync(join(ROOT, "node_modules", name), join(modules, name), "dir");
  return target;
}
