import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchmarkFingerprint } from '../../src/activities/prepare-benchmark.ts';
import { resolveCheckpoint } from '../../src/activities/resolve-model.ts';
import { temporaryStore } from '../support/temporary-store.ts';

/** The cache of the Hugging Face hub has a link to each file of a snapshot. */
describe('a folder of links to files is identified by their content', () => {
  const fixture = temporaryStore();
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'linked-'));
    for (const name of ['one', 'other']) {
      const files = join(folder, 'files', name);
      await mkdir(files, { recursive: true });
      await writeFile(join(files, 'data.jsonl'), name);
      await mkdir(join(folder, name));
      await symlink(join(files, 'data.jsonl'), join(folder, name, 'data.jsonl'));
      await symlink(join(folder, 'nowhere'), join(folder, name, 'dangling'));
    }
    await cp(join(folder, 'files', 'one'), join(folder, 'copy'), { recursive: true });
  });

  after(() => rm(folder, { recursive: true, force: true }));

  const identities: Record<string, (path: string) => Promise<unknown>> = {
    'a checkpoint': async (path) => {
      const { sha256 } = await resolveCheckpoint({ store: fixture.store, files: { roots: [] } }, path);
      return sha256;
    },
    'a benchmark': (path) => benchmarkFingerprint('llmbar', path),
  };
  for (const [name, identityOf] of Object.entries(identities))
    it(name, async () => {
      const [one, other, copy] = await Promise.all(
        ['one', 'other', 'copy'].map((each) => identityOf(join(folder, each))),
      );
      assert.notDeepEqual(one, other);
      assert.deepEqual(one, copy);
    });
});
