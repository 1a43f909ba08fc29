import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { readBenchmarkPrompt } from '../../src/runs/read-benchmark-prompt.ts';
import { requiredPrompts } from '../../src/runs/prompts.ts';
import { readPrompt } from '../../src/runs/read-prompt.ts';

type Changes = Readonly<Record<string, unknown>>;

const ready = resolve(import.meta.dirname, '../../temporal/inputs/embedded.json');
const input = JSON.parse(readFileSync(ready, 'utf8')) as Record<string, object>;

/** The problems of the ready configuration with other sections, as `path: message`. */
function problemsOf(changes: Changes): string[] {
  const { problems } = parseConfiguration({ ...input, ...judging({}), ...changes });
  return problems.map(({ path, message }) => `${path}: ${message}`);
}

const sft = { method: 'sft' };
const dpo = { method: 'dpo' };
const reused = (round: object) => ({ ...round, judgments: 'reuse' });
const direct = (settings: object) => ({
  ...sft,
  direct: { share: 0.2, prompt: 'prompts/compact/direct', ...settings },
});
const grpo = (min: number, max: number) => ({ method: 'grpo', passRate: { min, max } });
const tasks = (...names: string[]) => ({
  pairs: { calls: 'two', tasks: names.map((task) => ({ task, files: [`${task}.jsonl`] })) },
});
const rounds = (...all: object[]) => ({
  iterations: all.length,
  fineTuning: { rounds: all, threads: 1 },
});
const judging = (changes: object) => ({
  judging: { prompt: 'prompts/compact/judge', samples: 4, ...changes },
});
const sampling = (temperature: number) => ({ sampling: { temperature, topP: 1, maxTokens: 32 } });
const pool = (maxInstructions: number) => ({
  instructions: { pool: ['embedded/instructions.jsonl'], maxInstructions },
});
const pairs = (changes: object) => ({ pairs: { calls: 'two', ...changes } });

/** A combination, its only problem, and the nearest combination that makes sense. */
type Combination = readonly [name: string, refused: Changes, problem: RegExp, usable: Changes];

