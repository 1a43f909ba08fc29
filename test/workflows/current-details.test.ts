import assert from 'node:assert/strict';
import type { EvaluationSummary, IterationSummary } from '../../src/api/result.ts';
import { remainingSeconds, stageRemainingSeconds } from '../../src/workflows/remaining-time.ts';
import { currentDetails } from '../../src/workflows/current-details.ts';
import type { RunProgress, StageProgress } from '../../src/api/progress.ts';

const START = Date.parse('2026-03-01T00:00:00Z');
const after = (seconds: number) => START + 1000 * seconds;
const iso = (seconds: number) => new Date(after(seconds)).toISOString();

const evaluation = (accuracy: number): EvaluationSummary => ({
  benchmark: 'test',
  purpose: 'test',
  accuracy,
  positionConsistentAccuracy: accuracy - 0.1,
  shareOfA: 0.5,
  unparsable: 0,
  pairs: 100,
  scores: { uri: 'scores', sha256: '', records: 1, bytes: 1 },
});

const judge = (iteration: number, accuracy: number): IterationSummary => ({
  iteration,
  model: { checkpoint: 'm', sha256: `${iteration}` },
  evaluations: [evaluation(accuracy)],
  counts: {
    judgePairs: { judgments: 2000, correctJudgments: 1200 },
    filterJudgments: { trainingExamples: 900 },
  },
  ...(iteration === 0 ? {} : { training: { meanLoss: 0.25, seconds: 100 }, trainingExamples: 900 }),
  seconds:
    iteration === 0
      ? { generatePairs: 500, evaluateJudge: 30 }
      : { judgePairs: 200, filterJudgments: 10, fineTune: 100, evaluateJudge: 40 },
});

const stage = (name: string, startedAt: number, done?: number, of?: number): StageProgress => ({
  name,
  iteration: 2,
  startedAt: iso(startedAt),
  ...(done === undefined || of === undefined ? {} : { done, total: of, unit: 'shards' }),
});

const progress = (changes: Partial<RunProgress>): RunProgress => ({
  runName: 'run',
  status: 'running',
  startedAt: iso(0),
  requestedIterations: 3,
  stages: [],
  counts: {
    preparePool: { instructions: 24_000 },
    selectInstructions: { selected: 1200 },
    generatePairs: { pairs: 1100 },
  },
  completedIterations: [],
  best: 0,
  warnings: [],
  ...changes,
});

