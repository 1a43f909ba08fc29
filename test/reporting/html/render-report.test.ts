import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { renderReport } from '../../../src/reporting/html/render-report.ts';
import type { ReportData } from '../../../src/reporting/report-data.ts';
import { browserPage, openReport } from '../../support/browser.ts';
import { sampleReport } from '../../support/sample-report.ts';

describe('the report in a browser', function () {
  this.timeout(60_000);
  const at = browserPage();

  it('needs no network, and allows neither foreign scripts nor images', async () => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests++;
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const report = await renderReport(sampleReport());
    assert.doesNotMatch(report, /@import|<link|url\(|<script[^>]*src/);
    const intruder = `<script>globalThis.ran = true</script><img src="http://127.0.0.1:${port}/x"></main>`;
    await openReport(at.page, report.replace('</main>', intruder));
    const ran = await at.page.evaluate('globalThis.ran');
    server.close();
    assert.equal(ran, undefined);
    assert.equal(requests, 0);
  });

  for (const width of [1280, 390]) {
    for (const theme of ['light', 'dark']) {
      it(`fits a window of ${width} pixels and has readable charts in the ${theme} theme`, async () => {
        await at.page.setViewport({ width, height: 900 });
        await at.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
        await openReport(at.page, await renderReport(sampleReport()));
        await at.page.$$eval('details', (all) => all.forEach((details) => (details.open = true)));
        assert.equal(await at.page.evaluate(() => document.documentElement.scrollWidth), width);
        const luminance = await at.page.evaluate(() => {
          const light = (color: string) =>
            (color.match(/\d+/g) ?? []).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 765;
          const label = document.querySelector('figure svg text');
          if (!label) throw new Error('no chart');
          return {
            page: light(getComputedStyle(document.body).backgroundColor),
            label: light(getComputedStyle(label).fill),
          };
        });
        assert.equal(luminance.page > 0.5, theme === 'light');
        assert(Math.abs(luminance.page - luminance.label) > 0.4, JSON.stringify(luminance));
      });
    }
  }
});

