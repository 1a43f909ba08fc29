import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { trainedJudge } from '../../src/activities/trained-judge.ts';
import { readJudgeEvaluation } from '../../src/config/read-configuration.ts';
import { datedName } from '../../src/format/dated-name.ts';
import type { TrainingResult } from '../../src/training/job.ts';
import { sampleJudge } from '../judging/sample-judge.ts';
import { temporaryStore } from '../artifacts/temporary-store.ts';

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
    const file = at.store.path(uri);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify(content));
  }
  const finishTraining = (iteration: number) =>
    write(`run/iteration-${iteration}/training/result.json`, trained);

  it('is, as the newest, the last one whose training has ended', async () => {
    await finishTraining(2);
    await finishTraining(10);
    await write('run/iteration-11/training/progress.jsonl', {});
    assert.equal(await trainedJudge(at.store, 'run:run/newest'), 'store:run/iteration-10/training/model');
  });

  it('is, by its number, the one of that iteration, or an error that says which there are', async () => {
    await finishTraining(1);
    await finishTraining(2);
    assert.equal(await trainedJudge(at.store, 'run:run/1'), 'store:run/iteration-1/training/model');
    await assert.rejects(trainedJudge(at.store, 'run:run/3'), /trained no M_3; it has trained M_1, M_2$/);
    await assert.rejects(trainedJudge(at.store, 'run:run/0'), /M_0 of run is its seed model/);
  });

  it('is, as the best, the one that the run has chosen', async () => {
    const judge = (iteration: number) => ({ iteration, model: { checkpoint: `store:run/${iteration}` } });
    await write('run/result.json', { iterations: [judge(0), judge(1), judge(2)], best: 1 });
    assert.equal(await trainedJudge(at.store, 'run:run/best'), 'store:run/1');
  });

  it('is, as the best of a run under way, the one that it has exported', async () => {
    await write('run/outputs/model/judge.json', sampleJudge({ run: 'run', iteration: 3 }));
    assert.equal(await trainedJudge(at.store, 'run:run/best'), 'store:run/iteration-3/training/model');
  });

  it('is refused by name where there is none', async () => {
    await assert.rejects(trainedJudge(at.store, 'run:other/newest'), /no run "other" in the store \//);
    await mkdir(at.store.path('run'), { recursive: true });
    await assert.rejects(trainedJudge(at.store, 'run:run/newest'), /the run run has trained no judge yet/);
    await assert.rejects(
      trainedJudge(at.store, 'run:run/best'),
      /not chosen its best judge yet: run:run\/newest/,
    );
    await assert.rejects(
      trainedJudge(at.store, 'run:run/last'),
      /run:<name>\/newest, run:<name>\/best, or run:<name>\/2/,
    );
    await assert.rejects(
      trainedJudge(at.store, 'run:../best'),
      /run:<name>\/newest, run:<name>\/best, or run:<name>\/2/,
    );
  });

  it('leaves any other checkpoint as it is', async () => {
    assert.equal(await trainedJudge(at.store, 'meta-llama/Llama-3.1-8B'), 'meta-llama/Llama-3.1-8B');
  });
});

describe('the dated name of an evaluation', () => {
  it('has the day and the time of its start, in UTC', () => {
    const name = datedName('nightly-{date}-{time}', new Date('2026-03-01T23:04:05.678Z'));
    assert.equal(name, 'nightly-2026-03-01-23-04-05');
  });

  it('is a run name once it is filled in, and is refused otherwise', () => {
    const problemsOf = (runName: string) =>
      readJudgeEvaluation({ runName }).problems.filter(({ path }) => path === 'runName');
    assert.deepEqual(problemsOf('nightly-{date}'), []);
    assert.match(problemsOf('nightly/{date}')[0]?.message ?? '', /a run name has 1 to 63 letters/);
    assert.match(problemsOf('nightly-{day}')[0]?.message ?? '', /a run name has 1 to 63 letters/);
  });
});
