import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ArtifactDamaged, MADE_AGAIN } from '../store/errors.ts';
import { findModelDamage } from '../models/training/model-integrity.ts';
import { readStoredTraining } from '../models/training/stored-training.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { Publish } from '../config/publish.ts';
import { publishingProblems, requireAllowed } from '../policy/policy-problems.ts';
import { checkPush } from '../reporting/hub/check-push.ts';
import { pushFiles, type PushedFile, type PushTarget } from '../reporting/hub/push-files.ts';
import { withHeartbeats } from './heartbeats.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import type { RunReference } from '../api/activity-types.ts';
import type { PushedRepository } from '../api/result.ts';
import { PARQUET_FILE } from '../reporting/training-row-formats.ts';
import { CARD_FILE } from '../reporting/training-row-formats.ts';

const TOKEN_PREFIX = 'hf_';

export interface PushOutputsInput {
  readonly run: RunReference;
  readonly best: number;
  /** The number of iterations that have trained a judge. */
  readonly iterations: number;
}

/**
 * Pushes a run's outputs to the hub as `publish` says: the best judge and the training sets, with their cards. The
 * token is read from the environment of this worker and is sent only to the hub.
 */
export function pushOutputs(deps: Dependencies, input: PushOutputsInput): Promise<PushedRepository[]> {
  return withHeartbeats(async ({ signal, report }) => {
    const { runName } = input.run;
    const { publish } = (await openRun(deps.store, input.run)).configuration;
    if (publish === undefined) return [];
    requireAllowed(publishingProblems(deps.policy, { publish }));
    const { revision, commitMessage } = publish;
    const message = commitMessage
      .replaceAll('{runName}', runName)
      .replaceAll('{iteration}', String(input.best));
    const pushed: PushedRepository[] = [];
    for (const repository of repositoriesOf(publish)) {
      const [uri, filesIn] =
        repository.type === 'model'
          ? [runUris.modelFolder(runName), modelFiles]
          : [runUris.datasetFolder(runName), datasetFiles];
      await deps.store.withLocalFolder(uri, async ({ path: folder }) => {
        const files = await filesIn(deps, input, folder);
        // If no judge was better than the seed model, there is no model to push.
        if (files.length === 0) return;
        report({ pushing: repository.name, files: files.length });
        const target = { ...targetOf(deps, publish, repository), private: publish.private };
        pushed.push({ ...repository, revision, commit: await pushFiles(target, files, { message, signal }) });
      });
    }
    return pushed;
  });
}

/**
 * Checks the settings of `publish` before any work, so that the push does not fail at the end: each field with its
 * check.
 */
export function pushChecks(
  deps: Pick<Dependencies, 'environment'>,
  publish: Publish | undefined,
): { readonly path: string; readonly check: () => unknown }[] {
  if (publish === undefined) return [];
  const token = { path: 'publish.tokenEnv', check: () => tokenOf(deps, publish) };
  if (!deps.environment[publish.tokenEnv]?.startsWith(TOKEN_PREFIX)) return [token];
  return repositoriesOf(publish).map((repository) => ({
    path: `publish.${repository.type}`,
    check: () => checkPush(targetOf(deps, publish, repository)),
  }));
}

/** Pushes the data set before the model, because the card of the model links to it. */
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

function tokenOf({ environment }: Pick<Dependencies, 'environment'>, { tokenEnv }: Publish): string {
  const token = environment[tokenEnv];
  if (!token)
    throw new InvalidInput(
      `${tokenEnv} is not set for the worker with role workflow on ${hostname()}: set it to a hub token with write permission`,
    );
  if (!token.startsWith(TOKEN_PREFIX))
    throw new InvalidInput(`${tokenEnv} does not contain a hub token, which begins with "${TOKEN_PREFIX}"`);
  return token;
}

/** @throws ArtifactDamaged if a file of the model differs from what was trained */
async function modelFiles(
  { store }: Dependencies,
  { run, best }: PushOutputsInput,
  folder: string,
): Promise<PushedFile[]> {
  const names = existsSync(folder) ? await readdir(folder) : [];
  if (names.length === 0) return [];
  const training = runUris.training(run.runName, best);
  const result = await readStoredTraining(store, training);
  const damage =
    result === undefined
      ? `${store.locate(training)} has no result`
      : await findModelDamage(store.objectsBelow(training), result, 'content');
  if (damage !== undefined)
    throw new ArtifactDamaged(`${damage}: the model is damaged and was not pushed. ${MADE_AGAIN}`);
  return names.map((path) => ({ path, file: join(folder, path) }));
}

/**
 * Only the card and the Parquet files are pushed, because the JSONL files contain the same rows.
 * @throws ArtifactDamaged if a Parquet file differs from what was exported
 */
async function datasetFiles(
  { store }: Dependencies,
  { run, iterations }: PushOutputsInput,
  folder: string,
): Promise<PushedFile[]> {
  const uri = runUris.datasetFolder(run.runName);
  const files: PushedFile[] = [{ path: CARD_FILE, file: join(folder, CARD_FILE) }];
  for (let iteration = 1; iteration <= iterations; iteration += 1) {
    const key = await verifiedParquet(store, runUris.exportedSet(run.runName, iteration));
    const path = `iteration-${iteration}/${PARQUET_FILE}`;
    files.push({ path, file: join(folder, key.slice(uri.length + 1)) });
  }
  return files;
}

async function verifiedParquet(store: ArtifactStore, uri: string): Promise<string> {
  try {
    return await store.verifyFile(uri, PARQUET_FILE);
  } catch (error) {
    if (!(error instanceof ArtifactDamaged)) throw error;
    throw new ArtifactDamaged(
      `${error.message}: the training set is damaged and was not pushed. ${MADE_AGAIN}`,
    );
  }
}
