import Table from 'cli-table3';
import type { ChaosOutcome } from './run-chaos.ts';
import { TARGET_KINDS } from './targets.ts';

/** The figures of a chaos run. Shares are between 0 and 1. */
export function summaryOf({ baseline, runs, unexpectedExits }: ChaosOutcome, seed: number) {
  const kills = runs.flatMap((run) => run.kills);
  const hasMachines = kills.some(({ kind }) => kind === 'machine');
  const records = sum(runs.map(({ requests }) => requests.records));
  const repeated = sum(runs.map(({ requests }) => requests.repeated));
  const repeatedAfterKill = sum(runs.map(({ requests }) => requests.repeatedAfterKill));
  return {
    seed,
    kills: kills.length,
    sameData: runs.every(({ comparison }) => comparison.differences.length === 0),
    lost: sum(runs.map(({ comparison }) => comparison.lost)),
    /** Without the requests that were in flight at a kill. */
    askedTwiceShare: share(repeated - repeatedAfterKill, records),
    askedTwiceInFlightShare: share(repeatedAfterKill, records),
    longestPauseSeconds: Math.max(0, ...runs.map((run) => run.longestPauseSeconds)),
    baselinePauseSeconds: baseline.longestPauseSeconds,
    runs: runs.length,
    records,
    unexpectedExits,
    byKind: Object.fromEntries(
      TARGET_KINDS.filter((kind) => (kind === 'machine') === hasMachines).flatMap((kind) => {
        const ofKind = kills.filter((kill) => kill.kind === kind);
        if (kind === 'S3 server' && ofKind.length === 0) return [];
        const seconds = ofKind.flatMap(({ recoverySeconds }) => recoverySeconds ?? []).sort((a, b) => a - b);
        const figures = [
          kind,
          {
            kills: ofKind.length,
            medianRecoverySeconds: seconds[Math.floor(seconds.length / 2)] ?? null,
            maxRecoverySeconds: seconds.at(-1) ?? null,
          },
        ] as const;
        return [figures];
      }),
    ),
  };
}

export type Summary = ReturnType<typeof summaryOf>;

/** A trainer's lease, and the time to choose another machine and to start a trainer there. */
const LONGEST_ALLOWED_PAUSE_SECONDS = 30 + 30;

/** The longest pause compared with the one that may follow the loss of a machine. */
export function pauseOf({ longestPauseSeconds }: Summary): string {
  const within = longestPauseSeconds <= LONGEST_ALLOWED_PAUSE_SECONDS ? 'within' : 'longer than';
  return `${longestPauseSeconds.toFixed(1)} s, ${within} the ${LONGEST_ALLOWED_PAUSE_SECONDS} s after the loss of a machine`;
}

/** Why the test failed; undefined if it passed. */
export function failureOf(summary: Summary): string | undefined {
  if (summary.lost > 0) return `${summary.lost} records or artifacts were lost or duplicated`;
  return summary.sameData ? undefined : 'the data differ from those of the undisturbed run';
}

/** The summary as tables: one row for each figure, and one for each kind of process. */
export function tableOf({ byKind, ...figures }: Summary): string {
  const style = { head: [], border: [] };
  const table = new Table({ style, colAligns: ['left', 'right'] });
  table.push(...Object.entries(figures).map(([name, value]) => [name, cell(value)]));
  const kinds = new Table({ style, head: ['killed', ...Object.keys(Object.values(byKind)[0] ?? {})] });
  kinds.push(...Object.entries(byKind).map(([kind, values]) => [kind, ...Object.values(values).map(cell)]));
  return `${kinds.toString()}\n${table.toString()}`;
}

function cell(value: number | boolean | null): string {
  return typeof value === 'number' ? String(Number(value.toFixed(4))) : value === null ? '-' : String(value);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
