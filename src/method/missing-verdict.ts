import { type ModelText, type ReasoningMarks, SPENT_ON_REASONING, splitReasoning } from './reasoning.ts';
import { verdictLetters } from './verdict.ts';

/** A judgment, to say why it has no verdict. */
export interface EndedText extends ModelText {
  /** Missing if it is not known how the text ended. */
  readonly finishReason?: string | undefined;
}

/** A form in which judges almost give a verdict, and how it is recognised at the end of an answer. */
export interface AlmostForm {
  readonly form: string;
  readonly pattern: RegExp;
}

/** How the verdict of a task is recognised. */
export interface VerdictForm {
  /** The distinct verdicts in an answer. */
  readonly verdictsOf: (answer: string) => ReadonlySet<string>;
  readonly almost: readonly AlmostForm[];
}

/** The almost-verdicts on pairs. They are not taken as verdicts, but counted: one that is frequent says how to mend the prompt. */
const ALMOST_FORMS: readonly AlmostForm[] = [
  { form: '[[a]]', pattern: /\[\[\s*[abc]\s*\]\]/i },
  { form: '[[Response A]]', pattern: /\[\[[^[\]]*\b[ABC]\b[^[\]]*\]\]/ },
  { form: '\\boxed{A}', pattern: /\\boxed\{\W*(?:\\text\w*\{)?\W*(?:\w+ )?[ABC]\W*\}/i },
  { form: '<verdict>A</verdict>', pattern: /<(\w+)>\W*(?:(?:Response|Assistant|Option) )?[ABC]\W*<\/\1>/i },
  { form: '"verdict": "A"', pattern: /"\w+"\s*:\s*"(?:(?:Response|Assistant|Option) )?[ABC]"/i },
  { form: '[A]', pattern: /[[［【]\s*(?:(?:Response|Assistant|Option) )?[ABC]\s*[\]］】]/ },
  { form: '**A**', pattern: /\*\*\W*(?:(?:Response|Assistant|Answer|Option) )?[ABC]\W*\*\*/ },
  {
    form: 'Final verdict: A',
    pattern:
      /\b(?:[Vv]erdict|VERDICT|[Aa]nswer|ANSWER|[Ww]inner|WINNER|[Cc]hoice|[Dd]ecision|[Jj]udge?ment|[Pp]reference|[Rr]esult)\b[^\n:]{0,40}(?::|\bis\b)[\s*_"'`([]*(?:(?:[Rr]esponse|[Aa]ssistant|[Aa]nswer|[Oo]ption) )?[ABC](?![\w'])/,
  },
  {
    form: 'Response A is better',
    pattern:
      /\b(?:[Rr]esponse|[Aa]ssistant|[Aa]nswer|[Oo]ption) [ABC]\b[^.\n]{0,60}\b(?:better|best|wins|superior|preferred|preferable|stronger)\b/,
  },
  { form: 'A', pattern: /(?:^|\n)[\s*_"'`(]*(?:(?:Response|Assistant|Answer|Option) )?[ABC][\s*_"'`).]*$/ },
];

const PAIR_FORM: VerdictForm = { verdictsOf: verdictLetters, almost: ALMOST_FORMS };

const ALMOST = 'almost: ';

/** The number of characters at the end of an answer in which a verdict is expected. */
const VERDICT_CHARACTERS = 400;

/**
 * Says why a judgment has no verdict, in one of few ways, so that judgments can be counted by it. The reasons that begin with
 * `almost` name the form of what is nearly a verdict.
 */
export function missingVerdict(
  judgment: EndedText,
  marks?: readonly ReasoningMarks[],
  form: VerdictForm = PAIR_FORM,
): string {
  const { reasoning, answer } = splitReasoning(judgment, marks);
  const isCut = judgment.finishReason === 'length';
  if (answer === undefined) return isCut ? SPENT_ON_REASONING : 'reasoning without an end';
  if (answer.trim() === '') {
    if (reasoning !== undefined && reasoning.trim() !== '')
      return isCut ? SPENT_ON_REASONING : 'empty after the reasoning';
    if (isCut) return 'empty: cut off at the limit of tokens';
    return judgment.finishReason === 'content_filter' ? 'empty: content filter' : 'empty';
  }
  const verdicts = form.verdictsOf(answer);
  if (verdicts.size > 1) return 'several verdicts';
  if (form === PAIR_FORM && verdicts.has('C')) return 'tie';
  if (form !== PAIR_FORM && verdicts.size === 1) return 'a verdict that is no choice';
  if (isCut) return 'cut off at the limit of tokens';
  const end = answer.slice(-VERDICT_CHARACTERS);
  const almost = form.almost.find(({ pattern }) => pattern.test(end));
  return almost === undefined ? 'no verdict in the answer' : `${ALMOST}${almost.form}`;
}

/** The beginning of the counts of a stage that say why judgments have no verdict. */
const WITHOUT_VERDICT = 'without a verdict: ';

/** The judgments without a verdict by reason, as counts of a stage. */
export function missingVerdictCounts(reasons: Iterable<string>): Record<string, number> {
  const counts = Object.entries(countReasons(reasons));
  return Object.fromEntries(counts.map(([reason, count]) => [`${WITHOUT_VERDICT}${reason}`, count]));
}

/** The judgments without a verdict by reason, from the counts of a stage. */
export function missingVerdictsIn(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counts)
      .filter(([name]) => name.startsWith(WITHOUT_VERDICT))
      .map(([name, count]) => [name.slice(WITHOUT_VERDICT.length), count]),
  );
}

/**
 * Advises what to do about judgments without a verdict, by their reasons.
 * @param form the form of a verdict
 */
export function missingVerdictAdvice(
  counts: Readonly<Record<string, number>>,
  form = '[[A]], [[B]] or, for a tie, [[C]]',
): string[] {
  const isIn = (part: string) => Object.keys(counts).some((reason) => reason.includes(part));
  return [
    ...(isIn('reasoning') || isIn('limit of tokens')
      ? [
          'Judgments ended before a verdict: raise sampling.maxTokens in a copy of judge.json (--judge), or let the model think less.',
        ]
      : []),
    ...(almostVerdicts(counts) > 0
      ? [`Judgments have nearly a verdict: the prompt must ask for exactly ${form}.`]
      : []),
  ];
}

/** The number of judgments that are nearly a verdict, of those counted by reason. */
export function almostVerdicts(counts: Readonly<Record<string, number>>): number {
  return Object.entries(counts)
    .filter(([reason]) => reason.startsWith(ALMOST))
    .reduce((total, [, count]) => total + count, 0);
}

/** Counts reasons, the most frequent first. */
export function countReasons(reasons: Iterable<string>): Record<string, number> {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)));
}

/** Describes counted reasons: `almost: [[a]] (12), empty (3)`. */
export function formatReasons(counts: Readonly<Record<string, number>>, most = 5): string {
  const reasons = Object.entries(counts).sort(([, m], [, n]) => n - m);
  const shown = reasons.slice(0, most).map(([reason, count]) => `${reason} (${count})`);
  return [...shown, ...(reasons.length > most ? ['...'] : [])].join(', ');
}
