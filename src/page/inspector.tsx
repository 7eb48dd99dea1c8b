/** The inspector: what an entry took and made, and everything known of one value. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { goTo, goToValue, showSlice, toggleBreak } from "./actions.ts";
import { bytes, count, milliseconds, numelOf, oneLine, shapeText, short, statsText } from "./format.ts";
import { Heat } from "./heat.tsx";
import { Histogram } from "./histogram.tsx";
import { headroomOf } from "./overlays.ts";
import { COPY_LIMIT, npyOf, numbersOf, numpyText } from "./numbers.ts";
import { itemBytes } from "./run-builder.ts";
import { entryName, KIND, type Run, type ValueFact } from "./run.ts";
import { chosen, counterpart, errors, inspected, pane, runs, selected, side, spoken, stepOf, stops, tree } from "./state.ts";

/** Values listed before the rest is counted. */
const SHOWN = 12;

export function Inspector(): JSX.Element {
  const subject = inspected.value;
  return (
    <section class="panel" aria-label="Inspector" id="inspector" tabIndex={-1}>
      <div class="panel-head">
        <h2>Inspector</h2>
        <span class="spring" />
        {runs.value.length > 1 && <SideSwitch />}
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="Details">
        {subject === undefined ? <p class="empty">select a row</p> : <Details run={subject.run} entry={subject.entry} value={subject.value} />}
      </div>
    </section>
  );
}

export function SideSwitch(): JSX.Element {
  return (
    <div class="group" role="group" aria-label="Which run">
      {(["A", "B", "difference"] as const).map((name) => (
        <button key={name} type="button" class="button" aria-pressed={side.value === name} onClick={() => (side.value = name)}>
          {name === "difference" ? "A−B" : name}
        </button>
      ))}
    </div>
  );
}

