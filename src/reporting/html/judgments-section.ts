import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { formatCount, judgeName } from '../figure-text.ts';
import { Html, html, visible } from './html.ts';
import { OUTCOME_TITLES } from '../outcome-titles.ts';
import { JUDGMENT_OUTCOMES, type ReportData, type ReportExample, type ReportPair } from '../report-data.ts';

/** Number of examples of each iteration that are shown without the page's script. */
const WITHOUT_SCRIPT = 4;

/** The section of judgments: a list with filters and a search, and a short sample for browsers without scripts. */
export function judgmentsSection({ pairs }: ReportData): Html | undefined {
  const examples = pairs.flatMap((pair) => pair.examples);
  if (examples.length === 0) return undefined;
  const iterations = [...new Set(examples.map(({ iteration }) => iteration))].sort((a, b) => a - b);
  const categories = [...new Set(pairs.map(({ category }) => category ?? 'unknown'))].sort();
  const judgments = examples.flatMap((example) => example.judgments);
  const outcomes = JUDGMENT_OUTCOMES.filter((outcome) =>
    judgments.some((judgment) => judgment.outcome === outcome),
  );
  return html`<section>
    <h2>Judgments</h2>
    <p class="note">
      Judgments of a sample of ${formatCount(pairs.length)} pairs from which training data was made. An
      example is a pair in one order; it is shown with one judgment of each outcome. ✓ marks the better
      response, which is known by construction or by the pair’s label.
    </p>
    <div class="browser" hidden>
      <form class="filters">
        <input type="search" name="search" placeholder="Search all texts" aria-label="Search all texts" />
        ${choice(
          'iteration',
          'All iterations',
          iterations.map((iteration) => [String(iteration), `Data for ${judgeName(iteration)}`]),
        )}
        ${choice(
          'category',
          'All categories',
          categories.map((category) => [category, category]),
        )}
        ${choice(
          'outcome',
          'All outcomes',
          outcomes.map((outcome) => [outcome, OUTCOME_TITLES[outcome]]),
        )}
        <output class="found"></output>
      </form>
      <div class="list" role="listbox" tabindex="0" aria-label="Examples"></div>
      <div class="detail"></div>
    </div>
    <div class="sample">
      ${iterations.map(
        (iteration) =>
          html`<h3>Data for ${judgeName(iteration)}</h3>
            ${sampleOf(pairs, iteration).map(({ pair, example }) => exampleDetails(pair, example))}`,
      )}
    </div>
  </section>`;
}

/** A filter; undefined if there are fewer than two values. */
function choice(name: string, all: string, values: readonly (readonly [string, string])[]): Html | undefined {
  if (values.length < 2) return undefined;
  return html`<select name="${name}" aria-label="${all}">
    <option value="">${all}</option>
    ${values.map(([value, title]) => html`<option value="${value}">${title}</option>`)}
  </select>`;
}

/** The data of all pairs for the page's script (page/unpacked-pairs.ts): lines of JSON, deflated and encoded as base64. Base64 can't contain the end of an element. */
export async function judgmentData({ pairs }: ReportData): Promise<Html> {
  const asShown = (_: string, value: unknown) => (typeof value === 'string' ? visible(value) : value);
  const lines = pairs.map((pair) => `${JSON.stringify(pair, asShown)}\n`).join('');
  const packed = (await promisify(deflate)(lines)).toString('base64');
  // Without the `html` template, because the formatter would add white space to it.
  return new Html(`<script type="application/octet-stream" id="judgment-data">${packed}</script>`);
}

/** Some examples of an iteration, preferably with different outcomes. */
function sampleOf(
  pairs: readonly ReportPair[],
  iteration: number,
): { pair: ReportPair; example: ReportExample }[] {
  const all = pairs.flatMap((pair) =>
    pair.examples
      .filter((example) => example.iteration === iteration)
      .map((example) => ({ pair, example, outcomes: example.judgments.length })),
  );
  return all.sort((a, b) => b.outcomes - a.outcomes).slice(0, WITHOUT_SCRIPT);
}

function exampleDetails(pair: ReportPair, { better, judgments }: ReportExample): Html {
  const response = (side: 'A' | 'B') => {
    const isBetter = better === side;
    return html`<div class="response${isBetter && ' better'}">
      <h5>Response ${side}${isBetter && ' ✓ better'}</h5>
      <pre class="passage">${isBetter ? pair.better : pair.worse}</pre>
    </div>`;
  };
  return html`<details class="judgment">
    <summary>
      <span class="line">${pair.instruction}</span>
    </summary>
    <h5>Instruction</h5>
    <pre class="passage">${pair.instruction}</pre>
    <div class="responses">${response('A')} ${response('B')}</div>
    <div class="responses">
      ${judgments.map(
        ({ outcome, verdict, text }) =>
          html`<div class="response${outcome === 'kept' && ' kept'}">
            <h5>${OUTCOME_TITLES[outcome]}, verdict ${verdict}</h5>
            <pre class="passage">${text}</pre>
          </div>`,
      )}
    </div>
  </details>`;
}
