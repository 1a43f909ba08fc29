import type { BenchmarkJudgment, BenchmarkScores, ItemOutcome } from '../../src/benchmarks/benchmark.ts';
import { compareJudges } from '../../src/benchmarks/compare-judges.ts';
import { benchmarks } from './benchmarks.ts';
import type {
  ReportData,
  ReportExample,
  ReportFunnel,
  ReportIteration,
  ReportPair,
} from '../../src/reporting/report-data.ts';
import { ORDERS } from '../../src/method/examples.ts';

const subsets = ['largest', 'smallest', 'first', 'last', 'second', 'third', 'count', 'middle'];

/** A report like that of a run of the embedded model: three iterations, the last ones nearly perfect. */
export function sampleReport(): ReportData {
  const skills = [0.51, 0.82, 0.97, 0.985];
  const iterations = skills.map(iteration);
  const compared = (benchmark: string, purpose: 'test' | 'validation', index: number) => {
    const outcomes = (of: number) =>
      (iterations[of]?.evaluations[index]?.scores as { outcomes?: ItemOutcome[] } | undefined)?.outcomes ??
      [];
    return { benchmark, purpose, from: 0, to: 3, comparison: compareJudges(outcomes(0), outcomes(3), 1) };
  };
  return {
    runName: 'embedded',
    status: 'completed',
    startedAt: '2026-03-04T10:00:00Z',
    updatedAt: '2026-03-04T10:01:48Z',
    seed: 1,
    models: [
      { role: 'seed model and judge', model: 'embedded/model', sha256: 'a4666d12f31b1421' },
      { role: 'generator', model: 'embedded/model' },
    ],
    bestIteration: 3,
    iterations,
    comparisons: [compared('held-out', 'test', 0), compared('validation', 'validation', 1)],
    pairs: samplePairs(),
    skipped: [
      {
        stage: 'generate pairs',
        reason: 'both responses are the same',
        count: 83,
        example: 'largest number of: 72 60 11',
      },
      {
        stage: 'instructions',
        reason: 'line 17 is not JSON',
        count: 1,
        example: '{"instruction": "first num',
      },
    ],
    warnings: ['evaluation.benchmarks: "held-out" has 320 pairs; a difference below 5 points may be chance.'],
    machines: [
      {
        machine: 'gpu-box-1',
        busySeconds: 14_400,
        idle: [
          { reason: 'a model server started', seconds: 480 },
          {
            reason: 'fineTune waited: no worker with role gpu takes work on the machine gpu-box-1',
            seconds: 180,
          },
          { reason: 'writeReport, which does not use its GPUs', seconds: 60 },
        ],
      },
    ],
    configuration: {
      runName: 'embedded',
      seed: 1,
      iterations: 3,
      judging: { samples: 6, temperature: 1, topP: 1 },
    },
    versions: { 'self-taught-evaluator': '0.1.0', node: '24.21.0', torch: '2.15.0', trl: '1.16.0' },
  };
}

function iteration(skill: number, index: number): ReportIteration {
  const evaluations: ReportIteration['evaluations'] = [
    { benchmark: 'held-out', purpose: 'test', scores: sampleScores(skill, 320, index) },
    { benchmark: 'validation', purpose: 'validation', scores: sampleScores(skill + 0.01, 160, index + 9) },
  ];
  if (index === 0)
    return {
      iteration: 0,
      evaluations,
      usage: [
        {
          stage: 'generatePairs',
          requests: 300,
          tokens: { prompt: 21_326, completion: 7_787 },
          seconds: 4.2,
          usd: 0.031,
        },
        {
          stage: 'evaluateJudge',
          requests: 640,
          tokens: { prompt: 17_864, completion: 10_028 },
          seconds: 2.9,
          usd: 0.02,
        },
      ],
    };
  const steps = 60;
  const losses = Array.from({ length: steps }, (_, step) => ({
    step: step + 1,
    loss:
      0.12 / index +
      0.9 * Math.exp(-(step / 9) * (0.8 + index / 4)) +
      0.03 * Math.abs(Math.sin(step * index)),
  }));
  return {
    iteration: index,
    evaluations,
    funnel: sampleFunnel(index),
    training: { steps, meanLoss: 0.31 / index, finalLoss: losses.at(-1)?.loss ?? 0, losses, seconds: 14 },
    usage: [
      {
        stage: 'judgePairs',
        requests: 1224,
        tokens: { prompt: 118_400, completion: 61_230 + index },
        seconds: 9.4 - index,
        usd: 1.2,
      },
      { stage: 'filterJudgments', seconds: 0.3 },
      { stage: 'fineTune', seconds: 14.2, usd: 0.4 },
      {
        stage: 'evaluateJudge',
        requests: 640,
        tokens: { prompt: 17_864, completion: 10_028 },
        seconds: 2.7,
        usd: 0.02,
      },
    ],
  };
}

