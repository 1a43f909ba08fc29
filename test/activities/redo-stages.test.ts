import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { redoStages } from '../../src/activities/redo-stages.ts';
import { readConfiguration } from '../../src/config/read-configuration.ts';
import type { Configuration } from '../../src/config/schema.ts';
import { temporaryStore } from '../artifacts/temporary-store.ts';

const { configuration } = readConfiguration({
  runName: 'run',
  iterations: 2,
  models: { seed: { checkpoint: 'm' } },
  serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:9/v1', servedName: 'm' },
  instructions: { pool: ['pool.jsonl'] },
  evaluation: {
    benchmarks: [{ name: 'held-out', format: 'reward-bench', path: 'b.jsonl', purpose: 'test' }],
  },
});
assert(configuration !== undefined);
const wanted: Configuration = configuration;

const inOrder = [
  ['0/prepare-benchmarks', 'benchmarks/held-out'],
  ['0/prepare-pool', 'instructions/pool'],
  ['0/categorize-instructions', 'instructions/categories'],
  ['0/select-instructions', 'instructions/selected'],
  ['0/generate-pairs', 'pairs'],
  ['0/evaluate', 'iteration-0/evaluation/held-out'],
  ['1/judge-pairs', 'iteration-1/judgments'],
  ['1/filter-judgments', 'iteration-1/training-set'],
  ['1/fine-tune', 'iteration-1/training'],
  ['1/evaluate', 'iteration-1/evaluation/held-out'],
  ['2/judge-pairs', 'iteration-2/judgments'],
  ['2/filter-judgments', 'iteration-2/training-set'],
  ['2/fine-tune', 'iteration-2/training'],
  ['2/evaluate', 'iteration-2/evaluation/held-out'],
] as const;
const folders = inOrder.map(([, folder]) => folder);

describe('redoing a stage', () => {
  const temporary = temporaryStore();
  const path = (...parts: string[]) => join(temporary.store.path('run'), ...parts);
  const there = () => folders.filter((folder) => existsSync(path(folder)));
  const redo = (stage: string, firstRunId = 'first') =>
    redoStages(temporary.store, wanted, stage, firstRunId);

  beforeEach(async () => {
    for (const folder of folders) await make(folder);
    await make('owner');
    await make('configurations');
  });
  async function make(folder: string, content = folder) {
    await mkdir(path(folder), { recursive: true });
    await writeFile(path(folder, 'records.jsonl'), content);
  }

  for (const [index, [stage]] of inOrder.entries()) {
    it(`${stage} sets it and all that follow aside, and nothing else`, async () => {
      assert.equal(await redo(stage), undefined);
      assert.deepEqual(there(), folders.slice(0, index));
      for (const folder of folders.slice(index)) {
        assert.equal(await readFile(path('set-aside/first', folder, 'records.jsonl'), 'utf8'), folder);
      }
      assert(existsSync(path('owner')) && existsSync(path('configurations')));
    });
  }

  it('of a run on given pairs has the stage that reads them, and none that makes any', async () => {
    const { instructions: _instructions, ...others } = wanted;
    const given = readConfiguration({
      ...others,
      pairs: { kind: 'given', files: ['p.jsonl'] },
    }).configuration;
    assert(given !== undefined);
    const problem = await redoStages(temporary.store, given, '0/generate-pairs', 'first');
    assert.match(
      problem?.message ?? '',
      /are 0\/prepare-benchmarks, 0\/prepare-pairs, 0\/evaluate, 1\/judge-pairs,/,
    );
    assert.equal(await redoStages(temporary.store, given, '0/prepare-pairs', 'first'), undefined);
    assert(!existsSync(path('pairs')) && existsSync(path('instructions/pool')));
  });

  it('sets half done work aside as well, and what was exported', async () => {
    await make('iteration-1/training-set.work');
    await make('outputs/datasets/iteration-1');
    await redo('1/filter-judgments');
    assert(!existsSync(path('outputs/datasets/iteration-1')));
    assert(!existsSync(path('iteration-1/training-set.work')));
    assert(existsSync(path('set-aside/first/iteration-1/training-set.work')));
  });

  it('sets later iterations aside that the run had when it was configured with more', async () => {
    await make('iteration-7/judgments');
    await redo('1/fine-tune');
    assert(!existsSync(path('iteration-7/judgments')));
  });

  it('is done once for a workflow: a retry leaves alone what was made since', async () => {
    await redo('2/judge-pairs');
    await make('iteration-2/judgments', 'new');
    assert.equal(await redo('2/judge-pairs'), undefined);
    assert.equal(await readFile(path('iteration-2/judgments/records.jsonl'), 'utf8'), 'new');
  });

  it('is done again for another workflow, and keeps what was set aside before', async () => {
    await redo('2/judge-pairs');
    await make('iteration-2/judgments', 'new');
    await redo('2/judge-pairs', 'second');
    assert(!existsSync(path('iteration-2/judgments')));
    assert.equal(await readFile(path('set-aside/second/iteration-2/judgments/records.jsonl'), 'utf8'), 'new');
    assert.deepEqual((await readdir(path('set-aside'))).sort(), ['first', 'second']);
  });

  it('is finished by a retry after a crash half way', async () => {
    await mkdir(path('set-aside/first/iteration-2'), { recursive: true });
    await rename(path('iteration-2/judgments'), path('set-aside/first/iteration-2/judgments'));
    await redo('2/judge-pairs');
    assert.deepEqual(
      there(),
      folders.filter((folder) => !folder.startsWith('iteration-2')),
    );
  });

  it('of a name that no stage has is a problem that lists the stages, and changes nothing', async () => {
    const problem = await redo('3/judge-pairs');
    assert.equal(problem?.path, 'redo');
    assert.equal(
      problem?.message,
      `found "3/judge-pairs"; the stages of this run are ${inOrder.map(([stage]) => stage).join(', ')}`,
    );
    assert.deepEqual(there(), folders);
    assert(!existsSync(path('set-aside')));
  });
});
