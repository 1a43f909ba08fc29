import assert from 'node:assert/strict';
import { parseConfiguration } from '../../../src/config/parse-configuration.ts';
import { JUDGE_FILE, parseJudgeFile } from '../../../src/api/judge-file.ts';
import {
  makeJudgeFile,
  type JudgeFileData,
  formatJudgeFile,
} from '../../../src/reporting/exports/make-judge-file.ts';
import { sampleScores } from '../../support/sample-report.ts';
import { scriptedConfiguration } from '../../support/scripted-run.ts';

const judge = { system: 's', user: 'seen {instruction} {responseA} {responseB}' };
const training = { user: 'learnt {instruction} {responseA} {responseB}' };

function data(iteration: number, changes: object = {}): JudgeFileData {
  const { configuration } = parseConfiguration(
    scriptedConfiguration('http://127.0.0.1:9/v1', 'a-run', changes),
  );
  assert(configuration !== undefined);
  const repository = 'someone/llama';
  const evaluations = [{ benchmark: 'test', purpose: 'test' as const, scores: sampleScores(0.8, 50, 1) }];
  return {
    ...{ iteration, configuration, evaluations },
    prompts: { judge, training, evaluation: {} },
    seedModel: { name: repository, repository },
  };
}

describe('judge.json', () => {
  it('fits its schema, and has the same bytes each time', () => {
    const text = formatJudgeFile(makeJudgeFile(data(2)));
    assert.equal(formatJudgeFile(parseJudgeFile(JSON.parse(text), JUDGE_FILE)), text);
    assert.equal(formatJudgeFile(makeJudgeFile(data(2))), text);
  });

  it('has the training prompt of a trained judge, and the judging prompt of the seed model', () => {
    assert.deepEqual(makeJudgeFile(data(1)).prompt, training);
    assert.deepEqual(makeJudgeFile(data(0)).prompt, judge);
  });

  it('has the prompt for verdicts alone of a judge that was trained with it', () => {
    const direct = { user: 'alone {instruction} {responseA} {responseB}' };
    const rounds = [{ method: 'sft' }, { method: 'sft', direct: { share: 1, prompt: 'prompts/direct' } }];
    const of = (iteration: number) => {
      const found = data(iteration, { iterations: 2, fineTuning: { rounds } });
      return makeJudgeFile({ ...found, prompts: { ...found.prompts, direct: { 'prompts/direct': direct } } });
    };
    assert.deepEqual([of(0).direct, of(1).direct, of(2).direct], [undefined, undefined, { prompt: direct }]);
    assert.equal(parseJudgeFile(of(2), JUDGE_FILE).direct?.prompt.user, direct.user);
  });

  it('has no other prompt of a judge that has learned verdicts alone', () => {
    const alone = { user: 'alone {instruction} {responseA} {responseB}' };
    const of = (direct: object) => {
      const rounds = [{ method: 'sft', direct: { prompt: 'prompts/direct', ...direct } }];
      const { prompts, ...rest } = data(1, { iterations: 1, fineTuning: { rounds } });
      return makeJudgeFile({ ...rest, prompts: { ...prompts, direct: { 'prompts/direct': alone } } });
    };
    const { prompt, direct } = of({ share: 1, mode: 'instead' });
    assert.deepEqual([prompt, direct], [alone, { prompt: alone }]);
    assert.deepEqual(of({ share: 1, mode: 'beside' }).prompt, training);
    assert.deepEqual(of({ share: 0.5, mode: 'instead' }).prompt, training);
  });

  it('has the prompts of the tasks beyond pairs that the run evaluates or trains', () => {
    const benchmark = { name: 'mine', format: 'verifications', path: 'x.jsonl', purpose: 'test' };
    const { prompts, ...rest } = data(1, { evaluation: { benchmarks: [benchmark] } });
    const plain = { user: '{instruction} {response}', source: { kind: 'own' as const } };
    const reference = { user: '{instruction} {response} {reference}' };
    const made = makeJudgeFile({
      ...rest,
      prompts: { ...prompts, evaluation: { mine: { plain, reference } } },
    });
    assert.deepEqual(made.tasks, { verify: { plain: { user: plain.user }, reference } });
    assert.deepEqual(parseJudgeFile(made, JUDGE_FILE), made);
    assert.equal(makeJudgeFile(data(1)).tasks, undefined);
    // The judge learned the task with the prompts of its training.
    const trained = { plain: { user: `Learned: ${plain.user}` }, reference };
    const both = {
      ...prompts,
      evaluation: { mine: { plain, reference } },
      trainedTasks: { verify: trained },
    };
    assert.deepEqual(makeJudgeFile({ ...rest, prompts: both }).tasks, { verify: trained });
  });

  it('has the temperature of the prompt that validation measured, and no other one', () => {
    const [alone, other] = ['alone', 'other'].map((name) => ({
      user: `${name} {instruction} {responseA} {responseB}`,
    }));
    assert(alone !== undefined && other !== undefined);
    const entry = (name: string, changes: object = {}) => ({
      ...{ name, format: 'pairs', path: 'pairs.jsonl', purpose: 'validation', probabilities: true },
      ...changes,
    });
    const direct = { share: 1, mode: 'beside', prompt: 'prompts/direct' };
    const of = (benchmarks: object[], templates: Record<string, object>, rounds: object[] = []) => {
      const found = data(1, { iterations: 1, evaluation: { benchmarks }, fineTuning: { rounds } });
      const evaluation = Object.fromEntries(
        Object.entries(templates).map(([name, template]) => [name, { pairwise: template as typeof alone }]),
      );
      const prompts = { ...found.prompts, evaluation, direct: { 'prompts/direct': alone } };
      return makeJudgeFile({ ...found, prompts, temperature: 1.5 }).direct;
    };
    const taught = [{ method: 'sft', direct }];
    assert.deepEqual(of([entry('dev')], { dev: alone }, taught), { prompt: alone, temperature: 1.5 });
    assert.deepEqual(of([entry('dev')], { dev: other }, taught), { prompt: alone });
    // Without training for it, the measured prompt is the one to ask with, unless it is that of the reasoned verdicts.
    const sft = [{ method: 'sft' }];
    assert.deepEqual(of([entry('dev')], { dev: other }, sft), { prompt: other, temperature: 1.5 });
    assert.equal(of([entry('dev')], { dev: training }, sft), undefined);
    assert.equal(of([entry('dev', { purpose: 'test' })], { dev: other }, sft), undefined);
    assert.equal(of([entry('dev'), entry('more')], { dev: alone, more: other }, sft), undefined);
  });

  it('names the base of an adapter: the seed model, or the previous judge if training started from it', () => {
    const adapter = (iteration: number, initFrom: string) => {
      const rounds = [{ method: 'sft' }, { method: 'dpo', initFrom }];
      return makeJudgeFile(data(iteration, { fineTuning: { rounds, adapter: { kind: 'lora' } } })).adapter;
    };
    const seed = { kind: 'lora', base: { name: 'someone/llama', repository: 'someone/llama' } };
    assert.deepEqual(
      [adapter(0, 'seed'), adapter(1, 'previous'), adapter(2, 'seed')],
      [undefined, seed, seed],
    );
    assert.deepEqual(adapter(2, 'previous'), { kind: 'lora', base: { name: 'a-run M_1' } });
    assert.equal(makeJudgeFile(data(2)).adapter, undefined);
  });

  it('is rejected with all problematic fields if it is invalid', () => {
    const { prompt, ...rest } = makeJudgeFile(data(1));
    const wrong = {
      ...rest,
      sampling: { temperature: 3 },
      prompt: { ...prompt, user: 'Which? {responseA}' },
    };
    assert.throws(() => parseJudgeFile(wrong, '/x/judge.json'), {
      name: 'InvalidJudgeFile',
      message:
        /^\/x\/judge\.json is not a valid judge\.json: prompt\.user: must have \{instruction\}, .*sampling\.temperature: .*sampling\.topP: /,
    });
    // Fields that a newer version adds are ignored.
    assert.equal(parseJudgeFile({ ...makeJudgeFile(data(1)), more: 1 }, 'x').run, 'a-run');
  });
});
