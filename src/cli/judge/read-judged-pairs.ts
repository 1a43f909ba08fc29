/** Reads what the commands `agreement` and `biases` need: verdicts, the file that was judged, and people's labels. */
import type { Label } from '../../benchmarks/judge-agreement.ts';
import { UnreadableFile } from '../../datasets/rows/read-rows.ts';
import { type PairLabels, readLabels } from '../../pair-judging/read-labels.ts';
import { type PairDetails, readPairDetails } from '../../pair-judging/read-pair-details.ts';
import { InvalidVerdictFile, type ReadVerdict, readVerdicts } from '../../pair-judging/read-verdicts.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { CommandError } from '../core/command-error.ts';
import { printError } from '../core/output.ts';

/** A verdict with everything that is known about its pair. */
export interface KnownPair {
  readonly verdict: ReadVerdict;
  /** Undefined if the file of pairs is not given. */
  readonly details: PairDetails | undefined;
  readonly labels: PairLabels;
}

export interface JudgedFiles {
  readonly verdicts: string;
  readonly pairs?: string | undefined;
  readonly labels?: string | undefined;
}

/**
 * The labels are those of the file of labels; without one, those of the column `raters` of the pairs; without it, the
 * label that each verdict has from the pairs.
 * @throws CommandError
 */
export async function readJudgedPairs({ verdicts: file, pairs, labels }: JudgedFiles): Promise<KnownPair[]> {
  try {
    const verdicts = await readVerdicts(file);
    const details = pairs === undefined ? undefined : await readPairDetails(pairs, verdicts);
    const given = labels === undefined ? undefined : await readLabels(labels);
    if (given !== undefined) reportUnknownPairs(labels ?? '', given, verdicts);
    const hasRaters = [...(details?.values() ?? [])].some((each) => Object.keys(each.labels).length > 0);
    return verdicts.map((verdict) => {
      const ofPair = details?.get(verdict.row);
      const own: PairLabels = hasRaters ? (ofPair?.labels ?? {}) : unnamedLabel(verdict.label);
      return { verdict, details: ofPair, labels: given === undefined ? own : (given.get(verdict.id) ?? {}) };
    });
  } catch (error) {
    if (error instanceof InvalidVerdictFile || error instanceof UnreadableFile)
      throw new CommandError('usage', error.message, { cause: error });
    throw error;
  }
}

function unnamedLabel(label: Label | undefined): PairLabels {
  return label === undefined ? {} : { label };
}

/** @throws InvalidVerdictFile if no label is on a pair with a verdict */
function reportUnknownPairs(
  file: string,
  labels: ReadonlyMap<string, PairLabels>,
  verdicts: readonly ReadVerdict[],
): void {
  const ids = new Set(verdicts.map(({ id }) => id));
  const unknown = [...labels.keys()].filter((id) => !ids.has(id));
  if (unknown.length === 0) return;
  const example = JSON.stringify(oneLine(unknown[0] ?? ''));
  if (unknown.length === labels.size)
    throw new InvalidVerdictFile(
      `${file}: none of its ${labels.size} pairs has a verdict, for example the pair ${example}; the first verdict is on ` +
        `${JSON.stringify(oneLine(verdicts[0]?.id ?? ''))}. Name in "id" the id of each pair, or its row in the file that was judged`,
    );
  printError(
    `${file}: ${unknown.length} of its ${labels.size} pairs have no verdict and are left out, for example ${example}.`,
  );
}
