import type { ArtifactStore } from '../../src/artifacts/store.ts';
import type { JudgeOfRun } from '../../src/runs/compare-runs.ts';
import { readStoredRun, storedRunNames, type StoredRun } from '../../src/runs/stored-run.ts';
import { CommandError } from '../cli/command-error.ts';
import { plainText } from '../follow/plain-text.ts';
import { checkedRunName, noSuchRun } from './places.ts';

/** The run of a name in the store. @throws CommandError where the store lacks it */
export async function storedRunNamed(store: ArtifactStore, name: string): Promise<StoredRun> {
  const run = await readStoredRun(store, checkedRunName(name));
  if (run === undefined) throw noSuchRun(name, `in the store ${store.root}`, await storedRunNames(store));
  return run;
}

/**
 * The judge that `run` or `run@iteration` names: without an iteration the best one.
 * @throws CommandError where the store lacks the run, or the run such a judge
 */
export async function judgeNamed(store: ArtifactStore, text: string): Promise<JudgeOfRun> {
  const [name = '', wanted, ...more] = text.split('@');
  if (more.length > 0 || (wanted !== undefined && !/^\d{1,4}$/.test(wanted)))
    throw new CommandError(
      'usage',
      `${JSON.stringify(plainText(text))} names no judge: that is a run's name, with @2 behind it for the judge of iteration 2.`,
    );
  const run = await storedRunNamed(store, name);
  const judge = run.judges.find(
    ({ iteration }) => iteration === (wanted === undefined ? run.best : Number(wanted)),
  );
  if (judge !== undefined) return { run, judge };
  const there = run.judges.map(({ iteration }) => `${name}@${iteration}`);
  throw new CommandError(
    'not-found',
    `${name} has no evaluated judge${wanted === undefined ? '' : ` of iteration ${wanted}`}. ` +
      (there.length === 0 ? 'It has evaluated none yet.' : `It has ${there.join(', ')}.`),
  );
}
