import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fineTuningSchema, roundForIteration } from '../../../src/config/fine-tuning.ts';
import { REASONING_MARKS } from '../../../src/method/reasoning.ts';
import { MAX_RANKED, parseTaskVerdict, TASK_NAMES } from '../../../src/method/tasks.ts';
import { parseVerdict } from '../../../src/method/verdict.ts';
import {
  TrainingCrashed,
  TrainingFailedPermanently,
  TrainingStopped,
} from '../../../src/models/training/errors.ts';
import { followTraining, type FollowOptions } from '../../../src/models/training/follow-training.ts';
import {
  allProgress,
  leaseSchema,
  trainingJobSchema,
  type TrainingJob,
} from '../../../src/models/training/job.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { interruptedAfter } from '../../support/interrupted-training.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const environment = { ...process.env, OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1', PYTHONPATH: packageRoot };

/** Half of the prompts end with A, half with B, and that letter is the better side: the other order of a pair ends with the other one. */
const rows = Array.from({ length: 12 }, (_, pair) =>
  ['better-first', 'worse-first'].map((order) => {
    const betterSide = (order === 'better-first') === (pair % 2 === 0) ? 'A' : 'B';
    const content = `${pair} ${(7 * pair) % 50} ${betterSide}`;
    return {
      id: `${pair}/${order}`,
      item: `${pair}`,
      order,
      label: betterSide,
      task: 'pairwise',
      prompt: [{ role: 'user', content }],
    };
  }),
).flat();

/** Records of a task beyond pairs, an odd number, in the same form: the best response is the letter at the end. */
const records = Array.from({ length: 5 }, (_, number) => {
  const label = number % 2 === 0 ? 'A' : 'B';
  return {
    ...{ id: `rank-${number}/turn-0`, item: `rank-${number}`, order: 'turn-0', label, task: 'rank' },
    prompt: [{ role: 'user', content: `${number} ${11 * number} ${label}` }],
  };
});

describe('GRPO', function () {
  this.timeout(600_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'grpo-'));
    await runPython(join(import.meta.dirname, 'make_tiny_checkpoint.py'), join(folder, 'base'));
    await writeRows('rows.jsonl', rows);
    await writeRows('with-records.jsonl', [...rows, ...records]);
  });

  after(() => rm(folder, { recursive: true, force: true }));

  const writeRows = (name: string, values: readonly unknown[]) =>
    writeFile(join(folder, name), values.map((value) => `${JSON.stringify(value)}\n`).join(''));

  function jobIn(name: string, hyperparameters: object, changes: Partial<TrainingJob> = {}): TrainingJob {
    const shared = {
      epochs: 100,
      maxSteps: 60,
      perDeviceBatchSize: 32,
      gradientAccumulationSteps: 2,
      learningRate: 5e-3,
      minLrRatio: 0,
      weightDecay: 0,
      beta: 0,
      maxCompletionLength: 4,
      maxLength: 16,
      numGenerations: 16,
      reward: 'verdict',
      precision: 'float32',
      saveSteps: 5,
      ...hyperparameters,
    };
    const round = roundForIteration(
      fineTuningSchema.parse({ rounds: [{ method: 'grpo', hyperparameters: shared }] }),
      1,
    );
    return trainingJobSchema.parse({
      schema: 1,
      method: 'grpo',
      baseCheckpoint: join(folder, 'base'),
      data: join(folder, 'rows.jsonl'),
      outputFolder: join(folder, name),
      seed: 7,
      hyperparameters: round.hyperparameters,
      adapter: { kind: 'none' },
      threads: 1,
      trustRemoteCode: false,
      name,
      reportTo: [],
      reasoningMarks: REASONING_MARKS,
      ...changes,
    });
  }

  const follow = (job: TrainingJob, options: Partial<FollowOptions> = {}) =>
    followTraining({
      job,
      launcher: processLauncher,
      settings: { kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] },
      machine: { python, packageRoot, environment },
      pollMilliseconds: 20,
      ...options,
    });

  const read = (job: TrainingJob, file: string) => readFile(join(job.outputFolder, file), 'utf8');

  it('learns the verdicts that are rewarded, of pairs and of records, and goes on after SIGKILL to the same weights', async () => {
    const changes = { data: join(folder, 'with-records.jsonl') };
    const [whole, broken] = [jobIn('whole', {}, changes), jobIn('killed', {}, changes)];
    const kill = async () =>
      process.kill(leaseSchema.parse(JSON.parse(await read(broken, 'lease.json'))).pid, 'SIGKILL');
    const dying = follow(
      broken,
      interruptedAfter(12, () => void kill()),
    );
    const [reference] = await Promise.all([follow(whole), assert.rejects(dying, TrainingCrashed)]);
    const resumed = await follow(broken);
    assert.deepEqual(resumed.resumedFromSteps, [10]);
    assert.equal(resumed.model.sha256, reference.model.sha256);
    assert.equal(resumed.tokens, reference.tokens);
    const steps = allProgress(await read(whole, 'progress.jsonl'));
    const rewards = steps.map(({ reward }) => reward ?? NaN);
    const mean = (of: readonly number[]) => of.reduce((sum, each) => sum + each, 0) / of.length;
    assert(mean(rewards.slice(0, 3)) < 0.2 && mean(rewards.slice(-3)) > 0.8, rewards.join());
    assert(steps.every(({ completionTokens = 0 }) => completionTokens > 0 && completionTokens <= 4));
    assert(
      steps.every(
        ({ truncatedShare = -1, zeroVarianceShare = -1 }) => truncatedShare >= 0 && zeroVarianceShare >= 0,
      ),
    );
  });

  it('trains an adapter against its base, and goes on after a stop to the same weights', async () => {
    const hyperparameters = { maxSteps: 8, beta: 0.1, saveSteps: 100 };
    const adapter = { kind: 'lora', rank: 8, alpha: 16, dropout: 0.1, targetModules: 'all-linear' } as const;
    const changes = { adapter: { ...adapter, saveAdapter: false } };
    const [whole, broken] = [
      jobIn('lora', hyperparameters, changes),
      jobIn('lora-stopped', hyperparameters, changes),
    ];
    const cancel = new AbortController();
    const stopping = follow(broken, {
      ...interruptedAfter(3, () => cancel.abort()),
      signal: cancel.signal,
      onAbort: () => 'stop',
    });
    const [reference] = await Promise.all([follow(whole), assert.rejects(stopping, TrainingStopped)]);
    const resumed = await follow(broken);
    assert.equal(resumed.resumedFromSteps.length, 1);
    assert.equal(resumed.model.sha256, reference.model.sha256);
  });

  it('reads verdicts as src/method/verdict.ts does', async () => {
    const answers = [
      '[[A]]',
      '[[B]]',
      '[[C]]',
      '[[A]] or [[B]]',
      '[[A]] and again [[A]]',
      '[A]',
      '',
      '[[a]]',
      'ties [[C]] [[A]]',
    ];
    const texts = answers.flatMap((answer) => [
      answer,
      `<think>[[B]]</think>\n${answer}`,
      `[[B]]</THINK> ${answer}`,
      `<think>\n[[A]] without an end ${answer}`,
      `it says "<think>" and "</think>" [[A]] ${answer}`,
      `a line <think> in its middle ${answer}`,
      `<|im_start|>assistant <think>${answer}`,
      `◁think▷[[B]]◁/think▷${answer}`,
      `<|channel|>analysis<|message|>[[B]]<|channel|>final<|message|>${answer}`,
      `[[B]] Here is my response: ${answer}`,
      `  \t<reasoning>${answer}`,
    ]);
    const found = await ask<string[]>('verdicts', { texts, marks: REASONING_MARKS });
    assert.deepEqual(
      found,
      texts.map((text) => parseVerdict(text)),
    );
    assert.deepEqual(new Set(found), new Set(['A', 'B', 'tie', 'none']));
  });

  it('rewards a right verdict, or only one that is right in both orders', async () => {
    const texts = ['[[A]]', '[[A]]', '[[B]]', 'none', '[[B]]', '[[A]]', '[[B]]', '[[B]]'];
    const orders = ['better-first', 'worse-first'].flatMap((order) => Array<string>(4).fill(order));
    const columns = {
      item: Array<string>(8).fill('p'),
      order: orders,
      label: orders.map((order) => (order === 'better-first' ? 'A' : 'B')),
      task: Array<string>(8).fill('pairwise'),
    };
    const reward = (name: string) => ask<number[]>('rewards', { reward: name, texts, columns });
    assert.deepEqual(await reward('verdict'), [1, 1, 0, 0, 1, 0, 1, 1]);
    assert.deepEqual(await reward('both-orders'), [1, 0, 0, 0, 1, 0, 0, 0]);
  });

  it('rewards scores by which is higher, of both responses in one judgment or of each in its own', async () => {
    const rewardOf = (reward: string, task: string, [first, second]: readonly [string[], string[]]) => {
      const order = [...first.map(() => 'better-first'), ...second.map(() => 'worse-first')];
      const columns = {
        ...{ order, item: order.map(() => 'p'), task: order.map(() => task) },
        label: order.map((name) => (name === 'better-first' ? 'A' : 'B')),
      };
      return ask<number[]>('rewards', { reward, texts: [...first, ...second], columns });
    };
    const scores: [string[], string[]] = [
      ['[[A: 7]] [[B: 4]] [[A]]', '[[A: 7]] [[B: 4]]', '[[A: 7]] [[B: 4]] [[B]]', '[[A: 5]] [[B: 5]]'],
      ['[[A: 4]] [[B: 7]] [[B]]', '[[A: 7]] [[B: 4]]', '[[A: 4]] [[B: 10]]', '[[A: 4]] [[A: 5]] [[B: 7]]'],
    ];
    assert.deepEqual(await rewardOf('verdict', 'pairwise-scores', scores), [1, 1, 0, 0, 1, 0, 1, 0]);
    assert.deepEqual(await rewardOf('both-orders', 'pairwise-scores', scores), [1, 0, 0, 0, 1, 0, 0, 0]);
    const apart: [string[], string[]] = [
      ['[[7]]', '[[7]]', '[[3]]', '[[9]]', 'none'],
      ['[[4]]', '[[7]]', '[[4]]', '[[11]]', '[[1]]'],
    ];
    for (const reward of ['verdict', 'both-orders'])
      assert.deepEqual(await rewardOf(reward, 'pointwise', apart), [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  });

  it('rewards a judgment of a record that has the verdict of its label, whatever the reward of pairs', async () => {
    const rewardsOf = async (task: string, label: string, texts: string[]) => {
      const all = (value: string) => texts.map(() => value);
      const columns = { item: all('r'), order: all('turn-0'), task: all(task), label: all(label) };
      const found = ['verdict', 'both-orders'].map((reward) =>
        ask<number[]>('rewards', { reward, texts, columns }),
      );
      const [verdict, bothOrders] = await Promise.all(found);
      assert.deepEqual(verdict, bothOrders);
      return verdict;
    };
    const scores = ['[[7]]', '[[8]]', '[[9]]', '[[7]] [[8]]', '[[7.5]]', 'none'];
    assert.deepEqual(await rewardsOf('score', '7.5', scores), [1, 1, 0, 0, 0, 0]);
    assert.deepEqual(await rewardsOf('score', '8', scores), [0, 1, 0, 0, 0, 0]);
    assert.deepEqual(
      await rewardsOf('rank', 'C', ['[[C]]', '[[B]]', '[[B]] or [[C]]', '[[c]]', '']),
      [1, 0, 0, 0, 0],
    );
    const verified = ['[[correct]]', '[[incorrect]]', '[[correct]] [[incorrect]]', 'correct'];
    assert.deepEqual(await rewardsOf('verify', 'correct', verified), [1, 0, 0, 0]);
    assert.deepEqual(await rewardsOf('verify', 'incorrect', verified), [0, 1, 0, 0]);
  });

  it('reads verdicts of tasks beyond pairs as src/method/tasks.ts does', async () => {
    const answers = {
      score: [
        '[[7]]',
        '[[10]]',
        '[[0]]',
        '[[11]]',
        '[[07]]',
        '[7]',
        '[[7]] [[7]]',
        '[[7]] [[8]]',
        '[[A]]',
        '',
      ],
      rank: ['[[C]]', '[[Z]]', '[[c]]', '[C]', '[[C]] [[C]]', '[[C]] [[D]]', '[[3]]', ''],
      verify: ['[[correct]]', '[[incorrect]]', '[[Correct]]', '[[correct]] [[incorrect]]', 'correct', ''],
    };
    for (const task of TASK_NAMES) {
      const texts = answers[task].flatMap((answer) => [
        answer,
        ...answers[task]
          .slice(0, 2)
          .flatMap((other) => [`<think>${other}</think> ${answer}`, `<think>${other} ${answer}`]),
      ]);
      const given = { task, texts, marks: REASONING_MARKS };
      const found = await ask<(number | string | null)[]>('task-verdicts', given);
      assert.deepEqual(
        found.map((verdict) => verdict?.toString()),
        texts.map((text) => parseTaskVerdict(task, text, MAX_RANKED)),
      );
      assert(new Set(found).size === 3 && found.includes(null), `${task}: ${found.join()}`);
    }
  });

  it('trains on several tasks at once, with both orders of a pair in each step between an odd number of records', async () => {
    const tasks = ['pairwise', 'pairwise-scores', 'pointwise'];
    const { steps, trainExamples } = await follow(
      jobIn(
        'tasks',
        // A step has two rows.
        { reward: 'both-orders', epochs: 1, maxSteps: null, gradientAccumulationSteps: 1 },
        { data: await writeTasks() },
      ),
    );
    assert.deepEqual([steps, trainExamples], [14, 29]);

    async function writeTasks() {
      const asked = rows.map((row) => ({ ...row, task: tasks[Number(row.item) % 3] }));
      await writeRows('tasks.jsonl', [...asked, ...records]);
      return join(folder, 'tasks.jsonl');
    }
  });

  it('fails for good at rows without a label of their task, and at too few for a step; an order that is too long takes its pair along', async () => {
    const [first, ...others] = rows;
    await writeRows('no-side.jsonl', [{ ...first, label: 'C' }]);
    await writeRows('no-label.jsonl', [...records, { ...records[0], id: 'r', task: 'verify' }]);
    await writeRows('long.jsonl', [
      { ...first, prompt: [{ role: 'user', content: '1 2 3 4 5 6 7 8 9 10 11 12 A' }] },
      ...others,
    ]);
    const failure = async (name: string, hyperparameters: object) => {
      const data = join(folder, `${name}.jsonl`);
      const found = await follow(jobIn(name, hyperparameters, { data })).catch((error: unknown) => error);
      assert(found instanceof TrainingFailedPermanently);
      return found.message;
    };
    assert.match(await failure('no-side', {}), /no-side\.jsonl, line 1: "label" is 'C', .* pairwise/);
    assert.match(await failure('no-label', {}), /no-label\.jsonl, line 6: "label" is 'A', .* verify/);
    assert.match(
      await failure('rows', { perDeviceBatchSize: 512 }),
      /24 prompts have 384 judgments, fewer than a step takes \(1024\)/,
    );
    const { trainExamples, droppedTooLong } = await follow(
      jobIn('long', { maxSteps: 1 }, { data: join(folder, 'long.jsonl') }),
    );
    assert.deepEqual([trainExamples, droppedTooLong], [22, 2]);
  });

  it('gives TRL the settings of a vLLM in its process, and fails for good where there is none', async () => {
    const sampling = { rollouts: 'vllm', vllmMemory: 0.4, vllmTensorParallel: 2 };
    const found = await ask<Record<string, unknown>>('arguments', jobIn('vllm', sampling));
    const {
      use_vllm,
      vllm_mode,
      vllm_gpu_memory_utilization,
      vllm_tensor_parallel_size,
      vllm_max_model_length,
    } = found;
    assert.deepEqual(
      [use_vllm, vllm_mode, vllm_gpu_memory_utilization, vllm_tensor_parallel_size, vllm_max_model_length],
      [true, 'colocate', 0.4, 2, 16],
    );
    assert.equal(found['VLLM_NO_USAGE_STATS'], '1');
    assert.equal((await ask<Record<string, unknown>>('arguments', jobIn('plain', {})))['use_vllm'], false);
    await assert.rejects(follow(jobIn('vllm', sampling)), (error: unknown) => {
      assert(error instanceof TrainingFailedPermanently, String(error));
      assert.match(
        error.message,
        /hyperparameters\.rollouts is "vllm": .*( has no vLLM \(install the packages of|needs an NVIDIA GPU)/,
      );
      return true;
    });
  });

  it('is refused if a step would tear apart what is compared', () => {
    const problems = (hyperparameters: object) =>
      fineTuningSchema
        .safeParse({ rounds: [{ method: 'grpo', hyperparameters }] })
        .error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
        .join();
    const uneven = { perDeviceBatchSize: 8, gradientAccumulationSteps: 1, numGenerations: 8 };
    assert.match(
      problems(uneven) ?? '',
      /^rounds\.0\.hyperparameters\.perDeviceBatchSize: .* of 2 x numGenerations/,
    );
    assert.equal(problems({ ...uneven, reward: 'verdict' }), undefined);
    assert.match(
      problems({ maxLength: 4096 }) ?? '',
      /^rounds\.0\.hyperparameters\.maxCompletionLength: maxLength, .* must be larger/,
    );
  });

  async function ask<T>(what: string, given: unknown): Promise<T> {
    const asked = promisify(execFile)(python, [join(import.meta.dirname, 'check_rewards.py'), what], {
      env: environment,
    });
    asked.child.stdin?.end(JSON.stringify(given));
    return JSON.parse((await asked).stdout) as T;
  }

  async function runPython(...command: string[]): Promise<string> {
    return (await promisify(execFile)(python, command, { env: environment })).stdout;
  }
});
