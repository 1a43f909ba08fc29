import { dirname } from 'node:path';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { ArtifactDamaged } from '../store/errors.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { quantity } from '../platform/quantity.ts';
import { checkpointPathOrId, findCheckpoint, storeUriOf } from '../runs/find-checkpoint.ts';
import { prunedModelMessage } from '../models/training/pruned-model.ts';
import { RESULT_FILE } from '../models/training/job.ts';
import { findModelDamage, readTrainingResult } from '../models/training/model-integrity.ts';
import { isStoppedByRun, withHeartbeats } from './heartbeats.ts';
import { currentWorkflowId } from './current-workflow.ts';
import { leaseGpus } from './lease-gpus.ts';
import type { Dependencies } from './dependencies.ts';
import { ServerFailed } from '../models/serving/errors.ts';
import { MAX_FAILED_STARTS } from '../models/serving/monitor-server.ts';
import { servingDriverOf } from '../models/serving/drivers/registry.ts';
import { servingOf } from '../config/model-roles.ts';
import { openModels, type ResolvedModels } from '../runs/open-run.ts';
import { requireAllowed, servingProblems, withResolvedCommand } from '../policy/policy-problems.ts';
import { findTrainedAdapter } from './trained-adapter.ts';
import type {
  ActivityHeartbeat,
  Model,
  RunReference,
  ServedFor,
  ServedModel,
} from '../api/activity-types.ts';
import type { ModelRole } from '../config/model-roles.ts';

export interface ServeModelInput {
  readonly run: RunReference;
  readonly model: Model;
  readonly iteration: number;
  /** The role whose `serving` section applies. Checkpoints that the run has trained are served like the seed model. */
  readonly role: ModelRole;
  /** Set if no other model of the run is needed any more: its other servers are stopped first, which may hold the GPUs. */
  readonly replacesOthers?: true;
  /** Set for a checkpoint of the iteration's training, among which validation chooses. */
  readonly step?: number;
}

/**
 * Starts a server for a model, or finds the running one; it runs until the run stops it. A model whose weights were
 * pruned is not served: when stages run again, it is needed only if results are missing.
 */
export function serveModel(deps: Dependencies, input: ServeModelInput): Promise<ServedModel> {
  return withHeartbeats(async (attempt) => {
    // Shown with the last failure until the server is up (temporal/pending-activities.ts).
    const failedStarts = failedStartsBefore();
    if (failedStarts > 0) attempt.report({ failedStarts } satisfies ActivityHeartbeat);
    const { configuration } = await openModels(deps.store, input.run);
    const configured = servingOf(configuration, input.role);
    requireAllowed(servingProblems(deps.policy, 'serving', configured));
    const serving = withResolvedCommand(deps.policy, configured);
    const driver = servingDriverOf(serving);
    const { needsMachine } = driver;
    const uri = storeUriOf(input.model.checkpoint);
    const prunedReason = uri === undefined ? undefined : await prunedModelMessage(deps.store, uri);
    if (prunedReason !== undefined) return { ...input.model, baseUrl: '', servedModelName: '', prunedReason };
    const sharesServer = driver.needsMachine && driver.adapters !== undefined;
    const trained = sharesServer ? await findTrainedAdapter(deps.store, configuration, input) : undefined;
    if (trained === undefined) await requireIntactCheckpoint(deps.store, input.model.checkpoint);
    const { runName } = input.run;
    const checkpoint = trained === undefined ? input.model.checkpoint : configuration.models.seed.checkpoint;
    // The judges that share a server share its GPUs.
    const purpose = sharesServer ? `serves ${checkpoint}` : `serves M_${input.iteration} (${input.role})`;
    const lease = driver.needsMachine
      ? await leaseGpus(deps, { runName, purpose, gpus: driver.gpus(serving) }, attempt)
      : undefined;
    const { baseUrl, model, apiKeyEnv, apiKeyHeader } = await deps.servers
      .ensureServing({
        serving,
        checkpoint: checkpointPathOrId(await findCheckpoint(deps.store, deps.files, checkpoint)),
        sha256: trained?.seedSha256 ?? input.model.sha256,
        // The server of another model gets no adapters.
        adapterRank:
          checkpoint === configuration.models.seed.checkpoint ? adapterRankOf(configuration) : undefined,
        adapter: trained?.adapter,
        runName,
        iteration: input.iteration,
        label: `${modelLabel(input)} of ${input.run.runName}`,
        owner: currentWorkflowId(),
        signal: attempt.signal,
        replacesOthers: input.replacesOthers === true,
        stopsOnAbort: isStoppedByRun,
        onWait: (reason) => attempt.wait(reason === undefined ? reason : `The model server waits: ${reason}`),
        ...(lease === undefined ? {} : { environment: lease.environment }),
      })
      .catch((error: unknown) => {
        // The next attempt finds the lease.
        lease?.leave();
        throw error instanceof ServerFailed ? failedStart(error, failedStarts + 1) : error;
      });
    if (input.replacesOthers === true) await deps.gpus.release(currentWorkflowId(), purpose);
    return {
      ...input.model,
      baseUrl,
      servedModelName: model,
      ...(apiKeyEnv === undefined ? {} : { apiKeyEnv }),
      ...(apiKeyHeader === undefined ? {} : { apiKeyHeader }),
      ...(needsMachine ? { servedFor: servedFor(deps, input) } : {}),
    };
  });
}

