import { benchmarkSections } from './benchmark-sections.ts';
import { time } from './format.ts';
import { headline } from './headline.ts';
import { funnelSection } from './funnel-section.ts';
import { Html, html } from './html.ts';
import { judgmentsSection } from './judgments-section.ts';
import { kindsSection } from './kinds-section.ts';
import { costSection, setAsideSection, settingsSection, warningsSection } from './process-sections.ts';
import type { ReportData } from './report-data.ts';
import { chartsSection, iterationsSection } from './result-sections.ts';
import { style } from './style.ts';

/**
 * One HTML file that shows a run: what the judge was and became, how the data was made, judgments to read. It needs no
 * script and no network, and its policy allows neither. Works for a run in progress: what isn't there is left out.
 */
export async function renderReport(data: ReportData): Promise<string> {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
        />
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
          ${warningsSection(data)} ${data.iterations.length > 0 && iterationsSection(data)}
          ${await chartsSection(data)} ${kindsSection(data)} ${await funnelSection(data)}
          ${judgmentsSection(data)} ${benchmarkSections(data)} ${costSection(data)} ${setAsideSection(data)}
          ${settingsSection(data)}
        </main>
      </body>
    </html>`;
  return `${page.text.trim()}\n`;
}
