import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeFiles } from '../support/official-clones.ts';

const tool = join(import.meta.dirname, '..', '..', 'tools', 'verify-official.ts');

/** An evaluator's answers to a row of LLMBar: its winner in each order, and the text that names it. */
const answer = (swapped: boolean, winner: '1' | '2' | null) => ({
  completion: [
    winner === null ? 'I cannot say.' : `So: Output (${(winner === '1') !== swapped ? 'a' : 'b'}) is better.`,
    'stop',
  ],
  winner,
});
const llmBarRow = (input: string, label: 1 | 2) => ({ input, output_1: 'one', output_2: 'two', label });
const llmBarResult = (row: object, first: '1' | '2' | null, second: '1' | '2' | null) => ({
  ...row,
  results: [{ 'swap = False': answer(false, first), 'swap = True': answer(true, second) }],
});

const judgeBenchRow = (label: 'A>B' | 'B>A', first: string, second: string) => ({
  pair_id: label,
  source: 'mmlu-pro-law',
  question: 'Which?',
  response_A: 'one',
  response_B: 'two',
  label,
  judgments: [first, second].map((decision) => ({
    judgment: { response: `Mine. My verdict is [[${decision}]].` },
    decision: decision.replace('>>', '>'),
  })),
});

describe('npm run verify:official', () => {
  let clones: string;

  beforeEach(async () => {
    clones = await mkdtemp(join(tmpdir(), 'official-'));
  });

  afterEach(() => rm(clones, { recursive: true }));

  function verify(...args: string[]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [tool, ...args], { encoding: 'utf8' });
    return { status, stdout, stderr };
  }

  /**
   * Writes four rows: right in both orders, wrong in both, right in one and none in the other, none in both. So 3 of 8 are
   * right, and 3 of 4 agree.
   */
  async function writeLlmBar(statistics: object) {
    const rows = ([1, 2, 1, 2] as const).map((label, index) => llmBarRow(`Do ${index}.`, label));
    const results = [
      llmBarResult(rows[0] ?? {}, '1', '1'),
      llmBarResult(rows[1] ?? {}, '1', '1'),
      llmBarResult(rows[2] ?? {}, '1', null),
      llmBarResult(rows[3] ?? {}, null, null),
    ];
    const set = 'Dataset/LLMBar/Natural';
    await writeFiles(join(clones, 'LLMBar'), {
      [`${set}/dataset.json`]: JSON.stringify(rows),
      [`${set}/evaluators/a-model/CoT/result.json`]: JSON.stringify(results),
      [`${set}/evaluators/a-model/CoT/statistics.json`]: JSON.stringify(statistics),
    });
  }
  const published = { correct_average: '37.5%', correct_both: '1 / 4 = 25.0%', equal: '3 / 4 = 75.0%' };

  it('finds the published figures again from the published texts', async () => {
    await writeLlmBar(published);
    // Right by the sum; a tie in one order and right in the other; right and wrong; wrong in both.
    const rows = [
      judgeBenchRow('A>B', 'A>>B', 'B>A'),
      judgeBenchRow('B>A', 'A=B', 'A>B'),
      judgeBenchRow('B>A', 'A>B', 'A>B'),
      judgeBenchRow('A>B', 'B>A', 'A>B'),
    ];
    const lines = (of: readonly object[]) => of.map((row) => JSON.stringify(row)).join('\n');
    await writeFiles(join(clones, 'judges'), {
      'utils/judges.py': '',
      'data/gpt.jsonl': lines(rows.map(({ judgments: _judgments, ...row }) => row)),
      'outputs/dataset=judgebench,response_model=gpt,judge_name=arena_hard,judge_model=m.jsonl': lines(rows),
    });
    const { status, stdout, stderr } = verify(clones);
    assert.equal(status, 0, stderr);
    assert.match(
      stdout,
      /equal {4}published 37\.50, ours 37\.50 {2}a-model on Natural: accuracy, both orders/,
    );
    assert.match(stdout, /equal {4}published 25\.00, ours 25\.00 {2}a-model on Natural: correct in both/);
    assert.match(stdout, /equal {4}published 75\.00, ours 75\.00 {2}a-model on Natural: agreement/);
    assert.match(stdout, /3 figures, 0 different; 8 verdicts, 0 different/);
    assert.match(stdout, /equal {4}published 50\.00, ours 50\.00 {2}m on gpt: all/);
    assert.match(stdout, /2 figures, 0 different; 8 verdicts, 0 different/);
  });

  it('fails and says so if a figure differs', async () => {
    await writeLlmBar({ ...published, equal: '2 / 4 = 50.0%' });
    const { status, stdout } = verify(join(clones, 'LLMBar'));
    assert.equal(status, 1);
    assert.match(stdout, /DIFFERS {2}published 50\.00, ours 75\.00 {2}a-model on Natural: agreement/);
    assert.match(stdout, /3 figures, 1 different/);
  });

  it('names a damaged file, and verifies the other repositories', async () => {
    await writeLlmBar(published);
    await writeFiles(join(clones, 'judges'), {
      'utils/judges.py': '',
      'data/gpt.jsonl': '',
      'outputs/judge_name=arena_hard,judge_model=m.jsonl': '{"source": "mmlu-pro',
    });
    await writeFiles(join(clones, 'offsetbias'), { 'data/evalbiasbench/biasbench.json': '[{' });
    const { status, stdout, stderr } = verify(clones);
    assert.equal(status, 1);
    assert.match(stderr, /data\/gpt\.jsonl: /);
    assert.match(stderr, /biasbench\.json: can't be read as JSON/);
    assert.match(stdout, /3 figures, 0 different; 8 verdicts, 0 different/);
    await rm(join(clones, 'judges/data/gpt.jsonl'));
    assert.match(verify(clones).stderr, /judge_model=m\.jsonl can't be read as it is published: SyntaxError/);
  });

  it('refuses a folder without an official repository', () => {
    const { status, stderr } = verify(clones);
    assert.equal(status, 1);
    assert.match(stderr, /is no clone of JudgeBench, LLMBar, RM-Bench or offsetbias, and contains none/);
  });
});