function adapterRankOf({ fineTuning }: ResolvedModels['configuration']): number | undefined {
  return fineTuning?.adapter.kind === 'lora' ? fineTuning.adapter.rank : undefined;
}

/** The first delay before another start; it doubles with each failure. Meanwhile the run shows why. */
const FIRST_RETRY_SECONDS = 20;

/** How often in a row the server has failed to start, by the heartbeat details of the last attempt. */
function failedStartsBefore(): number {
  const before = Context.current().info.heartbeatDetails as ActivityHeartbeat | null | undefined;
  return before?.failedStarts ?? 0;
}

/** @returns the failure of a start, which ends the run if another one would not help */
function failedStart(
  { name: type, message, isFinal }: ServerFailed,
  failedStarts: number,
): ApplicationFailure {
  Context.current().heartbeat({ failedStarts } satisfies ActivityHeartbeat);
  if (isFinal || failedStarts >= MAX_FAILED_STARTS)
    return ApplicationFailure.nonRetryable(
      `${message}\nIt has failed ${failedStarts === 1 ? 'once, and another start would not help' : `${failedStarts} times in a row`}. ` +
        'Correct the serving command or the machine, then start the run again under its name: it continues with what is complete.',
      type,
    );
  const nextRetryDelay = 1000 * FIRST_RETRY_SECONDS * 2 ** (failedStarts - 1);
  const remaining = MAX_FAILED_STARTS - failedStarts;
  return ApplicationFailure.create({
    type,
    message: `${message}\nIt is started again in ${nextRetryDelay / 1000} s, ${quantity(remaining, 'more time')}.`,
    nextRetryDelay,
  });
}

function servedFor(
  { machineQueue, inferenceQueue }: Dependencies,
  { iteration, role }: ServeModelInput,
): ServedFor {
  return { iteration, role, machineQueue, inferenceQueue };
}

function modelLabel({ iteration, role, step }: ServeModelInput): string {
  if (role === 'seed') return `M_${iteration}${step === undefined ? '' : ` of step ${step}`}`;
  return role === 'generator' ? 'the generator' : 'the first judge';
}

/**
 * Checks that the files of a model that was trained here have their recorded sizes, because a server fails with an
 * incomplete model.
 */
async function requireIntactCheckpoint(store: ArtifactStore, checkpoint: string): Promise<void> {
  const uri = storeUriOf(checkpoint);
  if (uri === undefined) return;
  const training = store.objectsBelow(dirname(uri));
  const result = await readTrainingResult(training);
  const damage =
    result === undefined
      ? `${training.locate(RESULT_FILE)} is missing`
      : await findModelDamage(training, result, 'sizes');
  if (damage !== undefined) throw new ArtifactDamaged(damage);
}
