import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requiredPrompts } from '../../src/runs/prompts.ts';
import { roundForIteration } from '../../src/config/fine-tuning.ts';
import { readPrompt } from '../../src/runs/read-prompt.ts';
import {
  parseConfiguration,
  parseJudgeEvaluation,
  parsePairsJudging,
} from '../../src/config/parse-configuration.ts';
import { SERVER_PLACEHOLDERS } from '../../src/models/serving/drivers/server-spec.ts';
import { unknownPlaceholders } from '../../src/platform/fill-template.ts';
import { trainerArguments } from '../../src/models/training/launchers/trainer-command.ts';
import { launchParallelism } from '../../src/models/training/launchers/launch-parallelism.ts';
import { modelShape } from '../../src/models/training/model-shape.ts';
import { trainingMemory } from '../../src/models/training/training-memory.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

const folder = join(packageRoot, 'temporal/inputs');

function configurationIn(file: string) {
  const { configuration, problems } = parseConfiguration(
    JSON.parse(readFileSync(join(folder, file), 'utf8')),
  );
  assert(configuration !== undefined, JSON.stringify(problems, undefined, 2));
  return configuration;
}

describe('the ready configurations', () => {
  const files = readdirSync(folder);
  const evaluations = files.filter((file) => file.startsWith('evaluate-'));
  const judgings = files.filter((file) => file.startsWith('judge-'));

  for (const file of evaluations) {
    it(`${file} can be evaluated`, () => {
      const { problems } = parseJudgeEvaluation(JSON.parse(readFileSync(join(folder, file), 'utf8')));
      assert.deepEqual(problems, []);
    });
  }

  for (const file of judgings) {
    it(`${file} can be judged`, () => {
      const { problems } = parsePairsJudging(JSON.parse(readFileSync(join(folder, file), 'utf8')));
      assert.deepEqual(problems, []);
    });
  }

  for (const file of files.filter((each) => ![...evaluations, ...judgings].includes(each))) {
    it(`${file} can be run: its fields, prompts and commands`, async () => {
      const configuration = configurationIn(file);
      assert.equal(`${configuration.runName}.json`, file);
      for (const { folder: prompt, needed } of requiredPrompts(configuration)) {
        await readPrompt({ roots: [packageRoot] }, prompt, needed);
      }
      const { serving, fineTuning } = configuration;
      assert(serving.kind !== 'endpoint');
      for (const part of serving.command)
        assert.deepEqual(unknownPlaceholders(part, SERVER_PLACEHOLDERS), []);
      const command = trainerArguments(fineTuning.launcher.command, 'python', 'job.json');
      assert(command.includes('job.json'));
    });
  }

  for (const file of ['paper-70b-sft.json', 'slurm-70b-sft.json'])
    it(`${file} says the paper's settings`, () => {
      const { iterations, judging, fineTuning, earlyStopping } = configurationIn(file);
      assert.equal(iterations, 5);
      assert.equal(judging.samples, 15);
      assert.deepEqual(judging.sampling, { temperature: 0.7, topP: 0.9, maxTokens: 4096 });
      assert.equal(earlyStopping, null);
      for (const iteration of [1, 5]) {
        const { method, initFrom, hyperparameters } = roundForIteration(fineTuning, iteration);
        assert.deepEqual([method, initFrom], ['sft', 'seed']);
        const { learningRate, lrScheduler, minLrRatio, warmupSteps, epochs } = hyperparameters;
        assert.deepEqual(
          { learningRate, lrScheduler, minLrRatio, warmupSteps, epochs },
          { learningRate: 1e-6, lrScheduler: 'cosine', minLrRatio: 0.2, warmupSteps: 100, epochs: 2 },
        );
      }
    });

  for (const file of ['paper-70b-sft.json', 'slurm-70b-sft.json'])
    it(`${file} has the paper's models, and chooses the checkpoint of each training by HelpSteer2`, () => {
      const { models, fineTuning, evaluation } = configurationIn(file);
      const checkpoints = [models.seed, models.generator, models.firstJudge].map(
        (model) => model?.checkpoint,
      );
      const mixtral = 'mistralai/Mixtral-8x22B-Instruct-v0.1';
      assert.deepEqual(checkpoints, ['meta-llama/Meta-Llama-3-70B-Instruct', mixtral, mixtral]);
      assert(fineTuning.rounds.every(({ selectCheckpoint }) => selectCheckpoint !== undefined));
      const validation = evaluation.benchmarks.filter(({ purpose }) => purpose === 'validation');
      assert.deepEqual(
        validation.map(({ format }) => format),
        ['helpsteer2'],
      );
    });

  for (const [file, gigabytes, devices] of [
    ['j1-8b-lora.json', 80, 1],
    ['j1-32b.json', 141, 8],
  ] as const)
    it(`${file} has J1's settings, chooses by validation, and fits the GPUs that docs/method.md names`, async () => {
      const { models, judging, fineTuning, earlyStopping, evaluation } = configurationIn(file);
      const round = roundForIteration(fineTuning, 1);
      assert(round.method === 'grpo' && round.selectCheckpoint !== undefined && earlyStopping !== null);
      assert(evaluation.benchmarks.some(({ purpose }) => purpose === 'validation'));
      const { reward, numGenerations, temperature, topP, maxCompletionLength } = round.hyperparameters;
      assert.deepEqual(
        { reward, numGenerations, temperature, topP, maxCompletionLength },
        { reward: 'both-orders', numGenerations: 5, temperature: 1, topP: 1, maxCompletionLength: 4096 },
      );
      assert.deepEqual(judging.sampling, { temperature: 1, topP: 1, maxTokens: 4096 });
      const { launcher, adapter } = fineTuning;
      const parallelism = await launchParallelism(launcher.command, packageRoot);
      assert.equal(parallelism.devices, devices);
      const shape = await modelShape(undefined, models.seed.checkpoint);
      assert(shape !== undefined);
      const { rollouts, vllmMemory } = round.hyperparameters;
      assert.equal(rollouts, 'vllm');
      const { bytesPerGpu } = trainingMemory(shape, round, adapter, parallelism);
      const needed = bytesPerGpu + vllmMemory * gigabytes * 1e9;
      assert(needed < 0.95 * gigabytes * 1e9 && needed > 0.7 * gigabytes * 1e9, String(needed));
    });

  it("released-70b-sft-dpo.json says the released code's settings", () => {
    const { iterations, seed, fineTuning } = configurationIn('released-70b-sft-dpo.json');
    assert.deepEqual([iterations, seed], [2, 42]);
    const [first, second] = [roundForIteration(fineTuning, 1), roundForIteration(fineTuning, 2)];
    assert.equal(first.method, 'sft');
    assert.equal(first.hyperparameters.minLrRatio, 0.1);
    assert.equal(first.hyperparameters.maxSteps, 50_000);
    assert(second.method === 'dpo' && second.initFrom === 'previous');
    const { beta, nllWeight, learningRate, minLrRatio, lrScheduler } = second.hyperparameters;
    assert.deepEqual([beta, nllWeight, lrScheduler], [0.1, 1.5, 'cosine']);
    assert(Math.abs(learningRate * minLrRatio - 1.1e-6) < 1e-15);
    const { maxGradNorm, gradientAccumulationSteps, perDeviceBatchSize, maxLength, maxSteps, epochs } =
      second.hyperparameters;
    assert.deepEqual(
      { maxGradNorm, gradientAccumulationSteps, perDeviceBatchSize, maxLength, maxSteps, epochs },
      {
        maxGradNorm: 1,
        gradientAccumulationSteps: 4,
        perDeviceBatchSize: 1,
        maxLength: 2048,
        maxSteps: 3000,
        epochs: 5,
      },
    );
  });
});
