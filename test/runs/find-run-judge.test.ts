import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { resolveJudgeCheckpoint } from '../../src/runs/find-run-judge.ts';
import { parseJudgeEvaluation } from '../../src/config/parse-configuration.ts';
import { expandDateName, splitDatedName } from '../../src/platform/dated-name.ts';
import type { TrainingResult } from '../../src/models/training/job.ts';
import { sampleJudge } from '../support/sample-judge.ts';
import { temporaryStore } from '../support/temporary-store.ts';

const trained: TrainingResult = {
  schema: 1,
  identity: { method: 'sft', seed: 1, base: 'b', data: 'd', hyperparameters: {}, adapter: {} },
  steps: 1,
  epochs: 1,
  trainExamples: 1,
  droppedTooLong: 0,
  finalLoss: 1,
  meanLoss: 1,
  tokens: 1,
  seconds: 1,
  resumedFromSteps: [],
  versions: {},
  model: { files: [], sha256: '' },
};

describe('a judge named by its run', () => {
  const at = temporaryStore();

  async function write(uri: string, content: unknown): Promise<void> {
    const file = at.store.locate(uri);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify(content));
  }
  const finishTraining = (iteration: number) =>
    write(`run/iteration-${iteration}/training/result.json`, trained);

  it('is, as the latest, the last one whose training has ended', async () => {
    await finishTraining(2);
    await finishTraining(10);
    await write('run/iteration-11/training/progress.jsonl', {});
    assert.equal(
      await resolveJudgeCheckpoint(at.store, 'run:run/latest'),
      'store:run/iteration-10/training/model',
    );
  });

  it('is, by its number, the one of that iteration, or an error that lists the existing ones', async () => {
    await finishTraining(1);
    await finishTraining(2);
    assert.equal(await resolveJudgeCheckpoint(at.store, 'run:run/1'), 'store:run/iteration-1/training/model');
    await assert.rejects(
      resolveJudgeCheckpoint(at.store, 'run:run/3'),
      /not trained M_3; it has trained M_1, M_2$/,
    );
    await assert.rejects(resolveJudgeCheckpoint(at.store, 'run:run/0'), /M_0 of run is its seed model/);
  });

  it('is, as the best, the one that the run has chosen', async () => {
    const judge = (iteration: number) => ({ iteration, model: { checkpoint: `store:run/${iteration}` } });
    await write('run/result.json', { iterations: [judge(0), judge(1), judge(2)], best: 1 });
    assert.equal(await resolveJudgeCheckpoint(at.store, 'run:run/best'), 'store:run/1');
  });

  it('is, as the best of an open run, the one that it has exported', async () => {
    await write('run/outputs/model/judge.json', sampleJudge({ run: 'run', iteration: 3 }));
    assert.equal(
      await resolveJudgeCheckpoint(at.store, 'run:run/best'),
      'store:run/iteration-3/training/model',
    );
  });

  it('causes an error with its name if it does not exist', async () => {
    await assert.rejects(
      resolveJudgeCheckpoint(at.store, 'run:other/latest'),
      /no run "other" in the store \//,
    );
    await at.store.writeText('others/configurations/1.json', '{}');
    await assert.rejects(
      resolveJudgeCheckpoint(at.store, 'run:othres/best'),
      /no run "othres" in the store .*; did you mean "others"\?$/,
    );
    await at.store.writeText('run/state.json', '{}');
    await assert.rejects(
      resolveJudgeCheckpoint(at.store, 'run:run/latest'),
      /the run run has not trained a judge yet/,
    );
    await assert.rejects(
      resolveJudgeCheckpoint(at.store, 'run:run/best'),
      /not chosen its best judge yet: run:run\/latest/,
    );
    await assert.rejects(
      resolveJudgeCheckpoint(at.store, 'run:run/last'),
      /run:NAME\/best, run:NAME\/latest, or run:NAME\/2/,
    );
    await assert.rejects(
      resolveJudgeCheckpoint(at.store, 'run:../best'),
      /run:NAME\/best, run:NAME\/latest, or run:NAME\/2/,
    );
  });

  it('does not change any other checkpoint', async () => {
    assert.equal(
      await resolveJudgeCheckpoint(at.store, 'meta-llama/Llama-3.1-8B'),
      'meta-llama/Llama-3.1-8B',
    );
  });
});

describe('the dated name of an evaluation', () => {
  it('has the day and the time of its start, in UTC', () => {
    const name = expandDateName('nightly-{date}-{time}', new Date('2026-03-01T23:04:05.678Z'));
    assert.equal(name, 'nightly-2026-03-01-23-04-05');
  });

  it('leads back to the series, and sorts by time within it', () => {
    assert.deepEqual(splitDatedName('nightly-2026-03-01'), { series: 'nightly-{date}', at: '2026-03-01' });
    const series = 'v2-{date}-{time}-big';
    const starts = ['2026-03-01T09:04:05Z', '2026-03-01T23:00:00Z', '2026-11-01T00:00:00Z'];
    const names = starts.map((start) => splitDatedName(expandDateName(series, new Date(start))));
    assert.deepEqual([...new Set(names.map((name) => name.series))], [series]);
    assert.deepEqual(
      names.map(({ at: time }) => time),
      names.map(({ at: time }) => time).toSorted(),
    );
    for (const name of ['plain', 'from-2026-13-01', '12026-03-011', 'v1-25-00-00'])
      assert.deepEqual(splitDatedName(name), { series: name, at: '' });
  });

  it('is needed for a comparison with the previous evaluation', () => {
    const problemsOf = (runName: string, compareWith: string) =>
      parseJudgeEvaluation({ runName, drift: { compareWith } }).problems.filter(({ path }) =>
        path.startsWith('drift'),
      );
    assert.deepEqual(problemsOf('nightly-{date}', 'previous'), []);
    assert.deepEqual(problemsOf('nightly-2026-03-01', 'previous'), []);
    assert.deepEqual(problemsOf('once', 'nightly-2026-03-01'), []);
    assert.match(problemsOf('once', 'previous')[0]?.message ?? '', /runName has no \{date\}: add it/);
    assert.match(problemsOf('once', 'once')[0]?.message ?? '', /the name of this evaluation/);
  });

  it('is a valid run name once it is filled in, and is rejected otherwise', () => {
    const problemsOf = (runName: string) =>
      parseJudgeEvaluation({ runName }).problems.filter(({ path }) => path === 'runName');
    assert.deepEqual(problemsOf('nightly-{date}'), []);
    assert.match(problemsOf('nightly/{date}')[0]?.message ?? '', /a run name has 1 to 63 letters/);
    assert.match(problemsOf('nightly-{day}')[0]?.message ?? '', /a run name has 1 to 63 letters/);
  });
});
