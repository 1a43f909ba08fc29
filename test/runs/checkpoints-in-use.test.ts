import assert from 'node:assert/strict';
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeModelFolder } from '../../src/reporting/exports/model-folder.ts';
import { checkpointsInUse } from '../../src/runs/checkpoints-in-use.ts';
import { findGarbage } from '../../src/runs/garbage.ts';
import type { StoredRun } from '../../src/runs/stored-run.ts';
import { temporaryStore } from '../support/temporary-store.ts';

describe('the checkpoint of a judge', () => {
  const temporary = temporaryStore();
  const judge = (iteration: number) => temporary.store.locate(`a/iteration-${iteration}/training/model`);

  beforeEach(async () => {
    for (const iteration of [1, 2, 3]) {
      await mkdir(judge(iteration), { recursive: true });
      await writeFile(join(judge(iteration), 'config.json'), '{}');
    }
  });

  /** The iterations of `a`, whose best judge is that of 3, that are freed while another run begins from a checkpoint. */
  async function freed(checkpoint: string): Promise<number[]> {
    const { store } = temporary;
    const other = { resolved: { configuration: { models: { seed: { checkpoint } } } } };
    const inUse = await checkpointsInUse(store, [other as unknown as StoredRun], ['/nowhere']);
    const judges = [0, 1, 2, 3].map((iteration) => ({ iteration }));
    const a = { runName: 'a', endStatus: 'completed', judges, best: 3 } as unknown as StoredRun;
    const garbage = await findGarbage(store, a, { keep: 'best', inUse });
    const iterations = garbage.map(({ uri }) => Number(/iteration-(\d)\/training\/model$/.exec(uri)?.[1]));
    return iterations.sort((a, b) => a - b);
  }

  it('can be deleted if no run starts from it', async () => {
    assert.deepEqual(await freed('embedded/model'), [1, 2]);
    assert.deepEqual(await freed('someone/model'), [1, 2]);
    assert.deepEqual(await freed(judge(3)), [1, 2]);
  });

  it('is kept if another run starts from it, by whatever path it is named', async () => {
    const { store, folder } = temporary;
    await symlink(store.address, join(folder, 'linked'));
    await symlink(judge(1), join(folder, 'base'));
    for (const name of [
      'store:a/iteration-1/training/model',
      judge(1),
      `${judge(1)}/`,
      'store/a/iteration-1/training/model',
      'runs/a/iteration-1/training/model',
      '../project/./runs/a/iteration-1/training/model',
      '/mounted/elsewhere/a/iteration-1/training/model',
      join(folder, 'linked/a/iteration-1/training/model'),
      join(folder, 'base'),
      'base',
    ])
      assert.deepEqual(await freed(name), [2], name);
  });

  it('is kept if its run is in another folder that is linked into the store', async () => {
    const { store, folder } = temporary;
    const moved = join(folder, 'large-disk');
    await rename(store.locate('a'), moved);
    await symlink(moved, store.locate('a'));
    assert.deepEqual(await freed(join(moved, 'iteration-1/training/model')), [2]);
  });

  it('is kept if it is named by links to its files', async () => {
    await makeModelFolder(temporary.store.locate('a/outputs/model'), judge(1), ['config.json'], {});
    for (const name of [temporary.store.locate('a/outputs/model'), '/mounted/elsewhere/a/outputs/model'])
      assert.deepEqual(await freed(name), [2], name);
  });
});
