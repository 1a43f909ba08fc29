import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { preparePool, type PoolInstruction } from '../../src/activities/prepare-pool.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { startLocalHub } from '../support/local-hub.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';

const instructions = Array.from({ length: 12 }, (_, index) => `Question ${index}?`);

describe('preparing the instruction pool', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function prepared(
    lines: readonly string[],
    share?: number,
    more: Partial<ConfigurationInput['instructions']> = {},
    held: readonly string[] = [],
  ) {
    const testRun = await startTestRun({
      instructions: { pool: ['pool.jsonl'], shardSize: 5, ...more },
      ...(share === undefined ? {} : { inference: { maxSkippedShare: share } }),
    });
    runs.push(testRun);
    await writeFile(join(testRun.folder, 'pool.jsonl'), lines.map((line) => `${line}\n`).join(''));
    const pairs = held.map((instruction, index) => ({
      id: String(index),
      instruction,
      better: 'b',
      worse: 'w',
    }));
    const benchmarks = [
      { name: 'held-out', pairs: await testRun.publish('test/benchmarks/held-out', pairs, 5) },
    ];
    const prepare = () => asActivity(() => preparePool(testRun.deps, { run: testRun.run, benchmarks }));
    return { testRun, prepare };
  }
  const asLine = (instruction: unknown, more: object = {}) => JSON.stringify({ instruction, ...more });

  /** Every file of the stage's shards and index but the manifests, which tell the hash of the pool's file. */
  async function bytesOf({ deps, folder }: TestRun): Promise<Record<string, string>> {
    const root = deps.store.locate('test/instructions/pool');
    const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.jsonl')).sort();
    assert(names.length > 0, folder);
    const texts = await Promise.all(names.map((name) => readFile(join(root, name), 'utf8')));
    return Object.fromEntries(names.map((name, index) => [name, texts[index] ?? '']));
  }

  it('writes every instruction once, in shards, with an id that depends only on its text', async () => {
    const { testRun, prepare } = await prepared(
      [...instructions, ...instructions.slice(3, 6)].map((text) => asLine(text)),
    );
    const { artifact, counts } = await prepare();
    const all = await testRun.behind<PoolInstruction>(artifact);
    assert.deepEqual(all.map(({ instruction }) => instruction).sort(), instructions.toSorted());
    assert.equal(artifact.records, 3);
    assert.deepEqual(counts, { rows: 15, instructions: 12, skipped: 3, 'dropped: duplicate': 3 });
    const other = await prepared(instructions.toReversed().map((text) => asLine(text)));
    await other.prepare();
    const { 'index/skipped.jsonl': listed, ...bytes } = await bytesOf(testRun);
    assert.match(listed ?? '', /"detail":"same as pool.jsonl row 3","id":"pool.jsonl row 12"/);
    assert.deepEqual({ ...bytes, 'index/skipped.jsonl': '' }, await bytesOf(other.testRun));
    assert(!existsSync(testRun.deps.store.locate('test/instructions/pool.journal')));
  });

  it('writes the same bytes if the rows have answers, correct or not: no answer enters the run', async () => {
    const plain = await prepared(instructions.map((text) => asLine(text)));
    await plain.prepare();
    const withKey = await prepared(
      instructions.map((text) =>
        asLine(text, { answer: 'wrong', label: 'B', chosen: 'wrong', response: 'wrong' }),
      ),
    );
    await withKey.prepare();
    assert.deepEqual(await bytesOf(withKey.testRun), await bytesOf(plain.testRun));
  });

  it('counts unusable rows and lists them with their reason', async () => {
    const bad = [
      '{"instruction": "cut',
      '{"question": "?"}',
      asLine(3),
      asLine(null),
      asLine(' \n'),
      '[1]',
      'null',
    ];
    const { testRun, prepare } = await prepared([...instructions.map((text) => asLine(text)), ...bad], 0.5);
    const { counts } = await prepare();
    assert.deepEqual(counts, {
      rows: 19,
      instructions: 12,
      skipped: 7,
      'failed: not JSON': 1,
      'failed: no field "instruction"': 1,
      'failed: "instruction" is number, not text': 1,
      'failed: "instruction" is null, not text': 1,
      'dropped: empty instruction': 1,
      'failed: not an object': 2,
    });
    const lines = (await bytesOf(testRun))['index/skipped.jsonl']?.trim().split('\n') ?? [];
    const setAside = lines.map((line) => JSON.parse(line) as { id: string; detail?: string });
    assert.deepEqual(
      setAside.map(({ id }) => id),
      bad.map((_, index) => `pool.jsonl row ${12 + index}`),
    );
    assert.match(setAside[0]?.detail ?? '', /^line 13 is not JSON/);
  });

  it('fails when too many rows are unusable, and says which', async () => {
    const { prepare } = await prepared(
      [...instructions.map((text) => asLine(text)), asLine(1), asLine(2)],
      0.1,
    );
    await assert.rejects(prepare(), {
      name: 'TooManySkipped',
      message: /2 of 14 rows.*share of 0\.1.*"instruction" is number, not text \(2 rows.*pool\.jsonl row 12/,
    });
  });

  it('fails when there is no instruction at all', async () => {
    const { prepare } = await prepared([]);
    await assert.rejects(prepare(), { name: 'InvalidInput', message: /no instruction in .*pool\.jsonl/ });
  });

  it('refuses a pool that has changed since the run began', async () => {
    const { testRun, prepare } = await prepared(instructions.map((text) => asLine(text)));
    const first = await prepare();
    assert.deepEqual((await prepare()).artifact, first.artifact);
    await writeFile(join(testRun.folder, 'pool.jsonl'), `${asLine('new')}\n`);
    await assert.rejects(prepare(), { name: 'FingerprintMismatch', fields: ['files'] });
  });

  it('drops instructions that a benchmark has too, and names the benchmark and its row', async () => {
    const { testRun, prepare } = await prepared(
      [...instructions.map((text) => asLine(text))],
      undefined,
      {},
      ['Another question?', 'question 3'],
    );
    const { counts } = await prepare();
    assert.equal(counts['dropped: overlaps with benchmark held-out'], 1);
    assert.equal(counts['instructions'], 11);
    const listed = (await bytesOf(testRun))['index/skipped.jsonl'] ?? '';
    assert.match(listed, /"detail":"row 1: question 3","id":"pool.jsonl row 3"/);
  });

  it('keeps instructions that a benchmark has too if decontamination is off', async () => {
    const filters = { decontamination: null };
    const { prepare } = await prepared(
      instructions.map((text) => asLine(text)),
      undefined,
      { filters },
      instructions,
    );
    assert.equal((await prepare()).counts['instructions'], 12);
  });

  it('says why no instruction remains', async () => {
    const { prepare } = await prepared(
      instructions.map((text) => asLine(text)),
      undefined,
      { filters: { characters: { min: 100 } } },
    );
    await assert.rejects(prepare(), {
      name: 'InvalidInput',
      message: /12 rows, skipped: too few characters 12/,
    });
  });

  it('rejects a comparison with other benchmarks under the same name, and names them', async () => {
    const { testRun, prepare } = await prepared(instructions.map((text) => asLine(text)));
    await prepare();
    await assert.rejects(
      asActivity(() => preparePool(testRun.deps, { run: testRun.run, benchmarks: [] })),
      { name: 'FingerprintMismatch', fields: ['benchmarks.held-out'] },
    );
  });

  it('reads files of several formats, by pattern and from the hub, each row once', async () => {
    const hub = await startLocalHub({
      name: 'someone/chats',
      commit: 'c'.repeat(40),
      branch: 'main',
      files: {
        'data/0.json': Buffer.from(
          JSON.stringify([{ id: '1', conversations: [{ from: 'human', value: 'Question 3?' }] }]),
        ),
        'data/1.jsonl': Buffer.from(`${asLine('From the hub')}\n`),
      },
    });
    try {
      const pool = ['pool.jsonl', 'pool*.jsonl', 'hf://datasets/someone/chats@main/data/*'];
      const { testRun, prepare } = await prepared(
        instructions.map((text) => asLine(text)),
        undefined,
        { pool },
      );
      Object.assign(testRun.deps.environment, {
        HF_ENDPOINT: hub.url,
        SELF_TAUGHT_EVALUATOR_CACHE: join(testRun.folder, 'cache'),
      });
      const { artifact, counts } = await prepare();
      assert.deepEqual(counts, { rows: 14, instructions: 13, skipped: 1, 'dropped: duplicate': 1 });
      const listed = (await bytesOf(testRun))['index/skipped.jsonl'] ?? '';
      assert.match(listed, /"id":"hf:\/\/datasets\/someone\/chats@c{40}\/data\/0\.json row 0"/);
      await hub.close();
      await rm(testRun.deps.store.locate('test/instructions/pool'), { recursive: true });
      await assert.rejects(prepare(), { message: /can't be reached.*has no copy/ });
      assert.equal(artifact.records, 3);
    } finally {
      await hub.close();
    }
  });

  it('continues after an interrupted attempt, with the same bytes', async () => {
    const { testRun, prepare } = await prepared(instructions.map((text) => asLine(text)));
    await prepare();
    const whole = await bytesOf(testRun);
    const pool = testRun.deps.store.locate('test/instructions/pool');
    await rm(join(pool, 'index'), { recursive: true });
    await rm(join(pool, 'shard-00002'), { recursive: true });
    await mkdir(`${pool}.journal/left-by-another-attempt`, { recursive: true });
    await prepare();
    assert.deepEqual(await bytesOf(testRun), whole);
    assert(!existsSync(`${pool}.journal`));
  });
});
