import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { claim, newestClaim, newestEpoch, takeOver } from '../../src/artifacts/claim.ts';
import { temporaryStore } from './temporary-store.ts';

describe('claims on a piece of work', () => {
  const temporary = temporaryStore();

  it('give each epoch to exactly one of many who want it at once', async () => {
    for (let epoch = 0; epoch < 5; epoch += 1) {
      const claimers = Array.from({ length: 20 }, (_, index) => `claimer ${index}`);
      const won = await Promise.all(claimers.map((holder) => claim(temporary.folder, epoch, holder)));
      assert.equal(won.filter(Boolean).length, 1);
      const newest = await newestClaim(temporary.folder);
      assert.deepEqual(newest, { epoch: epoch + 1, holder: claimers[won.indexOf(true)] });
    }
    assert.equal((await readdir(temporary.folder)).filter((name) => name.startsWith('draft-')).length, 0);
  });

  it('are taken over one after the other: every one of many gets an epoch of its own', async () => {
    const epochs = await Promise.all(
      Array.from({ length: 12 }, (_, holder) => takeOver(temporary.folder, { holder })),
    );
    assert.deepEqual(
      epochs.sort((a, b) => a - b),
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    assert.equal(await newestEpoch(temporary.folder), 12);
  });

  it('are not won by who looked before somebody else raised the epoch', async () => {
    assert(await claim(temporary.folder, 0, 'first'));
    assert(await claim(temporary.folder, 1, 'second'));
    assert(!(await claim(temporary.folder, 0, 'late')));
    assert.deepEqual(await newestClaim(temporary.folder), { epoch: 2, holder: 'second' });
  });

  it('are none in a folder that is not there or holds only what a crash has left', async () => {
    assert.equal(await newestClaim(join(temporary.folder, 'none')), undefined);
    await writeFile(join(temporary.folder, 'draft-1234'), '{"half');
    assert.equal(await newestClaim(temporary.folder), undefined);
    assert.equal(await takeOver(temporary.folder, 'holder'), 1);
  });
});
