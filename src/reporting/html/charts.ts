import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Interval } from '../../benchmarks/intervals.ts';
import { judgeName } from '../figure-text.ts';
import { Html, html } from './html.ts';

/** CSS variables of the page, so that a chart fits both the light and the dark theme. */
const colors = ['var(--series-1)', 'var(--series-2)'];
const width = 460;
const height = 240;

const config = {
  font: 'inherit',
  background: 'transparent',
  aria: false,
  view: { stroke: 'transparent' },
  axis: {
    labelColor: 'var(--muted)',
    titleColor: 'var(--muted)',
    labelFontSize: 13,
    titleFontSize: 13,
    titleFontWeight: 'normal',
    gridColor: 'var(--rule)',
    domainColor: 'var(--rule)',
    tickColor: 'var(--rule)',
    labelPadding: 6,
  },
  axisX: { grid: false, labelAngle: 0 },
  axisY: { domain: false, ticks: false },
} as const;

/** One line of a chart over iterations; `interval` is drawn as a bar around its point. */
export interface Series {
  name: string;
  points: { iteration: number; value: number; interval?: Interval }[];
}

export interface ShareChartOptions {
  /** Start of the vertical axis; see `axisStart`. */
  from: number;
  /** Position of a dashed line. */
  mark?: number;
  /** Another curve for comparison, drawn as a thin line behind the series. */
  reference?: Series | undefined;
  /** Text below the chart. */
  note?: Html | undefined;
  /** Reduces width and height, for several charts side by side. */
  size?: 'small';
}

/** A line chart of shares over iterations, with a key if there are several lines. */
export async function shareChart(
  caption: string,
  series: Series[],
  options: ShareChartOptions,
): Promise<Html> {
  const { reference, note } = options;
  const isSmall = options.size === 'small';
  const iterations = [...new Set(series.flatMap(({ points }) => points.map(({ iteration }) => iteration)))];
  const [first, last] = [Math.min(...iterations), Math.max(...iterations)];
  const values = series.flatMap(({ name, points }, line) =>
    points.map(({ iteration, value, interval }) => ({
      name,
      value,
      low: interval?.low ?? value,
      high: interval?.high ?? value,
      // The series are shifted, so that intervals of equal height don't hide each other.
      iteration: iteration + (line - (series.length - 1) / 2) * (last - first + 0.6) * 0.018,
    })),
  );
  const x = {
    field: 'iteration',
    type: 'quantitative',
    title: null,
    scale: { domain: [first - 0.3, last + 0.3], nice: false, zero: false },
    axis: {
      values: iterations,
      labelExpr: `${JSON.stringify(iterations.map(judgeName))}[indexof(${JSON.stringify(iterations)}, datum.value)]`,
    },
  };
  const y = {
    type: 'quantitative',
    title: null,
    scale: { domain: [options.from, 1], nice: false, zero: false },
    axis: { format: '.0%', tickCount: isSmall ? 3 : 5 },
  };
  const color = {
    field: 'name',
    type: 'nominal',
    legend: null,
    scale: { domain: series.map(({ name }) => name), range: colors.slice(0, series.length) },
  };
  const marked = {
    mark: { type: 'rule', strokeDash: [4, 4], color: 'var(--muted)' },
    encoding: { y: { ...y, datum: options.mark } },
  };
  const behind = {
    data: { values: reference?.points.filter(({ iteration }) => iteration <= last) ?? [] },
    mark: { type: 'line', strokeWidth: 1.25, color: 'var(--muted)' },
    encoding: { x, y: { ...y, field: 'value' } },
  };
  const size = isSmall ? { width: 210, height: 120 } : {};
  const chart = await draw({
    ...size,
    data: { values },
    layer: [
      ...(options.mark === undefined ? [] : [marked]),
      ...(reference === undefined ? [] : [behind]),
      {
        mark: { type: 'rule', strokeWidth: 6, opacity: 0.28, strokeCap: 'round' },
        encoding: { x, color, y: { ...y, field: 'low' }, y2: { field: 'high' } },
      },
      { mark: { type: 'line', strokeWidth: 2.25 }, encoding: { x, color, y: { ...y, field: 'value' } } },
      {
        mark: { type: 'point', filled: true, size: 56, opacity: 1 },
        encoding: { x, color, y: { ...y, field: 'value' } },
      },
    ],
  });
  const names = isSmall ? [] : series.map(({ name }, i) => ({ name, key: `series-${i + 1}` }));
  if (reference !== undefined) names.push({ name: reference.name, key: 'reference' });
  return html`<figure>
    <figcaption>${caption}</figcaption>
    ${names.length > 0 && html`<p class="key">${names.map(({ name, key }) => html`<span><i class="${key}"></i>${name}</span> `)}</p>`}
    ${chart} ${note}
  </figure>`;
}

/** A round number below all points and intervals, so that the axis shows the differences. */
export function axisStart(series: Series[]): number {
  const lows = series.flatMap(({ points }) => points.map(({ value, interval }) => interval?.low ?? value));
  return Math.max(0, Math.floor((Math.min(...lows) - 0.02) * 10) / 10);
}

/** A figure of each step of a training. */
export interface StepFigures {
  readonly iteration: number;
  readonly steps: readonly { readonly step: number; readonly value: number }[];
}

