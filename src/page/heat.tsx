/** A value's numbers: heatmap with an axis picker, grid of channels, picture, or a table; of A, of B, or of their difference. */

import { useSignal, useSignalEffect, type Signal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { count, short } from "./format.ts";
import { defaultAxes, elementAt, indexOf, layoutOf, MAX_SIDE, paint, paintRgb, scaleOf, sizeOf, type Axes, type HeatMode, type Layout } from "./heat-pixels.ts";
import { numbersOf, type Numbers } from "./numbers.ts";
import type { Run, ValueFact } from "./run.ts";
import { side } from "./state.ts";

type View = HeatMode | "numbers";

export interface Subject {
  readonly run: Run;
  readonly value: ValueFact;
}

/** What is drawn: numbers, and whether they are a difference. */
interface Drawn {
  readonly numbers: Numbers;
  readonly isDifference: boolean;
}

/** Numbers of what the side switch asks for. */
async function load(own: Subject, other: Subject | undefined, isDifference: boolean): Promise<Drawn> {
  const numbers = await numbersOf(own.run, own.value);
  if (!isDifference || other === undefined) return { numbers, isDifference: false };
  const second = await numbersOf(other.run, other.value);
  if (second.data.length !== numbers.data.length) throw new Error("the two values differ in shape");
  const data = Float64Array.from(numbers.data, (x, i) => x - (second.data[i] ?? 0));
  return { numbers: { ...numbers, data }, isDifference: true };
}

export function Heat({ own, other }: { readonly own: Subject; readonly other: Subject | undefined }): JSX.Element {
  const drawn = useSignal<Drawn | undefined>(undefined);
  const fault = useSignal<string | undefined>(undefined);
  const view = useSignal<View>("matrix");
  const axes = useSignal<Axes | undefined>(undefined);
  const shape = own.value.shape ?? [];
  const isDifference = side.value === "difference";
  const wanted = useSignal({ own, other, isDifference });
  if (wanted.peek().own.value !== own.value || wanted.peek().isDifference !== isDifference) wanted.value = { own, other, isDifference };
  useSignalEffect(() => {
    const question = wanted.value;
    fault.value = undefined;
    const take = async (): Promise<void> => {
      const answer = await load(question.own, question.other, question.isDifference);
      if (wanted.peek() !== question) return; // another value is looked at by now
      drawn.value = answer;
      axes.value = defaultAxes(answer.numbers.shape, view.peek() === "numbers" ? "matrix" : (view.peek() as HeatMode)); // "numbers" is told apart
    };
    take().catch((error: unknown) => {
      if (wanted.peek() === question) fault.value = error instanceof Error ? error.message : String(error);
    });
  });
  const isImage = shape.length >= 3 && (shape.at(-3) === 3 || (shape.length === 4 && shape[3] === 3));
  const setView = (to: View): void => {
    view.value = to;
    if (to !== "numbers") axes.value = defaultAxes(shape, to);
  };
  const views: readonly (readonly [View, string, boolean])[] = [
    ["matrix", "Heatmap", true],
    ["channels", "Channels", shape.length >= 3],
    ["image", "Image", isImage],
    ["numbers", "Numbers", true],
  ];
  return (
    <div>
      <div class="axes" role="tablist" aria-label="How to show the numbers">
        {views
          .filter(([, , isThere]) => isThere)
          .map(([name, label]) => (
            <button key={name} type="button" role="tab" class="tab" aria-selected={view.value === name} onClick={() => setView(name)}>
              {label}
            </button>
          ))}
      </div>
      {fault.value !== undefined && <p class="muted">{fault.value}</p>}
      {
        drawn.value !== undefined &&
          fault.value === undefined &&
          axes.value !== undefined &&
          (view.value === "numbers" ? (
            <Table drawn={drawn.value} axes={axes as Signal<Axes>} />
          ) : (
            <Picture drawn={drawn.value} mode={view.value} axes={axes as Signal<Axes>} />
          )) // checked to be set
      }
    </div>
  );
}

/** Pickers for rows and columns, sliders for the other axes. */
function AxisPicker({ shape, axes, mode }: { readonly shape: readonly number[]; readonly axes: Signal<Axes>; readonly mode: View }): JSX.Element | null {
  if (shape.length < 2) return null;
  const { rowAxis, columnAxis, tileAxis, index } = axes.value;
  const options = shape.map((size, axis) => <option key={axis} value={axis}>{`${axis} (${size})`}</option>);
  const pick = (which: "rowAxis" | "columnAxis", to: number): void => {
    const other = which === "rowAxis" ? "columnAxis" : "rowAxis";
    const swapped = axes.value[other] === to ? { [other]: axes.value[which] } : {};
    axes.value = { ...axes.value, ...swapped, [which]: to, ...(tileAxis === to ? { tileAxis: axes.value[which] } : {}) };
  };
  const rest = shape
    .map((size, axis) => [axis, size] as const)
    .filter(([axis, size]) => size > 1 && axis !== rowAxis && axis !== columnAxis && axis !== tileAxis);
  return (
    <div class="axes">
      {mode !== "image" && (
        <label>
          rows{" "}
          <select class="field" value={rowAxis} onChange={(e) => pick("rowAxis", Number(e.currentTarget.value))}>
            {options}
          </select>
        </label>
      )}
      {mode !== "image" && (
        <label>
          columns{" "}
          <select class="field" value={columnAxis} onChange={(e) => pick("columnAxis", Number(e.currentTarget.value))}>
            {options}
          </select>
        </label>
      )}
      {rest.map(([axis, size]) => (
        <label key={axis}>
          axis {axis}{" "}
          <input
            type="range"
            min={0}
            max={size - 1}
            value={index[axis] ?? 0}
            onInput={(e) => (axes.value = { ...axes.value, index: index.map((at, i) => (i === axis ? Number(e.currentTarget.value) : at)) })}
          />{" "}
          <span class="mono">
            {index[axis] ?? 0}/{size}
          </span>
        </label>
      ))}
    </div>
  );
}

function Picture({ drawn, mode, axes }: { readonly drawn: Drawn; readonly mode: HeatMode; readonly axes: Signal<Axes> }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const under = useSignal<string>("");
  const { numbers } = drawn;
  const scale = useMemo(() => scaleOf(numbers.data, drawn.isDifference), [drawn]);
  const layout = layoutOf(numbers.shape, axes.value);
  const latest = useSignal({ layout, drawn, mode });
  if (
    latest.peek().layout.offset !== layout.offset ||
    JSON.stringify(latest.peek().layout) !== JSON.stringify(layout) ||
    latest.peek().drawn !== drawn ||
    latest.peek().mode !== mode
  )
    latest.value = { layout, drawn, mode };
  useSignalEffect(() => {
    const box = canvas.current;
    if (box !== null) fill(box, latest.value.drawn, latest.value.layout, latest.value.mode);
  });
  const onMove = (event: PointerEvent & { readonly currentTarget: HTMLCanvasElement }): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const [width, height] = mode === "image" ? [layout.columns, layout.rows] : sizeOf(layout);
    const element = elementAt(
      layout,
      Math.floor(((event.clientX - box.left) / box.width) * width),
      Math.floor(((event.clientY - box.top) / box.height) * height),
    );
    under.value = element < 0 ? "" : `[${indexOf(numbers.shape, element).join(",")}] = ${String(Number((numbers.data[element] ?? 0).toPrecision(7)))}`;
  };
  return (
    <div>
      <AxisPicker shape={numbers.shape} axes={axes} mode={mode} />
      <div class="plot">
        <canvas
          ref={canvas}
          class="heat"
          role="img"
          aria-label={`${mode} of ${numbers.shape.join(" × ")} numbers from ${short(scale.low)} to ${short(scale.high)}`}
          onPointerMove={onMove}
          onPointerLeave={() => (under.value = "")}
        />
      </div>
      <div class="readout">
        <span>{under.value === "" ? `${layout.rows} × ${layout.columns}${layout.tiles > 1 ? `, ${layout.tiles} channels` : ""}` : <b>{under.value}</b>}</span>
        <span>
          {short(scale.low)} … {short(scale.high)}
        </span>
      </div>
    </div>
  );
}

