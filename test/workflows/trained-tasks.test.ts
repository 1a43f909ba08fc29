import assert from 'node:assert/strict';
import { glob, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JudgeFile } from '../../src/api/judge-file.ts';
import { startRun, type ConfigurationInput } from '../../src/client/index.ts';
import type { TrainingRow } from '../../src/reporting/exports/training-rows.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import {
  isCanary,
  startScriptedEndpoint,
  type ChatBody,
  type RecordedRequest,
  type ScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { isJudgeRequest } from '../support/scripted-run.ts';
import { assertWithinFactorTwo, makeTestPlan, plannedRequests } from '../support/test-plan.ts';
import { oneStep, scriptedAnswers, tinyConfiguration } from '../support/tiny-run.ts';

const SAMPLES = 2;
/** Requests for judgments of records that are answered before the others are held. */
const ANSWERED = 6;
/** Three scores, two groups of three responses in three orders, and twelve verifications. */
const TASK_EXAMPLES = 3 + 2 * 3 + 12;

const questionOf = ({ messages }: ChatBody) => messages.at(-1)?.content ?? '';
const taskOf = (body: ChatBody) => /^\[(Score|Rank|Verify)\]\n/.exec(questionOf(body))?.[1];

/** Gives the right verdict. */
function verdict(body: ChatBody): string {
  const question = questionOf(body);
  const task = taskOf(body);
  if (task === 'Score') return '8';
  if (task === 'Rank') return /Start of Assistant (.)'s Answer\]\nbest\n/.exec(question)?.[1] ?? '';
  return question.includes('wrong') ? 'incorrect' : 'correct';
}

