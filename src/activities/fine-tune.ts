import { Context } from '@temporalio/activity';
import { requireAllowed, trainingProblems, withResolvedCommand } from '../policy/policy-problems.ts';
import { ArtifactDamaged } from '../store/errors.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { ArtifactReference } from '../store/artifact.ts';
import type { ObjectStore } from '../store/objects/object-store.ts';
import {
  checkpointPathOrId,
  findOutsideCheckpoint,
  requireCheckpoint,
  toStoreCheckpoint,
  storeUriOf,
} from '../runs/find-checkpoint.ts';
import { reasoningMarksOf } from '../config/reasoning.ts';
import { roundForIteration } from '../config/fine-tuning.ts';
import { keepsAdapter, servesAdapters } from '../config/model-roles.ts';
import { trainerPython } from './trainer-python.ts';
import { trackTrainingMetrics } from '../observability/training-metrics.ts';
import { TrainingFailedPermanently, TrainingStopped } from '../models/training/errors.ts';
import { readDamagedCheckpoints } from '../models/training/damaged-checkpoints.ts';
import { followTraining, type FollowOptions } from '../models/training/follow-training.ts';
import { launcherOf } from '../models/training/launchers/registry.ts';
import { prunedModelMessage } from '../models/training/pruned-model.ts';
import { RESULT_FILE, trainingJobSchema, type TrainingResult } from '../models/training/job.ts';
import { recipeOf } from '../models/training/recipes/registry.ts';
import { readTrainingResult } from '../models/training/model-integrity.ts';
import { forgetTraining, noteTraining } from '../models/training/watched-trainings.ts';
import { stopTrainer } from '../models/training/stop-training.ts';
import { LEASE_SECONDS, trainsElsewhere } from '../models/training/training-monitor.ts';
import type { GpuLease } from '../models/gpus/machine-gpus.ts';
import { isStoppedByRun, withHeartbeats } from './heartbeats.ts';
import { leaseGpus } from './lease-gpus.ts';
import {
  canaryWarning,
  damagedCheckpointWarning,
  faultCounts,
  singleCheckpointWarning,
  trainingReporter,
  trainingWarnings,
  warmupWarning,
} from './training-notices.ts';
import type { Dependencies } from './dependencies.ts';
import { findCheckpoints } from './training-checkpoints.ts';
import {
  FINGERPRINT_FILE,
  recordFingerprint,
  requireSelectedFrom,
  trainingFingerprint,
} from './training-fingerprint.ts';
import { openRun } from '../runs/open-run.ts';
import { runUris } from '../runs/run-layout.ts';
import { trainerUri } from '../runs/trainer-uri.ts';
import { TrainingBudgetGuard } from '../runs/usage/training-budget.ts';
import type { FineTuneResult, Model, RunReference } from '../api/activity-types.ts';
import { writeInitialJudgeFile } from '../reporting/exports/write-judge-files.ts';

export interface FineTuneInput {
  readonly run: RunReference;
  readonly iteration: number;
  /** The model that training starts from, and DPO's reference: M_0 in the paper, or M_i, as the round's `initFrom` says. */
  readonly base: Model;
  readonly trainingSet: ArtifactReference;
}

/**
 * Fine-tunes the base on an iteration's training set. The trainer is a process of its own that outlives this attempt and
 * the worker: a new attempt follows it, restarts it from its last complete checkpoint, or finds it done.
 */
