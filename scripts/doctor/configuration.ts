/** What a configuration needs, as this machine sees it: the checks are those that the workers do when it starts. */
import { join, resolve } from 'node:path';
import { asPartOfRun, withTrainedJudge } from '../../src/activities/check-judge-evaluation.ts';
import { attemptTo, inputProblems } from '../../src/activities/check-configuration.ts';
import { pairsJudgingProblems } from '../../src/activities/check-pairs-judging.ts';
import { endpointProblems, machineProblems } from '../../src/activities/preflight.ts';
import { ArtifactStore } from '../../src/artifacts/store.ts';
import { cacheFolder } from '../../src/config/cache-folder.ts';
import { kindOf } from '../../src/config/kind.ts';
import { type Problem, readConfiguration, readJudgeEvaluation } from '../../src/config/read-configuration.ts';
import type { Configuration } from '../../src/config/schema.ts';
import { configurationObject } from '../start/configuration-file.ts';
import { type Finding, missing, ok } from './finding.ts';
import type { PythonFound } from './machine.ts';

const root = join(import.meta.dirname, '..', '..');

/**
 * Checks the fields, and what they name: files, prompts, pools, benchmarks, pairs, endpoints, the hub, checkpoints, commands and the
 * trainer. Changes nothing, and starts no server.
 * @throws CommandError where the file holds no JSON object
 */
export async function examineConfiguration(
  file: string,
  { storeRoot, python }: { readonly storeRoot: string; readonly python: PythonFound },
): Promise<Finding[]> {
  const input = configurationObject(file);
  const kind = kindOf(input);
  const store = new ArtifactStore(storeRoot);
  const files = { roots: [process.cwd(), root, cacheFolder(process.env, process.platform)] };
  const { usable, problems } =
    kind === 'run'
      ? readConfiguration(input)
      : kind === 'evaluation'
        ? await evaluation(store, input)
        : await pairsJudgingProblems({ store, files }, input);
  const deps = { store, files, python: python.path, packageRoot: root, environment: process.env };
  // That there is no Python was said already.
  const { fineTuning, ...withoutTrainer } = usable;
  const trained =
    python.isThere && fineTuning !== undefined ? { ...withoutTrainer, fineTuning } : withoutTrainer;
  const found = await Promise.all([
    inputProblems(deps, usable),
    endpointProblems(deps, usable),
    // Where somebody else serves the judge no machine needs its checkpoint.
    kind !== 'run' && usable.serving?.kind === 'endpoint'
      ? []
      : machineProblems(deps, trained, new AbortController().signal),
  ]);
  const all = [...problems, ...found.flat()].filter(
    ({ message }) => python.isThere || !message.startsWith(`no program ${python.path}:`),
  );
  if (all.length === 0)
    return [ok('configuration', `${resolve(file)}: fields, files, endpoints and commands are right here`)];
  return all.map(({ path, message }) =>
    missing(
      kind === 'run' ? path : path.replace(/^models\.seed(?=\.|$)/, 'model'),
      message,
      `Correct ${path} in ${resolve(file)}, or what it names.`,
    ),
  );
}

async function evaluation(
  store: ArtifactStore,
  input: object,
): Promise<{ usable: Partial<Configuration>; problems: readonly Problem[] }> {
  const { usable: sections, problems } = readJudgeEvaluation(input);
  let usable = asPartOfRun(sections);
  const noSuchJudge = await attemptTo('model.checkpoint', async () => {
    usable = asPartOfRun(await withTrainedJudge({ store }, sections));
  });
  return { usable, problems: [...problems, ...noSuchJudge] };
}
