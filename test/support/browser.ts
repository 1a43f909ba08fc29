import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { withLock } from '../../src/platform/lock-file.mjs';

const systemBrowsers = [
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** A headless browser: the installed Chrome or Chromium, else the one from a package (Linux on x64). */
export async function launchBrowser(): Promise<Browser> {
  const system = [process.env['CHROME_PATH'], ...systemBrowsers].find((path) => path && existsSync(path));
  if (system) return puppeteer.launch({ executablePath: system, args: ['--no-sandbox'] });
  const { default: chromium } = await import('@sparticuz/chromium');
  chromium.setGraphicsMode = false;
  return puppeteer.launch({
    // The first use unpacks the program, and a second process would start it half unpacked.
    executablePath: await withLock(join(tmpdir(), 'unpack-chromium.lock'), () => chromium.executablePath()),
    args: await puppeteer.defaultArgs({ args: chromium.args, headless: 'shell' }),
    headless: 'shell',
  });
}

/** Opens a new page of one browser for each test of the calling suite. */
export function browserPage(): { readonly page: Page } {
  let browser: Browser | undefined;
  let page: Page | undefined;
  const current = (): Page => {
    if (page === undefined) throw new Error('there is a page in tests only');
    return page;
  };
  before(async () => {
    browser = await launchBrowser();
  });
  after(() => browser?.close());
  beforeEach(async () => {
    page = await browser?.newPage();
  });
  afterEach(() => current().close());
  return {
    get page() {
      return current();
    },
  };
}

/** Opens a report from a file and waits until its judgments can be filtered. */
export async function openReport(page: Page, report: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'report-'));
  try {
    const file = join(folder, 'report.html');
    await writeFile(file, report);
    await page.goto(pathToFileURL(file).href, { waitUntil: 'load' });
    if (report.includes('id="judgment-data"') && page.isJavaScriptEnabled())
      await page.waitForSelector('html[data-judgments="ready"]');
  } finally {
    await rm(folder, { recursive: true });
  }
}
