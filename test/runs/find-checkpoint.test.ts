import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type ArtifactStore } from '../../src/store/artifact-store.ts';
import {
  checkpointPathOrId,
  findCheckpoint,
  removeCheckpointCopies,
  requireCheckpoint,
  toStoreCheckpoint,
} from '../../src/runs/find-checkpoint.ts';
import { resolveCheckpoint } from '../../src/activities/resolve-model.ts';
import { judgeFileFor } from '../../src/pair-judging/find-judge-file.ts';
import { sampleJudge } from '../support/sample-judge.ts';
import { watchLocalFolders } from '../support/watch-local-folders.ts';

describe('a checkpoint', () => {
  let folder: string;
  let store: ArtifactStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'checkpoint-'));
    store = openStore(join(folder, 'store'));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const find = (checkpoint: string) => findCheckpoint(store, { roots: [folder] }, checkpoint);

  it('that a run has trained is found also after the store was moved', async () => {
    await store.writeText('run/iteration-1/training/model/config.json', '{}');
    const place = await find(toStoreCheckpoint('run/iteration-1/training/model'));
    assert.deepEqual(place, { kind: 'folder', path: join(folder, 'store/run/iteration-1/training/model') });
    await assert.rejects(
      () => find('store:run/iteration-2/training/model'),
      /no such checkpoint: .*iteration-2/,
    );
    await assert.rejects(() => find('store:../../etc'), /leads out of the store/);
  });

  it('in a bucket is copied once for all programs of a machine, and only for a program that reads files', async () => {
    const remote = openStore(`memory:${randomUUID()}`);
    Object.assign(remote.objects, { localRoot: join(folder, 'local') });
    const { given } = watchLocalFolders(remote);
    const files = { roots: [folder] };
    const uri = 'run/outputs/model';
    const checkpoint = toStoreCheckpoint(uri);
    await assert.rejects(requireCheckpoint(remote, files, checkpoint), /no such checkpoint: memory:/);
    await remote.writeText(`${uri}/config.json`, '{}');
    await remote.writeText(`${uri}/judge.json`, JSON.stringify(sampleJudge()));
    await requireCheckpoint(remote, files, checkpoint);
    const { sha256 } = await resolveCheckpoint({ store: remote, files }, checkpoint);
    const judge = await judgeFileFor({ store: remote, files }, { model: { checkpoint } });
    assert.equal(judge.run, sampleJudge().run);
    assert(!existsSync(join(folder, 'local')));

    const copy = async () => checkpointPathOrId(await findCheckpoint(remote, files, checkpoint));
    const [path, ...others] = await Promise.all([copy(), copy(), copy()]);
    assert.deepEqual(others, [path, path]);
    assert.equal((await resolveCheckpoint({ store, files }, path)).sha256, sha256);
    await writeFile(join(path, 'judge.json'), 'half');
    assert.equal(await copy(), path, 'a damaged copy is made again');
    assert.equal((await resolveCheckpoint({ store, files }, path)).sha256, sha256);
    await remote.writeText(`${uri}/config.json`, '{"other": 1}');
    const other = await copy();
    assert.notEqual(other, path);
    assert.equal(await readFile(join(other, 'config.json'), 'utf8'), '{"other": 1}');
    await removeCheckpointCopies(remote, uri);
    assert.deepEqual([existsSync(path), existsSync(other)], [false, false]);
    assert.deepEqual(given, [], 'no copy of which nobody knows when it is needed no more');
  });

  it('is a folder if there is one, otherwise an id of the hub if the name has its form', async () => {
    assert.deepEqual(await find('meta-llama/Llama-3.1-8B-Instruct'), {
      kind: 'hub',
      id: 'meta-llama/Llama-3.1-8B-Instruct',
    });
    await mkdir(join(folder, 'meta-llama/Llama-3.1-8B-Instruct'), { recursive: true });
    const place = await find('meta-llama/Llama-3.1-8B-Instruct');
    assert.equal(checkpointPathOrId(place), join(folder, 'meta-llama/Llama-3.1-8B-Instruct'));
  });

  it('that is neither causes an error with the paths that were tried', async () => {
    await assert.rejects(() => find('models/seed/final'), {
      message: `no such file or folder: ${join(folder, 'models/seed/final')}`,
    });
    await assert.rejects(() => find('/models/seed'), /no such file or folder: \/models\/seed/);
  });
});