describe('the report', () => {
  const text = async (data: ReportData) =>
    (await renderReport(data)).replace(/<(style|script)[^]*?<\/\1>|<[^>]*>/g, '').replace(/\s+/g, ' ');

  it('gives the first and the best scores in its first sentence', async () => {
    const data = sampleReport();
    const [before, after] = [data.iterations[0], data.iterations[3]].map(
      (one) => one?.evaluations[0]?.scores,
    );
    const shown = (share: number | undefined) => `${((share ?? 0) * 100).toFixed(1)}%`;
    const expected = `Accuracy rose from ${shown(before?.accuracy)} to ${shown(after?.accuracy)}`;
    assert((await text(data)).includes(expected), expected);
  });

  it('says which prompts the figures have, and how the answers were sampled', async () => {
    const data = sampleReport();
    const evaluation = data.iterations[0]?.evaluations[0] ?? assert.fail();
    evaluation.scores = {
      ...evaluation.scores,
      prompts: { pairwise: 'imported from <a>/b at 0123456789ab' },
      sampling: 'temperature 0, top_p 1, at most 300 tokens',
    };
    assert.match(
      await text(data),
      /Prompt: imported from &lt;a&gt;\/b at 0123456789ab\. Sampled at temperature 0, top_p 1, at most 300 tokens\./,
    );
  });

  it('says how long each machine was idle, and why', async () => {
    assert.match(
      await text(sampleReport()),
      /Idle time of machines.*gpu-box-1 ?4 h ?95\.2% ?busy *8 min ?3\.2% ?idle: a model server started.*3 min ?1\.2% ?idle: fineTune waited: no worker/,
    );
    assert(!(await text({ ...sampleReport(), machines: undefined })).includes('Idle time'));
  });

  it('compares the best judge with the seed judge pair by pair', async () => {
    const data = sampleReport();
    const { accuracy, mcNemar } = data.comparisons?.[0]?.comparison ?? assert.fail();
    const expected = `M₃ compared with M₀ on the same 320 pairs: accuracy +${(100 * accuracy.difference).toFixed(1)} points`;
    const shown = await text(data);
    assert(shown.includes(expected), expected);
    assert(shown.includes(`by M₃: ${mcNemar.onlySecond}, only by M₀: ${mcNemar.onlyFirst} (McNemar`));
    assert.match(shown, /total, both orders\d/);
  });

  it('calls the items of tasks beyond pairs records', async () => {
    const data = sampleReport();
    for (const { evaluations } of data.iterations)
      for (const { scores } of evaluations) scores.benchmark = 'verifications';
    const shown = await text(data);
    assert.match(shown, /320 records, scored as verifications\./);
    assert.match(shown, /on the same 320 records: accuracy/);
    assert.match(shown, /Subset ?Records ?M₀/);
    assert.doesNotMatch(shown, /320 pairs, scored/);
  });

  it('presents neither a loss nor the seed judge as an improvement', async () => {
    const data = sampleReport();
    data.iterations = data.iterations.toReversed().map((one, iteration) => ({ ...one, iteration }));
    assert.match(await text(data), /Accuracy fell from/);
    assert.match(await text({ ...data, bestIteration: 0 }), /No iteration was better than the seed judge/);
  });

  it('shows the available data of a run in progress', async () => {
    const data: ReportData = { ...sampleReport(), status: 'running', bestIteration: undefined };
    const first = data.iterations.slice(0, 1);
    const onlySeed = await text({ ...data, iterations: first, pairs: [], bestIteration: 0 });
    assert.match(onlySeed, /The seed judge’s accuracy is.*No judge has been trained yet/);
    assert.match(
      await text({ ...data, iterations: [], pairs: [], skipped: [], warnings: [] }),
      /No judge has been evaluated yet/,
    );
    const beingTrained = { iteration: 1, evaluations: [], funnel: sampleReport().iterations[1]?.funnel };
    assert.match(
      await text({ ...data, iterations: [...first, beingTrained] }),
      /The seed judge’s accuracy is/,
    );
  });

  it('explains the paper’s curve', async () => {
    const data = sampleReport();
    assert.match(
      await text(data),
      /held-out \(test\) is not RewardBench: only the shapes of the curves can be compared/,
    );
    for (const { evaluations } of data.iterations)
      evaluations.forEach(({ scores }) => Object.assign(scores, { pairs: 2985 }));
    const onRewardBench = await text(data);
    assert.match(onRewardBench, /75\.4, 83\.9, 86\.0, 87\.5, 87\.7, 88\.3/);
    assert.doesNotMatch(onRewardBench, /is not RewardBench/);
  });

  it('sums requests, tokens, time and cost over all stages, and shows no cost without prices', async () => {
    const data = sampleReport();
    const shown = await text(data);
    const prompt = 21_326 + 17_864 + 3 * (118_400 + 17_864);
    assert.match(shown, new RegExp(`Total ?6,532 ?${prompt.toLocaleString('en-US')}.*\\$4\\.91`));
    for (const { usage } of data.iterations) usage?.forEach((one) => delete one.usd);
    assert.doesNotMatch(await text(data), /cost|\$\d/i);
  });

  it('shows the usage of the budget, and the stalls of a training, if there are any', async () => {
    assert.doesNotMatch(await text(sampleReport()), /Budget|Stalls/);
    const data = sampleReport();
    data.budget = {
      limits: { tokens: 1_000_000, usd: 10 },
      usage: { tokens: 1_000_123, requests: 99, usd: 2.5, gpuHours: 3 },
      exhausted: { reason: 'the budget <is> spent', since: '2026-01-01T00:00:00Z', by: 'budget' },
    };
    const training = data.iterations[1]?.training;
    assert(training);
    training.stalls = 2;
    const shown = await text(data);
    assert.match(shown, /Paused since 2026-01-01 00:00 UTC: the budget &lt;is&gt; spent/);
    assert.match(shown, /1,000,000 tokens ?1,000,123 tokens ?100\.0% ?\$10\.00 ?\$2\.50 ?25\.0%/);
    assert.doesNotMatch(shown, /requests ?99|GPU hours/);
    assert.match(shown, /Stalls M₁[^M]*14 s2 M₂/);
  });

  it('shows what the run waits for, before its long waits that are over', async () => {
    assert.doesNotMatch(await text(sampleReport()), /Waits/);
    const data: ReportData = { ...sampleReport(), status: 'running' };
    const since = '2026-01-01T00:00:00Z';
    data.waits = [
      { stage: 'judgePairs', iteration: 1, reason: 'no worker', since, until: '2026-01-01T00:05:00Z' },
      { stage: 'fineTune', iteration: 2, reason: 'the disk <is> full', since },
    ];
    const open = /fineTune, iteration 2 ?2026-01-01 00:00 UTC ?waits now ?the disk &lt;is&gt; full/;
    const over = /judgePairs, iteration 1 ?2026-01-01 00:00 UTC ?5 min ?no worker/;
    assert.match(await text(data), new RegExp(`${open.source}.*${over.source}`));
    assert.match(await text({ ...data, status: 'failed' }), /fineTune, iteration 2 ?[^?]*until its end/);
  });

  it('shows what the judgments of a training by reinforcement were rewarded with, step by step', async () => {
    assert.doesNotMatch(await text(sampleReport()), /Mean reward|Without variance/);
    const data = sampleReport();
    const training = data.iterations[2]?.training;
    assert(training);
    training.rewards = [
      { step: 1, reward: 0.25, zeroVarianceShare: 0.5 },
      { step: 2, reward: 0.5, zeroVarianceShare: 0.375 },
      { step: 3, reward: 0.875, zeroVarianceShare: 0.75 },
    ];
    const shown = await text(data);
    assert.match(shown, /Mean reward of the sampled judgments by step ?M₂/);
    assert.match(shown, /Prompts whose judgments all have one reward, and teach nothing ?M₂/);
    assert.match(shown, /25\.0% → 87\.5% ?50\.0% → 75\.0%/);
  });

  it('draws thousands of loss values as a short line', async () => {
    const data = sampleReport();
    const training = data.iterations[1]?.training;
    assert(training);
    training.losses = Array.from({ length: 50_000 }, (_, step) => ({ step, loss: 1 / (1 + step) }));
    const { length } = await renderReport(sampleReport());
    assert((await renderReport(data)).length - length < 20_000);
  });
});
