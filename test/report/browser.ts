import { existsSync } from 'node:fs';
import puppeteer, { type Browser } from 'puppeteer-core';

const systemBrowsers = [
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** A headless browser: Chrome or Chromium of the machine, else the one that comes as a package (Linux on x64). */
export async function launchBrowser(): Promise<Browser> {
  const system = [process.env['CHROME_PATH'], ...systemBrowsers].find((path) => path && existsSync(path));
  if (system) return puppeteer.launch({ executablePath: system, args: ['--no-sandbox'] });
  const { default: chromium } = await import('@sparticuz/chromium');
  chromium.setGraphicsMode = false;
  return puppeteer.launch({
    executablePath: await chromium.executablePath(),
    args: await puppeteer.defaultArgs({ args: chromium.args, headless: 'shell' }),
    headless: 'shell',
  });
}
