import { pearson, scoreAgreement, spearman, type ValuePair } from '../benchmarks/correlation.ts';
import { type Interval, type ItemCluster, shareInterval } from '../benchmarks/intervals.ts';
import { promptKey } from '../benchmarks/prompt-clusters.ts';
import { farthestScore, type TaskName } from '../method/tasks.ts';
import type { JudgedRecord } from './judged-record.ts';

/** The figures of the verdicts on the records of a file. Those that need labels are null if there are none. */
export interface RecordFigures {
  readonly task: TaskName;
  readonly records: number;
  /** Records without a verdict, refused ones among them. */
  readonly withoutVerdictRecords: number;
  /** Records that the endpoint refused. */
  readonly failed: number;
  readonly labelledRecords: number;
  /** Only for verifications: the number of responses that are correct, and incorrect, by the verdicts. */
  readonly verdicts?: { readonly correct: number; readonly incorrect: number };
  /** Only for scores: their mean. */
  readonly meanScore?: number | null;
  /** Only for scores: how they agree with the labels; the error is in points. */
  readonly agreement?: {
    readonly withinOnePoint: number | null;
    readonly meanError: number | null;
    readonly spearman: number | null;
    readonly pearson: number | null;
  };
  /** For rankings and verifications: the share of verdicts that are the label. */
  readonly accuracy?: number | null;
  readonly accuracyInterval?: Interval | null;
  /** Only for rankings: the share with the same verdict in all places, among records with a verdict in all of them. */
  readonly positionConsistency?: number | null;
  readonly judgments: number;
  readonly unparsableJudgments: number;
  readonly withoutVerdict?: Readonly<Record<string, number>>;
  readonly requests: number;
  readonly tokens: { readonly prompt: number; readonly completion: number };
}

/** Counts verdicts one at a time, so that a file may have any size: of a labelled record, some numbers stay. */
export class RecordFiguresCounter {
  readonly #task: TaskName;
  readonly #counts = {
    records: 0,
    none: 0,
    failed: 0,
    labelled: 0,
    correct: 0,
    comparable: 0,
    consistent: 0,
  };
  readonly #verdicts = { correct: 0, incorrect: 0 };
  readonly #scores = { count: 0, sum: 0 };
  readonly #pairs: ValuePair[] = [];
  readonly #prompts = new Map<string, ItemCluster>();
  readonly #judgments = { all: 0, unparsable: 0 };
  readonly #missing = new Map<string, number>();
  readonly #tokens = { prompt: 0, completion: 0 };
  #requests = 0;

  constructor(task: TaskName) {
    this.#task = task;
  }

  /** @param prompt the instruction of the record: records of one prompt are not independent of each other */
  add(
    { verdict, label, correct, consistent, turns, failed, requests, tokens }: JudgedRecord,
    prompt: string,
  ): void {
    const counts = this.#counts;
    counts.records += 1;
    if (verdict === 'none') counts.none += 1;
    if (failed !== undefined) counts.failed += 1;
    if (verdict === 'correct' || verdict === 'incorrect') this.#verdicts[verdict] += 1;
    if (typeof verdict === 'number') {
      this.#scores.count += 1;
      this.#scores.sum += verdict;
    }
    if (label !== undefined) counts.labelled += 1;
    if (this.#task === 'score' && typeof label === 'number')
      this.#pairs.push([typeof verdict === 'number' ? verdict : farthestScore(label), label]);
    if (correct !== undefined) {
      counts.correct += Number(correct);
      const key = promptKey(prompt);
      const { items, sum } = this.#prompts.get(key) ?? { items: 0, sum: 0 };
      this.#prompts.set(key, { items: items + 1, sum: sum + Number(correct) });
    }
    if (consistent !== null) counts.comparable += 1;
    if (consistent === true) counts.consistent += 1;
    for (const { verdict: found, missing } of turns.flatMap(({ judgments }) => judgments)) {
      this.#judgments.all += 1;
      if (found === 'none') this.#judgments.unparsable += 1;
      if (missing !== undefined) this.#missing.set(missing, (this.#missing.get(missing) ?? 0) + 1);
    }
    this.#requests += requests ?? 0;
    this.#tokens.prompt += tokens?.prompt ?? 0;
    this.#tokens.completion += tokens?.completion ?? 0;
  }

  get figures(): RecordFigures {
    const { records, none, failed, labelled } = this.#counts;
    return {
      task: this.#task,
      records,
      withoutVerdictRecords: none,
      failed,
      labelledRecords: labelled,
      ...(this.#task === 'score' ? this.#scoreFigures() : this.#choiceFigures()),
      judgments: this.#judgments.all,
      unparsableJudgments: this.#judgments.unparsable,
      ...(this.#missing.size === 0 ? {} : { withoutVerdict: Object.fromEntries(this.#missing) }),
      requests: this.#requests,
      tokens: { ...this.#tokens },
    };
  }

  #scoreFigures(): Pick<RecordFigures, 'meanScore' | 'agreement'> {
    const { count, sum } = this.#scores;
    return {
      meanScore: count === 0 ? null : sum / count,
      agreement: {
        ...scoreAgreement(this.#pairs),
        spearman: spearman(this.#pairs),
        pearson: pearson(this.#pairs),
      },
    };
  }

  #choiceFigures(): Pick<
    RecordFigures,
    'verdicts' | 'accuracy' | 'accuracyInterval' | 'positionConsistency'
  > {
    const { labelled, correct, comparable, consistent } = this.#counts;
    return {
      ...(this.#task === 'verify' ? { verdicts: { ...this.#verdicts } } : {}),
      accuracy: labelled === 0 ? null : correct / labelled,
      accuracyInterval: labelled === 0 ? null : shareInterval([...this.#prompts.values()]),
      ...(this.#task === 'rank'
        ? { positionConsistency: comparable === 0 ? null : consistent / comparable }
        : {}),
    };
  }
}
