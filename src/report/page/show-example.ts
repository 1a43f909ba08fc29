/// <reference lib="dom" />
import { judgeName } from '../format.ts';
import type { Outcome, ReportExample, ReportPair } from '../report-data.ts';

/** An element with text in it, which stays text whatever a model wrote. */
export function textElement(tag: string, className: string, text: string): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

/** Puts a pair with its judgments, side by side, into `place`; `choose` is called for another order or judge of the same pair. */
export function showExample(
  place: HTMLElement,
  pair: ReportPair,
  example: ReportExample,
  titles: Readonly<Record<Outcome, string>>,
  choose: (example: ReportExample) => void,
): void {
  const passage = (heading: string, text: string, className = '') => {
    const block = textElement('div', `response ${className}`, '');
    block.append(textElement('h5', '', heading), textElement('pre', 'passage', text));
    return block;
  };
  const beside = (...blocks: HTMLElement[]) => {
    const row = textElement('div', 'responses', '');
    row.append(...blocks);
    return row;
  };
  const seen = ({ iteration, better }: ReportExample) => `${judgeName(iteration)}, ${better} better`;
  const others = pair.examples.map((one) => {
    const button = textElement('button', '', seen(one));
    button.setAttribute('aria-pressed', String(one === example));
    button.addEventListener('click', () => choose(one));
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
      block.append(textElement('p', 'note', `Written for: ${pair.similarInstruction}`));
    return block;
  };
  const orders = textElement('p', 'orders', '');
  orders.append(...others);
  place.replaceChildren(
    textElement(
      'p',
      'note',
      `Pair ${pair.id}, category: ${pair.category ?? 'unknown'}. Judged for the training of:`,
    ),
    orders,
    passage('Instruction', pair.instruction),
    beside(response('A'), response('B')),
    beside(
      ...example.judgments.map(({ outcome, verdict, text }) =>
        passage(`${titles[outcome]}, verdict ${verdict}`, text, outcome === 'kept' ? 'kept' : ''),
      ),
    ),
  );
}

/** Marks words where they stand in `place`, without changing its elements; a browser that can't leaves them unmarked. */
export function markWords(place: HTMLElement, words: readonly string[]): void {
  if (!('highlights' in CSS)) return;
  const ranges: Range[] = [];
  const texts = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
    const text = (node.textContent ?? '').toLowerCase();
    for (const word of words) {
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
        const range = document.createRange();
        // Lower case of a few letters is longer than the letter.
        const end = Math.min(at + word.length, node.textContent?.length ?? 0);
        range.setStart(node, Math.min(at, end));
        range.setEnd(node, end);
        ranges.push(range);
      }
    }
  }
  CSS.highlights.set('found', new Highlight(...ranges));
}