export function fineTune(deps: Dependencies, input: FineTuneInput): Promise<FineTuneResult> {
  return withHeartbeats(async (attempt) => {
    const { signal, report } = attempt;
    const { store } = deps;
    const resolved = await openRun(store, input.run);
    const { configuration } = resolved;
    const { adapter, gpus, threads, trustRemoteCode, reportTo } = configuration.fineTuning;
    requireAllowed(trainingProblems(deps.policy, configuration.fineTuning));
    const settings = withResolvedCommand(deps.policy, configuration.fineTuning.launcher);
    const launcher = launcherOf(settings);
    const { trainingStallSeconds, trainingStartSeconds } = configuration.timeouts;
    const round = roundForIteration(configuration.fineTuning, input.iteration);
    const { method, hyperparameters, selectCheckpoint } = round;
    const samples = recipeOf(round).sampling !== undefined;
    const uri = trainerUri(configuration.fineTuning, input.run.runName, input.iteration);
    const data = store.locate(await store.verifyRecords(input.trainingSet));
    const training = store.objectsBelow(uri);
    const { stalls } = await faultCounts(training);
    const tellRun = trainingReporter(deps, input.iteration, stalls, (totalSteps) =>
      warmupWarning(configuration.fineTuning, input.iteration, totalSteps),
    );
    const ledger = deps.ledgers.forRun(input.run.runName);
    const budget = new TrainingBudgetGuard(ledger, configuration.prices, training);
    const measured = trackTrainingMetrics(deps.metrics, input.run.runName, input.iteration);
    const usesGpus = launcher.processOf !== undefined;
    const use = { runName: input.run.runName, purpose: `trains M_${input.iteration}`, gpus };
    let lease: GpuLease | undefined;
    const leaseOnce = async () => {
      if (usesGpus) lease ??= await leaseGpus(deps, use, attempt);
      return lease?.environment ?? {};
    };
    // A trainer of another machine uses none of this one's GPUs.
    const wasTrained = await isTrained(training);
    if (!wasTrained && !(await trainsElsewhere(training, launcher))) await leaseOnce();
    const noted = noteWhileTraining(deps, uri);
    const fingerprint = trainingFingerprint(configuration, input);
    const follow = async (): Promise<TrainingResult> => {
      if (selectCheckpoint !== undefined) {
        const judge = runUris.training(input.run.runName, input.iteration);
        await requireSelectedFrom(store.objects, judge, configuration, fingerprint);
      }
      await recordFingerprint(store.objects, uri, fingerprint);
      return followTraining({
        job: trainingJobSchema.parse({
          schema: 1,
          method,
          baseCheckpoint: await baseCheckpointAddress(deps, input.base.checkpoint, training),
          data,
          outputFolder: training.address,
          seed: configuration.seed,
          hyperparameters,
          adapter: keepsAdapter(configuration) ? { ...adapter, saveAdapter: true } : adapter,
          threads,
          trustRemoteCode,
          name: `${input.run.runName}/iteration-${input.iteration}`,
          reportTo,
          ...(selectCheckpoint === undefined ? {} : { candidateEverySteps: selectCheckpoint.everySteps }),
          ...(samples ? { reasoningMarks: reasoningMarksOf(configuration) } : {}),
        }),
        launcher,
        settings,
        machine: {
          python: trainerPython(deps, round),
          packageRoot: deps.packageRoot,
          environment: deps.environment,
        },
        beforeStart: leaseOnce,
        onLaunch: async (job) => {
          const trainer = launcher.processOf?.(job);
          if (trainer !== undefined) await lease?.keepFor(trainer);
        },
        onProgress: ({ trainer, ...update }) => {
          report({ ...update, stalls });
          attempt.wait(waitReason(update));
          budget.record(trainer);
          noted.progress(update.phase);
          tellRun(update.progress);
          measured.progress(update.progress);
        },
        signal: AbortSignal.any([signal, budget.signal]),
        onAbort: () => (budget.signal.aborted || shouldStopTraining(deps) ? 'stop' : 'detach'),
        stallLimits: { seconds: trainingStallSeconds, firstStepSeconds: trainingStartSeconds },
      });
    };
    const train = async () => {
      const result = await follow();
      const checkpoints =
        selectCheckpoint &&
        (await findCheckpoints(store, uri, result, {
          ...{ everySteps: selectCheckpoint.everySteps, fingerprint },
          // The trainer has just hashed them itself.
          checkBy: wasTrained ? 'content' : 'sizes',
        }));
      return { result, checkpoints };
    };
    await budget.recordFinished();
    const { result, checkpoints } = await train()
      .catch(async (error: unknown) => {
        if (!(error instanceof ArtifactDamaged)) throw error;
        await store.quarantineFolder(uri, error.message, [RESULT_FILE, FINGERPRINT_FILE]);
        return train();
      })
      .catch(async (error: unknown) => {
        // Unless the training is over, it keeps its GPUs for the next attempt.
        const isOver = error instanceof TrainingStopped || error instanceof TrainingFailedPermanently;
        if (isOver) await noted.end();
        if (isOver) await lease?.release();
        else lease?.leave();
        throw error instanceof TrainingStopped && budget.signal.aborted ? budget.signal.reason : error;
      })
      .finally(measured.end);
    await noted.end();
    await lease?.release();
    await budget.recordFinished();
    measured.result(result);
    if (checkpoints === undefined) await writeInitialJudgeFile(deps, input.iteration, resolved);
    const faults = await faultCounts(training);
    const { steps, trainExamples, droppedTooLong, tokens } = result;
    return {
      model: { checkpoint: toStoreCheckpoint(`${uri}/model`), sha256: result.model.sha256 },
      ...(checkpoints === undefined ? {} : { checkpoints }),
      counts: {
        steps,
        trainedExamples: trainExamples,
        'dropped: longer than maxLength': droppedTooLong,
        trainedTokens: tokens,
        ...(faults.stalls > 0 ? { stalls: faults.stalls } : {}),
        ...(faults.errors > 0 ? { errors: faults.errors } : {}),
      },
      meanLoss: result.meanLoss,
      seconds: result.seconds,
      ...(Object.keys(ledger.limits).length > 0 ? { usage: ledger.usage(configuration.prices) } : {}),
      warnings: trainingWarnings(input.iteration, faults, [
        warmupWarning(configuration.fineTuning, input.iteration, steps),
        singleCheckpointWarning(input.iteration, checkpoints, steps),
        ...(servesAdapters(configuration) ? [canaryWarning(input.iteration, result)] : []),
        ...(await readDamagedCheckpoints(training)).map((damage) =>
          damagedCheckpointWarning(input.iteration, damage),
        ),
      ]),
    };
  });
}