const COMBINATIONS: readonly Combination[] = [
  [
    'judgments of one plan that are all the same',
    { ...rounds(sft, dpo), ...judging({ plan: { samples: 2 }, ...sampling(0) }) },
    /^judging\.sampling\.temperature: found 0, at which every judgment that follows a plan is the same/,
    judging({ plan: { samples: 2 }, ...sampling(0), samples: 1 }),
  ],
  [
    'DPO on one judgment of each example',
    { ...rounds(sft, dpo), ...judging({ samples: 1 }) },
    /^judging\.samples: found 1, but a round of dpo needs .* of the same example: set 2 or more$/,
    { ...rounds(sft, dpo), ...judging({ samples: 2 }) },
  ],
  [
    'DPO on one judgment of each plan',
    { ...rounds(sft, dpo), ...judging({ samples: 1, plan: { samples: 5 } }) },
    /^judging\.samples: found 1, but a round of dpo needs .* of the same plan: set 2 or more$/,
    { ...rounds(sft), ...judging({ samples: 1, plan: { samples: 5 } }) },
  ],
  [
    'DPO on judgments that are all the same',
    { ...rounds(sft, dpo), ...judging(sampling(0)) },
    /^judging\.sampling\.temperature: found 0, at which every sample is the same, but a round of dpo needs/,
    { ...rounds(sft, dpo), ...judging(sampling(0.1)) },
  ],
  [
    'reinforcement on pairs that the judge always gets right',
    { ...rounds(sft, grpo(1, 1)) },
    /^fineTuning\.rounds\.1\.passRate: found 1 to 1, but the judge is right in 1\/\d+ to \d+\/\d+ of the \d+ judgments of a pair/,
    { ...rounds(sft, grpo(0.5, 1)) },
  ],
  [
    'reinforcement with a pass rate that so few judgments never have',
    { ...rounds(grpo(0.6, 0.9)), ...judging({ samples: 1 }) },
    /^fineTuning\.rounds\.0\.passRate: found 0\.6 to 0\.9, .* in 1\/2 to 1\/2 of the 2 judgments .*: widen it, or sample more judgments$/,
    { ...rounds(grpo(0.6, 0.9)), ...judging({ samples: 2 }) },
  ],
  [
    'reinforcement with a pass rate that the judgments of a single response never have',
    { ...rounds(grpo(0.1, 0.3)), ...judging({ samples: 2 }), ...tasks('rank', 'verify') },
    /^fineTuning\.rounds\.0\.passRate: found 0\.1 to 0\.3, .* in 1\/2 to 1\/2 of the 2 judgments of a record of verify .* other records/,
    { ...rounds(grpo(0.1, 0.3)), ...judging({ samples: 2 }), ...tasks('rank') },
  ],
  [
    'reinforcement that divides a model over GPUs without vLLM',
    rounds({ method: 'grpo', hyperparameters: { vllmTensorParallel: 2 } }),
    /^fineTuning\.rounds\.0\.hyperparameters\.vllmTensorParallel: only vLLM divides the model/,
    rounds({ method: 'grpo', hyperparameters: { vllmTensorParallel: 2, rollouts: 'vllm' } }),
  ],
  [
    'reinforcement that gives vLLM memory without vLLM',
    rounds({ method: 'grpo', hyperparameters: { vllmMemory: 0.4 } }),
    /^fineTuning\.rounds\.0\.hyperparameters\.vllmMemory: only vLLM takes this share of the memory/,
    rounds({ method: 'grpo', hyperparameters: { vllmMemory: 0.4, rollouts: 'vllm' } }),
  ],
  [
    'reinforcement with one task twice',
    rounds({ method: 'grpo', tasks: [{ kind: 'pairwise' }, { kind: 'pairwise', weight: 2 }] }),
    /^fineTuning\.rounds\.0\.tasks\.1\.kind: it is task 0 again: add its weight there/,
    rounds({ method: 'grpo', tasks: [{ kind: 'pairwise' }, { kind: 'pairwise-scores', weight: 2 }] }),
  ],
  [
    'verdicts alone beside reasons under the same prompt',
    rounds(sft, direct({ prompt: 'prompts/compact/judge' })),
    /^fineTuning\.rounds\.1\.direct\.prompt: found "prompts\/compact\/judge", as in judging\.prompt: .* name a prompt that asks for the verdict alone$/,
    rounds(sft, direct({ prompt: 'prompts/compact/judge', share: 1 })),
  ],
  [
    'verdicts alone beside reasons under the same training prompt',
    {
      ...rounds(direct({ prompt: 'prompts/pairwise', mode: 'beside', share: 1 })),
      filtering: { trainingPrompt: 'prompts/pairwise' },
    },
    /^fineTuning\.rounds\.0\.direct\.prompt: found "prompts\/pairwise", as in filtering\.trainingPrompt: /,
    {
      ...rounds(direct({ prompt: 'prompts/compact/judge', mode: 'beside', share: 1 })),
      filtering: { trainingPrompt: 'prompts/pairwise' },
    },
  ],
  [
    'a judge of verdicts alone that judges the next iteration',
    rounds(direct({ share: 1 }), dpo),
    /^fineTuning\.rounds\.0\.direct\.share: found 1, but the judge .* judges the next iteration/,
    rounds(direct({ share: 1 }), reused(dpo)),
  ],
  [
    'the same training on the same judgments',
    rounds(sft, reused(dpo), reused(sft)),
    /^fineTuning\.rounds\.2\.judgments: found "reuse" to train from the seed model with the settings of fineTuning\.rounds\.0,/,
    rounds(sft, reused(dpo), reused({ ...sft, initFrom: 'previous' })),
  ],
  [
    'the same training on the same judgments, right after it',
    rounds(dpo, sft, reused(sft)),
    /^fineTuning\.rounds\.2\.judgments: found "reuse" .* fineTuning\.rounds\.1,/,
    rounds(sft, dpo, reused(sft)),
  ],
  [
    'limits for no pairs',
    pairs({ limits: [{ kind: 'words', share: 0 }] }),
    /^pairs\.limits\.0\.share: .*found 0$/,
    pairs({ limits: [{ kind: 'words', share: 0.01 }] }),
  ],
  [
    'parts that are too small for a round',
    { ...rounds(sft, sft), ...pool(16), ...pairs({ parts: 2 }), filtering: { minExamples: 17 } },
    /^pairs\.parts: found 2, but a part of 16 pairs gives 16 training examples at most, .*minExamples \(17\)/,
    {
      ...rounds({ ...dpo, preferencePairsPerExample: 2 }, { ...dpo, preferencePairsPerExample: 3 }),
      ...{ ...pool(16), ...pairs({ parts: 2 }), filtering: { minExamples: 17 } },
    },
  ],
];

describe('combinations of recipes that make no sense', () => {
  for (const [name, refused, problem, usable] of COMBINATIONS)
    it(`are refused by path: ${name}`, () => {
      const problems = problemsOf(refused);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', problem);
      assert.deepEqual(problemsOf(usable), []);
    });

  describe('in prompts', () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'refused-prompts-'));
    });
    after(() => rm(folder, { recursive: true, force: true }));

    const own = async (name: string, text: string) => {
      const path = join(folder, name);
      await mkdir(path, { recursive: true });
      await writeFile(join(path, 'user.txt'), text);
      return path;
    };
    const files = { roots: [packageRoot] };
    const pair = '{instruction} {responseA} {responseB}';

    it('are refused: a plan that would see the responses, and judgments without plans that would follow one', async () => {
      const sees = await own('sees', `Plan: ${pair}`);
      const follows = await own('follows', `Follow {plan}: ${pair}`);
      const { usable } = parseConfiguration({
        ...input,
        ...rounds(direct({ prompt: follows })),
        ...judging({ prompt: follows, plan: { prompt: sees, executionPrompt: follows } }),
        filtering: { trainingPrompt: follows },
      });
      const refused: Record<string, string> = {};
      for (const { path, folder: prompt, needed, absent } of requiredPrompts(usable))
        await readPrompt(files, prompt, needed, absent).catch(
          (error: Error) => (refused[path] = error.message),
        );
      const plan = `${follows} has {plan}, which this prompt doesn't get: remove it`;
      assert.deepEqual(refused, {
        'judging.prompt': plan,
        'judging.plan.prompt': `${sees} has {responseA} and {responseB}, which this prompt doesn't get: remove it`,
        'filtering.trainingPrompt': plan,
        'fineTuning.rounds.0.direct.prompt': plan,
      });
      await assert.rejects(readBenchmarkPrompt(files, follows, ['instruction']), { message: plan });
    });
  });
});
