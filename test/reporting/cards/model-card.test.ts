import assert, { fail } from 'node:assert/strict';
import { parse } from 'yaml';
import { fineTuningSchema, roundForIteration } from '../../../src/config/fine-tuning.ts';
import { modelCard, type ModelCardData } from '../../../src/reporting/cards/model-card.ts';
import { codeBlock, pythonLiteral } from '../../../src/reporting/cards/markdown.ts';
import { calibratedReport } from '../../support/calibrated-report.ts';
import type { ReportData } from '../../../src/reporting/report-data.ts';
import { sampleReport } from '../../support/sample-report.ts';

const { iterations, comparisons } = sampleReport();
const llama = 'meta-llama/Llama-3.1-8B-Instruct';

function cardWith(changes: Partial<ModelCardData> = {}): string {
  const judge = iterations[3];
  assert(judge !== undefined);
  return modelCard({
    runName: 'my-run',
    seed: 1,
    judge,
    seedJudge: iterations[0],
    comparisons: comparisons ?? [],
    models: {
      seed: { name: llama, repository: llama },
      generator: { name: 'mixtral' },
      firstJudge: { name: 'mixtral' },
    },
    pairs: { kind: 'generated', from: ['hf://datasets/allenai/WildChat-1M@main/data/*.parquet'] },
    humanData: [],
    tasks: [],
    datasets: ['allenai/WildChat-1M'],
    round: roundForIteration(fineTuningSchema.parse({}), 3),
    startedFrom: 'M_0',
    adapter: 'lora',
    prompt: { system: 'Judge.', user: '{instruction} {responseA} {responseB}' },
    sampling: { temperature: 0, topP: 1, maxTokens: 2048 },
    warnings: [],
    versions: { torch: '2.15.0' },
    ...changes,
  });
}

const metadataOf = (card: string) =>
  parse(card.split('---\n')[1] ?? '') as Record<string, unknown> & {
    'model-index': { name: string; results: Record<string, Record<string, unknown>>[] }[];
  };

describe('a model card', () => {
  it('names the base model and the data sets of the hub, and no licence of its own', () => {
    const metadata = metadataOf(cardWith());
    assert.equal(metadata['base_model'], llama);
    assert.deepEqual(metadata['datasets'], ['allenai/WildChat-1M']);
    assert.equal(metadata['library_name'], 'transformers');
    assert.equal(metadata['pipeline_tag'], 'text-generation');
    assert(!('license' in metadata));
  });

  it('names no base model that exists only on this machine', () => {
    const models = { seed: { name: 'model' }, generator: { name: 'model' }, firstJudge: { name: 'model' } };
    assert(!('base_model' in metadataOf(cardWith({ models, datasets: [] }))));
  });

  it('has the calibration of the verdicts, with the temperature or the reason why there is none', () => {
    const of = (report: ReportData) => cardWith({ judge: report.iterations[3] ?? fail() });
    assert.match(of(calibratedReport()), /## Probabilities of verdicts\n\n\| benchmark +\| subset/);
    assert.match(of(calibratedReport()), /\| held-out +\| all +\| +200 \| 0\.\d{3}/);
    assert.match(of(calibratedReport()), /the log-odds are divided by \d\.\d{3}, which is fitted/);
    assert.match(
      of(calibratedReport({ hasValidation: false })),
      /No temperature is fitted, because no benchmark with the purpose validation/,
    );
    assert.doesNotMatch(cardWith(), /Probabilities of verdicts/);
  });

  it('gives every benchmark’s scores in the hub’s schema', () => {
    const [index] = metadataOf(cardWith())['model-index'];
    assert.equal(index?.name, 'my-run M_3');
    assert.deepEqual(
      index.results.map(({ dataset }) => [dataset?.['name'], dataset?.['split']]),
      [
        ['held-out', 'test'],
        ['validation', 'validation'],
      ],
    );
    const metrics = index.results[0]?.['metrics'] as unknown as { type: string; value: number }[];
    const accuracy = iterations[3]?.evaluations[0]?.scores.accuracy ?? 0;
    assert(Math.abs((metrics[0]?.value ?? 0) - accuracy) < 1e-4);
    assert(metrics.every(({ type, value }) => type === 'accuracy' && value >= 0 && value <= 1));
  });

  it('shows scores with intervals and those of the seed judge, the position bias, the funnel and the settings', () => {
    const card = cardWith();
    assert.match(card, /\| accuracy, both orders \| \d+\.\d% \(\d+\.\d–\d+\.\d\) \| \d+\.\d% \(/);
    assert.match(card, /Compared with M_0 on the same 320 pairs: \d+\.\d points of accuracy/);
    assert.match(card, /\| held-out \| this judge \| \d+\.\d% \| \d+\.\d% \| \d+\.\d% \|/);
    assert.match(card, /\| sampled judgments \| 7,344 \|/);
    assert.match(card, /"learningRate": 0\.000001/);
  });

  it('says that reinforcement learns from judgments that the training samples', () => {
    const { rounds } = fineTuningSchema.parse({ rounds: [{ method: 'grpo' }] });
    const kept = /those with the correct verdict were kept/;
    assert.match(cardWith(), kept);
    const card = cardWith({ round: rounds[0] ?? fail() });
    assert.match(card, /The training sampled judgments of its own, and rewarded correct verdicts\.\n/);
    assert.doesNotMatch(card, kept);
  });

  it('calls the items of tasks beyond pairs records', () => {
    const judge = sampleReport().iterations[3] ?? assert.fail();
    for (const { scores } of judge.evaluations) scores.benchmark = 'verifications';
    const card = cardWith({ judge });
    assert.match(card, /\n320 records in the format `verifications`.*brackets\. A judgment without/);
    assert.match(card, /on the same 320 records:/);
    assert.match(card, /\| subset \| records \|/);
  });

  it('says which other tasks it has learned from labelled records', () => {
    const judge = sampleReport().iterations[3] ?? assert.fail();
    const learned = {
      task: 'verify',
      records: 1234,
      examples: 1234,
      judgments: 5000,
      correct: 4000,
    } as const;
    const statistics = judge.funnel?.statistics ?? assert.fail();
    const funnel = {
      ...(judge.funnel ?? assert.fail()),
      statistics: { ...statistics, tasks: [{ ...learned, withoutVerdict: 0, kept: 900, trained: 800 }] },
    };
    const card = cardWith({ judge: { ...judge, funnel }, tasks: ['verify'] });
    assert.match(card, /on generated pairs and labelled records of other tasks \(verify\) by the method/);
    assert.match(card, /\| records of the task verify \| 1,234 \|\n\| examples of the task verify \| 800 \|/);
    assert.match(cardWith(), /without human labels by the method/);
  });

  it('contains any prompt unchanged, in a program and in a block of code', () => {
    assert.equal(pythonLiteral('two\nlines'), '"""two\nlines"""');
    assert.equal(pythonLiteral('ends with "'), '"ends with \\""');
    assert.equal(pythonLiteral('a \\ """ b'), '"a \\\\ \\"\\"\\" b"');
    assert.equal(codeBlock('sh', 'a ```` b'), '`````sh\na ```` b\n`````');
  });
});
