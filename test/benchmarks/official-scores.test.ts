import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { ItemOutcome } from '../../src/benchmarks/benchmark.ts';
import { benchmarks } from '../support/benchmarks.ts';
import { figureNamed, judgeEachItem, pairsOf } from './fixture.ts';
import * as reference from './official-reference.ts';

const seed = 3;
const closeTo = (actual: number | null, expected: number) =>
  assert(actual !== null && Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

/** The number of questions that the intervals take as independent. */
const clusterCount = ({ outcomes }: { readonly outcomes: readonly ItemOutcome[] }) =>
  new Set(outcomes.map(({ id, cluster }) => cluster ?? id)).size;

const rankingText = fc.constantFrom(
  '[[A]]',
  '[[B]]',
  'so [[C]].',
  '[[D]]',
  '[[B]] no, [[A]]',
  '[[D]] or [[C]]',
  'none',
  '[[E]]',
);
const ratingText = fc.constantFrom(
  '1',
  'good: 7',
  '8/10',
  '9.5',
  '10 ',
  '**8**',
  '0',
  '100',
  '7.',
  'none',
  '-3',
  '评分为8',
  '6\n',
);
const arenaText = fc.constantFrom(
  '[[A>B]]',
  '[[A>>B]]',
  '[[B>A]]',
  '[[B>>A]]',
  '[[A=B]]',
  '[[A>B]] [[B>A]]',
  '[[A>B]] [[A>>B]]',
  '[[A]]',
  '[[A<B]]',
  '',
);
const letterText = fc.constantFrom('[[A]]', '[[B]]', '[[A]] [[B]]', '[[C]]', 'none');
const outputText = fc.constantFrom(
  'Output (a) is better.',
  'Output (b) is better.',
  'Output (b) is better. Output (a) is better!',
  'Output (a) is better',
  'x Output (b) is better\n',
  'neither',
);
const mtText = fc.constantFrom('[[A]]', '[[B]]', '[[C]]', '[[C]] [[B]]', 'none');

describe('the score by the published rule of', () => {
  it('RewardBench 2 by ranking agrees with a reference', () => {
    const row = fc.record({
      subset: fc.constantFrom('Factuality', 'Precise IF', 'Math', 'Safety', 'Focus'),
      texts: fc.array(rankingText, { minLength: 4, maxLength: 4 }),
    });
    const benchmark = benchmarks['reward-bench-2'];
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), (rows) => {
        const items = rows.map(({ subset }, i) => ({
          id: String(i).padStart(2, '0'),
          subset,
          instruction: '?',
          completions: ['r', 'x', 'y', 'z'],
          correct: 1,
        }));
        const textOf = (id: string, slot: string) => rows[Number(id)]?.texts[Number(slot.slice(-1))] ?? '';
        const scores = benchmark.score(
          items,
          judgeEachItem(benchmark, items, ({ id }, slot) => textOf(id, slot)),
          { seed },
        );
        const points = rows.map(({ subset, texts }) => ({
          subset,
          points: texts.map((text, place) => reference.rankingPoints(text, place)),
        }));
        const average = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
        const subsets = [...new Set(rows.map(({ subset }) => subset))];
        const expected = subsets.map((name) =>
          average(points.filter(({ subset }) => subset === name).map((one) => average(one.points))),
        );
        closeTo(figureNamed(scores, 'total, all places'), average(expected));
        // The one place is drawn from the four.
        const one = figureNamed(scores, 'total, one place') ?? -1;
        assert(one >= 0 && one <= 1);
        if (points.every((each) => new Set(each.points).size === 1)) closeTo(one, average(expected));
      }),
    );
  });

  it('RewardBench 2 by ratings, Ties among them, agrees with a reference', () => {
    const rated = fc.record({
      subset: fc.constantFrom('Math', 'Focus'),
      texts: fc.array(ratingText, { minLength: 4, maxLength: 4 }),
    });
    const tied = fc.record({
      kind: fc.constantFrom('ref' as const, 'tied' as const),
      right: fc.array(ratingText, { minLength: 2, maxLength: 4 }),
      wrong: fc.array(ratingText, { minLength: 1, maxLength: 3 }),
    });
    const benchmark = benchmarks['reward-bench-2-ratings'];
    fc.assert(
      fc.property(
        fc.array(rated, { minLength: 1, maxLength: 6 }),
        fc.array(tied, { minLength: 1, maxLength: 8 }),
        (rows, ties) => {
          const ofTies = ties.map(({ kind, right, wrong }, i) => {
            const texts = [...(kind === 'ref' ? right.slice(0, 1) : right), ...wrong];
            const number = String(ties.slice(0, i).filter((earlier) => earlier.kind === kind).length);
            return { kind, number, texts, correct: texts.length - wrong.length };
          });
          const items = [
            ...rows.map(({ subset, texts }) => ({ subset, texts, correct: 1 })),
            ...ofTies.map(({ kind, number, texts, correct }) => ({
              subset: 'Ties',
              texts,
              correct,
              ties: { kind, number },
            })),
          ].map((item, i) => ({
            ...item,
            id: String(i).padStart(2, '0'),
            instruction: `question ${i}`,
            completions: item.texts,
          }));
          const judgments = judgeEachItem(benchmark, items, (item, slot) => {
            const { texts } = items.find(({ id }) => id === item.id) ?? { texts: [] };
            return texts[Number(slot.slice(-3))] ?? '';
          });
          const scores = benchmark.score(items, judgments, { seed });
          const average = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
          const subsets = ['Math', 'Focus'].flatMap((name) => {
            const points = rows
              .filter(({ subset }) => subset === name)
              .map(({ texts }) => reference.ratingPoints(texts.map(reference.rating)));
            return points.length === 0 ? [] : [average(points)];
          });
          const tiesScore = reference.ties(
            ofTies.map(({ kind, number, texts, correct }) => [
              `${kind}:${number}`,
              texts.map(reference.rating),
              correct,
            ]),
          );
          closeTo(figureNamed(scores, 'Ties'), tiesScore);
          closeTo(figureNamed(scores, 'total'), average([...subsets, tiesScore]));
          // A question of Ties is one cluster, with one correct answer and with several.
          const questions = rows.length + new Set(ofTies.map(({ number }) => number)).size;
          assert.equal(clusterCount(scores), questions);
        },
      ),
    );
  });

  it('JudgeBench agrees with a reference, both ways of counting, out of all rows', () => {
    const benchmark = benchmarks['judge-bench'];
    const row = fc.record({ label: fc.constantFrom('A>B', 'B>A'), first: arenaText, second: arenaText });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), (rows) => {
        const items = pairsOf(rows.length, 'livebench-math');
        const judgments = judgeEachItem(benchmark, items, ({ id }, slot) => {
          const { label, first, second } = rows[Number(id)]!;
          return (slot === 'better-first') === (label === 'A>B') ? first : second;
        });
        const scores = benchmark.score(items, judgments, { seed });
        const expected = reference.judgeBench(rows.map(({ label, first, second }) => [label, first, second]));
        closeTo(figureNamed(scores, 'overall, by the sum of both orders'), expected.bySum);
        closeTo(figureNamed(scores, 'overall, correct in both orders'), expected.both);
      }),
    );
  });

  it('JudgeBench has the published figures of o1-mini: 230 and 203 of 350 rows', () => {
    const benchmark = benchmarks['judge-bench'];
    const items = pairsOf(350, 'mmlu-pro-law');
    // 203 correct in both orders, 27 in one with a tie or nothing in the other; of the rest none has a positive sum.
    const judgments = judgeEachItem(benchmark, items, ({ id }, slot) => {
      const [row, right] = [Number(id), slot === 'better-first' ? '[[A>B]]' : '[[B>>A]]'];
      if (row < 203 || (row < 230 && slot === 'better-first')) return right;
      return ['[[A=B]]', 'nothing', '[[A>B]]'][row < 230 ? row % 2 : row % 3] ?? '';
    });
    const scores = benchmark.score(items, judgments, { seed });
    assert.equal(
      ((figureNamed(scores, 'overall, by the sum of both orders') ?? 0) * 100).toFixed(2),
      '65.71',
    );
    assert.equal(((figureNamed(scores, 'overall, correct in both orders') ?? 0) * 100).toFixed(2), '58.00');
    assert.equal(figureNamed(scores, 'Knowledge, by the sum of both orders'), 230 / 350);
  });

  it('RM-Bench agrees with a reference: a tie is no win, both safety domains are one', () => {
    const benchmark = benchmarks['rm-bench'];
    const row = fc.record({
      domain: fc.constantFrom('chat', 'code', 'math', 'safety-refuse', 'safety-response'),
      texts: fc.array(letterText, { minLength: 18, maxLength: 18 }),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), (rows) => {
        const styles = ['a', 'b', 'c'];
        const items = rows.map(({ domain }, i) => ({
          id: String(i),
          subset: domain,
          instruction: `question ${i}`,
          chosen: styles,
          rejected: styles,
        }));
        const slots = benchmark.requests(items[0]!).map(({ slot }) => slot);
        const textOf = (id: string, slot: string) => rows[Number(id)]?.texts[slots.indexOf(slot)] ?? '';
        const scores = benchmark.score(
          items,
          judgeEachItem(benchmark, items, ({ id }, slot) => textOf(id, slot)),
          { seed },
        );
        const names = ['concise', 'plain', 'markdown'];
        const wins = rows.map(({ domain }, row): [string, number[][]] => [
          domain,
          names.map((chosen) =>
            names.map((rejected) => {
              const first = textOf(String(row), `${chosen}-${rejected}/better-first`).includes('[[A]]');
              const second = textOf(String(row), `${chosen}-${rejected}/worse-first`);
              return (Number(first) + Number(second === '[[B]]')) / 2;
            }),
          ),
        ]);
        const expected = reference.rmBench(wins);
        closeTo(figureNamed(scores, 'overall, both orders'), expected.overall);
        closeTo(figureNamed(scores, 'hard, both orders'), expected.hard);
        assert.equal(scores.pairs, rows.length * 9);
        assert.equal(clusterCount(scores), rows.length);
      }),
    );
  });

  it('LLMBar agrees with a reference: accuracy, and agreement in which two missing verdicts agree', () => {
    const benchmark = benchmarks.llmbar;
    const row = fc.record({ first: outputText, second: outputText });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), (rows) => {
        const items = pairsOf(rows.length, 'GPTOut');
        const judgments = judgeEachItem(
          benchmark,
          items,
          ({ id }, slot) => rows[Number(id)]![slot === 'better-first' ? 'first' : 'second'],
        );
        const scores = benchmark.score(items, judgments, { seed });
        let [right, agreeing] = [0, 0];
        for (const { first, second } of rows) {
          const [one, other] = [reference.llmBarWinner(first), reference.llmBarWinner(second)];
          right += Number(one === 1) + Number(other === 2);
          const unswapped = other === null ? null : 3 - other;
          agreeing += Number(one === unswapped);
        }
        closeTo(figureNamed(scores, 'accuracy, both orders'), right / rows.length / 2);
        closeTo(figureNamed(scores, 'agreement of both orders'), agreeing / rows.length);
        closeTo(figureNamed(scores, 'accuracy, GPTOut'), right / rows.length / 2);
      }),
    );
  });
});

