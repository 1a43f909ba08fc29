/// <reference lib="dom" />
import { judgeName } from '../format.ts';
import type { Outcome, ReportExample, ReportPair } from '../report-data.ts';
import { matchingRows, rowsOf, wordsOf, type Row, type Wanted } from './matching-rows.ts';
import { markWords, showExample, textElement } from './show-example.ts';
import { unpackedPairs } from './unpacked-pairs.ts';
import { virtualList } from './virtual-list.ts';

/** Whether one judgment of it was kept and another was not: the best to begin reading with. */
export function isOfTwoMinds({ example }: Row): boolean {
  return example.judgments.length > 1 && example.judgments[0]?.outcome === 'kept';
}

/** The page's script. Turns its sample of judgments into a list of all that it carries, to filter and to search. */
export async function browseJudgments(titles: Readonly<Record<Outcome, string>>): Promise<void> {
  const find = <E extends HTMLElement>(selector: string): E => {
    const element = document.querySelector<E>(selector);
    if (element === null) throw new Error(`the report has no ${selector}`);
    return element;
  };
  const [browser, list, detail, found] = [
    find('.browser'),
    find('.list'),
    find('.detail'),
    find('.found'),
  ] as const;
  const form = find<HTMLFormElement>('.filters');
  const rows: Row[] = [];
  let shown: Row[] = [];
  let selected = 0;
  let isLoading = true;

  const chosen = (name: string): string | undefined => {
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
    markWords(detail, wordsOf(chosen('search') ?? ''));
  }

  function wanted(): Wanted {
    const iteration = chosen('iteration');
    return {
      iteration: iteration === undefined ? undefined : Number(iteration),
      category: chosen('category'),
      outcome: chosen('outcome') as Outcome | undefined,
      words: wordsOf(chosen('search') ?? ''),
    };
  }

  function filter(): void {
    shown = matchingRows(rows, wanted());
    count();
    view.show(shown.length, true);
    select(0);
  }

  /** What has been read since is found too, below the rest: what the reader looks at stays. */
  function refresh(): void {
    const at = shown[selected];
    shown = matchingRows(rows, wanted());
    count();
    view.show(shown.length, false);
    if (at === undefined) select(Math.max(0, shown.findIndex(isOfTwoMinds)));
  }

  function count(): void {
    const [some, all] = [shown.length, rows.length].map((number) => number.toLocaleString('en-US'));
    found.textContent = `${some} of ${all} examples${isLoading ? ', still reading' : ''}`;
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
  let drawnAt = -Infinity;
  for await (const pairs of unpackedPairs(packed)) {
    for (const pair of pairs) rows.push(...rowsOf(pair));
    if (rows.length === 0 || performance.now() - drawnAt < 250) continue;
    browser.hidden = false;
    find('.sample').hidden = true;
    refresh();
    drawnAt = performance.now();
  }
  isLoading = false;
  refresh();
  document.documentElement.dataset['judgments'] = 'ready';
}
