/** Checks a configuration on this machine with the same checks that workers do when a run starts. */
import { resolve } from 'node:path';
import { evaluationAsRunSections, withResolvedJudge } from '../../activities/check-judge-evaluation.ts';
import { collectProblem, inputProblems } from '../../activities/check-configuration.ts';
import { pairsJudgingProblems } from '../../activities/check-pairs-judging.ts';
import { checkMachine, endpointProblems, needsMachine } from '../../activities/preflight.ts';
import { openStore, type ArtifactStore } from '../../store/artifact-store.ts';
import { detectConfigurationKind } from '../../config/configuration-kind.ts';
import type { Policy } from '../../policy/policy-schema.ts';
import { guardedConnections, guardedFiles } from '../../worker/policy-guards.ts';
import type { Problem } from '../../platform/problem.ts';
import { parseConfiguration, parseJudgeEvaluation } from '../../config/parse-configuration.ts';
import type { PartialConfiguration } from '../../config/run-configuration.ts';
import { readJsonObject } from '../core/configuration-file.ts';
import { type Finding, missing, ok } from './finding.ts';
import type { PythonLookup } from './machine.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { vllmPythonPath } from '../setup/python-environment.ts';
import { markedConversations } from '../../runs/marked-conversations.ts';

/**
 * Checks the fields and what they name: files, prompts, pools, benchmarks, pairs, endpoints, the hub, checkpoints, commands and
 * the trainer. Changes nothing and starts no server.
 * @throws CommandError if the file is not a JSON object
 */
export async function configurationFindings(
  file: string,
  {
    storeRoot,
    python,
    policy,
  }: { readonly storeRoot: string; readonly python: PythonLookup; readonly policy: Policy },
): Promise<Finding[]> {
  const input = readJsonObject(file);
  const kind = detectConfigurationKind(input);
  const store = openStore(storeRoot);
  const files = guardedFiles(policy, store, process.env);
  const connectionGuard = guardedConnections(policy, store, () => []);
  const { usable, problems } =
    kind === 'run'
      ? parseConfiguration(input)
      : kind === 'evaluation'
        ? await evaluation(store, input)
        : await pairsJudgingProblems({ store, files }, input);
  const environment = process.env;
  const vllmPython = python.isInstalled ? vllmPythonPath() : undefined;
  const deps = {
    store,
    files,
    python: python.path,
    vllmPython,
    packageRoot,
    environment,
    policy,
    connectionGuard,
  };
  // A missing Python is a finding of its own.
  const { fineTuning, ...withoutTrainer } = usable;
  const checked =
    python.isInstalled && fineTuning !== undefined ? { ...withoutTrainer, fineTuning } : withoutTrainer;
  const [machine, ...further] = await Promise.all([
    // If somebody else serves the judge, no machine needs its checkpoint.
    kind !== 'run' && !needsMachine(usable.serving)
      ? { problems: [], trainer: undefined }
      : checkMachine(deps, checked, await markedConversations(files, usable), new AbortController().signal),
    inputProblems(deps, usable),
    endpointProblems(deps, usable),
  ]);
  const { trainer } = machine;
  const trains = trainer === undefined ? [] : [ok('fineTuning.launcher', `trains on ${trainer}`)];
  const all = [...problems, ...further.flat(), ...machine.problems].filter(
    ({ message }) => python.isInstalled || !message.startsWith(`no program ${python.path}:`),
  );
  if (all.length === 0)
    return [
      ok(
        'configuration',
        `${resolve(file)}: fields, files, endpoints and commands are valid on this machine`,
      ),
      ...trains,
    ];
  const found = all.map(({ path, message }) =>
    missing(
      kind === 'run' ? path : path.replace(/^models\.seed(?=\.|$)/, 'model'),
      message,
      `Correct ${path} in ${resolve(file)}, or what it names.`,
    ),
  );
  return [...found, ...trains];
}

async function evaluation(
  store: ArtifactStore,
  input: object,
): Promise<{ usable: PartialConfiguration; problems: readonly Problem[] }> {
  const { usable: sections, problems } = parseJudgeEvaluation(input);
  let usable = evaluationAsRunSections(sections);
  const judgeProblems = await collectProblem('model.checkpoint', async () => {
    usable = evaluationAsRunSections(await withResolvedJudge({ store }, sections));
  });
  return { usable, problems: [...problems, ...judgeProblems] };
}