/** A chart of a figure of trainings by step, with one line for each iteration. */
export function stepsChart(
  caption: string,
  trainings: readonly StepFigures[],
  isShare = false,
): Promise<Html> {
  const lines = trainings.map(({ iteration, steps }) => ({
    iteration,
    points: thinned(steps).map(({ step, value }) => ({ x: step, y: value })),
  }));
  const share = { scale: { domain: [0, 1] }, axis: { tickCount: 5, format: '.0%' } };
  return iterationsChart(caption, lines, {
    mark: { type: 'line' },
    x: { title: 'step', axis: { tickCount: 5 } },
    y: isShare ? share : { axis: { tickCount: 5 } },
  });
}

/** A chart of the distribution of examples, as shares of all examples, with one line for each iteration. */
export function distributionChart(
  caption: string,
  runs: { iteration: number; points: { x: number; y: number }[] }[],
  x: { title: string; format: string },
): Promise<Html> {
  return iterationsChart(caption, runs, {
    mark: { type: 'line', point: { color: 'var(--series-1)', size: 36 } },
    x: { title: x.title, axis: { tickCount: 6, format: x.format } },
    y: { axis: { tickCount: 5, format: '.0%' } },
  });
}

/** A chart with one line for each iteration. Later iterations have a stronger colour. */
async function iterationsChart(
  caption: string,
  runs: { iteration: number; points: { x: number; y: number }[] }[],
  shown: { mark: object; x: object; y: object },
): Promise<Html> {
  const lines = runs.map(({ iteration, points }, i) => ({
    judge: judgeName(iteration),
    opacity: runs.length === 1 ? 1 : 0.4 + (0.6 * i) / (runs.length - 1),
    points,
  }));
  const values = lines.flatMap(({ points, ...line }) => points.map((point) => ({ ...point, ...line })));
  const chart = await draw({
    data: { values },
    mark: { strokeWidth: 1.75, color: 'var(--series-1)', ...shown.mark },
    encoding: {
      x: { field: 'x', type: 'quantitative', ...shown.x },
      y: { field: 'y', type: 'quantitative', title: null, ...shown.y },
      detail: { field: 'judge', type: 'nominal' },
      opacity: { field: 'opacity', type: 'quantitative', scale: null },
    },
  });
  return html`<figure>
    <figcaption>${caption}</figcaption>
    <p class="key">
      ${lines.map(
        ({ judge, opacity }) =>
          html`<span><i class="series-1" style="opacity:${opacity.toFixed(2)}"></i>${judge}</span> `,
      )}
    </p>
    ${chart}
  </figure>`;
}

/** A line of shares by another share. */
interface Curve {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** An axis of shares. */
interface ShareAxis {
  readonly title: string;
  readonly from: number;
  readonly to: number;
}

/** A chart of shares by another share, with a key if there are several lines, and perhaps with the line on which both are equal. */
export async function curveChart(
  caption: string,
  curves: readonly Curve[],
  {
    x,
    y,
    hasDiagonal = false,
  }: { readonly x: ShareAxis; readonly y: ShareAxis; readonly hasDiagonal?: boolean },
): Promise<Html> {
  const values = curves.flatMap(({ name, points }) => points.map((point) => ({ ...point, name })));
  const axis = (field: string, { title, from, to }: ShareAxis) => ({
    ...{ field, title, type: 'quantitative' },
    scale: { domain: [from, to], nice: false, zero: false },
    axis: { format: '.0%', tickCount: 5 },
  });
  const places = { x: axis('x', x), y: axis('y', y) };
  const color = {
    ...{ field: 'name', type: 'nominal', legend: null },
    scale: { domain: curves.map(({ name }) => name), range: colors.slice(0, curves.length) },
  };
  const ends = [x.from, x.to].map((end) => ({ x: end, y: end }));
  const chart = await draw({
    data: { values },
    layer: [
      ...(hasDiagonal
        ? [
            {
              data: { values: ends },
              mark: { type: 'line', strokeDash: [4, 4], strokeWidth: 1.25, color: 'var(--muted)' },
              encoding: places,
            },
          ]
        : []),
      { mark: { type: 'line', strokeWidth: 2.25, point: { size: 36 } }, encoding: { ...places, color } },
    ],
  });
  return html`<figure>
    <figcaption>${caption}</figcaption>
    ${curves.length > 1 && html`<p class="key">${curves.map(({ name }, i) => html`<span><i class="series-${String(i + 1)}"></i>${name}</span> `)}</p>`}
    ${chart}
  </figure>`;
}

/** Reduces steps to at most 300 points by averaging, because a long training has more steps than a screen has pixels. */
function thinned(steps: StepFigures['steps']): StepFigures['steps'] {
  const size = Math.ceil(steps.length / 300);
  const points = [];
  for (let start = 0; start < steps.length; start += size) {
    const group = steps.slice(start, start + size);
    const value = group.reduce((sum, point) => sum + point.value, 0) / group.length;
    points.push({ step: group.at(-1)?.step ?? 0, value });
  }
  return points;
}

/** Draws a chart as inline SVG. It is hidden from screen readers, because tables contain the same values. */
async function draw(spec: object): Promise<Html> {
  const size = { width, height, autosize: { type: 'fit', contains: 'padding' } };
  const { spec: compiled } = compile({ ...size, ...spec, config } as TopLevelSpec);
  const view = new vega.View(vega.parse(compiled), { renderer: 'none', logLevel: vega.Error });
  try {
    const svg = await view.toSVG();
    return new Html(svg.replace('<svg ', '<svg aria-hidden="true" '));
  } finally {
    view.finalize();
  }
}
