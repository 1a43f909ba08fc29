/// <reference lib="dom" />
import { judgeName } from '../figure-text.ts';
import type { JudgmentOutcome, ReportExample, ReportPair } from '../report-data.ts';

/** Makes an element with a text. The text is never interpreted as markup. */
export function textElement(tag: string, className: string, text: string): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

/** Shows a pair and its judgments side by side in `place`. Calls `choose` when the reader selects another order or judge of the pair. */
export function showExample(
  place: HTMLElement,
  pair: ReportPair,
  example: ReportExample,
  titles: Readonly<Record<JudgmentOutcome, string>>,
  choose: (example: ReportExample) => void,
): void {
  const passage = (heading: string, text: string, className = '') => {
    const block = textElement('div', `response ${className}`, '');
    block.append(textElement('h5', '', heading), textElement('pre', 'passage', text));
    return block;
  };
  const sideBySide = (...blocks: HTMLElement[]) => {
    const row = textElement('div', 'responses', '');
    row.append(...blocks);
    return row;
  };
  const exampleTitle = ({ iteration, better }: ReportExample) => `${judgeName(iteration)}, ${better} better`;
  const others = pair.examples.map((other) => {
    const button = textElement('button', '', exampleTitle(other));
    button.setAttribute('aria-pressed', String(other === example));
    button.addEventListener('click', () => choose(other));
    return button;
  });
  const response = (side: 'A' | 'B') => {
    const isBetter = example.better === side;
    const block = passage(
      `Response ${side}${isBetter ? ' ✓ better' : ''}`,
      isBetter ? pair.better : pair.worse,
      isBetter ? 'better' : '',
    );
    if (!isBetter && pair.similarInstruction !== undefined)
      block.append(textElement('p', 'note', `Answers this instruction: ${pair.similarInstruction}`));
    return block;
  };
  const orders = textElement('p', 'orders', '');
  orders.append(...others);
  place.replaceChildren(
    textElement('p', 'note', `Pair ${pair.id}, category: ${pair.category ?? 'unknown'}. Used to train:`),
    orders,
    passage('Instruction', pair.instruction),
    sideBySide(response('A'), response('B')),
    sideBySide(
      ...example.judgments.map(({ outcome, verdict, text }) =>
        passage(`${titles[outcome]}, verdict ${verdict}`, text, outcome === 'kept' ? 'kept' : ''),
      ),
    ),
  );
}

/** Highlights words in `place` without changing its elements. Browsers without the CSS Highlight API don't highlight them. */
export function markWords(place: HTMLElement, words: readonly string[]): void {
  if (!('highlights' in CSS)) return;
  const ranges: Range[] = [];
  const texts = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
    const text = (node.textContent ?? '').toLowerCase();
    for (const word of words) {
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
        const range = document.createRange();
        // A few letters become longer in lower case.
        const end = Math.min(at + word.length, node.textContent?.length ?? 0);
        range.setStart(node, Math.min(at, end));
        range.setEnd(node, end);
        ranges.push(range);
      }
    }
  }
  CSS.highlights.set('found', new Highlight(...ranges));
}
