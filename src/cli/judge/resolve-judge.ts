/** Resolves `--model` to a judge: its checkpoint or endpoint, and how to prompt it. */
import { existsSync } from 'node:fs';
import { basename, join, relative, resolve, sep } from 'node:path';
import { judgeFileOfRun } from '../../pair-judging/find-judge-file.ts';
import { resolveCheckpoint } from '../../activities/resolve-model.ts';
import { openModels } from '../../runs/open-run.ts';
import { runUris } from '../../runs/run-layout.ts';
import { formatJudgeReference } from '../../runs/judge-reference.ts';
import { resolveJudgeReference, type RunJudge } from '../../runs/find-run-judge.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';
import { toReference } from '../../store/artifact.ts';
import { checkpointPathOrId, findCheckpoint } from '../../runs/find-checkpoint.ts';
import type { InputFiles } from '../../platform/input-files.ts';
import type { JudgeFile } from '../../api/judge-file.ts';
import { readJudgeFile, readCheckpointJudgeFile } from '../../pair-judging/read-judge-file.ts';
import { endpointServing } from '../../models/serving/drivers/endpoint.ts';
import type { Serving } from '../../models/serving/drivers/registry.ts';
import { readStoredTraining } from '../../models/training/stored-training.ts';
import { CommandError } from '../core/command-error.ts';
import { servingByCommand, defaultServing } from './default-serving.ts';

/** The options that select the judge. */
export interface JudgeSelection {
  readonly model: string;
  /** A judge.json to use instead of the checkpoint's own. */
  readonly judge?: string | undefined;
  readonly servedModelName?: string | undefined;
  readonly apiKeyEnv?: string | undefined;
  readonly apiKeyHeader?: string | undefined;
  /** A command line that serves the checkpoint. */
  readonly serve?: string | undefined;
}

export interface ResolvedJudge {
  /** The name for messages. */
  readonly name: string;
  /** Identifies the judge in the fingerprint of its verdicts; independent of where it is served. */
  readonly identity: string;
  readonly judge: JudgeFile;
  readonly served: {
    readonly serving: Serving;
    readonly checkpoint: string;
    readonly runName: string;
    readonly iteration: number;
  };
}

