/// <reference lib="dom" />
import { judgeName } from '../figure-text.ts';
import type { JudgmentOutcome, ReportExample, ReportPair } from '../report-data.ts';
import {
  matchingExamples,
  exampleRows,
  searchTerms,
  type ExampleRow,
  type ExampleFilter,
} from './matching-examples.ts';
import { markWords, showExample, textElement } from './show-example.ts';
import { unpackedPairs } from './unpacked-pairs.ts';
import { virtualList } from './virtual-list.ts';

/** Returns whether one judgment of the example was kept and another was not, which makes it interesting to read first. */
export function hasMixedOutcomes({ example }: ExampleRow): boolean {
  return example.judgments.length > 1 && example.judgments[0]?.outcome === 'kept';
}

/** The page's script. Replaces the short sample of judgments by a list of all judgments with filters and a search. */
export async function browseJudgments(titles: Readonly<Record<JudgmentOutcome, string>>): Promise<void> {
  const find = <E extends HTMLElement>(selector: string): E => {
    const element = document.querySelector<E>(selector);
    if (element === null) throw new Error(`the report has no ${selector}`);
    return element;
  };
  const [browser, list, detail, matchCount] = [
    find('.browser'),
    find('.list'),
    find('.detail'),
    find('.found'),
  ] as const;
  const form = find<HTMLFormElement>('.filters');
  const rows: ExampleRow[] = [];
  let shown: ExampleRow[] = [];
  let selected = 0;
  let isLoading = true;

  const fieldValue = (name: string): string | undefined => {
    const value = new FormData(form).get(name);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const view = virtualList(list, (index) => {
    const row = textElement('div', 'row', '');
    const at = shown[index];
    if (at === undefined) return row;
    row.id = `row-${index}`;
    row.role = 'option';
    row.ariaSelected = String(index === selected);
    row.append(
      textElement('span', 'judge', judgeName(at.example.iteration)),
      textElement('span', 'side', `${at.example.better} ✓`),
      textElement('span', 'line', at.pair.instruction.slice(0, 300)),
      ...at.example.judgments.map(({ outcome }) =>
        textElement('span', `outcome ${outcome === 'kept' ? 'kept' : ''}`, outcome),
      ),
    );
    row.addEventListener('click', () => select(index));
    return row;
  });

  function select(index: number): void {
    selected = Math.max(0, Math.min(shown.length - 1, index));
    list.setAttribute('aria-activedescendant', `row-${selected}`);
    view.reveal(selected);
    const row = shown[selected];
    if (row === undefined) detail.replaceChildren();
    else show(row.pair, row.example);
  }

  function show(pair: ReportPair, example: ReportExample): void {
    showExample(detail, pair, example, titles, (other) => {
      const index = shown.findIndex((row) => row.example === other);
      if (index >= 0) select(index);
      else show(pair, other);
    });
    markWords(detail, searchTerms(fieldValue('search') ?? ''));
  }

  function currentFilter(): ExampleFilter {
    const iteration = fieldValue('iteration');
    return {
      iteration: iteration === undefined ? undefined : Number(iteration),
      category: fieldValue('category'),
      outcome: fieldValue('outcome') as JudgmentOutcome | undefined,
      words: searchTerms(fieldValue('search') ?? ''),
    };
  }

  function filter(): void {
    shown = matchingExamples(rows, currentFilter());
    count();
    view.show(shown.length, true);
    select(0);
  }

  /** Adds newly loaded examples at the end of the list, without changing the selection. */
  function refresh(): void {
    const at = shown[selected];
    shown = matchingExamples(rows, currentFilter());
    count();
    view.show(shown.length, false);
    if (at === undefined) select(Math.max(0, shown.findIndex(hasMixedOutcomes)));
  }

  function count(): void {
    const [matching, all] = [shown.length, rows.length].map((number) => number.toLocaleString('en-US'));
    matchCount.textContent = `${matching} of ${all} examples${isLoading ? ', still loading' : ''}`;
  }

  form.addEventListener('input', filter);
  form.addEventListener('submit', (event) => event.preventDefault());
  list.addEventListener('keydown', (event) => {
    const page = Math.floor(list.clientHeight / 40);
    const moves: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    select(selected + move);
  });

  const data = find('#judgment-data');
  const packed = data.textContent ?? '';
  data.remove();
  let renderedAt = -Infinity;
  for await (const pairs of unpackedPairs(packed)) {
    for (const pair of pairs) rows.push(...exampleRows(pair));
    if (rows.length === 0 || performance.now() - renderedAt < 250) continue;
    browser.hidden = false;
    find('.sample').hidden = true;
    refresh();
    renderedAt = performance.now();
  }
  isLoading = false;
  refresh();
  document.documentElement.dataset['judgments'] = 'ready';
}
