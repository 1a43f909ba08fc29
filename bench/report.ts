/**
 * Measures how the speed of a report depends on its number of judgments: reports with generated examples are opened, filtered and
 * searched in headless Chromium.
 *
 *     npm run bench:report -- [--examples 2000,20000] [--words 250] [--json]
 *
 * Prints for each number of examples the size of the page and the seconds to render it; in the browser the milliseconds to the
 * first paint, to DOMContentLoaded and until the last judgment can be filtered, the longest task, and the median time from a
 * filter or key press to the frame with the result. The ratios are relative to the smallest number.
 */
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'puppeteer-core';
import { stableHash } from '../src/platform/stable-hash.ts';
import { renderReport } from '../src/reporting/html/render-report.ts';
import type { ReportPair } from '../src/reporting/report-data.ts';
import { launchBrowser } from '../test/support/browser.ts';
import { sampleReport } from '../test/support/sample-report.ts';

const { values: options } = parseArgs({
  options: {
    examples: { type: 'string', default: '2000,20000' },
    /** Words in a response; a judgment has half as many. */
    words: { type: 'string', default: '250' },
    json: { type: 'boolean', default: false },
  },
});

const WORDS = Array.from({ length: 8000 }, (_, word) => stableHash(word).slice(0, 3 + (word % 7)));
const ITERATIONS = 5;

/** Words chosen by a seed; those at the beginning of the list are more frequent, as in a language. */
function text(seed: number, length: number): string {
  let state = seed + 1;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return WORDS[Math.floor((state / 2 ** 32) ** 3 * WORDS.length)];
  }).join(' ');
}

/** Pairs in both orders for each iteration, each with a kept and an incorrect judgment. */
function madeUpPairs(examples: number, words: number): ReportPair[] {
  const half = Math.round(words / 2);
  return Array.from({ length: examples / (2 * ITERATIONS) }, (_, pair) => ({
    id: stableHash('pair', pair),
    instruction: text(pair, 40),
    better: text(2 * pair, words),
    worse: text(2 * pair + 1, words),
    category: ['reasoning', 'math', 'coding'][pair % 3],
    examples: Array.from({ length: 2 * ITERATIONS }, (_each, i) => ({
      iteration: 1 + (i >> 1),
      better: i % 2 === 0 ? 'A' : 'B',
      judgments: [
        { outcome: 'kept', verdict: 'A', text: `${text(31 * pair + i, half)} [[A]]` },
        { outcome: 'incorrect', verdict: 'B', text: `${text(37 * pair + i, half)} [[B]]` },
      ],
    })),
  }));
}

interface Figures {
  readonly examples: number;
  readonly megabytes: number;
  readonly renderSeconds: number;
  readonly firstPaint: number;
  readonly interactive: number;
  readonly allThere: number;
  readonly longestTask: number;
  readonly filter: number;
  readonly key: number;
}

async function measure(browser: Browser, folder: string, examples: number): Promise<Figures> {
  const pairs = madeUpPairs(examples, Number(options.words));
  const began = performance.now();
  const report = await renderReport({ ...sampleReport(), pairs });
  const renderSeconds = (performance.now() - began) / 1000;
  const file = join(folder, `${examples}.html`);
  await writeFile(file, report);
  const page = await browser.newPage();
  try {
    await page.evaluateOnNewDocument(() => {
      const tasks: number[] = [];
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) tasks.push(duration);
      }).observe({ type: 'longtask', buffered: true });
      Object.assign(globalThis, { tasks });
    });
    await page.goto(pathToFileURL(file).href, { waitUntil: 'domcontentloaded' });
    const allThere = await (
      await page.waitForFunction(
        () => document.documentElement.dataset['judgments'] === 'ready' && performance.now(),
        { timeout: 120_000, polling: 'raf' },
      )
    ).jsonValue();
    const loaded = await page.evaluate(() => ({
      firstPaint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN,
      interactive:
        (performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming | undefined)
          ?.domContentLoadedEventEnd ?? NaN,
      longestTask: Math.max(0, ...(globalThis as unknown as { tasks: number[] }).tasks),
    }));
    const filter = await medianOfInputs(page, 'select[name=outcome]', [
      'incorrect',
      '',
      'kept',
      '',
      'incorrect',
      '',
    ]);
    const word = WORDS[600] ?? '';
    const typed = Array.from(word, (_, i) => word.slice(0, i + 1));
    const key = await medianOfInputs(page, 'input[name=search]', [
      ...typed,
      '',
      ...typed,
      `${word} not-there`,
    ]);
    const megabytes = Buffer.byteLength(report) / 1e6;
    return { examples, megabytes, renderSeconds, ...loaded, allThere: Number(allThere), filter, key };
  } finally {
    await page.close();
  }
}

/** Milliseconds from an input to the next frame. */
async function medianOfInputs(page: Page, selector: string, values: readonly string[]): Promise<number> {
  const times = await page.$eval(
    selector,
    async (element, all) => {
      const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      const taken: number[] = [];
      for (const value of all) {
        await frame();
        const start = performance.now();
        (element as HTMLInputElement).value = value;
        element.dispatchEvent(new Event('input', { bubbles: true }));
        await frame();
        taken.push(performance.now() - start);
      }
      return taken;
    },
    [...values],
  );
  return times.sort((a, b) => a - b)[times.length >> 1] ?? NaN;
}

const folder = await mkdtemp(join(tmpdir(), 'bench-report-'));
const browser = await launchBrowser();
try {
  const all: Figures[] = [];
  for (const examples of options.examples.split(',').map(Number))
    all.push(await measure(browser, folder, examples));
  if (options.json) console.log(JSON.stringify(all));
  else console.log(tableOf(all));
} finally {
  await browser.close();
  await rm(folder, { recursive: true });
}

function tableOf(all: readonly Figures[]): string {
  const names = Object.keys(all[0] ?? {}) as (keyof Figures)[];
  const printed = new Table({
    head: ['', ...all.map(({ examples }) => `${examples} examples`), ...all.slice(1).map(() => 'ratio')],
  });
  for (const name of names.slice(1)) {
    const values = all.map((figures) => figures[name]);
    const ratios = values.slice(1).map((value) => (values[0] ? (value / values[0]).toFixed(1) : '–'));
    printed.push([name, ...values.map((value) => value.toFixed(1)), ...ratios]);
  }
  return printed.toString();
}