describe('a run that learns tasks beyond pairs', function () {
  this.timeout(600_000);
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;
  let gate: Promise<void> | undefined;
  let held = 0;
  const answered: RecordedRequest[] = [];
  const ofTasks = () => answered.filter(({ body }) => taskOf(body) !== undefined);

  before(async () => {
    endpoint = await startScriptedEndpoint({
      script(request) {
        const { body } = request;
        const isTask = taskOf(body) !== undefined;
        const texts = Array.from({ length: body.n ?? 1 }, () => `it is so [[${verdict(body)}]]`);
        const answer = isTask ? ({ kind: 'answer', texts } as const) : scriptedAnswers(request);
        if (isTask && gate !== undefined && ofTasks().length >= ANSWERED) {
          held += 1;
          return { kind: 'answer', texts, heldUntil: gate };
        }
        answered.push(request);
        return answer;
      },
    });
    cluster = await startCluster();
    const rows = {
      score: [1, 2, 3].map((number) => ({ instruction: `score ${number}`, response: 'fine', score: 8 })),
      rank: [1, 2].map((number) => ({
        instruction: `rank ${number}`,
        responses: ['bad', 'best', 'worse'],
        best: 1,
      })),
      verify: [...Array(12).keys(), 0].map((number) => ({
        instruction: `verify ${number}`,
        response: number % 2 === 0 ? 'right' : 'wrong',
        correct: number % 2 === 0,
        ...(number === 0 ? { reference: 'right' } : {}),
      })),
    };
    await mkdir(cluster.storeRoot, { recursive: true });
    for (const [task, records] of Object.entries(rows))
      await writeFile(fileOf(task), records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  const fileOf = (task: string) => join(cluster.storeRoot, '..', `${task}.jsonl`);
  const input = (): ConfigurationInput =>
    tinyConfiguration('tasks', endpoint.baseUrl, {
      pairs: {
        calls: 'two',
        tasks: (['score', 'rank', 'verify'] as const).map((task) => ({
          task,
          files: [fileOf(task)],
          prompt: `test/support/prompts/${task}`,
        })),
      },
      judging: { prompt: 'test/support/prompts/judge', samples: SAMPLES },
      filtering: { minExamples: 1 },
      iterations: 2,
      fineTuning: {
        rounds: [
          { method: 'sft', hyperparameters: oneStep },
          {
            ...{ method: 'grpo', judgments: 'reuse' },
            hyperparameters: {
              ...{ ...oneStep, perDeviceBatchSize: 8, reward: 'both-orders' },
              ...{ numGenerations: 2, maxCompletionLength: 2, beta: 0, precision: 'float32' },
            },
          },
        ],
        threads: 1,
      },
    });
  const inStore = (...path: string[]) => readFile(join(cluster.storeRoot, 'tasks', ...path), 'utf8');

  /** Whether the answers about records that were given are on disk; the others are held. Two shards of pairs come before theirs. */
  async function isHeld(): Promise<boolean> {
    const folder = join(cluster.storeRoot, 'tasks/iteration-1/judgments');
    const segments = glob('shard-0000[23].journal/segment-*.jsonl', { cwd: folder });
    const texts = await Array.fromAsync(segments, (path) => readFile(join(folder, path), 'utf8'));
    const stored = texts.join('').split('\n').length - 1;
    return held > 0 && stored === ANSWERED * SAMPLES;
  }

  it('asks nothing twice though its worker is killed while it judges them, and learns them beside the pairs', async () => {
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => (open = resolve));
    const worker = cluster.startWorker();
    const plan = await makeTestPlan(input(), cluster.storeRoot);
    const run = await startRun(cluster.client, input());
    while (!(await isHeld())) await sleep(20);
    await worker.kill();
    gate = undefined;
    open();
    cluster.startWorker();
    const { iterations } = await run.result();

    const asked = new Set(ofTasks().map(({ body }) => JSON.stringify([body.messages, body.seed])));
    assert.deepEqual([asked.size, ofTasks().length], [TASK_EXAMPLES, TASK_EXAMPLES]);
    assert.deepEqual([...new Set(ofTasks().map(({ body }) => body.model))], ['judge-0']);

    const { judgePairs, filterJudgments, prepareTasks } = iterations[1]?.counts ?? {};
    assert.equal(prepareTasks?.['taskRecords'], 17);
    assert.deepEqual(
      [judgePairs?.['taskJudgments'], judgePairs?.['correctTaskJudgments']],
      [SAMPLES * TASK_EXAMPLES, SAMPLES * TASK_EXAMPLES],
    );
    assert.equal(filterJudgments?.['of other tasks'], TASK_EXAMPLES);

    const lines = (await inStore('outputs/datasets/iteration-1/records.jsonl')).trimEnd().split('\n');
    const rows = lines.map((line) => JSON.parse(line) as TrainingRow);
    const learned = rows.filter(({ better_side: side }) => side === null);
    assert.equal(learned.length, TASK_EXAMPLES);
    assert(rows.length > learned.length);
    assert.equal(rows.length, filterJudgments?.['trainingExamples']);
    const [referenced] = learned.filter(({ prompt: [message] }) =>
      message?.content.endsWith('\nright\nright'),
    );
    assert.deepEqual(
      [referenced?.source, referenced?.order, referenced?.['verdict'], referenced?.prompt[0]?.content],
      ['verify', 'turn-0', 'correct', '[Verify]\nverify 0\nright\nright'],
    );
    const reinforced = (await inStore('outputs/datasets/iteration-2/records.jsonl')).trimEnd().split('\n');
    const prompts = reinforced.map((line) => JSON.parse(line) as TrainingRow);
    assert.deepEqual(
      prompts.flatMap(({ source, label }) => (source === 'verify' ? [label] : [])),
      [...Array(12).keys()].map((number) => (number % 2 === 0 ? 'correct' : 'incorrect')),
    );
    const { filterJudgments: byGrpo, fineTune } = iterations[2]?.counts ?? {};
    assert.deepEqual(
      [byGrpo?.['of other tasks'], byGrpo?.['trainingExamples'], fineTune?.['trainedExamples']],
      [TASK_EXAMPLES, prompts.length, prompts.length],
    );
    const judge = JSON.parse(await inStore('iteration-1/training/judge.json')) as JudgeFile;
    assert.equal(judge.tasks?.verify?.plain.user, '[Verify]\n{instruction}\n{response}');
    const report = await inStore('report.html');
    // An assertion that shows the page would be very long.
    assert(/<h3>Tasks beyond pairs<\/h3>/.test(report));
    assert(/duplicate.*verify\.jsonl row 12: same as/s.test(report));

    const judging = answered.filter(
      ({ body }) => !isCanary(body) && body.model === 'judge-0' && body.n === SAMPLES,
    );
    assert(judging.some(({ body }) => isJudgeRequest(body)));
    assertWithinFactorTwo(plannedRequests(plan, 'judgePairs'), judging.length, 'judgments');
    assert.equal(plan.counts?.taskRecords, 17);
    const again = await makeTestPlan(input(), cluster.storeRoot);
    for (const stage of ['judgePairs', 'fineTune'])
      assert(
        again.stages.filter((each) => each.stage === stage).every(({ reused }) => reused === 1),
        stage,
      );
  });
});
