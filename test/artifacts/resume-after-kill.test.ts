import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { resumeShard } from '../../src/artifacts/resume-shard.ts';
import { readSegments } from '../../src/artifacts/segments.ts';
import { ArtifactStore } from '../../src/artifacts/store.ts';
import { hashOf } from '../../src/judge/seeds.ts';
import { SAMPLES, sampledShard, UNITS, URI, type Sample } from './sampled-shard.ts';
import { temporaryStore } from './temporary-store.ts';

const seed = Number(process.env['SELF_TAUGHT_EVALUATOR_TEST_SEED'] ?? Date.now() % 1_000_000);

describe(`a shard whose process is killed (SELF_TAUGHT_EVALUATOR_TEST_SEED=${seed})`, () => {
  const temporary = temporaryStore();
  const workFolder = () => `${temporary.store.path(URI)}.work`;
  const recordsFile = (store: ArtifactStore) => readFile(join(store.path(URI), 'records.jsonl'), 'utf8');

  /** Works on the shard in a process of its own, and kills that when it has asked for `most` samples. */
  async function workUntilKilled(most: number): Promise<string[]> {
    const script = join(import.meta.dirname, 'work-on-sampled-shard.ts');
    const child = spawn(process.execPath, [script, temporary.store.root, String(most)], {
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
    let left = UNITS * SAMPLES;
    for (let kill = 0; kill < 3; kill += 1) {
      const there = existsSync(workFolder())
        ? (await readSegments<Sample>(workFolder())).map(({ id }) => id)
        : [];
      left = UNITS * SAMPLES - there.length;
      const moment = 1 + (Number.parseInt(hashOf(seed, kill).slice(0, 8), 16) % Math.floor(left * 0.7));
      const asked = await workUntilKilled(moment);
      assert.deepEqual(
        asked.filter((id) => there.includes(id)),
        [],
      );
      assert(!existsSync(temporary.store.path(URI)));
    }
    const there = (await readSegments<Sample>(workFolder())).map(({ id }) => id);
    const asked: string[] = [];
    const manifest = await resumeShard(
      temporary.store,
      sampledShard({}, (id) => asked.push(id)),
    );
    assert.deepEqual([...there, ...asked].sort(), [...new Set([...there, ...asked])].sort());
    assert.equal(there.length + asked.length, UNITS * SAMPLES);
    assert.equal(manifest.counts['samples'], UNITS * SAMPLES);

    const undisturbed = new ArtifactStore(join(temporary.folder, 'undisturbed'));
    await resumeShard(undisturbed, sampledShard());
    assert.equal(await recordsFile(temporary.store), await recordsFile(undisturbed));
  });
});
