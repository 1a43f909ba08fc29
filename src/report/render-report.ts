import { benchmarkSections } from './benchmark-sections.ts';
import { budgetSection } from './budget-section.ts';
import { time } from './format.ts';
import { headline } from './headline.ts';
import { funnelSection } from './funnel-section.ts';
import { Html, html } from './html.ts';
import { judgmentData, judgmentsSection } from './judgments-section.ts';
import { kindsSection } from './kinds-section.ts';
import { pageScript, pageScriptSource } from './page-script.ts';
import { setAsideSection, settingsSection, trainingSection, warningsSection } from './process-sections.ts';
import type { ReportData } from './report-data.ts';
import { chartsSection, iterationsSection } from './result-sections.ts';
import { style } from './style.ts';
import { usageSection } from './usage-section.ts';

const policy = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  `script-src ${pageScriptSource}`,
  "base-uri 'none'",
  "form-action 'none'",
  // What would turn a string into elements fails, where a browser knows this.
  "require-trusted-types-for 'script'",
].join('; ');

/**
 * One HTML file that shows a run: what the judge was and became, how the data was made, judgments to read. It needs no
 * network; its policy allows no connection, and no script but the page's own, without which all but the list of judgments
 * is there. Works for a run in progress: what isn't there is left out.
 */
export async function renderReport(data: ReportData): Promise<string> {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <title>${data.runName} – Self-Taught Evaluator</title>
        <style>
          ${new Html(style)}
        </style>
      </head>
      <body>
        <main>
          <header>
            <h1>${data.runName} <span class="status ${data.status}">${data.status}</span></h1>
            <p class="meta">
              Self-Taught Evaluator. Started ${time(data.startedAt)}, updated ${time(data.updatedAt)}.
            </p>
            ${headline(data)}
          </header>
          ${warningsSection(data)} ${budgetSection(data)}
          ${data.iterations.length > 0 && iterationsSection(data)} ${await chartsSection(data)}
          ${kindsSection(data)} ${await funnelSection(data)} ${judgmentsSection(data)}
          ${await benchmarkSections(data)} ${trainingSection(data)} ${usageSection(data)}
          ${setAsideSection(data)} ${settingsSection(data)}
        </main>
        ${data.pairs.length > 0 && [await judgmentData(data), pageScript]}
      </body>
    </html>`;
  return `${page.text.trim()}\n`;
}