function Details({ run, entry, value }: { readonly run: Run; readonly entry: number; readonly value: ValueFact | undefined }): JSX.Element {
  const node = run.nodeFact(run.node[entry] ?? -1);
  const ms = run.ms[entry] ?? Number.NaN;
  const note = run.notes.get(entry);
  const place = node?.place;
  const isModule = run.kind[entry] === KIND.module || run.kind[entry] === KIND.root;
  const error = errors.value?.[selected.value] ?? Number.NaN;
  return (
    <div class="inspector">
      <div>
        <h2 class={isModule ? "" : "mono"} style={{ fontSize: "14px" }}>
          {run.label[entry]}
        </h2>
        <p class="where">
          {entryName(run, entry)}
          {run.detail[entry] === "" ? "" : ` · ${run.detail[entry] ?? ""}`}
          {!isModule && (run.path[entry] ?? "") !== "" ? ` · in ${run.path[entry] ?? ""}` : ""}
          {" · step "}
          {stepOf(selected.value)}
          {Number.isNaN(ms) ? "" : ` · ${milliseconds(ms)}`}
        </p>
        {place !== undefined && (
          <p class="where">
            <button type="button" class="link" title={place.python ?? place.record} onClick={() => (pane.value = "source")}>
              {shortPath(place.python ?? `${place.record ?? ""}:${place.line ?? 0}`)}
            </button>
            {place.text === undefined || /\(\d+\):/.test(place.text) ? "" : <span class="mono"> {place.text.trim()}</span>}
          </p>
        )}
        {note !== undefined && <p class="where warn">{note}</p>}
        {!Number.isNaN(error) && runs.value.length > 1 && (
          <p class={`where ${error > 1 ? "bad" : "good"}`}>
            {error > 1 ? "✗" : "✓"} {short(error)}× what is allowed
          </p>
        )}
        <div class="chips" style={{ marginTop: "8px" }}>
          {node !== undefined && !isModule && (
            <button type="button" class="chip" aria-pressed={stops.value?.[selected.value] === 1} onClick={() => toggleBreak(selected.value)}>
              {stops.value?.[selected.value] === 1 ? "● breakpoint" : "○ break here"}
            </button>
          )}
        </div>
      </div>
      <Values run={run} title="Takes" list={run.ins[entry] ?? []} shown={value} arrow="→" />
      <Values run={run} title="Makes" list={run.outs[entry] ?? []} shown={value} arrow="←" />
      {!isModule && (node?.attributes.length ?? 0) > 0 && (
        <div>
          <h3>Attributes</h3>
          <table class="attributes">
            <tbody>
              {node?.attributes.map(([name, text]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {value !== undefined && <Value run={run} value={value} />}
      {entry === 0 && <Facts run={run} />}
    </div>
  );
}

/** A file with the folder it is in. */
function shortPath(path: string): string {
  return path.split("/").slice(-2).join("/");
}

function Facts({ run }: { readonly run: Run }): JSX.Element {
  return (
    <div>
      <h3>This file</h3>
      <table class="attributes">
        <tbody>
          {run.facts.map(([label, text]) => (
            <tr key={label}>
              <th scope="row">{label}</th>
              <td>{text}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {run.dropped.length > 0 && <p class="where warn">left out by the recorder: {run.dropped.join("; ")}</p>}
    </div>
  );
}

function Values({
  run,
  title,
  list,
  shown,
  arrow,
}: {
  readonly run: Run;
  readonly title: string;
  readonly list: readonly number[];
  readonly shown: ValueFact | undefined;
  readonly arrow: string;
}): JSX.Element | null {
  if (list.length === 0) return null;
  const isWeight = (v: ValueFact): boolean => v.role === "weight" || (run.kind[v.maker] === KIND.data && v.shape !== undefined);
  const values = list.flatMap((index) => run.values[index] ?? []);
  const weights = values.filter(isWeight);
  const rest = values.filter((v) => !isWeight(v));
  const pick = (v: ValueFact): void => {
    chosen.value = v.index;
    spoken.value = `${v.name} ${oneLine(v)}`;
  };
  return (
    <div>
      <h3>{title}</h3>
      {rest.slice(0, SHOWN).map((v) => (
        <button key={v.index} type="button" class="value-row" aria-pressed={shown === v} onClick={() => pick(v)} onDblClick={() => goToValue(run, v.index)}>
          <span class="arrow-in" aria-hidden="true">
            {arrow}
          </span>
          <span class="vname">{v.name}</span>
          <span class="stats">{v.shape === undefined ? v.text : shapeText(v)}</span>
          <span class={nonFinite(v) > 0 ? "bad" : "muted"}>
            {nonFinite(v) > 0 ? "✶ nan/inf" : v.version !== undefined && v.version > 0 ? `~v${v.version}` : ""}
          </span>
        </button>
      ))}
      {rest.length > SHOWN && <p class="where">and {rest.length - SHOWN} more</p>}
      {weights.length > 0 && (
        <div class="chips" style={{ marginTop: "4px" }}>
          {weights.map((v) => (
            <button key={v.index} type="button" class="chip" aria-pressed={shown === v} onClick={() => pick(v)} title={oneLine(v)}>
              {run.detail[v.maker] === "" || v.maker === 0 ? v.name : run.detail[v.maker]} <span class="muted">{shapeText(v)}</span>
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

function Slices({ run, value }: { readonly run: Run; readonly value: ValueFact }): JSX.Element {
  return (
    <div class="chips" style={{ marginTop: "6px" }}>
      {value.maker > 0 && (
        <button type="button" class="chip" onClick={() => showSlice(run, value.index, "back")}>
          ↑ what leads here
        </button>
      )}
      {value.users.length > 0 && (
        <button type="button" class="chip" onClick={() => showSlice(run, value.index, "forth")}>
          ↓ what follows
        </button>
      )}
    </div>
  );
}

function nonFinite(v: ValueFact): number {
  return v.health === undefined ? 0 : v.health.nan + v.health.posInf + v.health.negInf;
}

function Value({ run, value }: { readonly run: Run; readonly value: ValueFact }): JSX.Element {
  const other = counterpart.value;
  const isDifference = side.value === "difference" && other !== undefined;
  const names = (index: number): string => run.values[index]?.name ?? "";
  return (
    <>
      <div>
        <h3>
          Value <span class="mono">{value.name}</span>
          <span class="spring" />
          {value.blob !== undefined && <Actions run={run} value={value} />}
        </h3>
        <p class="line-form">{oneLine(value, names)}</p>
        {other !== undefined && (
          <p class="line-form" style={{ marginTop: "4px" }}>
            <b class="mark-b">other </b>
            {oneLine(other.value)}
          </p>
        )}
        <Slices run={run} value={value} />
      </div>
      {value.health !== undefined && <HealthTable value={value} other={isDifference ? other.value : undefined} />}
      {value.health !== undefined && value.health.std !== undefined && (
        <div>
          <h3>Magnitudes</h3>
          <Histogram health={value.health} other={other?.value.health} />
        </div>
      )}
      {value.shape !== undefined && numelOf(value.shape) > 0 && (
        <div>
          <h3>Numbers{isDifference ? " A−B" : ""}</h3>
          {value.blob === undefined ? (
            <p class="muted">{value.health === undefined ? "not recorded" : "only statistics were recorded; record with --values full to see the numbers"}</p>
          ) : (
            <Heat own={{ run, value }} other={other} />
          )}
        </div>
      )}
      <History run={run} value={value} />
    </>
  );
}

function Actions({ run, value }: { readonly run: Run; readonly value: ValueFact }): JSX.Element {
  const said = useSignal("");
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(numpyText(await numbersOf(run, value)));
    said.value = "copied";
    spoken.value = `${value.name} copied as NumPy`;
  };
  const save = async (): Promise<void> => {
    const link = document.createElement("a");
    const file = npyOf(await numbersOf(run, value));
    link.href = URL.createObjectURL(new Blob([file.slice().buffer], { type: "application/octet-stream" }));
    link.download = `${value.name.replaceAll(/[^\w.-]+/g, "")}.npy`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  const fail = (error: unknown): void => {
    said.value = error instanceof Error ? error.message : String(error);
  };
  const isSmall = numelOf(value.shape) <= COPY_LIMIT;
  return (
    <span class="plain">
      {said.value !== "" && <span class="muted">{said.value} </span>}
      <button
        type="button"
        class="link"
        disabled={!isSmall}
        title={isSmall ? "Copy as a NumPy array" : `only up to ${count(COPY_LIMIT)} elements`}
        onClick={() => {
          copy().catch(fail);
        }}
      >
        Copy as NumPy
      </button>
      {" · "}
      <button
        type="button"
        class="link"
        onClick={() => {
          save().catch(fail);
        }}
      >
        Save .npy
      </button>
    </span>
  );
}

function HealthTable({ value, other }: { readonly value: ValueFact; readonly other: ValueFact | undefined }): JSX.Element {
  const h = value.health;
  const o = other?.health;
  if (h === undefined) return <></>;
  const room = headroomOf(value);
  const gap = (own: number | undefined, theirs: number | undefined): string =>
    own === undefined ? "–" : o === undefined || theirs === undefined ? short(own) : short(own - theirs);
  const cells: readonly (readonly [string, string, string?])[] = [
    ["min", gap(h.min, o?.min)],
    ["max", gap(h.max, o?.max)],
    ["mean", gap(h.mean, o?.mean)],
    ["std", gap(h.std, o?.std)],
    ["zeros", h.n === 0 ? "0" : `${Math.round((100 * h.zero) / h.n)}%`],
    ["negative", h.n === 0 ? "0" : `${Math.round((100 * h.neg) / h.n)}%`],
    ["nan", count(h.nan), h.nan > 0 ? "bad" : ""],
    ["±inf", count(h.posInf + h.negInf), h.posInf + h.negInf > 0 ? "bad" : ""],
    ["elements", count(h.n)],
    ["bytes", bytes(numelOf(value.shape) * itemBytes(value.dtype))],
    ["subnormal", count(h.subnormal)],
    ["headroom", room === undefined ? "–" : `${Math.floor(room)} bin.`, room !== undefined && room < 1 ? "bad" : ""],
  ];
  return (
    <div>
      <h3>Health{o === undefined ? "" : " A−B"}</h3>
      <dl class="stats-grid">
        {cells.map(([label, text, tone]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd class={tone ?? ""}>{text}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** Versions of the storage, views of it, and who takes the value. */
function History({ run, value }: { readonly run: Run; readonly value: ValueFact }): JSX.Element {
  const same = value.storage === undefined ? [] : run.values.filter((v) => v.storage === value.storage && v.shape !== undefined);
  const versions = same.filter((v, i) => same.findIndex((w) => w.version === v.version) === i);
  const views = same.filter((v) => v !== value && v.version === value.version);
  const t = tree.value;
  const toTree = (entry: number): number => (run === runs.value[1] ? t?.ofB : t?.ofA)?.[entry] ?? 0;
  return (
    <>
      {versions.length > 1 && (
        <div>
          <h3>Written</h3>
          <div class="chips">
            {versions.map((v) => (
              <button
                key={v.index}
                type="button"
                class="chip"
                aria-pressed={v.version === value.version}
                onClick={() => goToValue(run, v.index)}
                title={statsText(v)}
              >
                ~v{v.version ?? 0}{" "}
                <span class="muted">
                  step {v.t} {entryName(run, v.maker)}
                </span>
              </button>
            ))}
          </div>
        </div>
      )}
      {views.length > 0 && (
        <div>
          <h3>Same storage</h3>
          <div class="chips">
            {views.slice(0, SHOWN).map((v) => (
              <button key={v.index} type="button" class="chip" onClick={() => goToValue(run, v.index)}>
                {v.name} <span class="muted">{shapeText(v)}</span>
              </button>
            ))}
            {views.length > SHOWN && <span class="muted">and {views.length - SHOWN} more</span>}
          </div>
        </div>
      )}
      {value.users.length > 0 && (
        <div>
          <h3>Taken by</h3>
          <div class="chips">
            {value.users.slice(0, SHOWN).map((user) => (
              <button key={user} type="button" class="chip" onClick={() => goTo(toTree(user))}>
                {entryName(run, user)} <span class="muted">{run.label[user]}</span>
              </button>
            ))}
            {value.users.length > SHOWN && <span class="muted">and {value.users.length - SHOWN} more</span>}
          </div>
        </div>
      )}
      {value.shape !== undefined && value.strides !== undefined && (
        <p class="where">
          strides [{value.strides.join(", ")}]{value.storage === undefined ? "" : `, storage ${value.storage}~${value.version ?? 0}`}
          {value.hash === undefined ? "" : `, hash ${value.hash.slice(0, 16)}`}
        </p>
      )}
    </>
  );
}
