import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { neededPrompts } from '../../src/activities/check-configuration.ts';
import { roundOf } from '../../src/config/fine-tuning.ts';
import { readPrompt } from '../../src/config/input-files.ts';
import {
  readConfiguration,
  readJudgeEvaluation,
  readPairsJudging,
} from '../../src/config/read-configuration.ts';
import { commandPlaceholders, unknownPlaceholders } from '../../src/serving/drivers.ts';
import { trainerArguments } from '../../src/training/trainer-command.ts';

const packageRoot = resolve(import.meta.dirname, '../..');
const folder = join(packageRoot, 'temporal/inputs');

function configurationIn(file: string) {
  const { configuration, problems } = readConfiguration(JSON.parse(readFileSync(join(folder, file), 'utf8')));
  assert(configuration !== undefined, JSON.stringify(problems, undefined, 2));
  return configuration;
}

describe('the ready configurations', () => {
  const files = readdirSync(folder);
  const evaluations = files.filter((file) => file.startsWith('evaluate-'));
  const judgings = files.filter((file) => file.startsWith('judge-'));

  for (const file of evaluations) {
    it(`${file} can be evaluated`, () => {
      const { problems } = readJudgeEvaluation(JSON.parse(readFileSync(join(folder, file), 'utf8')));
      assert.deepEqual(problems, []);
    });
  }

  for (const file of judgings) {
    it(`${file} can be judged`, () => {
      const { problems } = readPairsJudging(JSON.parse(readFileSync(join(folder, file), 'utf8')));
      assert.deepEqual(problems, []);
    });
  }

  for (const file of files.filter((each) => ![...evaluations, ...judgings].includes(each))) {
    it(`${file} can be run: its fields, prompts and commands`, async () => {
      const configuration = configurationIn(file);
      assert.equal(`${configuration.runName}.json`, file);
      for (const { folder: prompt, needed } of neededPrompts(configuration)) {
        await readPrompt({ roots: [packageRoot] }, prompt, needed);
      }
      const { serving, fineTuning } = configuration;
      assert(serving.kind === 'command');
      for (const part of serving.command)
        assert.deepEqual(unknownPlaceholders(part, commandPlaceholders), []);
      const command = trainerArguments(
        { command: fineTuning.launcher.command, python: 'python', packageRoot, environment: {} },
        'job.json',
      );
      assert(command.includes('job.json'));
    });
  }

  it("paper-70b-sft.json says the paper's settings", () => {
    const { iterations, judging, fineTuning, earlyStopping } = configurationIn('paper-70b-sft.json');
    assert.equal(iterations, 5);
    assert.equal(judging.samples, 15);
    assert.deepEqual(judging.sampling, { temperature: 0.7, topP: 0.9, maxTokens: 4096 });
    assert.equal(earlyStopping, null);
    for (const iteration of [1, 5]) {
      const { method, startFrom, hyperparameters } = roundOf(fineTuning, iteration);
      assert.deepEqual([method, startFrom], ['sft', 'seed']);
      const { learningRate, schedule, finalLearningRateRatio, warmupSteps, epochs } = hyperparameters;
      assert.deepEqual(
        { learningRate, schedule, finalLearningRateRatio, warmupSteps, epochs },
        { learningRate: 1e-6, schedule: 'cosine', finalLearningRateRatio: 0.2, warmupSteps: 100, epochs: 2 },
      );
    }
  });

  it("released-70b-sft-dpo.json says the released code's settings", () => {
    const { iterations, seed, fineTuning } = configurationIn('released-70b-sft-dpo.json');
    assert.deepEqual([iterations, seed], [2, 42]);
    const [first, second] = [roundOf(fineTuning, 1), roundOf(fineTuning, 2)];
    assert.equal(first.method, 'sft');
    assert.equal(first.hyperparameters.finalLearningRateRatio, 0.1);
    assert.equal(first.hyperparameters.maximumSteps, 50_000);
    assert(second.method === 'dpo' && second.startFrom === 'previous');
    const { beta, nllWeight, learningRate, finalLearningRateRatio, schedule } = second.hyperparameters;
    assert.deepEqual([beta, nllWeight, schedule], [0.1, 1.5, 'cosine']);
    assert(Math.abs(learningRate * finalLearningRateRatio - 1.1e-6) < 1e-15);
    const { maximumGradientNorm, gradientAccumulation, batchSize, maximumLength, maximumSteps, epochs } =
      second.hyperparameters;
    assert.deepEqual(
      { maximumGradientNorm, gradientAccumulation, batchSize, maximumLength, maximumSteps, epochs },
      {
        maximumGradientNorm: 1,
        gradientAccumulation: 4,
        batchSize: 1,
        maximumLength: 2048,
        maximumSteps: 3000,
        epochs: 5,
      },
    );
  });
});
