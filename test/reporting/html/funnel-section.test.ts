import assert from 'node:assert/strict';
import { funnelSection } from '../../../src/reporting/html/funnel-section.ts';
import type { ReportFunnel } from '../../../src/reporting/report-data.ts';
import { sampleReport } from '../../support/sample-report.ts';

describe('the judgments with reasoning in the report', () => {
  async function section(change: (funnel: ReportFunnel) => Partial<ReportFunnel['statistics'] & object>) {
    const data = sampleReport();
    const iterations = data.iterations.map((iteration) => {
      const { funnel } = iteration;
      if (funnel?.statistics === undefined) return iteration;
      return { ...iteration, funnel: { ...funnel, statistics: { ...funnel.statistics, ...change(funnel) } } };
    });
    const html = await funnelSection({ ...data, iterations });
    return (html?.text ?? '').replaceAll(/\s+/g, ' ');
  }

  it('are counted among those that are learned and the correct ones', async () => {
    const text = await section(() => ({
      reasoned: {
        words: 5,
        correct: { judgments: 3000, reasoned: 1500 },
        trained: { judgments: 752, reasoned: 410 },
      },
    }));
    assert.match(
      text,
      /with reasoning for M₁ \(at least 5 words before the verdict\): 410 <small>54\.5%<\/small> of the 752 that are learned, 1,500 <small>50\.0%<\/small> of the 3,000 correct ones/,
    );
  });

  it('have a step of the funnel if guesses are left out', async () => {
    const text = await section(({ statistics }) => ({
      steps: [
        ...(statistics?.steps.slice(0, 2) ?? []),
        { step: 'with a reasoned judgment', examples: 495, judgments: 495 },
      ],
      examplesByCorrect: undefined as never,
    }));
    assert.match(text, /With a reasoned one/);
    assert.match(text, /ended with the first correct judgment with reasoning/);
    assert.match(text, /495 <small>50\.0%<\/small>/);
  });

  it('are left out for training sets without this figure', async () => {
    const data = sampleReport();
    const iterations = data.iterations.map((iteration) => {
      const { reasoned: _reasoned, ...statistics } = iteration.funnel?.statistics ?? {};
      return iteration.funnel === undefined
        ? iteration
        : { ...iteration, funnel: { ...iteration.funnel, statistics: statistics as never } };
    });
    const html = await funnelSection({ ...data, iterations });
    assert.doesNotMatch(html?.text ?? '', /with reasoning/);
  });
});

describe('the tasks beyond pairs in the report', () => {
  const judged = { records: 12, examples: 12, judgments: 48, correct: 36, withoutVerdict: 6, kept: 9 };
  const tasks = [{ task: 'verify' as const, ...judged, trained: 8 }];

  it('have a row for each iteration and task, from records to training examples', async () => {
    const data = sampleReport();
    for (const { funnel } of data.iterations)
      if (funnel?.statistics !== undefined) funnel.statistics = { ...funnel.statistics, tasks };
    const text = (await funnelSection(data))?.text.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ') ?? '';
    assert.match(text, /Tasks beyond pairs Trains Task Records Examples Judgments Right Without a verdict/);
    for (const judge of ['M₁', 'M₂', 'M₃'])
      assert(text.includes(`${judge} verify 12 12 48 36 75.0% 6 12.5% 9 75.0% 8 `), judge);
  });

  it('have no table in a run without them', async () => {
    assert.doesNotMatch((await funnelSection(sampleReport()))?.text ?? '', /Tasks beyond pairs/);
  });
});

describe('the funnel of a training by reinforcement', () => {
  it('has the examples within the pass rate, and says that they are prompts', async () => {
    const data = sampleReport();
    const iterations = data.iterations.map((iteration) => {
      const { funnel } = iteration;
      if (funnel?.statistics === undefined || iteration.iteration !== 2) return iteration;
      const { reasoned: _reasoned, ...statistics } = funnel.statistics;
      const steps = [
        { step: 'judged' as const, examples: 1224 },
        { step: 'within the pass rate' as const, examples: 612 },
      ];
      return {
        ...iteration,
        funnel: { ...funnel, trainingExamples: 612, statistics: { ...statistics, steps } },
      };
    });
    const html = await funnelSection({ ...data, iterations });
    const text = (html?.text ?? '').replaceAll(/\s+/g, ' ');
    assert.match(text, /<th[^>]*>Within the pass rate<\/th>/);
    assert.match(text, /612 <small>50\.0%<\/small>/);
    assert.match(text, /Those of M₂ are prompts: GRPO samples its own judgments of them/);
    assert.doesNotMatch((await funnelSection(data))?.text ?? '', /pass rate|prompts: GRPO/);
  });
});

describe('the plans of judgments in the report', () => {
  async function sectionOf(changes: readonly Partial<ReportFunnel>[]) {
    const data = sampleReport();
    const [first] = data.iterations.flatMap(({ funnel }) => funnel ?? []);
    const iterations = changes.map((change, index) => ({
      ...{ iteration: index + 1, evaluations: [] },
      funnel: { ...(first ?? assert.fail()), ...change },
    }));
    return ((await funnelSection({ ...data, iterations }))?.text ?? '').replaceAll(/\s+/g, ' ');
  }

  it('have a column, and a round that reuses judgments says whose they are', async () => {
    const text = await sectionOf([{ plans: 4321 }, { judgedIn: 1 }]);
    assert.match(text, />Plans<\/th>/);
    assert.match(text, />4,321<\/td>/);
    assert.match(text, /M₂ is trained on the judgments of iteration 1, which were sampled once\./);
  });

  it('have none in a run without plans', async () => {
    const text = await sectionOf([{}, {}]);
    assert.doesNotMatch(text, /Plans|sampled once/);
  });
});
