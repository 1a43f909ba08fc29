/** Finds the files of a run that the retention rules no longer keep (docs/runs.md). Nothing is changed. */
import { readStoredTraining } from '../models/training/stored-training.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { MANIFEST_FILE } from '../store/manifest.ts';
import { QUARANTINE_SUFFIX } from '../store/quarantine.ts';
import { isAttemptFile } from '../store/write-artifact.ts';
import { runUris } from './run-layout.ts';
import type { StoredRun } from './stored-run.ts';

/** The kinds of garbage in the order of deletion, the least useful first. */
export const GARBAGE_KINDS = [
  'temporary files',
  'quarantined artifacts',
  'archived stages',
  'journals of finished shards',
  'checkpoints of finished trainings',
  'pruned judges',
] as const;
export type GarbageKind = (typeof GARBAGE_KINDS)[number];

export interface Garbage {
  readonly kind: GarbageKind;
  /** An object, or the prefix of several objects. */
  readonly uri: string;
  readonly bytes: number;
}

/** The judges of a finished run whose weights are kept: the best one, the best and the last one, or all. */
export const RETAINED_JUDGES = ['best', 'last', 'all'] as const;
export type RetainedJudges = (typeof RETAINED_JUDGES)[number];

export interface Retention {
  readonly keep: RetainedJudges;
  /** The uris of checkpoints of this store that other runs and evaluations start from. */
  readonly inUse: ReadonlySet<string>;
}

const JOURNAL_SUFFIX = '.journal';
/** Files that a trainer was writing. */
const TRAINER_TEMPORARY = /\.[0-9a-f]{32}\.tmp$|\.partial$/;

/**
 * Finds the garbage of a run that has ended. An unfinished run may continue, so only files that it does not need for
 * this are garbage.
 * @throws ArtifactDamaged if the result of a training can't be read
 */
export async function findGarbage(
  store: ArtifactStore,
  run: StoredRun,
  retention: Retention,
): Promise<Garbage[]> {
  const { objects } = store;
  const pieces = new Map<string, { readonly kind: GarbageKind; bytes: number }>();
  const add = (kind: GarbageKind, uri: string, bytes: number): void => {
    const piece = pieces.get(uri) ?? { kind, bytes: 0 };
    piece.bytes += bytes;
    pieces.set(uri, piece);
  };
  const classify = new Classifier(store, run, retention);
  for (const { key, bytes } of await objects.list(run.runName)) {
    const piece = await classify.pieceOf(key);
    if (piece !== undefined) add(piece.kind, piece.uri, bytes);
  }
  for (const { key, bytes } of await objects.listIncomplete(run.runName)) {
    const piece = (await classify.pieceOf(key)) ?? { kind: 'temporary files', uri: key };
    add(piece.kind, piece.uri, bytes);
  }
  return [...pieces]
    .map(([uri, { kind, bytes }]) => ({ kind, uri, bytes }))
    .sort((a, b) => GARBAGE_KINDS.indexOf(a.kind) - GARBAGE_KINDS.indexOf(b.kind));
}

type Piece = Pick<Garbage, 'kind' | 'uri'>;

/** Assigns an object to a piece of garbage. Reads each artifact and training of the store once. */
class Classifier {
  readonly #store: ArtifactStore;
  readonly #run: StoredRun;
  readonly #retention: Retention;
  readonly #answers = new Map<string, Promise<unknown>>();

  constructor(store: ArtifactStore, run: StoredRun, retention: Retention) {
    this.#store = store;
    this.#run = run;
    this.#retention = retention;
  }

  async pieceOf(key: string): Promise<Piece | undefined> {
    const root = this.#run.runName;
    const parts = key.slice(root.length + 1).split('/');
    const upTo = (count: number): string => [root, ...parts.slice(0, count)].join('/');
    const [top = '', second = '', third = ''] = parts;
    if (top === 'archive') {
      // The note remains, because a workflow that is reset would otherwise train again.
      const isNote = third === 'done.json' && parts.length === 3;
      return third === '' || isNote ? undefined : { kind: 'archived stages', uri: upTo(3) };
    }
    const quarantined = parts.findIndex((part) => part.includes(QUARANTINE_SUFFIX));
    if (quarantined >= 0) return { kind: 'quarantined artifacts', uri: upTo(quarantined + 1) };
    const journal = parts.findIndex((part) => part.endsWith(JOURNAL_SUFFIX));
    if (journal >= 0) {
      const uri = upTo(journal + 1);
      const isDone = (await this.#manifest(uri.slice(0, -JOURNAL_SUFFIX.length))) !== undefined;
      return isDone ? { kind: 'journals of finished shards', uri } : undefined;
    }
    const iteration = Number(/^iteration-(\d+)$/.exec(top)?.[1]);
    const isTraining = ['training', 'trainer'].includes(second) && Number.isInteger(iteration);
    if (isTraining && third === 'checkpoints' && (await this.#isTrained(upTo(2))))
      return { kind: 'checkpoints of finished trainings', uri: upTo(3) };
    if (isTraining && second === 'training' && third === 'model')
      return this.#isKept(iteration) ? undefined : { kind: 'pruned judges', uri: upTo(3) };
    return (await this.#isHalfWritten(key)) ? { kind: 'temporary files', uri: key } : undefined;
  }

  async #isHalfWritten(key: string): Promise<boolean> {
    const slash = key.lastIndexOf('/');
    const name = key.slice(slash + 1);
    if (TRAINER_TEMPORARY.test(name)) return true;
    if (!isAttemptFile(name) || name === MANIFEST_FILE) return false;
    const manifest = await this.#manifest(key.slice(0, slash));
    return !Object.values(manifest?.storedAs ?? {}).includes(name);
  }

  #manifest(uri: string): ReturnType<ArtifactStore['readManifest']> {
    return this.#once(uri, () => this.#store.readManifest(uri).catch(() => undefined));
  }

  #isTrained(uri: string): Promise<boolean> {
    return this.#once(uri, async () => (await readStoredTraining(this.#store, uri)) !== undefined);
  }

  #once<T>(uri: string, look: () => Promise<T>): Promise<T> {
    const cached = this.#answers.get(uri) as Promise<T> | undefined;
    const answer = cached ?? look();
    this.#answers.set(uri, answer);
    return answer;
  }

  /** True if the judge of an iteration keeps its weights. */
  #isKept(iteration: number): boolean {
    const { runName, endStatus, judges, best } = this.#run;
    const { keep, inUse } = this.#retention;
    if (keep === 'all' || endStatus !== 'completed' || iteration === best) return true;
    const last = judges.at(-1)?.iteration;
    // A judge without a row was never evaluated, so its value is unknown.
    if (last === undefined || iteration > last) return true;
    if (keep === 'last' && iteration === last) return true;
    return inUse.has(`${runUris.training(runName, iteration)}/model`);
  }
}
