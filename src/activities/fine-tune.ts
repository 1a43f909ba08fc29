import { Context } from '@temporalio/activity';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import { ArtifactDamaged, differingFields, FingerprintMismatch, InputProblem } from '../artifacts/errors.ts';
import type { ArtifactReference, Fingerprint } from '../artifacts/reference.ts';
import { writeFileAtomically } from '../artifacts/store.ts';
import { checkpointArgument, findCheckpoint, storedCheckpoint, storedUri } from '../config/checkpoint.ts';
import { roundOf, type FineTuning } from '../config/fine-tuning.ts';
import type { Configuration } from '../config/schema.ts';
import { measureTraining } from '../observability/training-metrics.ts';
import { TrainingStopped } from '../training/errors.ts';
import { faultsOf, type Fault } from '../training/faults.ts';
import { followTraining } from '../training/follow-training.ts';
import { freedMessage } from '../training/freed-model.ts';
import type { TrainingProgress, TrainingResult } from '../training/job.ts';
import { readResult } from '../training/model-damage.ts';
import { stopTrainer } from '../training/stop-training.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import { TrainingBudget } from './training-budget.ts';
import type { FineTuneResult, Model, RunReference, TrainingNotice, TrainingStep } from './types.ts';
import { writeFirstJudgeFile } from './write-judge-files.ts';

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
    const resolved = await openRun(store, input.run);
    const { configuration } = resolved;
    const { adapter, launcher, threads, trustRemoteCode, reportTo } = configuration.fineTuning;
    const { trainingStallSeconds, trainingStartSeconds } = configuration.timeouts;
    const { method, hyperparameters } = roundOf(configuration.fineTuning, input.iteration);
    const uri = runUris.training(input.run.runName, input.iteration);
    const data = await store.recordsFile(input.trainingSet);
    const folder = store.path(uri);
    const { stalls } = await faultCounts(folder);
    const tellRun = runTeller(deps, input.iteration, stalls, (totalSteps) =>
      warmupWarning(configuration.fineTuning, input.iteration, totalSteps),
    );
    const ledger = deps.ledgers.of(input.run.runName);
    const budget = new TrainingBudget(ledger, configuration.prices, folder);
    const measured = measureTraining(deps.metrics, input.run.runName, input.iteration);
    const train = async (): Promise<TrainingResult> => {
      const fingerprint = trainingFingerprint(configuration, input);
      await fixMeaning(trainingMeaningFile(folder), uri, fingerprint);
      return followTraining({
        job: {
          schema: 1,
          method,
          baseCheckpoint: await basePlace(deps, input.base.checkpoint, folder),
          data,
          outputFolder: folder,
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
        onProgress: ({ trainer, ...update }) => {
          report({ ...update, stalls });
          budget.tick(trainer);
          tellRun(update.progress);
          measured.progress(update.progress);
        },
        signal: AbortSignal.any([signal, budget.signal]),
        onAbort: () => (budget.signal.aborted || endsTraining(deps) ? 'stop' : 'detach'),
        stallLimits: { seconds: trainingStallSeconds, firstStepSeconds: trainingStartSeconds },
      });
    };
    await budget.catchUp();
    const result = await train()
      .catch(async (error: unknown) => {
        if (!(error instanceof ArtifactDamaged)) throw error;
        await store.setAside(uri, error.message);
        return train();
      })
      .catch((error: unknown) => {
        throw error instanceof TrainingStopped && budget.signal.aborted ? budget.signal.reason : error;
      })
      .finally(measured.end);
    await budget.catchUp();
    measured.result(result);
    await writeFirstJudgeFile(deps, input.iteration, resolved);
    const faults = await faultCounts(folder);
    const { steps, trainExamples, droppedTooLong, tokens } = result;
    return {
      model: { checkpoint: storedCheckpoint(`${uri}/model`), sha256: result.model.sha256 },
      counts: {
        steps,
        trainedExamples: trainExamples,
        'dropped: longer than maximumLength': droppedTooLong,
        trainedTokens: tokens,
        ...(faults.stalls > 0 ? { stalls: faults.stalls } : {}),
        ...(faults.errors > 0 ? { errors: faults.errors } : {}),
      },
      meanLoss: result.meanLoss,
      seconds: result.seconds,
      ...(Object.keys(ledger.limits).length > 0 ? { spent: ledger.spent(configuration.prices) } : {}),
      warnings: warningsOf(input.iteration, faults, [
        warmupWarning(configuration.fineTuning, input.iteration, steps),
      ]),
    };
  });
}

