import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { resumeShard } from '../../src/store/resume-shard.ts';
import { journalUri, readJournal } from '../../src/store/journal.ts';
import { openStore, type ArtifactStore } from '../../src/store/artifact-store.ts';
import { stableHash } from '../../src/platform/stable-hash.ts';
import { SAMPLES_PER_UNIT, sampledShard, UNIT_COUNT, SHARD_URI, type Sample } from './sampled-shard.ts';
import { temporaryStore } from '../support/temporary-store.ts';

const seed = Number(process.env['SELF_TAUGHT_EVALUATOR_TEST_SEED'] ?? Date.now() % 1_000_000);

describe(`a shard whose process is killed (SELF_TAUGHT_EVALUATOR_TEST_SEED=${seed})`, () => {
  const temporary = temporaryStore();
  const journal = () => readJournal<Sample>(temporary.store.objects, journalUri(SHARD_URI));
  const recordsFile = (store: ArtifactStore) =>
    readFile(join(store.locate(SHARD_URI), 'records.jsonl'), 'utf8');

  /** Works on the shard in a process of its own, and kills that when it has asked for `most` samples. */
  async function workUntilKilled(most: number): Promise<string[]> {
    const script = join(import.meta.dirname, 'work-on-sampled-shard.ts');
    const child = spawn(process.execPath, [script, temporary.store.address, String(most)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = new Promise<NodeJS.Signals | null>((resolve) =>
      child.once('exit', (_code, signal) => resolve(signal)),
    );
    const asked: string[] = [];
    for await (const id of createInterface(child.stdout)) {
      asked.push(id);
      if (asked.length === most) child.kill('SIGKILL');
    }
    assert.equal(await exited, 'SIGKILL');
    return asked;
  }

  it('has the same bytes in the end as one that nothing disturbed, and asks for nothing that was on disk', async () => {
    let left = UNIT_COUNT * SAMPLES_PER_UNIT;
    for (let kill = 0; kill < 3; kill += 1) {
      const there = (await journal()).map(({ id }) => id);
      left = UNIT_COUNT * SAMPLES_PER_UNIT - there.length;
      const moment = 1 + (Number.parseInt(stableHash(seed, kill).slice(0, 8), 16) % Math.floor(left * 0.7));
      const asked = await workUntilKilled(moment);
      assert.deepEqual(
        asked.filter((id) => there.includes(id)),
        [],
      );
      assert(!existsSync(temporary.store.locate(SHARD_URI)));
    }
    const there = (await journal()).map(({ id }) => id);
    const asked: string[] = [];
    const manifest = await resumeShard(
      temporary.store,
      sampledShard({}, (id) => asked.push(id)),
    );
    assert.deepEqual([...there, ...asked].sort(), [...new Set([...there, ...asked])].sort());
    assert.equal(there.length + asked.length, UNIT_COUNT * SAMPLES_PER_UNIT);
    assert.equal(manifest.counts['samples'], UNIT_COUNT * SAMPLES_PER_UNIT);

    const undisturbed = openStore(join(temporary.folder, 'undisturbed'));
    await resumeShard(undisturbed, sampledShard());
    assert.equal(await recordsFile(temporary.store), await recordsFile(undisturbed));
  });
});
