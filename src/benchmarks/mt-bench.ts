import type { Benchmark, OfficialFigure } from './benchmark.ts';
import { type HumanVotes, type MtBenchItem, readMtBench } from './mt-bench-file.ts';
import { withIntervals } from './figure-intervals.ts';
import { scoreGraded } from './score-graded.ts';
import { type GradedItem, meanOrNull, type ParsedText } from './strict-scores.ts';
import { JudgmentTexts, majority, requestId } from './votes.ts';

/** The order of the models in the prompt. Model A is the first one by name. */
const SLOTS = ['a-first', 'b-first'] as const;
type Slot = (typeof SLOTS)[number];
/** The winner: a response in a text, a model in an item. */
type Winner = 'A' | 'B' | 'tie';

const SINGLE = ['instruction', 'responseA', 'responseB'];
const MULTI = ['questionOne', 'questionTwo', 'answerAOne', 'answerATwo', 'answerBOne', 'answerBTwo'];

/**
 * MT-Bench's human judgments (arXiv 2306.05685): the judge's agreement with people about two models' answers, by turn. The
 * second turn is judged with the whole conversation. The judge sees the reference answers if there are any.
 */
export const mtBench: Benchmark<MtBenchItem> = {
  prompts: {
    folder: 'prompts/mt-bench',
    requiredPlaceholders: {
      'single-turn': SINGLE,
      'single-turn-reference': [...SINGLE, 'referenceOne'],
      'multi-turn': MULTI,
      'multi-turn-reference': [...MULTI, 'referenceOne', 'referenceTwo'],
    },
  },
  read: readMtBench,
  requests: requestsOf,
  officialVerdict,
  score(items, judgments, options) {
    const { seed } = options;
    const texts = new JudgmentTexts(items.flatMap(requestsOf), judgments, options);
    const judged = items.map((item) => judgeItem(item, texts, seed));
    const figures = withIntervals(
      judged,
      { clusterOf: clusterOfItem, stratumOf: ({ item }) => item.subset, answers: SLOTS.length },
      agreementFigures,
      seed,
    );
    return scoreGraded({
      benchmark: 'mt-bench',
      graded: judged.flatMap(gradeByMajority),
      missing: texts.missing,
      official: { figures, seed },
      sectionOf: (subset) => subset.split(':')[0],
    });
  },
};

function requestsOf(item: MtBenchItem) {
  const { turn, questions, answersA, answersB, references } = item;
  return SLOTS.map((slot) => {
    const [first, second] = slot === 'a-first' ? [answersA, answersB] : [answersB, answersA];
    const [referenceOne = '', referenceTwo = ''] = references ?? [];
    const shown: Record<string, string> =
      turn === 1
        ? { instruction: questions[0] ?? '', responseA: first[0] ?? '', responseB: second[0] ?? '' }
        : {
            questionOne: questions[0] ?? '',
            questionTwo: questions[1] ?? '',
            answerAOne: first[0] ?? '',
            answerATwo: first[1] ?? '',
            answerBOne: second[0] ?? '',
            answerBTwo: second[1] ?? '',
          };
    const prompt = `${turn === 1 ? 'single' : 'multi'}-turn${references === undefined ? '' : '-reference'}`;
    const values = references === undefined ? shown : { ...shown, referenceOne, referenceTwo };
    return { id: requestId(item.id, slot), item: item.id, slot, prompt, values };
  });
}

/** The official rule: the first of `[[A]]`, `[[B]]` and `[[C]]` (a tie) that occurs anywhere in the text. */
function officialVerdict(text: string): Winner | undefined {
  if (text.includes('[[A]]')) return 'A';
  if (text.includes('[[B]]')) return 'B';
  return text.includes('[[C]]') ? 'tie' : undefined;
}

/** The strict rule: the only one of them in the text. A tie is a verdict, but never correct for a pair with a winner. */
function strictVerdict(text: string): Winner | undefined {
  const named = (['A', 'B', 'C'] as const).filter((letter) => text.includes(`[[${letter}]]`));
  const [only] = named;
  if (named.length !== 1 || only === undefined) return undefined;
  return only === 'C' ? 'tie' : only;
}

