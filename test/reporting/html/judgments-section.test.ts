import assert from 'node:assert/strict';
import { renderReport } from '../../../src/reporting/html/render-report.ts';
import type { ReportPair } from '../../../src/reporting/report-data.ts';
import { browserPage, openReport } from '../../support/browser.ts';
import { sampleReport } from '../../support/sample-report.ts';

/** Pair i is about the number i, of iteration 1 or 2, and right in one order alone. */
function pairs(number: number): ReportPair[] {
  return Array.from({ length: number }, (_, i) => ({
    id: `pair-${i}`,
    instruction: `Which number is ${i}?`,
    better: `It is ${i}.`,
    worse: 'I don’t know.',
    ...(i % 3 === 0 ? {} : { category: i % 3 === 1 ? 'math' : 'coding' }),
    examples: [
      {
        iteration: 1 + (i % 2),
        better: 'A',
        judgments: [
          { outcome: 'kept', verdict: 'A', text: `Because of ${i}, clearly A. [[A]]` },
          { outcome: 'incorrect', verdict: 'B', text: 'B is Shorter. [[B]]' },
        ],
      },
      {
        iteration: 1 + (i % 2),
        better: 'B',
        judgments: [{ outcome: 'no verdict', verdict: 'none', text: `Hm, ${i}.` }],
      },
    ],
  }));
}

describe('the judgments of the report in a browser', function () {
  this.timeout(60_000);
  const at = browserPage();

  const open = async (all: ReportPair[]) =>
    openReport(at.page, await renderReport({ ...sampleReport(), pairs: all }));
  const found = () => at.page.$eval('.found', ({ textContent }) => textContent);
  const detail = () => at.page.$eval('.detail', ({ textContent }) => textContent ?? '');
  const search = async (text: string) => {
    await at.page.$eval('input[name=search]', (field) => (field.value = ''));
    await at.page.type('input[name=search]', text);
  };

  it('are filtered by iteration, category and outcome, and searched in every text', async () => {
    await open(pairs(30));
    assert.equal(await found(), '60 of 60 examples');
    await at.page.select('select[name=iteration]', '2');
    assert.equal(await found(), '30 of 60 examples');
    await at.page.select('select[name=outcome]', 'incorrect');
    assert.equal(await found(), '15 of 60 examples');
    await at.page.select('select[name=category]', 'unknown');
    assert.equal(await found(), '5 of 60 examples');
    await search('"because OF 9"');
    assert.equal(await found(), '1 of 60 examples');
    assert.match(
      await detail(),
      /Pair pair-9, category: unknown.*Kept for training.*Because of 9.*Incorrect/s,
    );
    await search('because coding');
    assert.equal(await found(), '0 of 60 examples');
    assert.equal(await detail(), '');
  });

  it('are side by side: the kept and the incorrect one of a pair, with a button for the other order', async () => {
    await open(pairs(3));
    const tops = await at.page.$$eval('.detail .responses:last-child .response', (all) =>
      all.map((one) => one.getBoundingClientRect().top),
    );
    assert.equal(tops.length, 2);
    assert.equal(tops[0], tops[1]);
    await at.page.click('.orders button:nth-child(2)');
    assert.match(await detail(), /Response B ✓ better.*No verdict/s);
    assert.equal(await at.page.$eval('[aria-selected=true]', ({ id }) => id), 'row-1');
  });

  it('can be browsed with the keyboard', async () => {
    await open(pairs(100));
    await at.page.focus('.list');
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp'] as const)
      await at.page.keyboard.press(key);
    assert.match(await detail(), /Pair pair-1,/);
    await at.page.keyboard.press('End');
    assert.match(await detail(), /Pair pair-99,/);
    assert.equal(await at.page.$eval('[aria-selected=true]', ({ id }) => id), 'row-199');
  });

  it('are all in the list, with elements only for visible ones', async () => {
    await open(pairs(5000));
    assert.equal(await found(), '10,000 of 10,000 examples');
    const rows = () => at.page.$$eval('.row', (all) => all.map(({ id }) => id));
    assert((await rows()).length < 50);
    await at.page.$eval('.list', (list) => (list.scrollTop = list.scrollHeight));
    await at.page.waitForSelector('#row-9999');
    assert((await rows()).length < 50);
  });

  it('are partly shown without a script, some of each iteration', async () => {
    await at.page.setJavaScriptEnabled(false);
    await open(pairs(100));
    const text = await at.page.$eval('.sample', (sample) => (sample as HTMLElement).innerText);
    assert.match(text, /Data for M₁.*Which number is.*Data for M₂.*Which number is/s);
    assert.equal(await at.page.$eval('.browser', (one) => getComputedStyle(one).display), 'none');
  });
});
