import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fineTuningSchema, roundForIteration } from '../../../src/config/fine-tuning.ts';
import type { Adapter } from '../../../src/models/training/adapter.ts';
import {
  TrainingCrashed,
  TrainingFailedPermanently,
  TrainingStopped,
} from '../../../src/models/training/errors.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { followTraining, type FollowOptions } from '../../../src/models/training/follow-training.ts';
import {
  trainingJobSchema,
  type TrainingJob,
  type TrainingLease,
  type TrainingProgress,
  type TrainingResult,
} from '../../../src/models/training/job.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { interruptedAfter } from '../../support/interrupted-training.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const environment = {
  ...process.env,
  OMP_NUM_THREADS: '1',
  HF_HUB_OFFLINE: '1',
  PYTHONPATH: packageRoot,
};
const trainer = {
  launcher: processLauncher,
  settings: { kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] },
  machine: { python, packageRoot, environment },
};

const lora: Adapter = {
  kind: 'lora',
  rank: 8,
  alpha: 16,
  dropout: 0,
  targetModules: 'all-linear',
  saveAdapter: true,
};

/** Prompts are random numbers. Judgments differ in length, so that a mean over tokens is not one over judgments. */
const rows = Array.from({ length: 48 }, (_, index) => {
  const digest = createHash('sha256').update(String(index)).digest();
  const numbers = [...digest.subarray(0, 6)].map((byte) => byte % 50).join(' ');
  const said = (text: string) => [{ role: 'assistant', content: text }];
  return {
    id: `row-${index}`,
    prompt: [{ role: 'user', content: numbers }],
    chosen: said(`${'A says '.repeat(index % 4)}A is better [[A]]`),
    rejected: said(`${'is '.repeat(index % 3)}B better [[B]]`),
  };
});

