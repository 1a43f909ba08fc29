import { judgeName } from './format.ts';
import { type Html, html } from './html.ts';
import type { ReportData, ReportJudgment } from './report-data.ts';

const outcomes = {
  kept: 'Kept for training',
  'right, not kept': 'Right, not kept',
  wrong: 'Wrong',
  none: 'No verdict',
} as const;

/** Judgments to read, by iteration and outcome. */
export function judgmentsSection(data: ReportData): Html | undefined {
  if (data.judgments.length === 0) return undefined;
  const iterations = [...new Set(data.judgments.map(({ iteration }) => iteration))].sort((a, b) => a - b);
  return html`<section>
    <h2>Judgments to read</h2>
    <p class="note">
      A sample of what the judges wrote while training data was made. ✓ marks the response that is better by
      construction.
    </p>
    ${iterations.map((iteration) => {
      const judgments = data.judgments.filter((judgment) => judgment.iteration === iteration);
      return html`<h3>Data for ${judgeName(iteration)}</h3>
        ${Object.entries(outcomes).map(([outcome, title]) => {
          const shown = judgments.filter((judgment) => judgment.outcome === outcome);
          if (shown.length === 0) return undefined;
          return html`<h4>${title}</h4>
            ${shown.map(judgmentDetails)}`;
        })}`;
    })}
  </section>`;
}

function judgmentDetails(judgment: ReportJudgment): Html {
  const response = (side: 'A' | 'B', text: string) => {
    const better = judgment.better === side;
    return html`<div class="response${better && ' better'}">
      <h5>Response ${side}${better && html` <span class="tick">✓ better</span>`}</h5>
      <pre class="passage">${text}</pre>
    </div>`;
  };
  return html`<details class="judgment">
    <summary>
      <span class="verdict">${judgment.verdict}</span> <span class="line">${judgment.instruction}</span>
    </summary>
    <h5>Instruction</h5>
    <pre class="passage">${judgment.instruction}</pre>
    <div class="responses">${response('A', judgment.responseA)} ${response('B', judgment.responseB)}</div>
    <h5>Judgment, verdict ${judgment.verdict}</h5>
    <pre class="passage">${judgment.text}</pre>
  </details>`;
}
