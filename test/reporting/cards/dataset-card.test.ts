import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { grpo } from '../../../src/models/training/recipes/grpo.ts';
import type { TaskName } from '../../../src/method/tasks.ts';
import type { TrainingRows } from '../../../src/models/training/recipes/recipe.ts';
import { sft } from '../../../src/models/training/recipes/sft.ts';
import { datasetCard } from '../../../src/reporting/cards/dataset-card.ts';

const run = promisify(execFile);
const PYTHON = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const card = (rowFormat: TrainingRows, tasks: readonly TaskName[] = []) =>
  datasetCard({
    runName: 'run',
    pairs: 'generated',
    sourceDatasets: [],
    tasks,
    sets: [{ iteration: 1, rowFormat, rows: 2 }],
  });

describe('The card of training sets', () => {
  it('gives GRPO prompts with a reward, because its trainer needs one and its rows have no judgments', async () => {
    const text = card(grpo.rows);
    assert.match(text, /^Prompts for training a judge .* is rewarded for correct verdicts\./m);
    assert.match(
      text,
      /^trainer = GRPOTrainer\(model="your\/model", reward_funcs=reward_funcs, train_dataset=rows\)$/m,
    );
    const [reward] = /^def reward_funcs[^]*?(?=\ntrainer = )/m.exec(text) ?? [''];
    const judgments = ['It is 4. [[A]]', 'It is 5. [[B]]', '[[A]] or [[B]]', '', 'It is so. [[correct]]'];
    const labels = ['A', 'A', 'A', 'A', 'correct'];
    const program = `${reward}
print(reward_funcs([[{'role': 'assistant', 'content': text}] for text in ${JSON.stringify(judgments)}], label=${JSON.stringify(labels)}, prompts=None))`;
    assert.equal((await run(PYTHON, ['-c', program])).stdout.trim(), '[1.0, 0.0, 0.0, 0.0, 1.0]');
  });

  it('names the other tasks, whose records GRPO has prompts for, and the column with their labels', () => {
    const tasks = ['verify'] as const;
    assert.match(
      card(grpo.rows, tasks),
      / Prompts for labelled records of other tasks \(verify\) are among them\./,
    );
    assert.match(card(grpo.rows, tasks), /^\| `label` +\| the right verdict: /m);
    assert.match(
      card(sft.rows, tasks),
      /Judgments of labelled records of other tasks \(verify\) with the right/,
    );
  });

  it('calls the rows of SFT judgments', () => {
    assert.match(card(sft.rows), /^Judgments for training a judge .* correct verdict are kept\./m);
    assert.match(card(sft.rows), /^trainer = SFTTrainer\(model="your\/model", train_dataset=rows\)$/m);
  });
});
