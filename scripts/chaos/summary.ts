import Table from 'cli-table3';
import type { ChaosOutcome } from './run-chaos.ts';
import { KINDS } from './targets.ts';

/** The figures of a chaos run, for programs. Shares are between 0 and 1. */
export function summaryOf({ undisturbed, runs, endedByThemselves }: ChaosOutcome, seed: number) {
  const kills = runs.flatMap((run) => run.kills);
  const recoveries = kills.flatMap(({ recoverySeconds }) => recoverySeconds ?? []);
  const records = sum(runs.map(({ askings }) => askings.records));
  const again = sum(runs.map(({ askings }) => askings.again));
  const againAfterKill = sum(runs.map(({ askings }) => askings.againAfterKill));
  const steps = sum(runs.map((run) => run.steps.steps));
  return {
    seed,
    kills: kills.length,
    sameData: runs.every(({ comparison }) => comparison.differences.length === 0),
    lost: sum(runs.map(({ comparison }) => comparison.lost)),
    /** Beyond those that a kill found in flight. */
    askedTwiceShare: share(again - againAfterKill, records),
    askedTwiceInFlightShare: share(againAfterKill, records),
    stepsTwiceShare: share(sum(runs.map((run) => run.steps.again)), steps),
    maxRecoverySeconds: recoveries.length === 0 ? null : Math.max(...recoveries),
    /** Of kills that came when there had been progress after the one before. */
    maxRecoverySecondsAlone: Math.max(
      0,
      ...kills.flatMap(({ alone, recoverySeconds }) => (alone ? (recoverySeconds ?? []) : [])),
    ),
    medianRecoverySeconds: median(recoveries),
    longestPauseSeconds: Math.max(0, ...runs.map((run) => run.longestPauseSeconds)),
    runs: runs.length,
    records,
    steps,
    byKind: Object.fromEntries(
      KINDS.map((kind) => {
        const ofKind = kills.filter((kill) => kill.kind === kind);
        const seconds = ofKind.flatMap(({ recoverySeconds }) => recoverySeconds ?? []);
        return [
          kind,
          {
            kills: ofKind.length,
            measured: seconds.length,
            medianRecoverySeconds: median(seconds),
            maxRecoverySeconds: seconds.length === 0 ? null : Math.max(...seconds),
          },
        ];
      }),
    ),
    endedByThemselves,
    undisturbed: {
      seconds: undisturbed.seconds,
      askedTwiceShare: share(undisturbed.askings.again, undisturbed.askings.records),
      longestPauseSeconds: undisturbed.longestPauseSeconds,
      trainerStartSeconds: undisturbed.trainerStartSeconds,
    },
  };
}

export type Summary = ReturnType<typeof summaryOf>;

/** Why the product has failed the trial; undefined where it has passed. */
export function failureOf(summary: Summary): string | undefined {
  if (summary.lost > 0) return `${summary.lost} records or artifacts were lost or doubled`;
  if (!summary.sameData) return 'the data differ from those of the undisturbed run';
  return undefined;
}

export function tableOf(summary: Summary): string {
  const kinds = new Table({
    head: ['killed', 'times', 'measured', 'median s to progress', 'longest s to progress'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const [kind, { kills, measured, medianRecoverySeconds, maxRecoverySeconds }] of Object.entries(
    summary.byKind,
  ))
    kinds.push([kind, kills, measured, seconds(medianRecoverySeconds), seconds(maxRecoverySeconds)]);
  const { kills, measured } = {
    kills: summary.kills,
    measured: sum(Object.values(summary.byKind).map((kind) => kind.measured)),
  };
  kinds.push([
    'all',
    kills,
    measured,
    seconds(summary.medianRecoverySeconds),
    seconds(summary.maxRecoverySeconds),
  ]);
  const figures = new Table({ style: { head: [], border: [] }, colAligns: ['left', 'right'] });
  figures.push(
    ['seed', summary.seed],
    ['runs', summary.runs],
    ['same data as undisturbed', summary.sameData ? 'yes' : 'NO'],
    ['lost or doubled', summary.lost],
    ['records', summary.records],
    ['asked for again, beyond those in flight at a kill', percent(summary.askedTwiceShare)],
    ['asked for again, in flight at a kill', percent(summary.askedTwiceInFlightShare)],
    ['training steps', summary.steps],
    ['training steps done again', percent(summary.stepsTwiceShare)],
    ['longest s to progress after a lone kill', seconds(summary.maxRecoverySecondsAlone)],
    ['longest pause, s', seconds(summary.longestPauseSeconds)],
    ['longest pause undisturbed, s', seconds(summary.undisturbed.longestPauseSeconds)],
    ['start of a trainer undisturbed, s', seconds(summary.undisturbed.trainerStartSeconds)],
    ['ended by themselves', summary.endedByThemselves],
  );
  return `${kinds.toString()}\n${figures.toString()}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function median(numbers: readonly number[]): number | null {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}

function seconds(value: number | null): string {
  return value === null ? '-' : value.toFixed(1);
}

function percent(value: number): string {
  return `${(100 * value).toFixed(2)}%`;
}
