import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Context } from '@temporalio/activity';
import { ArtifactDamaged, InputProblem } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { checkpointArgument, findCheckpoint, storedUri } from '../config/checkpoint.ts';
import type { Configuration, Serving } from '../config/schema.ts';
import { EndpointUnavailable, ModelNotFound } from '../inference/errors.ts';
import { freedMessage } from '../training/freed-model.ts';
import { RESULT_FILE } from '../training/job.ts';
import { modelDamage, readResult } from '../training/model-damage.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openEvaluation } from './open-run.ts';
import type { Model, ModelRole, RunReference, ServedModel } from './types.ts';

/**
 * Identifies a checkpoint by the content of its files, so that what was made with it is recognised wherever it lies.
 * A hub id stands for itself.
 */
export function identifyModel(
  deps: Dependencies,
  input: { readonly run: RunReference; readonly role: ModelRole },
): Promise<Model> {
  return withHeartbeats(async () => {
    const { configuration } = await openEvaluation(deps.store, input.run);
    const { checkpoint } = modelOfRole(configuration, input.role);
    return identified(deps, checkpoint);
  });
}

/** A checkpoint with the hash of its content. */
export async function identified(
  { store, files }: Pick<Dependencies, 'store' | 'files'>,
  checkpoint: string,
): Promise<Model> {
  const place = findCheckpoint(store, files, checkpoint);
  const hash = createHash('sha256');
  if (place.kind === 'hub') hash.update(place.id);
  else {
    const entries = await readdir(place.path, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    for (const name of names.sort()) hash.update(`${name} ${await fileSha256(join(place.path, name))}\n`);
  }
  return { checkpoint, sha256: hash.digest('hex') };
}

/** Claims this machine for serving and training: the queue that only its workers listen to. */
export function claimMachine(deps: Dependencies): Promise<{ readonly queue: string }> {
  return Promise.resolve({ queue: deps.machineQueue });
}

export interface ServeInput {
  readonly run: RunReference;
  readonly model: Model;
  readonly iteration: number;
  /** Whose `serving` applies. Checkpoints that the run trained are served like the seed model. */
  readonly role: ModelRole;
}

/**
 * Brings a model up under its name, or finds it up; it stays up until the run stops it. One whose weights were freed is not
 * brought up: a run that goes through its stages again needs it only where something is missing.
 */
export function serveModel(deps: Dependencies, input: ServeInput): Promise<ServedModel> {
  return withHeartbeats(async () => {
    const { configuration } = await openEvaluation(deps.store, input.run);
    const driver = servingOf(configuration, input.role);
    const uri = storedUri(input.model.checkpoint);
    const freed = uri === undefined ? undefined : freedMessage(deps.store.path(uri));
    if (freed !== undefined) return { ...input.model, baseUrl: '', servedName: '', freed };
    await requireWhole(deps.store, input.model.checkpoint);
    const { baseUrl, model } = await deps.servers
      .ensureServing({
        driver,
        checkpoint: checkpointArgument(findCheckpoint(deps.store, deps.files, input.model.checkpoint)),
        runName: input.run.runName,
        iteration: input.iteration,
        owner: workflowId(),
      })
      .catch((error: unknown) => {
        if (driver.kind === 'endpoint') tellWaiting(deps, input.iteration, error);
        throw error;
      });
    const key = driver.kind === 'endpoint' ? driver.apiKeyVariable : undefined;
    return {
      ...input.model,
      baseUrl,
      servedName: model,
      ...(key === undefined ? {} : { apiKeyVariable: key }),
      ...(driver.kind === 'command' ? { servedFor: { iteration: input.iteration, role: input.role } } : {}),
    };
  });
}

/** Temporal tries again until the endpoint answers, or until somebody serves the model there: the first failure is told. */
function tellWaiting(deps: Dependencies, iteration: number, error: unknown): void {
  const isForGood = !(error instanceof EndpointUnavailable || error instanceof ModelNotFound);
  if (isForGood || Context.current().info.attempt > 1) return;
  const waits = `${error.message} It is asked again every few seconds.`;
  deps.waiting.tell(workflowId(), { stage: 'serveModel', iteration, shard: 0, waits });
}

/** A model that was trained here must be as its training left it, by the sizes of its files: no server gets along without one. */
async function requireWhole(store: ArtifactStore, checkpoint: string): Promise<void> {
  const uri = storedUri(checkpoint);
  if (uri === undefined) return;
  const folder = dirname(store.path(uri));
  const result = await readResult(folder);
  const damage =
    result === undefined
      ? `${join(folder, RESULT_FILE)} is missing`
      : await modelDamage(folder, result, 'sizes');
  if (damage !== undefined) throw new ArtifactDamaged(damage);
}

/** Stops the servers that this run has brought up on this machine. */
export function stopServing(deps: Dependencies): Promise<void> {
  return withHeartbeats(() => deps.servers.stopServing(workflowId()));
}

export function modelOfRole(configuration: Pick<Configuration, 'models'>, role: ModelRole) {
  return configuration.models[role] ?? configuration.models.seed;
}

export function servingOf(
  configuration: Pick<Configuration, 'models' | 'serving'>,
  role: ModelRole,
): Serving {
  return modelOfRole(configuration, role).serving ?? configuration.serving;
}

function workflowId(): string {
  const { workflowExecution } = Context.current().info;
  if (workflowExecution === undefined) throw new InputProblem('this activity runs in a workflow only');
  return workflowExecution.workflowId;
}
