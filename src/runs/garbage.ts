/** What of a run's folder retention no longer keeps (docs/runs.md): found by looking, nothing is changed. */
import { existsSync } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { runUris } from '../activities/open-run.ts';
import { MANIFEST_FILE } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { readResult } from '../training/model-damage.ts';
import { diskSize } from './disk-size.ts';
import type { StoredRun } from './stored-run.ts';

/** In the order in which they are freed: what is wanted least first. */
export const GARBAGE_KINDS = [
  'left by an earlier gc',
  'half-written files',
  'damaged artifacts',
  'set aside by redo',
  'work of finished shards',
  'checkpoints of finished trainings',
  'judges that are not kept',
] as const;
export type GarbageKind = (typeof GARBAGE_KINDS)[number];

export interface Garbage {
  readonly kind: GarbageKind;
  /** Absolute. */
  readonly path: string;
  readonly bytes: number;
}

/** Which judges of a finished run keep their weights: the best one, the last one too, or all. */
export const KEPT_JUDGES = ['best', 'last', 'all'] as const;
export type KeptJudges = (typeof KEPT_JUDGES)[number];

export interface Retention {
  readonly keep: KeptJudges;
  /** Absolute paths of checkpoints that other runs and evaluations of the store begin from. */
  readonly inUse: ReadonlySet<string>;
}

/** Where a run's garbage is moved before it is deleted, so that whatever is at its own place is whole. */
export const TRASH = '.trash';

/** What lies in a model or in a shard's work is theirs. */
const CLOSED = /(\.work|\/training\/model)$/;
const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const DAMAGED = new RegExp(`\\.damaged-${UUID}$`);
const HALF_WRITTEN = new RegExp(`(^|\\.)draft-${UUID}$|\\.[0-9a-f]{32}\\.tmp$|\\.partial$`);

/**
 * The garbage of a run that is over. A run that is not finished may go on: of it goes only what nobody needs for that.
 * @throws ArtifactDamaged where the result of a training can't be read
 */
export async function findGarbage(
  store: ArtifactStore,
  run: StoredRun,
  retention: Retention,
): Promise<Garbage[]> {
  const root = store.path(run.runName);
  const found: { kind: GarbageKind; path: string }[] = [];
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      const kind = await kindOf(path);
      if (kind !== undefined) found.push({ kind, path });
      else if (entry.isDirectory() && !CLOSED.test(path)) await walk(path);
    }
  };
  const kindOf = async (path: string): Promise<GarbageKind | undefined> => {
    const name = basename(path);
    const [top = '', second = '', third = '', ...more] = relative(root, path).split(sep);
    if (top === TRASH) return second === '' ? undefined : 'left by an earlier gc';
    if (top === 'set-aside')
      // The note says that this was done: a workflow that is reset would do it again.
      return third === '' || (third === 'done.json' && more.length === 0) ? undefined : 'set aside by redo';
    if (DAMAGED.test(name)) return 'damaged artifacts';
    if (HALF_WRITTEN.test(name)) return 'half-written files';
    if (name.endsWith('.work'))
      return existsSync(join(path.slice(0, -'.work'.length), MANIFEST_FILE))
        ? 'work of finished shards'
        : undefined;
    const iteration = Number(/^iteration-(\d+)$/.exec(top)?.[1]);
    if (second !== 'training' || more.length > 0) return undefined;
    if (third === 'checkpoints' && (await readResult(join(root, top, second))) !== undefined)
      return 'checkpoints of finished trainings';
    if (third === 'model' && !(await isKept(store, run, iteration, retention)))
      return 'judges that are not kept';
    return undefined;
  };
  await walk(root);
  const sized = await Promise.all(found.map(async (each) => ({ ...each, bytes: await diskSize(each.path) })));
  return sized.sort((a, b) => GARBAGE_KINDS.indexOf(a.kind) - GARBAGE_KINDS.indexOf(b.kind));
}

/** Whether the judge of an iteration keeps its weights. */
async function isKept(
  store: ArtifactStore,
  { runName, ended, judges, best }: StoredRun,
  iteration: number,
  { keep, inUse }: Retention,
): Promise<boolean> {
  if (keep === 'all' || ended !== 'finished' || iteration === best) return true;
  const last = judges.at(-1)?.iteration;
  // A judge without a row was never evaluated: nobody could tell what goes with it.
  if (last === undefined || iteration > last) return true;
  if (keep === 'last' && iteration === last) return true;
  const model = store.path(`${runUris.training(runName, iteration)}/model`);
  return inUse.has(model) || inUse.has(await realpath(model).catch(() => model));
}
