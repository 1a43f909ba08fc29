import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveStages } from '../../src/runs/archive-stages.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import type { Configuration } from '../../src/config/run-configuration.ts';
import { temporaryStore } from '../support/temporary-store.ts';

const { configuration } = parseConfiguration({
  runName: 'run',
  iterations: 2,
  models: { seed: { checkpoint: 'm' } },
  serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:9/v1', servedModelName: 'm-{iteration}' },
  instructions: { pool: ['pool.jsonl'] },
  evaluation: {
    benchmarks: [{ name: 'held-out', format: 'reward-bench', path: 'b.jsonl', purpose: 'test' }],
  },
});
assert(configuration !== undefined);
const wanted: Configuration = configuration;

const inOrder = [
  ['0/prepareBenchmarks', 'benchmarks/held-out'],
  ['0/preparePool', 'instructions/pool'],
  ['0/categorizeInstructions', 'instructions/categories'],
  ['0/selectInstructions', 'instructions/selected'],
  ['0/generatePairs', 'pairs'],
  ['0/evaluateJudge', 'iteration-0/evaluation/held-out'],
  ['1/judgePairs', 'iteration-1/judgments'],
  ['1/filterJudgments', 'iteration-1/training-set'],
  ['1/fineTune', 'iteration-1/training'],
  ['1/evaluateJudge', 'iteration-1/evaluation/held-out'],
  ['2/judgePairs', 'iteration-2/judgments'],
  ['2/filterJudgments', 'iteration-2/training-set'],
  ['2/fineTune', 'iteration-2/training'],
  ['2/evaluateJudge', 'iteration-2/evaluation/held-out'],
] as const;
const folders = inOrder.map(([, folder]) => folder);

describe('archiving a stage to run it again', () => {
  const temporary = temporaryStore();
  const path = (...parts: string[]) => join(temporary.store.locate('run'), ...parts);
  const there = () => folders.filter((folder) => existsSync(path(folder)));
  const redo = (stage: string, firstRunId = 'first') =>
    archiveStages(temporary.store, wanted, stage, firstRunId);

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
    it(`${stage} archives it and all later stages, and nothing else`, async () => {
      assert.equal(await redo(stage), undefined);
      assert.deepEqual(there(), folders.slice(0, index));
      for (const folder of folders.slice(index)) {
        assert.equal(await readFile(path('archive/first', folder, 'records.jsonl'), 'utf8'), folder);
      }
      assert(existsSync(path('owner')) && existsSync(path('configurations')));
    });
  }

  it('of a run on provided pairs archives the stage that reads them, and no stage that generates pairs', async () => {
    const { instructions: _instructions, ...others } = wanted;
    const given = parseConfiguration({
      ...others,
      pairs: { kind: 'provided', files: ['p.jsonl'] },
    }).configuration;
    assert(given !== undefined);
    const problem = await archiveStages(temporary.store, given, '0/generatePairs', 'first');
    assert.match(
      problem?.message ?? '',
      /are 0\/prepareBenchmarks, 0\/preparePairs, 0\/evaluateJudge, 1\/judgePairs,/,
    );
    assert.equal(await archiveStages(temporary.store, given, '0/preparePairs', 'first'), undefined);
    assert(!existsSync(path('pairs')) && existsSync(path('instructions/pool')));
  });

  it('of a run with plans archives them apart from the judgments that follow them', async () => {
    const planned = parseConfiguration({ ...wanted, judging: { plan: {} } }).configuration;
    assert(planned !== undefined);
    await make('iteration-1/plans');
    await make('iteration-2/plans');
    assert.equal(await archiveStages(temporary.store, planned, '2/planJudgments', 'first'), undefined);
    assert(existsSync(path('iteration-1/plans')) && existsSync(path('iteration-1/judgments')));
    assert(!existsSync(path('iteration-2/plans')) && !existsSync(path('iteration-2/judgments')));
    assert.equal(await archiveStages(temporary.store, planned, '1/judgePairs', 'second'), undefined);
    assert(existsSync(path('iteration-1/plans')) && !existsSync(path('iteration-1/judgments')));
  });

  it('also archives incomplete work and exports', async () => {
    await make('iteration-1/training-set.journal');
    await make('outputs/datasets/iteration-1');
    await redo('1/filterJudgments');
    assert(!existsSync(path('outputs/datasets/iteration-1')));
    assert(!existsSync(path('iteration-1/training-set.journal')));
    assert(existsSync(path('archive/first/iteration-1/training-set.journal')));
  });

  it('archives later iterations of an earlier configuration with more iterations', async () => {
    await make('iteration-7/judgments');
    await redo('1/fineTune');
    assert(!existsSync(path('iteration-7/judgments')));
  });

  it('is done once for a workflow: a retry does not archive what was made since', async () => {
    await redo('2/judgePairs');
    await make('iteration-2/judgments', 'new');
    assert.equal(await redo('2/judgePairs'), undefined);
    assert.equal(await readFile(path('iteration-2/judgments/records.jsonl'), 'utf8'), 'new');
  });

  it('is done again for another workflow, and keeps the earlier archive', async () => {
    await redo('2/judgePairs');
    await make('iteration-2/judgments', 'new');
    await redo('2/judgePairs', 'second');
    assert(!existsSync(path('iteration-2/judgments')));
    assert.equal(await readFile(path('archive/second/iteration-2/judgments/records.jsonl'), 'utf8'), 'new');
    assert.deepEqual((await readdir(path('archive'))).sort(), ['first', 'second']);
  });

  it('is completed by a retry after a crash', async () => {
    await mkdir(path('archive/first/iteration-2'), { recursive: true });
    await rename(path('iteration-2/judgments'), path('archive/first/iteration-2/judgments'));
    await redo('2/judgePairs');
    assert.deepEqual(
      there(),
      folders.filter((folder) => !folder.startsWith('iteration-2')),
    );
  });

  it('with an unknown name returns a problem that lists the stages, and changes nothing', async () => {
    const problem = await redo('3/judgePairs');
    assert.equal(problem?.path, 'rerunFrom');
    assert.equal(
      problem?.message,
      `found "3/judgePairs"; the stages of this run are ${inOrder.map(([stage]) => stage).join(', ')}`,
    );
    assert.deepEqual(there(), folders);
    assert(!existsSync(path('archive')));
  });
});
