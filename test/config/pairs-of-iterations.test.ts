import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';

const readyFiles = resolve(import.meta.dirname, '../../temporal/inputs');

/** The paths of the problems of a ready configuration with other values, each with its message. */
function problemsOf(file: string, changes: Readonly<Record<string, unknown>>): Record<string, string> {
  const input = JSON.parse(readFileSync(resolve(readyFiles, file), 'utf8')) as object;
  const { problems } = parseConfiguration({ ...input, ...changes });
  return Object.fromEntries(problems.map(({ path, message }) => [path, message]));
}

describe('the pairs and judges of the iterations', () => {
  it('may be in as many parts as there are iterations, with enough examples in each', () => {
    const parts = (count: number) => ({ calls: 'two', parts: count });
    const of = (changes: Readonly<Record<string, unknown>>) => problemsOf('embedded.json', changes);
    assert.deepEqual(of({ pairs: parts(3) }), {});
    assert.match(of({ pairs: parts(4) })['pairs.parts'] ?? '', /found 4.* 3 iterations.* set 3 at most/);
    const few = { instructions: { pool: ['embedded/instructions.jsonl'], maxInstructions: 23 } };
    assert.match(
      of({ ...few, pairs: parts(3) })['pairs.parts'] ?? '',
      /a part of 23 pairs gives 14 .*minExamples \(16\): set fewer parts/,
    );
    assert.deepEqual(of({ ...few, pairs: parts(2) }), {});
    const withLimits = { ...parts(3), limits: [{ kind: 'sentences' }] };
    assert.deepEqual(of({ ...few, pairs: withLimits }), {}, 'a limit makes further pairs');
    const humanData = [{ name: 'people', path: 'people.jsonl' }];
    assert.deepEqual(of({ ...few, pairs: parts(3), filtering: { humanData } }), {});
    const tasks = [{ task: 'verify', files: ['verify.jsonl'] }];
    assert.deepEqual(of({ ...few, pairs: { ...parts(3), tasks } }), {});
  });

  it('may have records of other tasks beside them, in one entry for each task, if all rounds can learn them', () => {
    const scores = { task: 'score', files: ['scores.jsonl'] };
    const of = (rounds: readonly object[], ...tasks: readonly object[]) =>
      problemsOf('embedded.json', { pairs: { calls: 'two', tasks }, fineTuning: { rounds, threads: 1 } });
    const sft = { method: 'sft' };
    for (const rounds of [[sft], [sft, { method: 'grpo' }]]) assert.deepEqual(of(rounds, scores), {});
    assert.match(
      of([sft, { method: 'dpo' }], scores, { ...scores, task: 'rank' })['pairs.tasks'] ?? '',
      /found score, rank, but fineTuning\.rounds\.1 has the method "dpo", which learns from pairs only/,
    );
    assert.match(of([sft], scores, scores)['pairs.tasks.1.task'] ?? '', /found "score" again/);
    assert(!('pairs.tasks' in of([sft, { method: 'dpo' }])));
  });

  it('are judged by no judge that has learned verdicts alone', () => {
    const direct = (more: object) => ({
      ...{ method: 'sft', direct: { share: 1, prompt: 'prompts/compact/direct', ...more } },
    });
    const sft = { method: 'sft' };
    const of = (iterations: number, ...rounds: object[]) =>
      Object.keys(problemsOf('embedded.json', { iterations, fineTuning: { rounds, threads: 1 } }));
    const path = (round: number) => [`fineTuning.rounds.${round}.direct.share`];
    assert.deepEqual(of(2, direct({}), sft), path(0));
    assert.deepEqual(of(3, sft, direct({})), path(1), 'the last round is repeated');
    assert.deepEqual(of(2, sft, direct({})), []);
    assert.deepEqual(of(3, direct({ share: 0.9 })), []);
    assert.deepEqual(of(3, direct({ mode: 'beside' })), []);
  });
});