/**
 * Has all machines observe the training's trainer from the moment it trains. If that can't be noted or removed, the loss of this
 * machine is only found later, and a note that is left is removed by those who observe.
 */
function noteWhileTraining({ store: { objects }, machine }: Dependencies, uri: string) {
  let isNoted = false;
  return {
    progress(phase: 'queued' | 'starting' | 'training'): void {
      if (phase !== 'training' || isNoted) return;
      isNoted = true;
      noteTraining(objects, machine, uri).catch(() => (isNoted = false));
    },
    end: () => forgetTraining(objects, uri).catch(() => undefined),
  };
}

/** The reason why a training waits; undefined if it is under way. */
function waitReason({ phase, why, silentHost }: Parameters<OnProgress>[0]): string | undefined {
  if (phase === 'queued') return `The training waits in a queue: ${why}`;
  return (
    silentHost &&
    `The trainer on ${silentHost} shows no sign of life. When it has shown none for ${LEASE_SECONDS} s, its machine counts as lost, ` +
      'and another trainer goes on from the newest checkpoint'
  );
}

type OnProgress = NonNullable<FollowOptions['onProgress']>;

/** A damaged result counts as none: it is found out when it is read to be used. */
async function isTrained(training: ObjectStore): Promise<boolean> {
  return (await readTrainingResult(training).catch(() => undefined)) !== undefined;
}

/**
 * Returns the address of the base checkpoint, or its hub id. The base of a finished training is no longer needed, and may have been pruned.
 * @throws InvalidInput if the base was pruned and the training is not finished
 */
async function baseCheckpointAddress(
  { store, files }: Dependencies,
  checkpoint: string,
  training: ObjectStore,
): Promise<string> {
  const uri = storeUriOf(checkpoint);
  if (uri === undefined) return checkpointPathOrId(findOutsideCheckpoint(files, checkpoint));
  const prunedReason = await prunedModelMessage(store, uri);
  if (prunedReason === undefined) await requireCheckpoint(store, files, checkpoint);
  else if ((await readTrainingResult(training)) === undefined) throw new InvalidInput(prunedReason);
  return store.locate(uri);
}

export interface StopTrainingInput {
  readonly run: RunReference;
  readonly iteration: number;
}

/**
 * Stops the trainer of an iteration with a checkpoint if no attempt follows it: between two attempts, and while the worker is
 * down, no attempt receives a cancel or a pause.
 */
export function stopTraining(deps: Dependencies, input: StopTrainingInput): Promise<void> {
  return withHeartbeats(async ({ signal }) => {
    const { fineTuning, timeouts } = (await openRun(deps.store, input.run)).configuration;
    const uri = trainerUri(fineTuning, input.run.runName, input.iteration);
    const launcher = launcherOf(fineTuning.launcher);
    await stopTrainer(
      deps.store.objectsBelow(uri),
      launcher,
      { reason: 'the run was cancelled or paused', stallSeconds: timeouts.trainingStallSeconds },
      signal,
    );
  });
}

/**
 * Returns whether the end of an attempt stops the trainer, with a checkpoint: cancel and pause do, and so does the shutdown of a
 * worker with `--on-shutdown stop`. Anything else (another shutdown, a reset, a lost heartbeat) leaves it running for the next attempt.
 */
function shouldStopTraining(deps: Dependencies): boolean {
  return (
    isStoppedByRun() ||
    (Context.current().cancellationDetails?.workerShutdown === true && deps.onShutdown === 'stop')
  );
}
