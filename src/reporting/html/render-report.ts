import { benchmarkSections } from './benchmark-sections.ts';
import { budgetSection } from './budget-section.ts';
import { driftSection } from './drift-section.ts';
import { formatTime } from '../figure-text.ts';
import { headline } from './headline.ts';
import { funnelSection } from './funnel-section.ts';
import { Html, html } from './html.ts';
import { judgmentData, judgmentsSection } from './judgments-section.ts';
import { instructionBreakdownSection } from './instruction-breakdown-section.ts';
import { pageScript, pageScriptSource } from './page-script.ts';
import { machinesSection } from './machines-section.ts';
import {
  skippedSection,
  settingsSection,
  trainingSection,
  waitsSection,
  warningsSection,
} from './run-sections.ts';
import type { ReportData } from '../report-data.ts';
import { chartsSection, iterationsSection } from './result-sections.ts';
import { style } from './style.ts';
import { usageSection } from './usage-section.ts';

const policy = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  `script-src ${pageScriptSource}`,
  "base-uri 'none'",
  "form-action 'none'",
  // Makes every conversion of a string to elements fail, in browsers that support this.
  "require-trusted-types-for 'script'",
].join('; ');

/**
 * Renders the report of a run as one HTML file: the judges' scores, how the training data was made, and judgments. The file
 * needs no network: its policy allows no connection, and no script except its own. Without the script only the list of
 * judgments is missing. Sections without data are left out, so that a run in progress has a report too.
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
              Self-Taught Evaluator. Started ${formatTime(data.startedAt)}, updated
              ${formatTime(data.updatedAt)}.
            </p>
            ${headline(data)}
          </header>
          ${warningsSection(data)} ${waitsSection(data)} ${budgetSection(data)} ${driftSection(data)}
          ${data.iterations.length > 0 && iterationsSection(data)} ${await chartsSection(data)}
          ${instructionBreakdownSection(data)} ${await funnelSection(data)} ${judgmentsSection(data)}
          ${await benchmarkSections(data)} ${trainingSection(data)} ${usageSection(data)}
          ${machinesSection(data)} ${skippedSection(data)} ${settingsSection(data)}
        </main>
        ${data.pairs.length > 0 && [await judgmentData(data), pageScript]}
      </body>
    </html>`;
  return `${page.text.trim()}\n`;
}
