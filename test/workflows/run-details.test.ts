import assert from 'node:assert/strict';
import type { EvaluationSummary, IterationSummary } from '../../src/activities/types.ts';
import { secondsLeft, stageSecondsLeft } from '../../src/workflows/remaining-time.ts';
import { runDetails } from '../../src/workflows/run-details.ts';
import type { RunProgress, StageProgress } from '../../src/contract/progress.ts';

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
    judgePairs: { judgments: 2000, right: 1200 },
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
  ...(done === undefined || of === undefined ? {} : { done, of, unit: 'shards' }),
});

const progress = (changes: Partial<RunProgress>): RunProgress => ({
  runName: 'run',
  phase: 'working',
  startedAt: iso(0),
  iterations: 3,
  stages: [],
  counts: {
    preparePool: { instructions: 24_000 },
    selectInstructions: { selected: 1200 },
    generatePairs: { pairs: 1100 },
  },
  completed: [],
  best: 0,
  warnings: [],
  ...changes,
});

describe('the time that is left', () => {
  it('of a stage follows from its rate, else from the last time, else it is not known', () => {
    assert.equal(stageSecondsLeft(stage('judgePairs', 0, 30, 80), [], after(60)), 100);
    const completed = [judge(0, 0.6), judge(1, 0.7)];
    assert.equal(stageSecondsLeft(stage('judgePairs', 0, 0, 80), completed, after(60)), 140);
    assert.equal(stageSecondsLeft(stage('judgePairs', 0), completed, after(250)), 0);
    assert.equal(stageSecondsLeft(stage('judgePairs', 0), [judge(0, 0.6)], after(60)), undefined);
    const training: StageProgress = { ...stage('fineTune', 0, 1, 100), endsAt: iso(90) };
    assert.equal(stageSecondsLeft(training, [], after(60)), 30);
  });

  it('of a run is what is left of its iteration, and the iterations to come at the pace of the last one', () => {
    const completed = [judge(0, 0.6), judge(1, 0.7)];
    const judging = progress({ completed, stages: [stage('judgePairs', 1000, 20, 80)] });
    // 50 s for 20 shards: 150 s for 60 more; then 150 s of this iteration, and a third one of 350 s.
    assert.equal(secondsLeft(judging, after(1050)), 150 + 150 + 350);
    assert.equal(secondsLeft({ ...judging, stopAfter: 2 }, after(1050)), 150 + 150);
    const evaluating = progress({ completed, stages: [stage('evaluateJudge', 1000)] });
    assert.equal(secondsLeft(evaluating, after(1010)), 30 + 350);
  });

  it('of a run is not known before an iteration has ended, nor during a pause', () => {
    const first = progress({ completed: [judge(0, 0.6)], stages: [stage('judgePairs', 0, 5, 10)] });
    assert.equal(secondsLeft(first, after(10)), undefined);
    const paused = { reason: 'disk', since: iso(0) };
    assert.equal(
      secondsLeft(progress({ completed: [judge(0, 0.6), judge(1, 0.7)], paused }), after(0)),
      undefined,
    );
  });
});

describe('the current details of a run', () => {
  const details = runDetails(
    progress({
      completed: [judge(0, 0.6), judge(1, 0.75)],
      best: 1,
      stages: [{ ...stage('judgePairs', 1000, 20, 80), counts: { judgments: 500, right: 400 } }],
      report: 'file:///store/run/report.html',
    }),
    after(1050),
  );

  it('begin with where the run is, how long it takes still, and whether the judge got better', () => {
    const [headline, verdict] = details.split('\n\n');
    assert.equal(headline, '**run**: working, iteration 2 of 3, 17 min 30 s so far, about 10 min 50 s left');
    assert.equal(
      verdict,
      '**The judge got better**: on test from 60.0% (M_0) to 75.0% (M_1), in both orders from 50.0% to 65.0%.',
    );
  });

  it('show the stage under way, the judges and the funnel as tables', () => {
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

  it('say that no judge is better, that the run is paused, and what it warns of', () => {
    const text = runDetails(
      progress({
        completed: [judge(0, 0.8), judge(1, 0.7)],
        paused: { reason: 'the disk is full', since: iso(5) },
        warnings: ['a warning'],
      }),
      after(10),
    );
    assert.match(
      text,
      /^\*\*run\*\*: paused, iteration 1 of 3, 10 s so far\n\n\*\*Paused\*\* since .*: the disk is full\n/,
    );
    assert.match(text, /No judge is better than the seed model so far \(80.0% on test\)\./);
    assert.match(text, /Warning: a warning/);
  });

  it('say what is spent of what may be, that it is spent where a person has paused the run too, and how often a training stood still', () => {
    const spent = { tokens: 1200, requests: 3, usd: 0.5, gpuHours: 0 };
    const reached = { reason: 'the budget is spent', since: iso(4), by: 'budget' } as const;
    const text = runDetails(
      progress({
        stages: [{ ...stage('fineTune', 1, 3, 9), unit: 'steps', loss: 0.5, stalls: 2 }],
        paused: { reason: 'the night', since: iso(5), by: 'person' },
        budget: { limits: { tokens: 1000, usd: 2 }, spent, reached },
      }),
      after(10),
    );
    assert.match(
      text,
      /: the night\n\nBudget: 1,200 tokens of 1,000 tokens, \$0\.50 of \$2\.00\n\nthe budget is spent\n/,
    );
    assert.match(text, /3 of 9 steps, loss 0\.500, stood still 2x/);
  });
});
