import { Context } from '@temporalio/activity';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import { ArtifactDamaged, differingFields, FingerprintMismatch, InputProblem } from '../artifacts/errors.ts';
import type { ArtifactReference, Fingerprint } from '../artifacts/reference.ts';
import { writeFileAtomically } from '../artifacts/store.ts';
import { checkpointArgument, findCheckpoint, storedCheckpoint, storedUri } from '../config/checkpoint.ts';
import { roundOf } from '../config/fine-tuning.ts';
import { measureTraining } from '../observability/training-metrics.ts';
import { followTraining } from '../training/follow-training.ts';
import { freedMessage } from '../training/freed-model.ts';
import type { TrainingProgress, TrainingResult } from '../training/job.ts';
import { readResult } from '../training/model-damage.ts';
import { stopTrainer } from '../training/stop-training.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import type { FineTuneResult, Model, RunReference, TrainingStep } from './types.ts';

export interface FineTuneInput {
  readonly run: RunReference;
  readonly iteration: number;
  /** Where it starts: M_0 in the paper (method, step 5), or M_i; `startFrom` of the iteration's round. DPO's reference too. */
  readonly base: Model;
  readonly trainingSet: ArtifactReference;
}

/**
 * Fine-tunes the base on an iteration's training set. The trainer is a process of its own that outlives this attempt and
 * the worker: a new attempt follows it, restarts it from its last whole checkpoint, or finds it done.
 */
export function fineTune(deps: Dependencies, input: FineTuneInput): Promise<FineTuneResult> {
  return withHeartbeats(async ({ signal, report }) => {
    const { store } = deps;
    const { configuration } = await openRun(store, input.run);
    const { adapter, launcher, threads, trustRemoteCode, reportTo } = configuration.fineTuning;
    const { method, hyperparameters } = roundOf(configuration.fineTuning, input.iteration);
    const uri = runUris.training(input.run.runName, input.iteration);
    const data = await store.recordsFile(input.trainingSet);
    const tellRun = runTeller(deps, input.iteration);
    const measured = measureTraining(deps.metrics, input.run.runName, input.iteration);
    const train = async (): Promise<TrainingResult> => {
      await fixMeaning(`${store.path(uri)}/fingerprint.json`, uri, {
        schema: 1,
        stage: 'fine-tune',
        method,
        hyperparameters,
        adapter,
        seed: configuration.seed,
        base: input.base.sha256,
        trainingSet: input.trainingSet.sha256,
      });
      return followTraining({
        job: {
          schema: 1,
          method,
          baseCheckpoint: await basePlace(deps, input.base.checkpoint, store.path(uri)),
          data,
          outputFolder: store.path(uri),
          seed: configuration.seed,
          hyperparameters,
          adapter,
          threads,
          trustRemoteCode,
          name: `${input.run.runName}/iteration-${input.iteration}`,
          reportTo,
        },
        trainer: {
          command: launcher.command,
          python: deps.python,
          packageRoot: deps.packageRoot,
          environment: deps.environment,
        },
        onProgress: (update) => {
          report(update);
          tellRun(update.progress);
          measured.progress(update.progress);
        },
        signal,
        onAbort: () => (endsTraining(deps) ? 'stop' : 'detach'),
      });
    };
    const result = await train()
      .catch(async (error: unknown) => {
        if (!(error instanceof ArtifactDamaged)) throw error;
        await store.setAside(uri, error.message);
        return train();
      })
      .finally(measured.end);
    measured.result(result);
    const { steps, trainExamples, droppedTooLong, tokens } = result;
    return {
      model: { checkpoint: storedCheckpoint(`${uri}/model`), sha256: result.model.sha256 },
      counts: {
        steps,
        trainedExamples: trainExamples,
        'dropped: longer than maximumLength': droppedTooLong,
        trainedTokens: tokens,
      },
      meanLoss: result.meanLoss,
      seconds: result.seconds,
    };
  });
}

/**
 * Where the trainer finds its base. Of a training that is done it may have been freed since: it isn't needed any more.
 * @throws InputProblem where it was freed, and is needed
 */
async function basePlace(
  { store, files }: Dependencies,
  checkpoint: string,
  outputFolder: string,
): Promise<string> {
  const uri = storedUri(checkpoint);
  const freed = uri === undefined ? undefined : freedMessage(store.path(uri));
  if (uri === undefined || freed === undefined)
    return checkpointArgument(findCheckpoint(store, files, checkpoint));
  if ((await readResult(outputFolder)) === undefined) throw new InputProblem(freed);
  return store.path(uri);
}

/** A training tells its run about its steps at most this often, so that the run's history stays small. */
const REPORTS = 20;

/** Tells the run about the steps of its training. What isn't heard there is no failure: the files say it too. */
function runTeller(deps: Dependencies, iteration: number): (progress: TrainingProgress | undefined) => void {
  const { workflowExecution } = Context.current().info;
  let told = -1;
  return (progress) => {
    if (progress === undefined || workflowExecution === undefined) return;
    const { step, totalSteps, loss, etaSeconds } = progress;
    const part = Math.floor((REPORTS * step) / totalSteps);
    if (part <= told) return;
    told = part;
    const message: TrainingStep = { iteration, step, totalSteps, loss, etaSeconds };
    const run = deps.temporal.workflow.getHandle(workflowExecution.workflowId, workflowExecution.runId);
    run.signal('trainingStep', message).catch(() => undefined);
  };
}

/**
 * Stops the trainer of an iteration with a checkpoint, where the attempt that followed it could not: between two attempts,
 * and while its worker is down, nobody hears of a cancel or a pause.
 */
export function stopTraining(
  deps: Dependencies,
  input: { readonly run: RunReference; readonly iteration: number },
): Promise<void> {
  const uri = runUris.training(input.run.runName, input.iteration);
  return withHeartbeats(({ signal }) => stopTrainer(deps.store.path(uri), 300, signal));
}

/**
 * Cancel and pause stop the trainer, with a checkpoint; so does the shutdown of a worker that was told to take it along.
 * Whatever else ends an attempt (another shutdown, a reset, a lost heartbeat) leaves the trainer at work for the next one.
 */
function endsTraining(deps: Dependencies): boolean {
  const details = Context.current().cancellationDetails;
  if (details?.cancelRequested === true || details?.paused === true) return true;
  return details?.workerShutdown === true && deps.onShutdown === 'stop';
}

/** Keeps what a training means beside it, from before its first step on. */
async function fixMeaning(file: string, uri: string, fingerprint: Fingerprint): Promise<void> {
  if (!existsSync(file)) {
    await writeFileAtomically(file, `${canonicalJson(fingerprint)}\n`);
    return;
  }
  const text = await readFile(file, 'utf8');
  let found: Fingerprint;
  try {
    found = JSON.parse(text) as Fingerprint;
  } catch {
    // What the training beside it means is not known any more.
    throw new ArtifactDamaged(`${file} is not JSON`);
  }
  if (differingFields(found, fingerprint).length > 0) throw new FingerprintMismatch(uri, found, fingerprint);
}