describe('the remaining time', () => {
  it('of a stage follows from its rate, or else from its last duration, or else is unknown', () => {
    assert.equal(stageRemainingSeconds(stage('judgePairs', 0, 30, 80), progress({}), after(60)), 100);
    const completed = [judge(0, 0.6), judge(1, 0.7)];
    assert.equal(
      stageRemainingSeconds(
        stage('judgePairs', 0, 0, 80),
        progress({ completedIterations: completed }),
        after(60),
      ),
      140,
    );
    assert.equal(
      stageRemainingSeconds(stage('judgePairs', 0), progress({ completedIterations: completed }), after(250)),
      0,
    );
    assert.equal(
      stageRemainingSeconds(
        stage('judgePairs', 0),
        progress({ completedIterations: [judge(0, 0.6)] }),
        after(60),
      ),
      undefined,
    );
    const wait = { workflowId: 'run', activity: 'judgePairs', since: iso(50), reason: 'the disk is full' };
    const waits = [{ ...wait, stage: 'judgePairs', iteration: 2 }];
    assert.equal(
      stageRemainingSeconds(stage('judgePairs', 0, 30, 80), progress({ waits }), after(60)),
      undefined,
    );
    const training: StageProgress = { ...stage('fineTune', 0, 1, 100), estimatedEndAt: iso(90) };
    assert.equal(stageRemainingSeconds(training, progress({}), after(60)), 30);
  });

  it('of a run contains the start of the server of each new judge, which comes after its training', () => {
    const served = { ...judge(1, 0.7).seconds, serveModel: 60 };
    const completed = [judge(0, 0.6), { ...judge(1, 0.7), seconds: served }];
    const at = (stages: StageProgress[]) =>
      remainingSeconds(progress({ stages, completedIterations: completed }), after(1020));
    assert.equal(at([stage('fineTune', 1000)]), 80 + 60 + 40 + 410);
    assert.equal(at([stage('serveModel', 1000)]), 40 + 40 + 410);
    // The judge of the iteration before is served again at the beginning of an iteration.
    assert.equal(at([{ ...stage('serveModel', 1000), iteration: 1 }]), 2 * 410);
  });

  it('of a run is the rest of its iteration, and the remaining iterations at the duration of the last one', () => {
    const completed = [judge(0, 0.6), judge(1, 0.7)];
    const judging = progress({ completedIterations: completed, stages: [stage('judgePairs', 1000, 20, 80)] });
    // 50 s for 20 shards: 150 s for 60 more; then 150 s of this iteration, and a third one of 350 s.
    assert.equal(remainingSeconds(judging, after(1050)), 150 + 150 + 350);
    assert.equal(remainingSeconds({ ...judging, stopAfter: 2 }, after(1050)), 150 + 150);
    const evaluating = progress({ completedIterations: completed, stages: [stage('evaluateJudge', 1000)] });
    assert.equal(remainingSeconds(evaluating, after(1010)), 30 + 350);
  });

  it('of a run that overlaps its stages contains the evaluations beside the judging of the next iteration', () => {
    const completed = [judge(0, 0.6), judge(1, 0.7)];
    const evaluating = stage('evaluateJudge', 1000);
    const judging = { ...stage('judgePairs', 1000), iteration: 3 };
    const overlapping = progress({
      overlaps: true,
      completedIterations: completed,
      stages: [evaluating, judging],
      endedStages: [{ name: 'fineTune', iteration: 2, startedAt: iso(0), seconds: 100 }],
    });
    // 40 s of 200 s of judging have passed; then it filters and trains, and evaluates the last judge.
    assert.equal(remainingSeconds(overlapping, after(1040)), 160 + 10 + 100 + 40);
    // Two more iterations: M_2 is evaluated while it judges, and so on.
    const training = {
      ...overlapping,
      requestedIterations: 4,
      stages: [stage('fineTune', 1000)],
      endedStages: [],
    };
    assert.equal(remainingSeconds(training, after(1000)), 100 + 2 * (200 + 10 + 100) + 40);
    const both = { ...overlapping, stages: [evaluating, { ...judging, name: 'fineTune' }] };
    assert.equal(remainingSeconds(both, after(1000)), 100 + 40);
    const slow = { ...evaluating, done: 1, total: 11 };
    assert.equal(
      remainingSeconds({ ...both, stages: [slow, { ...judging, name: 'fineTune' }] }, after(1020)),
      200 + 40,
    );
  });

  it('of a run whose iterations reuse judgments has a judging only in those that judge', () => {
    const { judgePairs = 0, ...trained } = judge(2, 0.75).seconds;
    const judged = { ...judge(1, 0.7), seconds: { ...trained, planJudgments: 30, judgePairs } };
    const reusing = { ...judge(2, 0.75), seconds: trained };
    const reusedJudgments = [false, true, false, true];
    const requestedIterations = 4;
    const training = 10 + 100 + 40;
    const second = progress({
      ...{ requestedIterations, reusedJudgments },
      completedIterations: [judge(0, 0.6), judged],
      stages: [stage('filterJudgments', 1000)],
    });
    assert.equal(remainingSeconds(second, after(1000)), training + 230 + training + training);
    const third = progress({
      ...{ requestedIterations, reusedJudgments },
      completedIterations: [judge(0, 0.6), judged, reusing],
      stages: [{ ...stage('planJudgments', 1000, 1, 4), iteration: 3 }],
    });
    assert.equal(remainingSeconds(third, after(1010)), 30 + 200 + training + training);
  });

  it('of a run is unknown before the first iteration has ended, and during a pause', () => {
    const first = progress({ completedIterations: [judge(0, 0.6)], stages: [stage('judgePairs', 0, 5, 10)] });
    assert.equal(remainingSeconds(first, after(10)), undefined);
    const paused = { reason: 'disk', since: iso(0) };
    assert.equal(
      remainingSeconds(
        progress({ completedIterations: [judge(0, 0.6), judge(1, 0.7)], status: 'paused', paused }),
        after(0),
      ),
      undefined,
    );
  });
});

