import assert from 'node:assert/strict';
import { readConfiguration } from '../../src/config/read-configuration.ts';
import { JUDGE_FILE, readJudge } from '../../src/contract/judge-file.ts';
import { judgeFile, type JudgeFileData, judgeFileText } from '../../src/outputs/judge-file.ts';
import { sampleScores } from '../report/sample-report.ts';
import { scriptedConfiguration } from '../workflows/scripted-run.ts';

const judge = { system: 's', user: 'seen {instruction} {responseA} {responseB}' };
const training = { user: 'learnt {instruction} {responseA} {responseB}' };

function data(iteration: number, changes: object = {}): JudgeFileData {
  const { configuration } = readConfiguration(
    scriptedConfiguration('http://127.0.0.1:9/v1', 'a-run', changes),
  );
  assert(configuration !== undefined);
  const repository = 'someone/llama';
  const evaluations = [{ benchmark: 'test', purpose: 'test' as const, scores: sampleScores(0.8, 50, 1) }];
  return {
    ...{ iteration, configuration, evaluations },
    prompts: { judge, training },
    seedModel: { name: repository, repository },
  };
}

describe('judge.json', () => {
  it('is what its schema says, in the same bytes each time', () => {
    const text = judgeFileText(judgeFile(data(2)));
    assert.equal(judgeFileText(readJudge(JSON.parse(text), JUDGE_FILE)), text);
    assert.equal(judgeFileText(judgeFile(data(2))), text);
  });

  it('has the prompt that the judge was trained under; the seed model has the one that it is asked with', () => {
    assert.deepEqual(judgeFile(data(1)).prompt, training);
    assert.deepEqual(judgeFile(data(0)).prompt, judge);
  });

  it('names the base of an adapter: the seed model, or the judge before where training went on from it', () => {
    const adapter = (iteration: number, startFrom: string) => {
      const rounds = [{ method: 'sft' }, { method: 'dpo', startFrom }];
      return judgeFile(data(iteration, { fineTuning: { rounds, adapter: { kind: 'lora' } } })).adapter;
    };
    const seed = { kind: 'lora', base: { name: 'someone/llama', repository: 'someone/llama' } };
    assert.deepEqual(
      [adapter(0, 'seed'), adapter(1, 'previous'), adapter(2, 'seed')],
      [undefined, seed, seed],
    );
    assert.deepEqual(adapter(2, 'previous'), { kind: 'lora', base: { name: 'a-run M_1' } });
    assert.equal(judgeFile(data(2)).adapter, undefined);
  });

  it('is refused, with every field, where it can’t be used', () => {
    const { prompt, ...rest } = judgeFile(data(1));
    const wrong = {
      ...rest,
      sampling: { temperature: 3 },
      prompt: { ...prompt, user: 'Which? {responseA}' },
    };
    assert.throws(() => readJudge(wrong, '/x/judge.json'), {
      name: 'JudgeFileInvalid',
      message:
        /^\/x\/judge\.json is no judge\.json .*prompt\.user: must have \{instruction\}, .*sampling\.temperature: .*sampling\.topP: /,
    });
    // What a newer version tells besides is left alone.
    assert.equal(readJudge({ ...judgeFile(data(1)), more: 1 }, 'x').run, 'a-run');
  });
});
