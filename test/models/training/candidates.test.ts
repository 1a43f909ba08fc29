import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Adapter } from '../../../src/models/training/adapter.ts';
import { TrainingStopped } from '../../../src/models/training/errors.ts';
import { followTraining, type FollowOptions } from '../../../src/models/training/follow-training.ts';
import {
  candidateFolder,
  candidateSteps,
  resultSchema,
  type TrainingResult,
} from '../../../src/models/training/job.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { interruptedAfter } from '../../support/interrupted-training.ts';
import { sftJob, writeSftInputs } from '../../support/sft-job.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const trainer = {
  launcher: processLauncher,
  settings: { kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] },
  machine: {
    python,
    packageRoot,
    environment: { ...process.env, OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1', PYTHONPATH: packageRoot },
  },
};

/** With dropout, so that random numbers which somebody else has drawn would change the training. */
const lora: Adapter = {
  kind: 'lora',
  rank: 8,
  alpha: 16,
  dropout: 0.2,
  targetModules: 'all-linear',
  saveAdapter: true,
};

describe('the candidates of a training', function () {
  this.timeout(900_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'candidates-'));
    await writeSftInputs(python, folder);
  });

  after(() => rm(folder, { recursive: true, force: true }));

  /** A training of 8 steps whose rate does not depend on their number. */
  const job = (name: string, maxSteps: number, adapter: Adapter, every?: number) =>
    sftJob(
      folder,
      name,
      {
        ...{ epochs: 1, perDeviceBatchSize: 4, gradientAccumulationSteps: 1, maxSteps, saveSteps: 2 },
        ...{ learningRate: 1e-3, lrScheduler: 'constant', minLrRatio: 1, warmupSteps: 0 },
        ...{ precision: 'float32', maxLength: 32 },
      },
      { adapter, ...(every === undefined ? {} : { candidateEverySteps: every }) },
    );

  const follow = (of: ReturnType<typeof job>, options: Partial<FollowOptions> = {}) =>
    followTraining({ job: of, ...trainer, pollMilliseconds: 20, ...options });

  async function resultOf(name: string, step: number) {
    const text = await readFile(join(folder, name, candidateFolder(step), 'result.json'), 'utf8');
    return resultSchema.parse(JSON.parse(text));
  }

  /** Without its configuration, whose modules PEFT writes in any order. */
  const adapterWeightsOf = ({ adapter }: TrainingResult) =>
    adapter?.files.filter(({ name }) => name.endsWith('.safetensors'));

  async function requireAsListed(name: string, step: number): Promise<void> {
    const { model } = await resultOf(name, step);
    assert(model.files.some((file) => file.name === 'tokenizer.json'));
    for (const { name: file, sha256 } of model.files) {
      const content = await readFile(join(folder, name, candidateFolder(step), 'model', file));
      assert.equal(createHash('sha256').update(content).digest('hex'), sha256, file);
    }
  }

  for (const [kind, adapter] of [
    ['all weights', { kind: 'none' }],
    ['an adapter', lora],
  ] as const) {
    it(`are the models of trainings of ${kind} that end there, and do not change the training`, async () => {
      const name = kind.replaceAll(' ', '-');
      const chosen = await follow(job(`${name}-candidates`, 8, adapter, 3));
      const plain = await follow(job(`${name}-plain`, 8, adapter));
      assert.equal(chosen.model.sha256, plain.model.sha256);
      assert.deepEqual(await readdir(join(folder, `${name}-candidates`, 'candidates')), ['step-3', 'step-6']);
      assert(!existsSync(join(folder, `${name}-plain`, 'candidates')));
      for (const step of [3, 6]) {
        const ended = await follow(job(`${name}-ends-at-${step}`, step, adapter));
        const candidate = await resultOf(`${name}-candidates`, step);
        assert.equal(candidate.model.sha256, ended.model.sha256, `step ${step}`);
        assert.notEqual(candidate.model.sha256, chosen.model.sha256);
        assert.equal(candidate.steps, step);
        assert.equal(candidate.meanLoss, ended.meanLoss);
        assert.deepEqual(adapterWeightsOf(candidate), adapterWeightsOf(ended));
        assert.equal(candidate.canary === undefined, adapter.kind === 'none');
        await requireAsListed(`${name}-candidates`, step);
      }
    });
  }

  const ranks = ['{python}', '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2'];
  const fsdp = [
    ...['env', 'ACCELERATE_USE_FSDP=true', 'FSDP_VERSION=2', 'FSDP_AUTO_WRAP_POLICY=TRANSFORMER_BASED_WRAP'],
    ...['FSDP_RESHARD_AFTER_FORWARD=true', 'FSDP_STATE_DICT_TYPE=SHARDED_STATE_DICT'],
  ];
  for (const [how, launch] of [
    ['two processes', ranks],
    ['two processes that each hold a part (FSDP)', [...fsdp, ...ranks]],
  ] as const)
    it(`are whole if ${how} train`, async () => {
      const settings = { kind: 'process', command: [...launch, '-m', 'trainer', '--job', '{job}'] };
      const name = `ranks-${launch.length}`;
      const none = { kind: 'none' } as const;
      const chosen = await follow(job(name, 4, none, 2), { settings });
      const ended = await follow(job(`${name}-ends`, 2, none), { settings });
      const candidate = await resultOf(name, 2);
      assert.equal(candidate.model.sha256, ended.model.sha256);
      assert.notEqual(candidate.model.sha256, chosen.model.sha256);
      await requireAsListed(name, 2);
    });

  it('are all there, and the same, after an interruption', async () => {
    const stop = new AbortController();
    const interrupted = job('interrupted', 8, lora, 3);
    await assert.rejects(
      follow(interrupted, {
        ...interruptedAfter(3, () => stop.abort()),
        ...{ signal: stop.signal, onAbort: () => 'stop' as const },
      }),
      TrainingStopped,
    );
    const { resumedFromSteps } = await follow(interrupted);
    assert.equal(resumedFromSteps.length, 1);
    for (const step of [3, 6])
      assert.equal(
        (await resultOf('interrupted', step)).model.sha256,
        (await resultOf('an-adapter-candidates', step)).model.sha256,
      );
  });

  it('are saved before the last step, which leaves a model anyway', () => {
    assert.deepEqual(candidateSteps(3, 8), [3, 6]);
    assert.deepEqual(candidateSteps(3, 9), [3, 6]);
    assert.deepEqual(candidateSteps(3, 3), []);
    assert.deepEqual(candidateSteps(5, 3), []);
    assert.deepEqual(candidateSteps(1, 3), [1, 2]);
    assert.deepEqual(candidateSteps(5, 0), []);
  });
});
