import Table from 'cli-table3';
import { ArtifactDamaged } from '../../store/errors.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import { formatBytes } from '../../platform/format-bytes.ts';
import { checkpointsInUse } from '../../runs/checkpoints-in-use.ts';
import { pruneGarbage } from '../../runs/prune-garbage.ts';
import {
  findGarbage,
  GARBAGE_KINDS,
  type Garbage,
  type RetainedJudges,
  type Retention,
} from '../../runs/garbage.ts';
import { livenessOf, recentActivity, queryTemporalState, type Liveness } from '../../runs/liveness.ts';
import { formatJudgeReference } from '../../runs/judge-reference.ts';
import { readStoredRun, storedRunNames, type StoredRun } from '../../runs/stored-run.ts';
import { CommandError } from '../core/command-error.ts';
import type { ExitReason } from '../core/exit-codes.ts';
import type { TemporalConnection } from '../temporal/connect.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { requireStoredRun } from './evaluated-judge.ts';
import { connectIfReachable } from './run-lookup.ts';
import { openStore } from '../../store/artifact-store.ts';
import { removeOldTrials } from '../../store/check-store.ts';
import { asCommandError } from '../core/as-command-error.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { printResult } from '../core/output.ts';

export interface GarbageOptions {
  readonly runs?: readonly string[] | undefined;
  readonly store: string;
  readonly yes: boolean;
  readonly keep: RetainedJudges;
  readonly assumeEnded: boolean;
  readonly json: boolean;
}

/** The garbage of one run, found or deleted. */
interface CollectedRun {
  readonly runName: string;
  /** Why the run, or the rest of it, was skipped. */
  readonly skippedBecause?: string | undefined;
  readonly garbage: readonly Garbage[];
  /** The size of the judges that are kept now but would not be with `--keep best`. */
  readonly bytesOfUnneededJudges: number;
}

/**
 * Lists the garbage of runs, and deletes it if `yes` is set.
 * @returns `failed` if a run that was named is skipped
 * @throws CommandError if there is no such store or run
 */
export async function collectGarbage(options: GarbageOptions): Promise<ExitReason> {
  const { yes, json, assumeEnded } = options;
  const store = openStore(options.store);
  if (!(await store.objects.exists()))
    throw new CommandError(
      'not-found',
      `There is no store at ${store.address}: set --store or SELF_TAUGHT_EVALUATOR_STORE.`,
    );
  const isNamed = options.runs !== undefined && options.runs.length > 0;
  if (assumeEnded && !isNamed)
    throw new CommandError(
      'usage',
      '--assume-ended needs the names of the runs that have ended: gc NAME --assume-ended.',
    );
  const all = await readAllRuns(store);
  const runs = isNamed
    ? await Promise.all([...new Set(options.runs)].map((name) => requireStoredRun(store, name)))
    : all;
  const temporal = await connectIfReachable('Runs whose end is not recorded in the store are skipped.');
  const roots = [process.cwd(), packageRoot];
  const retention = { keep: options.keep, inUse: await checkpointsInUse(store, all, roots) };
  if (yes) await removeOldTrials(store.objects);
  const collected: CollectedRun[] = [];
  for (const run of runs)
    collected.push(await asCommandError(() => collect(store, run, temporal, retention, options)));
  printResult(json, jsonOf(collected, yes), () => textOf(collected, options));
  return isNamed && collected.some(({ skippedBecause }) => skippedBecause !== undefined) ? 'failed' : 'done';
}

async function readAllRuns(store: ArtifactStore): Promise<StoredRun[]> {
  const names = await storedRunNames(store);
  const runs = await Promise.all(names.map((name) => readStoredRun(store, name)));
  return runs.filter((run) => run !== undefined);
}