/** Figures of 1,224 examples with six judgments each; later iterations have more correct ones. */
function sampleFunnel(index: number): ReportFunnel {
  const examplesByCorrect = [90, 110, 130, 160, 190, 244, 300].map(
    (examples, k) => examples + index * 9 * (k - 3),
  );
  const [judged, right, trained] = [1224, 900 + index * 90, 820 + index * 100];
  return {
    instructions: 2000,
    selected: 740,
    pairs: 612,
    judgments: 6 * judged,
    correct: examplesByCorrect.reduce((sum, examples, k) => sum + k * examples, 0),
    trainingExamples: trained,
    statistics: {
      steps: [
        { step: 'judged', examples: judged },
        { step: 'with a correct judgment', examples: right, judgments: right },
        { step: 'after balancing', examples: trained, judgments: trained },
      ],
      samples: { drawn: 6 * judged, perExample: 6 },
      examplesBySamples: { 6: judged },
      examplesByCorrect,
      sides: { A: trained / 2, B: trained / 2 },
      sources: { generated: trained },
      reasoned: {
        words: 5,
        correct: { judgments: 4000, reasoned: 1800 + 600 * index },
        trained: { judgments: trained, reasoned: Math.round(trained * (0.4 + 0.15 * index)) },
      },
    },
  };
}

const sampled = new Map<string, BenchmarkScores>();

/** The scores of a judge that reasons in a share `skill` of its judgments and otherwise answers A. */
export function sampleScores(skill: number, rows: number, seed: number): BenchmarkScores {
  const key = `${skill}/${rows}/${seed}`;
  const scores = sampled.get(key) ?? computeScores(skill, rows, seed);
  sampled.set(key, scores);
  return structuredClone(scores);
}

function computeScores(skill: number, rows: number, seed: number): BenchmarkScores {
  let state = seed + 11;
  const chance = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  for (let i = 0; i < 9; i++) chance();
  const pairs = Array.from({ length: rows }, (_, i) => ({
    id: String(i).padStart(3, '0'),
    subset: subsets[i % subsets.length] ?? '',
    instruction: `question ${i}`,
    better: '1',
    worse: '2',
  }));
  const texts: BenchmarkJudgment[] = pairs.flatMap((pair, i) =>
    ORDERS.map((order) => {
      const reasons = chance() < skill - 0.05 * ((i % subsets.length) - 3) * (1 - skill);
      const right = order === 'better-first' ? '[[A]]' : '[[B]]';
      return {
        item: pair.id,
        slot: order,
        texts: [reasons ? right : chance() < 0.08 ? 'no verdict' : '[[A]]'],
      };
    }),
  );
  return benchmarks['reward-bench'].score(pairs, texts, { seed: 1 });
}

/** Two pairs in both orders, each judged for three iterations. */
function samplePairs(): ReportPair[] {
  const examples: ReportExample[] = [1, 2, 3].flatMap((iteration) => [
    {
      iteration,
      better: 'A' as const,
      judgments: [
        { outcome: 'kept', verdict: 'A', text: 'answer is 72 . 72 A . 60 B . so 72 A . [[A]]' },
        { outcome: 'correct, not kept', verdict: 'A', text: 'A looks better . [[A]]' },
      ],
    },
    {
      iteration,
      better: 'B' as const,
      judgments: [
        { outcome: 'rejected', verdict: 'A', text: 'A looks better . [[A]]' },
        { outcome: 'incorrect', verdict: 'tie', text: 'both are good . [[C]]' },
        { outcome: 'truncated', verdict: 'B', text: 'answer is 72 . so [[B]] and' },
        { outcome: 'no verdict', verdict: 'none', text: 'answer is 72 . 72 A . 60 B . so' },
      ],
    },
  ]);
  return [
    {
      id: '0254c209ad162e81',
      instruction: 'largest number of: 72 60 11',
      better: '72',
      worse: '60',
      similarInstruction: 'middle number of: 72 60 11',
      category: 'comparison',
      examples,
    },
    {
      id: '03ef180527a3a9b6',
      instruction: 'middle number of: 15 82 40 93 7',
      better: '40',
      worse: '82',
      category: 'position',
      examples: structuredClone(examples),
    },
  ];
}