describe('the methods of the trainer', function () {
  this.timeout(900_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'methods-'));
    await runPython(join(import.meta.dirname, 'make_tiny_checkpoint.py'), join(folder, 'base'));
    await writeFile(join(folder, 'dpo.jsonl'), asLines(rows));
    await writeFile(
      join(folder, 'sft.jsonl'),
      asLines(rows.map(({ id, prompt, chosen }) => ({ id, prompt, completion: chosen }))),
    );
  });

  after(() => rm(folder, { recursive: true, force: true }));

  function jobIn(name: string, method: 'sft' | 'dpo', changes: Partial<TrainingJob> = {}): TrainingJob {
    const shared = {
      epochs: 5,
      perDeviceBatchSize: 4,
      gradientAccumulationSteps: 2,
      learningRate: 1e-3,
      minLrRatio: 4,
      warmupSteps: 0,
      maxLength: 18,
      precision: 'float32',
      saveSteps: 5,
    };
    const { hyperparameters } = roundForIteration(
      fineTuningSchema.parse({ rounds: [{ method, hyperparameters: shared }] }),
      1,
    );
    return trainingJobSchema.parse({
      schema: 1,
      method,
      baseCheckpoint: join(folder, 'base'),
      data: join(folder, `${method}.jsonl`),
      outputFolder: join(folder, name),
      seed: 7,
      hyperparameters,
      adapter: { kind: 'none' },
      threads: 1,
      trustRemoteCode: false,
      name,
      reportTo: ['tensorboard'],
      ...changes,
    });
  }

  function follow(job: TrainingJob, options: Partial<FollowOptions> = {}): Promise<TrainingResult> {
    return followTraining({ job, ...trainer, pollMilliseconds: 20, ...options });
  }

  async function progressOf(job: TrainingJob): Promise<TrainingProgress[]> {
    const lines = (await readFile(join(job.outputFolder, 'progress.jsonl'), 'utf8')).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as TrainingProgress);
  }

  /** What `check_methods.py` finds about each of several jobs. */
  async function check<T>(what: string, ...jobs: TrainingJob[]): Promise<T[]> {
    const files = jobs.map((_, index) => join(folder, `${what}-${index}.json`));
    for (const [index, job] of jobs.entries()) {
      await writeFile(files[index] as string, JSON.stringify({ ...job, token: 'check' }));
    }
    return JSON.parse(await runPython(checkScript, what, ...files)) as T[];
  }

  describe('DPO', () => {
    it('has the loss of a sum of log-probabilities and an NLL per token, against the base, with an adapter too', async () => {
      const losses = await check<{ trl: number; byHand: number; preference: number; nll: number }>(
        'loss',
        jobIn('loss', 'dpo'),
        jobIn('loss', 'dpo', { adapter: lora }),
      );
      assert.equal(losses.length, 2);
      for (const found of losses) {
        assert(Math.abs(found.trl - found.byHand) < 1e-4, JSON.stringify(found));
        assert(Math.abs(found.preference - Math.log(2)) > 1e-3, 'the policy differs from its reference');
        assert(found.nll > 1);
      }
    });

    it('puts loss on the judgments and their end only', async () => {
      const [found] = await check<{ chosen: string[]; rejected: string[] }>('tokens', jobIn('tokens', 'dpo'));
      assert(found?.chosen.length === 4 && found.rejected.length === 4);
      for (const side of ['chosen', 'rejected'] as const) {
        const ended = new Set(rows.map((row) => `${row[side][0]?.content} <end>`));
        for (const text of found[side]) assert(ended.has(text), text);
      }
    });

    it('learns to prefer, at a rate that rises, and goes on after SIGKILL to the same weights; a pair that is too long is left out whole', async () => {
      const whole = jobIn('dpo', 'dpo');
      const broken = jobIn('dpo-killed', 'dpo');
      const dying = follow(
        broken,
        interruptedAfter(12, () => {
          void leaseOf(broken).then(({ pid }) => process.kill(pid, 'SIGKILL'));
        }),
      );
      const [reference] = await Promise.all([follow(whole), assert.rejects(dying, TrainingCrashed)]);
      const resumed = await follow(broken);

      // 8 tokens of the prompt, then 5, 7, 9 or 11 of the chosen judgment: of these the last is too long.
      assert.equal(reference.droppedTooLong, 12);
      assert.equal(reference.trainExamples, 36);
      assert.equal(reference.steps, 25);
      assert.deepEqual(resumed.resumedFromSteps.length, 1);
      assert.equal(resumed.model.sha256, reference.model.sha256);
      assert.equal(resumed.meanLoss, reference.meanLoss);
      const steps = await progressOf(whole);
      assert.deepEqual(
        [steps[0]?.rewardMargin, steps[0]?.rewardAccuracy],
        [0, 0],
        'it starts as its reference',
      );
      assert.equal(steps.at(-1)?.rewardAccuracy, 1);
      assert((steps.at(-1)?.rewardMargin ?? 0) > 0.5);
      const rates = steps.map(({ learningRate }) => learningRate);
      assert.deepEqual(
        rates,
        [...rates].sort((a, b) => a - b),
      );
      assert((rates[0] ?? 1) < 1.1e-3 && (rates.at(-1) ?? 0) > 3.9e-3, rates.join());
    });

    it('fails where the loss is no number, rather than report one', async () => {
      const job = jobIn('diverged', 'dpo');
      const hyperparameters = {
        ...job.hyperparameters,
        learningRate: 1e30,
        minLrRatio: 1,
        maxGradNorm: null,
      };
      await assert.rejects(follow(trainingJobSchema.parse({ ...job, hyperparameters })), (error) => {
        assert(error instanceof TrainingCrashed);
        assert.match(error.message, /diverged: (loss|grad_norm) is nan at step \d/);
        return true;
      });
      assert(!existsSync(join(job.outputFolder, 'model')));
    });
  });

  describe('LoRA', () => {
    it('trains an adapter, goes on after a stop to the same weights, and serves as base and adapter do', async () => {
      const slow = {
        ...jobIn('lora', 'sft').hyperparameters,
        learningRate: 1e-2,
        saveSteps: 1000,
      };
      const changes = { adapter: { ...lora, dropout: 0.1 }, hyperparameters: slow };
      const whole = jobIn('lora', 'sft', changes);
      const broken = jobIn('lora-stopped', 'sft', changes);
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

      const output = await runPython(checkScript, 'merged', join(folder, 'base'), whole.outputFolder);
      const [found] = JSON.parse(output) as {
        difference: number;
        learned: number;
        dtype: string;
        canary: { greedy: boolean; adapter: number; base: number; compared: number };
      }[];
      assert(found !== undefined && found.learned > 0.1, JSON.stringify(found));
      assert(found.difference < 0.02 * found.learned, JSON.stringify(found));
      assert.equal(found.dtype, 'float16', 'as the base was saved');

      const { canary } = reference;
      assert(canary !== undefined && canary.distance > 0.15, JSON.stringify(canary));
      const { greedy, adapter, base, compared } = found.canary;
      assert(greedy && adapter < 0.001 && base < 0.001, JSON.stringify(found.canary));
      assert.equal(compared, 16);
      const files = reference.adapter?.files.map(({ name }) => name) ?? [];
      assert(
        files.includes('adapter_model.safetensors') && files.includes('adapter_config.json'),
        files.join(),
      );
    });

    it('fails for good on a layer that the base does not have', async () => {
      const job = jobIn('no-layer', 'sft', { adapter: { ...lora, targetModules: ['no_such_layer'] } });
      await assert.rejects(follow(job), (error) => {
        assert(error instanceof TrainingFailedPermanently);
        assert.match(error.message, /no_such_layer/);
        return true;
      });
    });
  });
});

const checkScript = join(import.meta.dirname, 'check_methods.py');

async function runPython(...command: string[]): Promise<string> {
  return (await promisify(execFile)(python, command, { env: environment })).stdout;
}

function asLines(values: unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

async function leaseOf(job: TrainingJob): Promise<TrainingLease> {
  return JSON.parse(await readFile(join(job.outputFolder, 'lease.json'), 'utf8')) as TrainingLease;
}
