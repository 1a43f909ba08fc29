import assert from 'node:assert/strict';
import { ArtifactStore } from '../../src/store/artifact-store.ts';
import { claimKey, latestClaim, latestEpoch, takeOverClaim, tryClaim } from '../../src/store/claims.ts';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';

const writers = Array.from({ length: 16 }, (_, index) => `writer ${index}`);
const WRITERS = writers.length;

/** What claims in every driver's store must do. `opened` returns the empty store of a test. */
export function conformsToClaims(opened: () => ObjectStore): void {
  describe('claims', () => {
    let objects: ObjectStore;
    beforeEach(() => (objects = opened()));

    it('give each epoch to exactly one of many who want it at once', async () => {
      for (let epoch = 0; epoch < 5; epoch += 1) {
        const won = await Promise.all(writers.map((holder) => tryClaim(objects, 'owner', epoch, holder)));
        assert.equal(won.filter(Boolean).length, 1);
        const latest = await latestClaim(objects, 'owner');
        assert.deepEqual(latest, { epoch: epoch + 1, holder: writers[won.indexOf(true)] });
      }
    });

    it('are taken over one after the other: each of many gets an epoch of its own', async () => {
      const epochs = await Promise.all(writers.map((holder) => takeOverClaim(objects, 'owner', holder)));
      assert.deepEqual(
        epochs.sort((a, b) => a - b),
        writers.map((_, index) => index + 1),
      );
      assert.equal(await latestEpoch(objects, 'owner'), WRITERS);
    });

    it('are not won by somebody who looked before another raised the epoch', async () => {
      assert(await tryClaim(objects, 'owner', 0, 'first'));
      assert(await tryClaim(objects, 'owner', 1, 'second'));
      assert(!(await tryClaim(objects, 'owner', 0, 'late')));
      assert.deepEqual(await latestClaim(objects, 'owner'), { epoch: 2, holder: 'second' });
    });

    it('do not exist if nobody has claimed', async () => {
      assert.equal(await latestClaim(objects, 'owner'), undefined);
      assert.equal(await latestEpoch(objects, 'owner'), 0);
    });

    for (const [damage, content] of Object.entries({
      empty: '',
      truncated: '{"workflowId": "ho',
      null: 'null',
    }))
      it(`that are ${damage} count as made by nobody: the holder before stays, and the next epoch is free`, async () => {
        const logged: string[] = [];
        const store = new ArtifactStore(objects, (line) => logged.push(line));
        const unreadable = [objects.locate(claimKey('owner', 1))];
        await objects.put(claimKey('owner', 1), content);
        assert.deepEqual(await store.latestClaim('owner'), { epoch: 1, holder: undefined, unreadable });
        assert.match(logged.join('\n'), /000001\.json can't be read .* counts as a claim by nobody/);
        assert(await tryClaim(objects, 'owner', 1, 'second'));
        assert.deepEqual(await latestClaim(objects, 'owner'), { epoch: 2, holder: 'second' });
        await objects.put(claimKey('owner', 3), content);
        assert.deepEqual((await latestClaim(objects, 'owner'))?.holder, 'second');
        assert.equal(await takeOverClaim(objects, 'owner', 'fourth'), 4);
        assert.deepEqual(await latestClaim(objects, 'owner'), { epoch: 4, holder: 'fourth' });
      });
  });
}
