import type { ArtifactStore } from '../../store/artifact-store.ts';
import { KIND_LABELS } from '../../config/configuration-kind.ts';
import type { EvaluatedJudge } from '../../runs/compare-runs.ts';
import {
  formatJudgeReference,
  JUDGE_REFERENCE_FORMS,
  parseJudgeReference,
  type JudgeReference,
} from '../../runs/judge-reference.ts';
import { readStoredRun, storedRunNames, type StoredRun } from '../../runs/stored-run.ts';
import { CommandError } from '../core/command-error.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { requireRunName, runNotFoundError } from './run-lookup.ts';

/**
 * A stored run by its name.
 * @throws CommandError if the store does not contain it
 */
export async function requireStoredRun(store: ArtifactStore, name: string): Promise<StoredRun> {
  const run = await readStoredRun(store, requireRunName(name));
  if (run === undefined)
    throw runNotFoundError(name, `in the store ${store.address}`, await storedRunNames(store));
  return run;
}

/**
 * A judge given as an argument: a reference such as `run:NAME/2`, or the name of a run, which means its best judge.
 * @throws CommandError if a reference has another form
 */
export function parseJudgeArgument(text: string): JudgeReference {
  if (!text.startsWith('run:')) return { runName: text, which: 'best' };
  const reference = parseJudgeReference(text);
  if (reference !== undefined) return reference;
  throw new CommandError(
    'usage',
    `${JSON.stringify(oneLine(text))} is not a judge: write ${JUDGE_REFERENCE_FORMS}.`,
  );
}

/**
 * The judge, with its figures, that an argument names; see {@link parseJudgeArgument}.
 * @throws CommandError if the store does not contain the run, or the run has no such judge
 */
export async function resolveEvaluatedJudge(store: ArtifactStore, text: string): Promise<EvaluatedJudge> {
  const { runName, which } = parseJudgeArgument(text);
  const run = await requireStoredRun(store, runName);
  if (run.kind === 'judging')
    throw new CommandError(
      'usage',
      `${runName} is ${KIND_LABELS.judging}: it has no judges with figures on benchmarks to compare.`,
    );
  const iterations = run.judges.map(({ iteration }) => iteration);
  const wanted = which === 'best' ? run.best : which === 'latest' ? Math.max(...iterations) : which;
  const judge = run.judges.find(({ iteration }) => iteration === wanted);
  if (judge !== undefined) return { run, judge };
  const references = iterations.map((iteration) => formatJudgeReference(runName, iteration));
  throw new CommandError(
    'not-found',
    `${runName} has no evaluated judge${typeof which === 'number' ? ` of iteration ${which}` : ''}. ` +
      (references.length === 0 ? 'It has not evaluated any judge yet.' : `It has ${references.join(', ')}.`),
  );
}