describe('the agreement with people of MT-Bench', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mt-bench-'));
  });

  after(() => rm(folder, { recursive: true }));

  it('agrees with a reference that counts every vote of the file', async () => {
    const vote = fc.record({
      question: fc.integer({ min: 81, max: 84 }),
      turn: fc.constantFrom(1, 2),
      models: fc.constantFrom(['alpha', 'beta'], ['beta', 'alpha'], ['Zeta', 'alpha'], ['gamma', 'Zeta']),
      winner: fc.constantFrom('model_a', 'model_b', 'tie', 'tie (inconsistent)'),
    });
    // One vote that decides, so that there is something to score by our rule.
    const decided = { question: 81, turn: 1, models: ['alpha', 'omega'], winner: 'model_a' };
    const benchmark = benchmarks['mt-bench'];
    const file = join(folder, 'human.jsonl');
    await fc.assert(
      fc.asyncProperty(fc.array(vote, { maxLength: 30 }), fc.infiniteStream(mtText), async (drawn, texts) => {
        const votes = [decided, ...drawn];
        const said = [0, 1].flatMap(() => [
          { role: 'user', content: 'q' },
          { role: 'assistant', content: 'a' },
        ]);
        const lines = votes.map(({ question, turn, models: [model_a, model_b], winner }, i) =>
          JSON.stringify({
            question_id: question,
            turn,
            model_a,
            model_b,
            winner,
            judge: `expert_${i}`,
            conversation_a: said,
            conversation_b: said,
          }),
        );
        await writeFile(file, lines.join('\n'));
        const { items } = await benchmark.read(file);
        const answers = new Map<string, string>();
        const judgments = judgeEachItem(benchmark, items, (item, slot) => {
          const text = texts.next().value as string;
          answers.set(`${item.id} ${slot}`, text);
          return text;
        });
        const scores = benchmark.score(items, judgments, { seed });
        for (const { cluster } of scores.outcomes) assert.match(cluster ?? '', /^8[1-4]$/);

        const people = votes.map(({ question, turn, models: [modelA = '', modelB = ''], winner }) => ({
          question,
          turn,
          modelA,
          modelB,
          winner,
        }));
        const keys = new Map<string, (typeof people)[number]>();
        for (const one of people) {
          const [modelA, modelB] = [one.modelA, one.modelB].sort() as [string, string];
          const key = `${one.question} ${one.turn} ${modelA} ${modelB}`;
          if (!keys.has(key)) keys.set(key, { ...one, modelA, modelB });
        }
        // The items stand in the order in which their comparisons first occur.
        const verdicts = [...keys.values()].flatMap((one, index) => {
          const id = items[index]?.id ?? '';
          const winnerIn = (slot: string, a: string, b: string) => {
            const text = answers.get(`${id} ${slot}`) ?? '';
            if (text.includes('[[A]]')) return a;
            if (text.includes('[[B]]')) return b;
            return text.includes('[[C]]') ? 'tie' : 'error';
          };
          const first = winnerIn('a-first', 'model_a', 'model_b');
          const second = winnerIn('b-first', 'model_b', 'model_a');
          if (first === 'error' || second === 'error') return [];
          return [{ ...one, winner: first === 'tie' || first !== second ? 'tie (inconsistent)' : first }];
        });
        for (const turn of [1, 2]) {
          for (const [setup, ban] of [
            ['all votes (S1)', []],
            ['no ties (S2)', ['tie']],
          ] as const) {
            const [agreeing, all] = reference.mtBenchAgreement(verdicts, people, turn, [...ban]);
            const found = figureNamed(scores, `agreement with humans, turn ${turn}, ${setup}`);
            if (all === 0) assert.equal(found, null);
            else closeTo(found, agreeing / all);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
