import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'puppeteer-core';
import { renderReport } from '../../src/report/render-report.ts';
import type { ReportData } from '../../src/report/report-data.ts';
import { launchBrowser } from './browser.ts';
import { sampleReport } from './sample-report.ts';

const hostile = [
  '<script>globalThis.ran = true</script>',
  '<img src=x onerror="globalThis.ran = true">',
  '"><svg/onload=globalThis.ran=true>',
  '</style></pre></details><iframe srcdoc="<script>parent.ran=true</script>"></iframe>',
  "' onmouseover='globalThis.ran=true' x='",
  '<!-- --><a href="javascript:ran=true">x</a>',
  '&lt;b&gt; $& $1 ${ran = true} {{7*7}}',
  '\u0000\u0008\u202Ereversed\uD800',
];

/** The sample with every string of it followed by hostile text. */
function hostileReport(): ReportData {
  let next = 0;
  const spoil = (value: unknown, key = ''): unknown => {
    // These decide what is shown; everything else is free text.
    if (['purpose', 'outcome', 'better', 'verdict', 'step'].includes(key)) return value;
    if (typeof value === 'string') return `${value}${hostile[next++ % hostile.length]}`;
    if (Array.isArray(value)) return value.map((item) => spoil(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [
        // A stage has one name in all iterations.
        ['versions', 'stageSeconds'].includes(key) ? `${name}${hostile[name.length % hostile.length]}` : name,
        spoil(inner, name),
      ]),
    );
  };
  const data = spoil(sampleReport()) as ReportData;
  // One benchmark keeps one name, or its scores would not be found again.
  for (const { evaluations } of data.iterations) {
    evaluations.forEach((evaluation, i) => (evaluation.benchmark = `${hostile[i]}`));
  }
  data.comparisons?.forEach((comparison, i) => (comparison.benchmark = `${hostile[i]}`));
  return data;
}

describe('the report in a browser', function () {
  this.timeout(60_000);
  let browser: Browser;
  let page: Page;

  before(async () => {
    browser = await launchBrowser();
  });

  after(() => browser?.close());

  beforeEach(async () => {
    page = await browser.newPage();
  });

  afterEach(() => page.close());

  const countElements = () => page.$$eval('*', (elements) => elements.map(({ tagName }) => tagName).sort());

  it('shows hostile text as text: no script runs and no element appears, even without its policy', async () => {
    await page.setContent(await renderReport(sampleReport()));
    const expected = await countElements();
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    const data = hostileReport();
    const report = await renderReport(data);
    await page.setContent(report.replace(/<meta\s+http-equiv[^>]*>/, ''));
    await page.$$eval('details', (all) => all.forEach((details) => (details.open = true)));
    await page.$$eval('*', (all) => all.forEach((element) => element.dispatchEvent(new Event('mouseover'))));
    assert.equal(await page.evaluate('globalThis.ran'), undefined);
    const found = await countElements();
    // The policy was taken out, so one META is gone.
    assert.deepEqual([...found, 'META'].sort(), expected);
    const attributes = await page.$$eval('main *', (all) => [
      ...new Set(all.flatMap((one) => one.getAttributeNames())),
    ]);
    assert.deepEqual(
      attributes.filter((name) => name.startsWith('on') || ['href', 'src', 'srcdoc'].includes(name)),
      [],
    );
    assert.deepEqual(requests, []);
    const text = await page.$eval('main', (main) => main.textContent);
    const asShown = (judgment: string) =>
      judgment.toWellFormed().replaceAll('\0', '\u2400').replaceAll('\b', '\u2408');
    for (const { text: judgment } of data.judgments.slice(0, 5)) {
      assert(text?.includes(asShown(judgment)), judgment);
    }
  });

  it('needs no network, and lets neither a script run nor an image load', async () => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests++;
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const report = await renderReport(sampleReport());
    assert.doesNotMatch(report, /<script|@import|<link|url\(/);
    const intruder = `<script>globalThis.ran = true</script><img src="http://127.0.0.1:${port}/x"></main>`;
    await page.setContent(report.replace('</main>', intruder), { waitUntil: 'load' });
    const ran = await page.evaluate('globalThis.ran');
    server.close();
    assert.equal(ran, undefined);
    assert.equal(requests, 0);
  });

  for (const width of [1280, 400]) {
    for (const theme of ['light', 'dark']) {
      it(`fits a window of ${width} pixels and has readable charts in the ${theme} theme`, async () => {
        await page.setViewport({ width, height: 900 });
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
        await page.setContent(await renderReport(sampleReport()));
        await page.$$eval('details', (all) => all.forEach((details) => (details.open = true)));
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
        const luminance = await page.evaluate(() => {
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
    (await renderReport(data)).replace(/<style>[^]*<\/style>|<[^>]*>/g, '').replace(/\s+/g, ' ');

  it('says in its first sentence where the judge began and where it came to', async () => {
    const data = sampleReport();
    const [before, after] = [data.iterations[0], data.iterations[3]].map(
      (one) => one?.evaluations[0]?.scores,
    );
    const shown = (share: number | undefined) => `${((share ?? 0) * 100).toFixed(1)}%`;
    const expected = `Accuracy rose from ${shown(before?.accuracy)} to ${shown(after?.accuracy)}`;
    assert((await text(data)).includes(expected), expected);
  });

  it('compares the best judge with the seed judge pair by pair', async () => {
    const data = sampleReport();
    const { accuracy, mcNemar } = data.comparisons?.[0]?.comparison ?? assert.fail();
    const expected = `M₃ against M₀ on the same 320 pairs: accuracy +${(100 * accuracy.difference).toFixed(1)} points`;
    const shown = await text(data);
    assert(shown.includes(expected), expected);
    assert(shown.includes(`by M₃ alone: ${mcNemar.onlySecond}, by M₀ alone: ${mcNemar.onlyFirst} (McNemar`));
    assert.match(shown, /total, both orders\d/);
  });

  it('does not call a loss a gain, nor the seed judge an improvement', async () => {
    const data = sampleReport();
    data.iterations = data.iterations.toReversed().map((one, iteration) => ({ ...one, iteration }));
    assert.match(await text(data), /Accuracy fell from/);
    assert.match(await text({ ...data, bestIteration: 0 }), /No iteration was chosen over the seed judge/);
  });

  it('shows a run in progress with what there is', async () => {
    const data: ReportData = { ...sampleReport(), status: 'running', bestIteration: undefined };
    const first = data.iterations.slice(0, 1);
    assert.match(await text({ ...data, iterations: first, pairs: [] }), /The seed judge’s accuracy is/);
    assert.match(
      await text({ ...data, iterations: [], pairs: [], setAside: [], warnings: [] }),
      /No judge has been evaluated yet/,
    );
    const beingTrained = { iteration: 1, evaluations: [], funnel: sampleReport().iterations[1]?.funnel };
    assert.match(
      await text({ ...data, iterations: [...first, beingTrained] }),
      /The seed judge’s accuracy is/,
    );
  });

  it('draws thousands of loss values as a short line', async () => {
    const data = sampleReport();
    const training = data.iterations[1]?.training;
    assert(training);
    training.losses = Array.from({ length: 50_000 }, (_, step) => ({ step, loss: 1 / (1 + step) }));
    assert((await renderReport(data)).length < 200_000);
  });
});