/** What the training of an iteration means. */
export function trainingFingerprint(
  { seed, fineTuning }: Configuration,
  { iteration, base, trainingSet }: TrainingInput,
): Fingerprint {
  const { method, hyperparameters } = roundOf(fineTuning, iteration);
  return {
    schema: 1,
    stage: 'fine-tune',
    method,
    hyperparameters,
    adapter: fineTuning.adapter,
    seed,
    base: base.sha256,
    trainingSet: trainingSet.sha256,
  };
}

/** Where in a training's folder its fingerprint is kept. */
export function trainingMeaningFile(folder: string): string {
  return `${folder}/fingerprint.json`;
}

/** What of the input a training's fingerprint holds. */
interface TrainingInput {
  readonly iteration: number;
  readonly base: Pick<Model, 'sha256'>;
  readonly trainingSet: Pick<ArtifactReference, 'sha256'>;
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

/** Tells the run about its training. What isn't heard there is no failure: the files say it too. */
function runTeller(
  deps: Dependencies,
  iteration: number,
  stalls: number,
  warningOf: (totalSteps: number) => string | undefined,
): (progress: TrainingProgress | undefined) => void {
  const { workflowExecution } = Context.current().info;
  if (workflowExecution === undefined) return () => undefined;
  const run = deps.temporal.workflow.getHandle(workflowExecution.workflowId, workflowExecution.runId);
  const notice = (warnings: readonly string[]): void => {
    if (stalls === 0 && warnings.length === 0) return;
    const message: TrainingNotice = { iteration, stalls, warnings };
    run.signal('trainingNotice', message).catch(() => undefined);
  };
  notice([]);
  let told = -1;
  return (progress) => {
    if (progress === undefined) return;
    const { step, totalSteps, loss, etaSeconds } = progress;
    const part = Math.floor((REPORTS * step) / totalSteps);
    if (part <= told) return;
    const warning = warningOf(totalSteps);
    if (told === -1 && warning !== undefined) notice([warning]);
    told = part;
    const message: TrainingStep = { iteration, step, totalSteps, loss, etaSeconds };
    run.signal('trainingStep', message).catch(() => undefined);
  };
}

/** How often the training has gone wrong so far; each time it went on from its newest checkpoint. */
async function faultCounts(folder: string): Promise<{ readonly stalls: number; readonly errors: number }> {
  const faults = await faultsOf(folder);
  const count = (kind: Fault['kind']) => faults.filter((fault) => fault.kind === kind).length;
  return { stalls: count('stalled'), errors: count('error') };
}

function warningsOf(
  iteration: number,
  { stalls, errors }: { readonly stalls: number; readonly errors: number },
  others: readonly (string | undefined)[],
): string[] {
  const times = (count: number) => (count === 1 ? 'once' : `${count} times`);
  return [
    ...others.filter((warning) => warning !== undefined),
    ...(stalls === 0
      ? []
      : [
          `The training of M_${iteration} stood still ${times(stalls)}: it was stopped, and went on from its newest checkpoint.`,
        ]),
    ...(errors === 0
      ? []
      : [
          `The training of M_${iteration} ended in an error ${times(errors)}, and went on from its newest checkpoint.`,
        ]),
  ];
}

/** A training whose rate never comes to its height is a mistake that nothing else shows; undefined where it does. */
function warmupWarning(fineTuning: FineTuning, iteration: number, steps: number): string | undefined {
  const { warmupSteps } = roundOf(fineTuning, iteration).hyperparameters;
  if (steps > warmupSteps) return undefined;
  const round = Math.min(iteration, fineTuning.rounds.length) - 1;
  return (
    `The training of M_${iteration} has ${steps} steps, all within its warm-up of ${warmupSteps}: the learning rate never ` +
    `reaches its height, and the judge learns little. Lower fineTuning.rounds.${round}.hyperparameters.warmupSteps, or train longer.`
  );
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
  return withHeartbeats(async ({ signal }) => {
    const { configuration } = await openRun(deps.store, input.run);
    await stopTrainer(deps.store.path(uri), configuration.timeouts.trainingStallSeconds, signal);
  });
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