interface JudgedItem {
  readonly item: MtBenchItem;
  readonly orders: Readonly<
    Record<Slot, { strict: Winner | undefined; official: Winner | undefined; texts: ParsedText[] }>
  >;
}

/** Translates the verdicts on an item in both orders into winning models. */
function judgeItem(item: MtBenchItem, texts: JudgmentTexts, seed: number): JudgedItem {
  const inOrder = (slot: Slot) => {
    const read = texts.parse(item.id, slot, { strict: strictVerdict, official: officialVerdict });
    const winner = (rule: 'strict' | 'official') =>
      asModel(
        majority(
          read.map((text) => text[rule]),
          seed,
          item.id,
          slot,
        ),
        slot,
      );
    return { strict: winner('strict'), official: winner('official'), texts: read };
  };
  return { item, orders: { 'a-first': inOrder('a-first'), 'b-first': inOrder('b-first') } };
}

function asModel(winner: Winner | undefined, slot: Slot): Winner | undefined {
  if (winner === undefined || winner === 'tie' || slot === 'a-first') return winner;
  return winner === 'A' ? 'B' : 'A';
}

/** By the strict rule, the better model is the one that most people prefer. An item without one isn't counted. */
function gradeByMajority(judged: JudgedItem): GradedItem[] {
  const { item, orders } = judged;
  const better = preferredModel(item.votes.human);
  if (better === undefined) return [];
  return [
    {
      id: item.id,
      subset: item.subset,
      cluster: clusterOfItem(judged),
      answers: SLOTS.map((slot) => ({
        correct: orders[slot].strict === better,
        position: (slot === 'a-first') === (better === 'A') ? 'first' : 'later',
        texts: orders[slot].texts,
      })),
    },
  ];
}

/** All comparisons of answers to one question, in both turns, are one cluster. */
function clusterOfItem({ item }: JudgedItem): string {
  return String(item.question);
}

/** The model with more votes than the other. Votes for a tie don't count. */
function preferredModel({ A, B }: HumanVotes): 'A' | 'B' | undefined {
  if (A === B) return undefined;
  return A > B ? 'A' : 'B';
}

/** By the official rule, different verdicts in the two orders are a tie, and an item with a missing verdict isn't counted. */
function officialWinner({ orders }: JudgedItem): Winner | undefined {
  const [first, second] = [orders['a-first'].official, orders['b-first'].official];
  if (first === undefined || second === undefined) return undefined;
  return first === second ? first : 'tie';
}

/** S1 counts every human vote. S2 excludes votes for a tie, and all votes on an item for which the judge's verdict is a tie. */
function agreementFigures(judged: readonly JudgedItem[]): OfficialFigure[] {
  const ofTurn = (turn: number) => judged.filter(({ item }) => item.turn === turn);
  const figures = [1, 2].flatMap((turn) => [
    {
      name: `agreement with humans, turn ${turn}, all votes (S1)`,
      value: agreement(ofTurn(turn), 'human', 'S1'),
    },
    {
      name: `agreement with humans, turn ${turn}, no ties (S2)`,
      value: agreement(ofTurn(turn), 'human', 'S2'),
    },
  ]);
  return [
    ...figures,
    {
      name: 'agreement with the authors, both turns, all votes (S1)',
      value: agreement(judged, 'author', 'S1'),
    },
    {
      name: 'agreement with the authors, both turns, no ties (S2)',
      value: agreement(judged, 'author', 'S2'),
    },
    {
      name: 'comparisons without verdicts in both orders (excluded)',
      value: meanOrNull(judged.map((result) => Number(officialWinner(result) === undefined))),
    },
  ];
}

function agreement(
  judged: readonly JudgedItem[],
  people: 'human' | 'author',
  setup: 'S1' | 'S2',
): number | null {
  let [agreeing, all] = [0, 0];
  for (const result of judged) {
    const winner = officialWinner(result);
    if (winner === undefined || (setup === 'S2' && winner === 'tie')) continue;
    const votes = result.item.votes[people];
    agreeing += votes[winner];
    all += votes.A + votes.B + (setup === 'S1' ? votes.tie : 0);
  }
  return all === 0 ? null : agreeing / all;
}
