import type { Calibration, ReliabilityBin } from '../../benchmarks/calibration.ts';
import type {
  BenchmarkCalibration,
  JudgeCalibration,
  VerdictCalibration,
} from '../../benchmarks/judge-calibration.ts';
import { formatPercent } from '../../platform/format-percent.ts';
import { formatCount } from '../figure-text.ts';
import { curveChart } from './charts.ts';
import { type Html, html } from './html.ts';
import { type Column, table } from './table.ts';
import type { ScoredJudge } from './trust-sections.ts';

interface CalibratedJudge extends ScoredJudge {
  readonly calibration?: JudgeCalibration | undefined;
}

interface Row extends VerdictCalibration {
  readonly name: string;
  readonly temperature?: number | undefined;
}

/** How well the probabilities of every judge's verdicts on a benchmark agree with how often they are correct. */
export async function calibrationSection(
  judges: readonly CalibratedJudge[],
  benchmark: string,
): Promise<Html | undefined> {
  const rows = judges.flatMap(({ judge, calibration }): Row[] => {
    const found = calibrationOn(calibration, benchmark);
    return found === undefined ? [] : [{ ...found, name: judge, temperature: calibration?.temperature }];
  });
  const measured = judges.filter(({ scores }) => scores.calibration !== undefined);
  const last = judges.findLast(({ calibration }) => calibrationOn(calibration, benchmark) !== undefined);
  const shown = calibrationOn(last?.calibration, benchmark);
  if (measured.length === 0) return undefined;
  if (last === undefined || shown === undefined)
    return html`<h3>Probabilities of verdicts</h3>
      <p class="note">
        No verdict has a probability: no judgment names a response by <code>[[A]]</code> or
        <code>[[B]]</code>.
      </p>`;
  const { raw, calibrated, subsets } = shown;
  const { notFitted } = last.calibration ?? {};
  return html`<h3>Probabilities of verdicts</h3>
    ${figuresTable('Judge', rows)}
    <p class="note">
      The probability of the letter in each verdict, compared with how often such verdicts are correct. Brier:
      the mean squared distance (0 is best; 0.25 for a judge that always says 50%). ECE: the mean distance
      over ten ranges.
      ${
        notFitted === undefined
          ? 'Calibrated: after the log-odds are divided by one temperature, which is fitted on the validation benchmarks of the run.'
          : `These are the probabilities as the model gives them: no temperature is fitted, because ${notFitted}.`
      }
      ${measured.map(missingNote)}
    </p>
    <div class="charts">
      ${await curveChart(`Reliability of ${last.judge}`, reliabilityCurves(shown), {
        x: { title: 'probability of the verdict', from: 0.5, to: 1 },
        y: { title: 'correct', from: 0, to: 1 },
        hasDiagonal: true,
      })}
      ${await curveChart(`Errors of ${last.judge} among its surest verdicts`, [riskCurve(raw)], {
        x: { title: 'share of the verdicts, the surest first', from: 0, to: 1 },
        y: { title: 'incorrect', from: 0, to: Math.max(0.05, ...raw.riskCoverage.map(({ risk }) => risk)) },
      })}
    </div>
    ${binsTable(raw, calibrated)} ${riskTable(raw)} ${subsets.length > 0 && figuresTable('Subset', subsets)}`;
}

function calibrationOn(
  calibration: JudgeCalibration | undefined,
  benchmark: string,
): BenchmarkCalibration | undefined {
  return calibration?.benchmarks.find((each) => each.benchmark === benchmark);
}

function missingNote({ judge, scores: { calibration } }: CalibratedJudge): string {
  const missing = calibration?.withoutProbability ?? 0;
  return missing === 0
    ? ''
    : `${formatCount(missing)} judgments of ${judge} name no response by its letter, or it has no probability. `;
}

/** The Brier score and the calibration error of judges or subsets. */
function figuresTable(title: string, rows: readonly Row[]): Html {
  const number = (name: string, cell: Column<Row>['cell']): Column<Row> => ({
    title: name,
    kind: 'number',
    cell,
  });
  return table<Row>(
    [
      { title, kind: 'text', cell: ({ name }) => name },
      number('Verdicts', ({ raw }) => formatCount(raw.verdicts)),
      number('Brier', ({ raw }) => raw.brier.toFixed(3)),
      number('ECE', ({ raw }) => formatPercent(raw.expectedCalibrationError)),
      number('Temperature', ({ temperature }) => temperature?.toFixed(2)),
      number('Brier, calibrated', ({ calibrated }) => calibrated?.brier.toFixed(3)),
      number(
        'ECE, calibrated',
        ({ calibrated }) => calibrated && formatPercent(calibrated.expectedCalibrationError),
      ),
    ],
    rows,
  );
}

function reliabilityCurves({ raw, calibrated }: VerdictCalibration) {
  const points = ({ bins }: Calibration) =>
    bins.flatMap(({ confidence, accuracy }) =>
      confidence === null || accuracy === null ? [] : [{ x: confidence, y: accuracy }],
    );
  return [
    { name: 'as given', points: points(raw) },
    ...(calibrated === undefined ? [] : [{ name: 'calibrated', points: points(calibrated) }]),
  ];
}

/** A temperature does not change the order of the verdicts, and so not this curve. */
function riskCurve({ riskCoverage }: Calibration) {
  return { name: 'as given', points: riskCoverage.map(({ coverage, risk }) => ({ x: coverage, y: risk })) };
}

/** The reliability diagram as a table. */
function binsTable(raw: Calibration, calibrated: Calibration | undefined): Html {
  const rows = raw.bins
    .map((bin, index) => ({ bin, after: calibrated?.bins[index] }))
    .filter(({ bin, after }) => bin.verdicts > 0 || (after?.verdicts ?? 0) > 0);
  const cells = (of: (row: (typeof rows)[number]) => ReliabilityBin | undefined, suffix: string) =>
    [
      { title: `Verdicts${suffix}`, cell: (bin: ReliabilityBin) => formatCount(bin.verdicts) },
      { title: `Mean probability${suffix}`, cell: (bin: ReliabilityBin) => formatPercent(bin.confidence) },
      { title: `Correct${suffix}`, cell: (bin: ReliabilityBin) => formatPercent(bin.accuracy) },
    ].map(({ title, cell }) => ({
      ...{ title, kind: 'number' as const },
      cell: (row: (typeof rows)[number]) => {
        const bin = of(row);
        return bin && cell(bin);
      },
    }));
  return table(
    [
      {
        title: 'Probability',
        kind: 'text',
        cell: ({ bin }) => `${formatPercent(bin.from, 0)} to ${formatPercent(bin.to, 0)}`,
      },
      ...cells(({ bin }) => bin, ''),
      ...cells(({ after }) => after, ', calibrated'),
    ],
    rows,
  );
}

/** The shares of the surest verdicts in the table. */
const COVERAGES = [0.1, 0.25, 0.5, 0.75, 1];

/** Some points of the risk-coverage curve. */
function riskTable({ riskCoverage }: Calibration): Html {
  return table(
    [
      { title: 'Surest verdicts', kind: 'text', cell: ({ coverage }) => formatPercent(coverage, 0) },
      { title: 'Least probability', kind: 'number', cell: ({ confidence }) => formatPercent(confidence) },
      { title: 'Incorrect', kind: 'number', cell: ({ risk }) => formatPercent(risk) },
    ],
    riskCoverage.filter(({ coverage }) => COVERAGES.includes(coverage)),
  );
}