async function collect(
  store: ArtifactStore,
  run: StoredRun,
  temporal: TemporalConnection | undefined,
  retention: Retention,
  { yes, assumeEnded }: GarbageOptions,
): Promise<CollectedRun> {
  const { runName } = run;
  const skipped = (reason: string): CollectedRun => ({
    runName,
    skippedBecause: reason,
    garbage: [],
    bytesOfUnneededJudges: 0,
  });
  const liveness = await currentLiveness(store, run, temporal, assumeEnded);
  if (liveness.kind !== 'ended') return skipped(liveness.reason);
  const ended = { ...run, endStatus: liveness.endStatus };
  try {
    const garbage = await findGarbage(store, ended, retention);
    const most = await findGarbage(store, ended, { ...retention, keep: 'best' });
    const bytesOfUnneededJudges = totalBytes(most) - totalBytes(garbage);
    if (!yes) return { runName, garbage, bytesOfUnneededJudges };
    // Checked again right before: the run may have been started in the meantime.
    const current = await currentLiveness(store, run, temporal, assumeEnded);
    if (current.kind !== 'ended') return skipped(current.reason);
    const { pruned, restarted } = await pruneGarbage(store, runName, garbage, run.owner?.epoch ?? 0);
    return {
      runName,
      garbage: pruned,
      bytesOfUnneededJudges,
      ...(restarted ? { skippedBecause: 'it was started in the meantime' } : {}),
    };
  } catch (error) {
    if (error instanceof ArtifactDamaged) return skipped(error.message);
    throw error;
  }
}

async function currentLiveness(
  store: ArtifactStore,
  run: StoredRun,
  temporal: TemporalConnection | undefined,
  assumeEnded: boolean,
): Promise<Liveness> {
  const state =
    temporal === undefined
      ? 'unreachable'
      : await queryTemporalState(temporal.client, run).catch(() => 'unreachable' as const);
  // A folder that can't be read may be in use by a trainer.
  const activity = await recentActivity(store, run.runName).catch((error: unknown) => String(error));
  return livenessOf(run, state, activity, assumeEnded);
}

function totalBytes(garbage: readonly Garbage[]): number {
  return garbage.reduce((sum, each) => sum + each.bytes, 0);
}

function iterationIn(model: string): number {
  return Number(/iteration-(\d+)\/training\/model$/.exec(model)?.[1]);
}

function jsonOf(collected: readonly CollectedRun[], yes: boolean) {
  const total = collected.reduce((sum, { garbage }) => sum + totalBytes(garbage), 0);
  return { isFreed: yes, bytes: total, runs: collected };
}

function textOf(collected: readonly CollectedRun[], { yes, keep }: GarbageOptions): string {
  const table = new Table({
    head: ['run', 'garbage', 'items', 'size'],
    colAligns: ['left', 'left', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const { runName, garbage } of collected)
    for (const kind of GARBAGE_KINDS) {
      const ofKind = garbage.filter((each) => each.kind === kind);
      if (ofKind.length > 0) table.push([runName, kind, ofKind.length, formatBytes(totalBytes(ofKind))]);
    }
  const total = collected.reduce((sum, { garbage }) => sum + totalBytes(garbage), 0);
  const isNothing = collected.every(({ garbage }) => garbage.length === 0);
  const judges = collected.flatMap(({ runName, garbage }) =>
    garbage
      .filter(({ kind }) => kind === 'pruned judges')
      .map(
        ({ uri, bytes: size }) => `${formatJudgeReference(runName, iterationIn(uri))} (${formatBytes(size)})`,
      ),
  );
  const unneeded = collected.reduce((sum, each) => sum + each.bytesOfUnneededJudges, 0);
  const summary = isNothing
    ? 'There is nothing to delete.'
    : yes
      ? `${formatBytes(total)} were freed.`
      : `${formatBytes(total)} can be freed. Nothing was deleted: add --yes to delete it.`;
  return [
    ...(isNothing ? [] : [table.toString()]),
    summary,
    ...(judges.length > 0 ? [`Judges included: ${judges.join(', ')}.`] : []),
    ...(unneeded > 0 && keep === 'all'
      ? [
          `Judges of completed runs that are not the best ones take ${formatBytes(unneeded)} more: --keep last keeps the best and the last one, --keep best only the best one.`,
        ]
      : []),
    ...collected.flatMap(({ runName, skippedBecause }) =>
      skippedBecause === undefined ? [] : [`${runName} was skipped: ${oneLine(skippedBecause)}.`],
    ),
  ].join('\n');
}
