import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InputProblem } from '../artifacts/errors.ts';
import type { Publish } from '../config/publish.ts';
import { checkPush } from '../hub/check-push.ts';
import { pushFiles, type PushedFile, type PushTarget } from '../hub/push-files.ts';
import { PARQUET_FILE } from '../outputs/dataset-card.ts';
import { CARD_FILE } from '../outputs/model-folder.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import type { PushedRepository, RunReference } from './types.ts';

const TOKEN_PREFIX = 'hf_';

export interface PublishInput {
  readonly run: RunReference;
  readonly best: number;
  /** How many have trained a judge. */
  readonly iterations: number;
}

/**
 * Pushes a run's outputs to the hub as `publish` says: the best judge with its card, and the training sets with
 * theirs. The token is read from the environment of this worker and goes nowhere else.
 */
export function publishOutputs(deps: Dependencies, input: PublishInput): Promise<PushedRepository[]> {
  return withHeartbeats(async ({ signal, report }) => {
    const { runName } = input.run;
    const { publish } = (await openRun(deps.store, input.run)).configuration;
    if (publish === undefined) return [];
    const { revision, commitMessage } = publish;
    const message = commitMessage
      .replaceAll('{runName}', runName)
      .replaceAll('{iteration}', String(input.best));
    const pushed: PushedRepository[] = [];
    for (const repository of repositoriesOf(publish)) {
      const files = repository.type === 'model' ? await modelFiles(deps, runName) : datasetFiles(deps, input);
      // Where no judge was better than the seed model there is none to push.
      if (files.length === 0) continue;
      report({ pushing: repository.name, files: files.length });
      const target = { ...targetOf(deps, publish, repository), private: publish.private };
      pushed.push({ ...repository, revision, commit: await pushFiles(target, files, { message, signal }) });
    }
    return pushed;
  });
}

/** What of `publish` would fail in the end, to be checked before any work: the fields and what throws for each. */
export function publishChecks(
  deps: Pick<Dependencies, 'environment'>,
  publish: Publish | undefined,
): { readonly path: string; readonly check: () => unknown }[] {
  if (publish === undefined) return [];
  const token = { path: 'publish.tokenVariable', check: () => tokenOf(deps, publish) };
  if (!deps.environment[publish.tokenVariable]?.startsWith(TOKEN_PREFIX)) return [token];
  return repositoriesOf(publish).map((repository) => ({
    path: `publish.${repository.type}`,
    check: () => checkPush(targetOf(deps, publish, repository)),
  }));
}

/** The data set first: the model's card names it. */
function repositoriesOf({ model, dataset }: Publish): PushTarget['repository'][] {
  return [
    ...(dataset === undefined ? [] : [{ type: 'dataset' as const, name: dataset }]),
    ...(model === undefined ? [] : [{ type: 'model' as const, name: model }]),
  ];
}

function targetOf(
  deps: Pick<Dependencies, 'environment'>,
  publish: Publish,
  repository: PushTarget['repository'],
) {
  return {
    url: deps.environment['HF_ENDPOINT'] || 'https://huggingface.co',
    token: tokenOf(deps, publish),
    repository,
    revision: publish.revision,
  };
}

function tokenOf({ environment }: Pick<Dependencies, 'environment'>, { tokenVariable }: Publish): string {
  const token = environment[tokenVariable];
  if (!token)
    throw new InputProblem(
      `${tokenVariable} is not set for the worker with role workflow on ${hostname()}: set it to a token of the hub that may write`,
    );
  if (!token.startsWith(TOKEN_PREFIX))
    throw new InputProblem(`${tokenVariable} holds no token of the hub: those begin with "${TOKEN_PREFIX}"`);
  return token;
}

async function modelFiles({ store }: Dependencies, runName: string): Promise<PushedFile[]> {
  const folder = store.path(runUris.modelFolder(runName));
  if (!existsSync(folder)) return [];
  return (await readdir(folder)).map((path) => ({ path, file: join(folder, path) }));
}

/** The card and the Parquet files: on the hub the same rows as JSONL would only double them. */
function datasetFiles({ store }: Dependencies, { run, iterations }: PublishInput): PushedFile[] {
  const folder = store.path(runUris.datasetFolder(run.runName));
  const sets = Array.from({ length: iterations }, (_, index) => `iteration-${index + 1}/${PARQUET_FILE}`);
  return [CARD_FILE, ...sets].map((path) => ({ path, file: join(folder, path) }));
}