function fill(canvas: HTMLCanvasElement, drawn: Drawn, layout: Layout, mode: HeatMode): void {
  const { data } = drawn.numbers;
  const [full, tall] = mode === "image" ? [layout.columns, layout.rows] : sizeOf(layout);
  const width = Math.max(1, Math.min(MAX_SIDE, full));
  const height = Math.max(1, Math.min(MAX_SIDE, tall));
  canvas.width = width;
  canvas.height = height;
  // Flat pictures are still seen, tall ones stay on the screen.
  canvas.style.height = `${Math.max(18, Math.min(360, ((canvas.parentElement?.clientWidth ?? 320) * height) / width))}px`;
  const g = canvas.getContext("2d");
  if (g === null || data.length === 0) return;
  const image = g.createImageData(width, height);
  if (mode === "image") paintRgb(data, layout, scaleOf(data), image.data);
  else paint(data, layout, scaleOf(data, drawn.isDifference), image.data, width, height);
  g.putImageData(image, 0, 0);
}

const TABLE_ROWS = 32;
const TABLE_COLUMNS = 12;

function Table({ drawn, axes }: { readonly drawn: Drawn; readonly axes: Signal<Axes> }): JSX.Element {
  const { numbers } = drawn;
  const layout = layoutOf(numbers.shape, { ...axes.value, tileAxis: -1 });
  const rows = Math.min(layout.rows, TABLE_ROWS);
  const columns = Math.min(layout.columns, TABLE_COLUMNS);
  return (
    <div>
      <AxisPicker shape={numbers.shape} axes={axes} mode="numbers" />
      <div class="plot scroll" style={{ maxHeight: "320px" }} tabIndex={0} role="region" aria-label="Numbers">
        <table class="attributes">
          <thead>
            <tr>
              <th scope="col">
                <span class="hidden">row</span>
              </th>
              {Array.from({ length: columns }, (_, x) => (
                <th key={x} scope="col" style={{ textAlign: "right" }}>
                  {x}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {Array.from({ length: rows }, (_, y) => (
              <tr key={y}>
                <th scope="row" style={{ paddingLeft: "6px" }}>
                  {y}
                </th>
                {Array.from({ length: columns }, (_, x) => (
                  <td key={x} style={{ textAlign: "right", paddingRight: "8px" }}>
                    {short(numbers.data[elementAt(layout, x, y)] ?? Number.NaN)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {(layout.rows > rows || layout.columns > columns) && (
        <div class="readout">
          <span>
            first {rows} × {columns} of {count(layout.rows)} × {count(layout.columns)}
          </span>
        </div>
      )}
    </div>
  );
}