/** @throws CommandError; JudgeFileMissing, InvalidJudgeFile */
export async function resolveJudge(
  store: ArtifactStore,
  files: InputFiles,
  choice: JudgeSelection,
): Promise<ResolvedJudge> {
  const { model } = choice;
  if (/^https?:\/\//.test(model)) return endpointJudge(choice);
  const { serve, servedModelName, apiKeyEnv, apiKeyHeader } = choice;
  const isUnused = serve === undefined && (servedModelName ?? apiKeyEnv) !== undefined;
  if (isUnused || apiKeyHeader !== undefined)
    throw new CommandError(
      'usage',
      `--served-model-name, --api-key-env and --api-key-header only apply to the URL of an endpoint, the first two also to --serve, but --model is ${JSON.stringify(model)}: ` +
        'omit them, or give the URL.',
    );
  const folder = resolve(model);
  const isReference = model.startsWith('run:');
  if (!isReference && existsSync(join(folder, 'config.json')))
    return checkpointJudge(store, files, choice, folder);
  const run = isReference
    ? await judgeByReference(store, model)
    : await defaultJudgeOfRun(store, model, folder);
  return trainedRunJudge(store, files, choice, run);
}

/** @throws JudgeFileMissing, InvalidJudgeFile, CommandError */
async function endpointJudge({
  model,
  judge,
  servedModelName,
  apiKeyEnv,
  apiKeyHeader,
  serve,
}: JudgeSelection): Promise<ResolvedJudge> {
  if (serve !== undefined)
    throw new CommandError('usage', `--serve starts a server, but ${model} is already served: omit --serve.`);
  if (judge === undefined || servedModelName === undefined)
    throw new CommandError(
      'usage',
      `An endpoint does not say how to prompt its judge: give the judge.json of the checkpoint with --judge, and the model's name ` +
        `at ${model} with --served-model-name.`,
    );
  return {
    name: servedModelName,
    identity: servedModelName,
    judge: await readJudgeFile(resolve(judge)),
    served: {
      serving: endpointServing({ baseUrl: model, servedModelName: '{checkpoint}', apiKeyEnv, apiKeyHeader }),
      checkpoint: servedModelName,
      runName: '',
      iteration: 0,
    },
  };
}

async function checkpointJudge(
  store: ArtifactStore,
  files: InputFiles,
  choice: JudgeSelection,
  folder: string,
): Promise<ResolvedJudge> {
  const judge =
    choice.judge === undefined
      ? await readCheckpointJudgeFile(folder)
      : await readJudgeFile(resolve(choice.judge));
  // A checkpoint in the folder of a run is served as that run's configuration says.
  const inStore = relative(store.address, folder).split(sep)[0] ?? '..';
  const configured = inStore === '..' ? undefined : await configuredServing(store, inStore);
  return {
    name: folder,
    // Identified by its content, because the folder may later contain another judge.
    identity: (await resolveCheckpoint({ store, files }, folder)).sha256,
    judge,
    served: {
      serving:
        servingByCommand(choice.serve, choice.servedModelName, choice.apiKeyEnv) ??
        configured ??
        defaultServing(folder),
      checkpoint: folder,
      runName: judge.run,
      iteration: judge.iteration,
    },
  };
}

async function trainedRunJudge(
  store: ArtifactStore,
  files: InputFiles,
  choice: JudgeSelection,
  { run, iteration, checkpoint }: RunJudge,
): Promise<ResolvedJudge> {
  const argument = checkpointPathOrId(await findCheckpoint(store, files, checkpoint));
  const serving =
    servingByCommand(choice.serve, choice.servedModelName, choice.apiKeyEnv) ??
    (await configuredServing(store, run)) ??
    defaultServing(argument);
  const result =
    iteration > 0 ? await readStoredTraining(store, runUris.training(run, iteration)) : undefined;
  return {
    name: `M_${iteration} of ${run}`,
    identity: `${checkpoint} ${result?.model.sha256 ?? ''}`.trim(),
    judge:
      choice.judge === undefined
        ? await judgeFileOfRun(store, run, iteration)
        : await readJudgeFile(resolve(choice.judge)),
    served: { serving, checkpoint: argument, runName: run, iteration },
  };
}

async function judgeByReference(store: ArtifactStore, model: string): Promise<RunJudge> {
  try {
    const judge = await resolveJudgeReference(store, model);
    if (judge !== undefined) return judge;
  } catch (error) {
    throw new CommandError(
      'not-found',
      `--model ${model}: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  throw new CommandError('usage', `--model ${model} is not a judge of a run.`);
}

/** The judge of a run given by its name alone: the best one so far, else the last one. */
async function defaultJudgeOfRun(store: ArtifactStore, name: string, folder: string): Promise<RunJudge> {
  if (!/^[A-Za-z0-9][\w.-]*$/.test(name) || !(await store.exists(name)))
    throw new CommandError(
      'not-found',
      `--model ${name} is neither a run in the store ${store.address}, nor a checkpoint (there is no ${join(folder, 'config.json')}), ` +
        `nor the URL of an endpoint. ${await availableRunsText(store)}`,
    );
  return judgeByReference(store, formatJudgeReference(name, 'best')).catch(() =>
    judgeByReference(store, formatJudgeReference(name, 'latest')),
  );
}

async function availableRunsText(store: ArtifactStore): Promise<string> {
  const runs: string[] = [];
  for (const name of await store.names('')) if (await store.exists(`${name}/configurations`)) runs.push(name);
  if (runs.length === 0)
    return 'The store has no runs; set --store or SELF_TAUGHT_EVALUATOR_STORE to use another.';
  const more = runs.length > 10 ? ` and ${runs.length - 10} more` : '';
  return `The store's runs: ${runs.slice(0, 10).join(', ')}${more}. Set --store or SELF_TAUGHT_EVALUATOR_STORE to use another store.`;
}

/** How a run's judges are served, from its latest configuration. */
async function configuredServing(store: ArtifactStore, run: string): Promise<Serving | undefined> {
  const uri = runUris.configurations(run);
  const names = await store.names(uri);
  const manifests = await Promise.all(names.map((name) => store.readManifest(`${uri}/${basename(name)}`)));
  const newest = manifests
    .filter((manifest) => manifest !== undefined)
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0];
  if (newest === undefined) return undefined;
  const { configuration } = await openModels(store, { runName: run, configuration: toReference(newest) });
  return configuration.models.seed.serving ?? configuration.serving;
}
