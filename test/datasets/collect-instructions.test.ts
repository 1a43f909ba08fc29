import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SkippedRecord } from '../../src/store/shard-types.ts';
import { stableHash } from '../../src/platform/stable-hash.ts';
import {
  collectInstructions,
  type CollectInstructionsOptions,
} from '../../src/datasets/collect-instructions.ts';
import { BenchmarkOverlaps } from '../../src/datasets/decontamination.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

const rowsOf = async (path: string) =>
  (await readFile(path, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>);

describe('collecting a pool', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'collect-'))));
  afterEach(() => rm(folder, { recursive: true }));

  async function collect(path: string, change: Partial<CollectInstructionsOptions> = {}) {
    const pool = await collectInstructions({
      files: [{ name: 'pool', path }],
      format: 'auto',
      filter: () => undefined,
      overlaps: null,
      nearDuplicates: null,
      seed: 1,
      scratch: join(folder, 'scratch'),
      signal: new AbortController().signal,
      onProgress: () => undefined,
      checkFailed: () => undefined,
      ...change,
    });
    const kept = await Array.fromAsync(pool.kept());
    const leftOut: SkippedRecord[] = await Array.fromAsync(pool.skipped());
    assert.equal(kept.length, pool.instructions);
    assert.equal(leftOut.length, pool.skippedCount);
    return { pool, kept, leftOut };
  }
  async function poolOf(texts: readonly string[]): Promise<string> {
    const path = join(folder, 'pool.jsonl');
    await writeFile(path, texts.map((instruction) => `${JSON.stringify({ instruction })}\n`).join(''));
    return path;
  }

  it('keeps every text unchanged, sorted by id, with any characters and of any length', async () => {
    const texts = [
      'line\nbreak and \u2028 separator',
      '"quoted" \\ back',
      '😀'.repeat(30_000),
      '\u0000',
      ...Array.from({ length: 3000 }, (_, row) => `text ${row} ${'x'.repeat(row % 200)}`),
    ];
    const { kept } = await collect(await poolOf(texts));
    const expected = texts.map((instruction) => ({ id: stableHash(instruction), instruction }));
    assert.deepEqual(
      kept,
      expected.sort((a, b) => (a.id < b.id ? -1 : 1)),
    );
  });

  it('keeps the same one of several near duplicates, independent of the order of the rows', async () => {
    const common =
      'Write a long letter to the mayor of a small town about the broken lamps in the park and the';
    const texts = Array.from(
      { length: 40 },
      (_, row) => `${common} ${'bench tree pond'.split(' ')[row % 3]}${row % 2}`,
    );
    const nearDuplicates = { threshold: 0.7, ngramSize: 3 };
    const first = await collect(await poolOf([...texts, 'Something else entirely']), { nearDuplicates });
    assert.equal(first.kept.length, 2);
    assert.deepEqual(
      first.pool.reasons.map(({ reason, count }) => [reason, count]),
      [
        ['duplicate', 34],
        ['near duplicate', 5],
      ],
    );
    assert.match(first.leftOut.at(-1)?.detail ?? '', /^(0\.\d\d|1\.00) of [0-9a-f]{16}$/);
    await rm(join(folder, 'scratch'), { recursive: true });
    const again = await collect(await poolOf(['Something else entirely', ...texts.toReversed()]), {
      nearDuplicates,
    });
    assert.deepEqual(again.kept, first.kept);
  });

  it('stops when it is cancelled', async () => {
    const controller = new AbortController();
    const path = await poolOf(Array.from({ length: 1000 }, (_, row) => `text ${row}`));
    const onProgress = () => controller.abort(new Error('stopped'));
    await assert.rejects(collect(path, { signal: controller.signal, onProgress }), { message: 'stopped' });
  });

  it('writes nothing outside its scratch folder', async () => {
    await collect(await poolOf(['a', 'b']));
    assert.deepEqual((await readdir(folder)).sort(), ['pool.jsonl', 'scratch']);
  });

  it('accepts the complete embedded pool, which doesn’t overlap with the embedded benchmarks', async () => {
    const overlaps = new BenchmarkOverlaps({ ngramSize: 13, minWords: 8 });
    for (const name of ['validation', 'test']) {
      const rows = await rowsOf(join(packageRoot, `embedded/benchmark/${name}.jsonl`));
      for (const { id, prompt } of rows) overlaps.add(name, String(id), prompt ?? '');
    }
    const path = join(packageRoot, 'embedded/instructions.jsonl');
    const { kept } = await collect(path, { overlaps });
    const texts = (await rowsOf(path)).map(({ instruction }) => instruction ?? '');
    const expected = texts.map((instruction) => ({ id: stableHash(instruction), instruction }));
    assert.deepEqual(
      kept,
      expected.sort((a, b) => (a.id < b.id ? -1 : 1)),
    );
  });
});
