import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import Table from 'cli-table3';
import { ArtifactDamaged } from '../../src/artifacts/errors.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { bytes } from '../../src/format/bytes.ts';
import { checkpointsInUse } from '../../src/runs/checkpoints-in-use.ts';
import { freeGarbage } from '../../src/runs/free-garbage.ts';
import {
  findGarbage,
  GARBAGE_KINDS,
  type Garbage,
  type KeptJudges,
  type Retention,
} from '../../src/runs/garbage.ts';
import { lifeOf, signOfLife, tellOf, type Life } from '../../src/runs/life.ts';
import { readStoredRun, storedRunNames, type StoredRun } from '../../src/runs/stored-run.ts';
import { CommandError } from '../cli/command-error.ts';
import type { Ending } from '../cli/exit-codes.ts';
import type { Temporal } from '../follow/connect.ts';
import { plainText } from '../follow/plain-text.ts';
import { storedRunNamed } from './judge-named.ts';
import { storeAt, temporalIfThere } from './places.ts';
import { sayingItAll } from './saying-it-all.ts';

export interface GarbageOptions {
  readonly runs?: readonly string[] | undefined;
  readonly store: string;
  readonly yes: boolean;
  readonly keep: KeptJudges;
  readonly assumeEnded: boolean;
  readonly json: boolean;
}

/** What was found of one run, or freed. */
interface Collected {
  readonly runName: string;
  /** Why nothing, or nothing more, of it is touched. */
  readonly left?: string | undefined;
  readonly garbage: readonly Garbage[];
  /** Of judges that are kept now, and wouldn't be by the narrowest rule. */
  readonly bytesOfOtherJudges: number;
}

/**
 * Shows, or frees, what retention no longer keeps.
 * @returns `failed` where a run that was named is left alone
 * @throws CommandError where there is no such store or run
 */
export async function collectGarbage(options: GarbageOptions): Promise<Ending> {
  const { yes, json, assumeEnded } = options;
  const store = storeAt(options.store);
  if (!existsSync(store.root))
    throw new CommandError(
      'not-found',
      `There is no store at ${store.root}: name yours by --store or SELF_TAUGHT_EVALUATOR_STORE.`,
    );
  const isNamed = options.runs !== undefined && options.runs.length > 0;
  if (assumeEnded && !isNamed)
    throw new CommandError(
      'usage',
      '--assume-ended needs the names of the runs that are known to be over: gc NAME --assume-ended.',
    );
  const all = await everyRun(store);
  const runs = isNamed
    ? await Promise.all([...new Set(options.runs)].map((name) => storedRunNamed(store, name)))
    : all;
  const temporal = await temporalIfThere(
    'Runs of which the store does not say how they ended are left alone.',
  );
  const roots = [process.cwd(), join(import.meta.dirname, '..', '..')].map((root) => resolve(root));
  const retention = { keep: options.keep, inUse: await checkpointsInUse(store, all, roots) };
  const collected: Collected[] = [];
  for (const run of runs)
    collected.push(await sayingItAll(() => collect(store, run, temporal, retention, options)));
  console.log(json ? jsonOf(collected, yes) : textOf(collected, options));
  return isNamed && collected.some(({ left }) => left !== undefined) ? 'failed' : 'done';
}

async function everyRun(store: ArtifactStore): Promise<StoredRun[]> {
  const names = await storedRunNames(store);
  const runs = await Promise.all(names.map((name) => readStoredRun(store, name)));
  return runs.filter((run) => run !== undefined);
}

async function collect(
  store: ArtifactStore,
  run: StoredRun,
  temporal: Temporal | undefined,
  retention: Retention,
  { yes, assumeEnded }: GarbageOptions,
): Promise<Collected> {
  const { runName } = run;
  const left = (why: string): Collected => ({ runName, left: why, garbage: [], bytesOfOtherJudges: 0 });
  const life = await lifeNow(store, run, temporal, assumeEnded);
  if (life.kind !== 'over') return left(life.why);
  const over = { ...run, ended: life.ended };
  try {
    const garbage = await findGarbage(store, over, retention);
    const least = await findGarbage(store, over, { ...retention, keep: 'best' });
    const bytesOfOtherJudges = sizeOf(least) - sizeOf(garbage);
    if (!yes) return { runName, garbage, bytesOfOtherJudges };
    // Looked at once more, right before: it may have been started since.
    const now = await lifeNow(store, run, temporal, assumeEnded);
    if (now.kind !== 'over') return left(now.why);
    const { freed, startedMeanwhile } = await freeGarbage(store, runName, garbage, run.owner?.epoch ?? 0);
    return {
      runName,
      garbage: freed,
      bytesOfOtherJudges,
      ...(startedMeanwhile ? { left: 'it was started meanwhile' } : {}),
    };
  } catch (error) {
    if (error instanceof ArtifactDamaged) return left(error.message);
    throw error;
  }
}

async function lifeNow(
  store: ArtifactStore,
  run: StoredRun,
  temporal: Temporal | undefined,
  assumeEnded: boolean,
): Promise<Life> {
  const told =
    temporal === undefined ? 'silent' : await tellOf(temporal.client, run).catch(() => 'silent' as const);
  // What can't be read may be a trainer's.
  const sign = await signOfLife(store, run.runName).catch((error: unknown) => String(error));
  return lifeOf(run, told, sign, assumeEnded);
}

function sizeOf(garbage: readonly Garbage[]): number {
  return garbage.reduce((sum, each) => sum + each.bytes, 0);
}

function iterationIn(model: string): string {
  return /iteration-(\d+)\/training\/model$/.exec(model)?.[1] ?? '';
}

function jsonOf(collected: readonly Collected[], yes: boolean): string {
  const total = collected.reduce((sum, { garbage }) => sum + sizeOf(garbage), 0);
  return JSON.stringify({ isFreed: yes, bytes: total, runs: collected });
}

function textOf(collected: readonly Collected[], { yes, keep }: GarbageOptions): string {
  const table = new Table({
    head: ['run', 'what', 'pieces', 'size'],
    colAligns: ['left', 'left', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const { runName, garbage } of collected)
    for (const kind of GARBAGE_KINDS) {
      const ofKind = garbage.filter((each) => each.kind === kind);
      if (ofKind.length > 0) table.push([runName, kind, ofKind.length, bytes(sizeOf(ofKind))]);
    }
  const total = collected.reduce((sum, { garbage }) => sum + sizeOf(garbage), 0);
  const isNothing = collected.every(({ garbage }) => garbage.length === 0);
  const judges = collected.flatMap(({ runName, garbage }) =>
    garbage
      .filter(({ kind }) => kind === 'judges that are not kept')
      .map(({ path, bytes: size }) => `${runName}@${iterationIn(path)} (${bytes(size)})`),
  );
  const others = collected.reduce((sum, each) => sum + each.bytesOfOtherJudges, 0);
  const verdict = isNothing
    ? 'There is nothing to free.'
    : yes
      ? `${bytes(total)} were freed.`
      : `${bytes(total)} could be freed. Nothing was touched: the same command with --yes frees it.`;
  return [
    ...(isNothing ? [] : [table.toString()]),
    verdict,
    ...(judges.length > 0 ? [`Judges among it: ${judges.join(', ')}.`] : []),
    ...(others > 0 && keep === 'all'
      ? [
          `Judges of finished runs that are not the best ones hold ${bytes(others)} more: --keep last leaves the best and the last one, --keep best the best alone.`,
        ]
      : []),
    ...collected.flatMap(({ runName, left }) =>
      left === undefined ? [] : [`${runName} is left alone: ${plainText(left)}.`],
    ),
  ].join('\n');
}