describe('the current details of a run', () => {
  const details = currentDetails(
    progress({
      completedIterations: [judge(0, 0.6), judge(1, 0.75)],
      best: 1,
      stages: [{ ...stage('judgePairs', 1000, 20, 80), counts: { judgments: 500, correctJudgments: 400 } }],
      report: 'file:///store/run/report.html',
    }),
    after(1050),
  );

  it('begin with the current stage, the remaining time, and whether the judge improved', () => {
    const [headline, verdict] = details.split('\n\n');
    assert.equal(headline, '**run**: running, iteration 2 of 3, 17 min 30 s so far, about 10 min 50 s left');
    assert.equal(
      verdict,
      '**The judge improved**: on test from 60.0% (M_0) to 75.0% (M_1), in both orders from 50.0% to 65.0%.',
    );
  });

  it('show the running stage, the judges and the funnel as tables', () => {
    for (const row of [
      '| judgePairs, iteration 2 | █████░░░░░░░░░░░░░░░ | 20 of 80 shards | 2 min 30 s |',
      '| M_0 | test (test) | 60.0% | 50.0% | 50.0% | 0.0% |',
      '| M_1 (best) | test (test) | 75.0% | 65.0% | 50.0% | 0.0% |',
      'From 24,000 instructions → 1,200 selected → 1,100 pairs, then by iteration:',
      '| 1 | 2,000 | 1,200 (60.0%) | 900 | 0.250 |',
      '| 2 | 500 | 400 (80.0%) |  |  |',
      'Report: `file:///store/run/report.html`',
    ])
      assert(details.includes(`${row}\n`) || details.endsWith(row), `${row}\nis not in\n${details}`);
  });

  it('show the current iteration, and a row for each iteration under way, if the next one has begun', () => {
    const judgments = (count: number) => ({ judgments: count, correctJudgments: count / 2 });
    const text = currentDetails(
      progress({
        completedIterations: [judge(0, 0.6), judge(1, 0.7)],
        stages: [
          stage('evaluateJudge', 1000),
          { ...stage('judgePairs', 1000), iteration: 3, counts: judgments(300) },
        ],
        endedStages: [
          { name: 'judgePairs', iteration: 2, startedAt: iso(0), seconds: 1, counts: judgments(2200) },
          {
            name: 'filterJudgments',
            iteration: 2,
            startedAt: iso(0),
            seconds: 1,
            counts: { trainingExamples: 800 },
          },
        ],
      }),
      after(1010),
    );
    assert.match(text, /iteration 2 of 3/);
    assert.match(
      text,
      /\| 2 \| 2,200 \| 1,100 \(50\.0%\) \| 800 \|  \|\n\| 3 \| 300 \| 150 \(50\.0%\) \|  \|  \|/,
    );
  });

  it('have no judgments in the row of an iteration that reuses those of the one before', () => {
    const { counts, ...reusing } = judge(2, 0.75);
    const { filterJudgments = {} } = counts;
    const completedIterations = [judge(0, 0.6), judge(1, 0.7), { ...reusing, counts: { filterJudgments } }];
    const text = currentDetails(progress({ completedIterations }), after(1010));
    assert.match(
      text,
      /\| 1 \| 2,000 \| 1,200 \(60\.0%\) \| 900 \| 0\.250 \|\n\| 2 \|  \|  \| 900 \| 0\.250 \|/,
    );
  });

  it('say that no judge is better, that the run is paused, and list its warnings', () => {
    const text = currentDetails(
      progress({
        completedIterations: [judge(0, 0.8), judge(1, 0.7)],
        status: 'paused',
        paused: { reason: 'the disk is full', since: iso(5) },
        warnings: ['a warning'],
      }),
      after(10),
    );
    assert.match(
      text,
      /^\*\*run\*\*: paused, iteration 1 of 3, 10 s so far\n\n\*\*Paused\*\* since .*: the disk is full\n/,
    );
    assert.match(text, /No judge is better than the seed model yet \(80.0% on test\)\./);
    assert.match(text, /Warning: a warning/);
  });

  it('say what the run waits for', () => {
    const wait = { stage: 'fineTune', iteration: 2, workflowId: 'run', activity: 'fineTune' };
    const text = currentDetails(
      progress({ waits: [{ ...wait, since: iso(5), reason: 'the disk is full' }] }),
      after(10),
    );
    assert.match(text, /\*\*Waiting\*\* since \S+Z: fineTune, iteration 2: the disk is full\n/);
  });

  it('show usage and limits, an exhausted budget also during a pause by a user, and how often a training made no progress', () => {
    const spent = { tokens: 1200, requests: 3, usd: 0.5, gpuHours: 0 };
    const reached = { reason: 'the budget is used up', since: iso(4), by: 'budget' } as const;
    const text = currentDetails(
      progress({
        stages: [{ ...stage('fineTune', 1, 3, 9), unit: 'steps', loss: 0.5, stalls: 2 }],
        status: 'paused',
        paused: { reason: 'the night', since: iso(5), by: 'user' },
        budget: { limits: { tokens: 1000, usd: 2 }, usage: spent, exhausted: reached },
      }),
      after(10),
    );
    assert.match(
      text,
      /: the night\n\nBudget: 1,200 tokens of 1,000 tokens, \$0\.50 of \$2\.00\n\nthe budget is used up\n/,
    );
    assert.match(text, /3 of 9 steps, loss 0\.500, stalled 2x/);
  });
});
