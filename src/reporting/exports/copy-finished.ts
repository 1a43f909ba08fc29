/** Copies what a run has finished into another store, so that it is safe there and of use to others. */
import { createHash } from 'node:crypto';
import { RESULT_FILE } from '../../models/training/job.ts';
import { readStoredTraining } from '../../models/training/stored-training.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import { ArtifactDamaged, MADE_AGAIN } from '../../store/errors.ts';
import { fileKey, filesOf, MANIFEST_FILE } from '../../store/manifest.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { QUARANTINE_SUFFIX } from '../../store/quarantine.ts';
import { runUris } from '../../runs/run-layout.ts';
import { CARD_FILE } from '../training-row-formats.ts';

/** An object to copy. Its hash is checked while it is copied, if it is known. */
interface CopiedObject {
  readonly key: string;
  readonly sha256?: string;
}

/** Objects that belong together. The last one is copied after the others, so that whoever finds it finds all. */
interface FinishedPart {
  readonly objects: readonly CopiedObject[];
  readonly last: string;
}

export interface CopyCounts {
  /** The objects that were copied now; those of an earlier copy are not sent again. */
  readonly objects: number;
  readonly bytes: number;
}

/**
 * Copies the finished artifacts of a run, its trained judges and its reports, under the same keys. Journals, checkpoints of
 * trainings and quarantined artifacts are left out.
 * @param onObject called before each object, with its key
 * @throws ArtifactDamaged if an object differs from its recorded hash
 */
export async function copyFinished(
  store: ArtifactStore,
  target: ObjectStore,
  runName: string,
  onObject: (key: string) => void,
): Promise<CopyCounts> {
  const counts = { objects: 0, bytes: 0 };
  const copy = async ({ key, sha256 }: CopiedObject): Promise<void> => {
    onObject(key);
    counts.bytes += await copyObject(store.objects, target, key, sha256);
    counts.objects += 1;
  };
  const keys = (await store.objects.list(runName)).map(({ key }) => key);
  for (const part of await finishedParts(store, keys)) {
    if (await isSame(store.objects, target, part.last)) continue;
    for (const object of part.objects) await copy(object);
    await copy({ key: part.last });
  }
  return counts;
}

async function finishedParts(store: ArtifactStore, keys: readonly string[]): Promise<FinishedPart[]> {
  const parts: FinishedPart[] = [];
  for (const key of keys) {
    const [run = '', top = ''] = key.split('/');
    if (top === 'archive' || key.includes(QUARANTINE_SUFFIX)) continue;
    const below = (prefix: string) => keys.filter((each) => each.startsWith(`${prefix}/`));
    const folder = key.slice(0, key.lastIndexOf('/'));
    const name = key.slice(folder.length + 1);
    if (name === MANIFEST_FILE) parts.push(...(await artifactPart(store, folder)));
    else if (name === RESULT_FILE && folder.endsWith('/training'))
      parts.push(await trainingPart(store, folder, below(`${folder}/model`)));
    else if (key === `${runUris.modelFolder(run)}/${CARD_FILE}`)
      parts.push({
        objects: below(folder)
          .filter((each) => each !== key)
          .map((each) => ({ key: each })),
        last: key,
      });
    else if (isLoose(key, run)) parts.push({ objects: [], last: key });
  }
  return parts;
}

async function artifactPart(store: ArtifactStore, uri: string): Promise<FinishedPart[]> {
  const manifest = await store.readManifest(uri);
  if (manifest === undefined) return [];
  const objects = Object.entries(filesOf(manifest)).map(([name, sha256]) => ({
    key: fileKey(manifest, name),
    sha256,
  }));
  return [{ objects, last: `${uri}/${MANIFEST_FILE}` }];
}

/** A judge whose weights were pruned is copied without them; the note about that is a part of its own. */
async function trainingPart(
  store: ArtifactStore,
  uri: string,
  modelKeys: readonly string[],
): Promise<FinishedPart> {
  const result = await readStoredTraining(store, uri);
  const files = modelKeys.length === 0 ? [] : (result?.model.files ?? []);
  const objects = files.map(({ name, sha256 }) => ({ key: `${uri}/model/${name}`, sha256 }));
  return { objects, last: `${uri}/${RESULT_FILE}` };
}

/** Returns whether an object is a part of its own that may be replaced: a report, a result, a card, a `judge.json` or a note about pruned weights. */
function isLoose(key: string, run: string): boolean {
  return (
    [runUris.report(run), runUris.result(run), runUris.state(run)].includes(key) ||
    key === `${runUris.datasetFolder(run)}/${CARD_FILE}` ||
    JUDGE_FILES.test(key)
  );
}

const JUDGE_FILES = /\/iteration-(\d+\/training\/(judge|pruned)|0\/judge)\.json$/;

async function isSame(from: ObjectStore, target: ObjectStore, key: string): Promise<boolean> {
  const [here, there] = await Promise.all([from.get(key), target.get(key)]);
  return here !== undefined && there !== undefined && here.content.equals(there.content);
}

/** Copies one object, and returns its bytes. An object that differs from its hash is not left in the target. */
async function copyObject(
  from: ObjectStore,
  target: ObjectStore,
  key: string,
  sha256: string | undefined,
): Promise<number> {
  const content = await from.stream(key);
  if (content === undefined)
    throw new ArtifactDamaged(`${from.locate(key)} is missing, and was not copied. ${MADE_AGAIN}`);
  const hash = createHash('sha256');
  let bytes = 0;
  async function* hashed(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
    const found = hash.digest('hex');
    if (sha256 !== undefined && found !== sha256)
      throw new ArtifactDamaged(
        `${from.locate(key)} has sha256 ${found}, expected ${sha256}: it is damaged, and was not copied. ${MADE_AGAIN}`,
      );
  }
  await target.put(key, hashed(content));
  return bytes;
}
