import assert from 'node:assert/strict';
import type { Browser, Page } from 'puppeteer-core';
import { renderReport } from '../../../src/reporting/html/render-report.ts';
import type { ReportData } from '../../../src/reporting/report-data.ts';
import { launchBrowser, openReport } from '../../support/browser.ts';
import { sampleReport } from '../../support/sample-report.ts';

const hostile = [
  '<script>globalThis.ran = true</script>',
  '</script><script>globalThis.ran = true</script>',
  '<img src=x onerror="globalThis.ran = true">',
  '"><svg/onload=globalThis.ran=true>',
  '</style></pre></details><iframe srcdoc="<script>parent.ran=true</script>"></iframe>',
  "' onmouseover='globalThis.ran=true' x='",
  '<!-- --><a href="javascript:ran=true">x</a>',
  '<!--<script>',
  ']]><![CDATA[ javascript:globalThis.ran=true',
  '&lt;b&gt; $& $1 ${ran = true} {{7*7}}',
  "\u2028globalThis.ran = true\u2029'+(globalThis.ran=true)+'",
  '\u0000\u0008\u202Ereversed\uD800',
  '\uDC00\u05D0\u05D1\u05D2 \u200F\u2067right to left',
  '\\u003cscript>\\n"}]',
];

/** The sample with every string of it followed by hostile text. */
function hostileReport(): ReportData {
  let next = 0;
  const spoil = (value: unknown, key = ''): unknown => {
    // These decide what is shown; everything else is free text.
    if (['purpose', 'outcome', 'verdict', 'step', 'status', 'bias'].includes(key)) return value;
    if (key === 'better' && (value === 'A' || value === 'B')) return value;
    if (typeof value === 'string') return `${value}${hostile[next++ % hostile.length]}`;
    if (Array.isArray(value)) return value.map((item) => spoil(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [
        key === 'versions' ? `${name}${hostile[name.length % hostile.length]}` : name,
        spoil(inner, name),
      ]),
    );
  };
  const data = spoil({ ...sampleReport(), instructionBreakdowns }) as ReportData;
  // One benchmark, a group of it and a figure keep one name, or their scores would not be found again.
  for (const { evaluations } of data.iterations) {
    evaluations.forEach((evaluation, i) => {
      evaluation.benchmark = `${hostile[i]}`;
      const { subsets, official } = evaluation.scores;
      for (const named of [subsets, official.figures])
        named.forEach((each, at) => (each.name = `${hostile[at % hostile.length]}`));
    });
  }
  data.comparisons?.forEach((comparison, i) => (comparison.benchmark = `${hostile[i]}`));
  return data;
}

const instructionBreakdowns: ReportData['instructionBreakdowns'] = [
  { kind: 'category', rows: [{ name: 'position', instructions: 3, selected: 1 }] },
];

/** What the page shows of a text: HTML can't hold some characters. */
const asShown = (text: string) =>
  text
    .toWellFormed()
    .replaceAll('\0', '\u2400')
    .replaceAll('\b', '\u2408')
    .replaceAll(
      /[\p{Bidi_Control}\u2028\u2029]/gu,
      (char) => `[U+${char.charCodeAt(0).toString(16).toUpperCase()}]`,
    );

describe('a report whose every text is hostile', function () {
  this.timeout(60_000);
  let browser: Browser;
  let page: Page;
  let requests: string[];

  before(async () => {
    browser = await launchBrowser();
  });

  after(() => browser?.close());

  beforeEach(async () => {
    page = await browser.newPage();
    requests = [];
    page.on('request', (request) => requests.push(request.url()));
  });

  afterEach(() => page.close());

  /** The page with all of it to be seen, and every element hovered. */
  const openWhole = async (data: ReportData, policy: 'with its policy' | 'without its policy') => {
    const report = await renderReport(data);
    await openReport(
      page,
      policy === 'with its policy' ? report : report.replace(/<meta\s+http-equiv[^>]*>/, ''),
    );
    await page.$$eval('details', (all) => all.forEach((details) => (details.open = true)));
    await page.$$eval('*', (all) => all.forEach((element) => element.dispatchEvent(new Event('mouseover'))));
  };
  const countElements = () => page.$$eval('*', (elements) => elements.map(({ tagName }) => tagName).sort());

  const assertHarmless = async () => {
    assert.equal(await page.evaluate('globalThis.ran'), undefined);
    const attributes = await page.$$eval('main *', (all) => [
      ...new Set(all.flatMap((one) => one.getAttributeNames())),
    ]);
    assert.deepEqual(
      attributes.filter((name) => name.startsWith('on') || ['href', 'src', 'srcdoc'].includes(name)),
      [],
    );
    assert.deepEqual(
      requests.filter((url) => !url.endsWith('/report.html')),
      [],
    );
  };

  for (const policy of ['with its policy', 'without its policy'] as const) {
    it(`runs no script of it and creates no element from it, ${policy}`, async () => {
      await openWhole({ ...sampleReport(), instructionBreakdowns }, policy);
      const expected = await countElements();
      await openWhole(hostileReport(), policy);
      assert.deepEqual(await countElements(), expected);
      await assertHarmless();
    });
  }

  it('shows each judgment unchanged, and finds it by its hostile text', async () => {
    const data = hostileReport();
    await openWhole(data, 'without its policy');
    const examples = data.pairs.flatMap((pair) => pair.examples.map((example) => ({ pair, example })));
    assert((await page.$$('.row')).length === examples.length);
    for (const [index, { pair, example }] of examples.entries()) {
      await page.$eval(`#row-${index}`, (row) => (row as HTMLElement).click());
      const text = await page.$eval('.detail', (detail) => detail.textContent);
      for (const shown of [
        pair.instruction,
        pair.better,
        pair.worse,
        ...example.judgments.map((j) => j.text),
      ])
        assert(text?.includes(asShown(shown)), JSON.stringify(shown));
    }
    for (const search of hostile) {
      await page.$eval(
        'input[name=search]',
        (field, value) => {
          field.value = value;
          field.dispatchEvent(new Event('input', { bubbles: true }));
        },
        asShown(search),
      );
      const found = await page.$eval('.found', ({ textContent }) => textContent);
      assert.match(found ?? '', /^[1-9]\d* of 12 examples/, JSON.stringify(search));
    }
    for (const name of ['iteration', 'category', 'outcome']) {
      const values = await page.$$eval(`select[name=${name}] option`, (all) => all.map(({ value }) => value));
      for (const value of values) await page.select(`select[name=${name}]`, value);
    }
    await assertHarmless();
  });
});
