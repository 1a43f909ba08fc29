import type { Client } from '@temporalio/client';
import type { ArtifactStore } from '../store/artifact-store.ts';
import type { InputFiles } from '../platform/input-files.ts';
import type { ConnectionGuard } from '../models/inference/connection-guard.ts';
import type { InferenceClient } from '../models/inference/client.ts';
import type { WorkerMetrics } from '../observability/worker-metrics.ts';
import type { MachineGpus } from '../models/gpus/machine-gpus.ts';
import type { Policy } from '../policy/policy-schema.ts';
import type { ServerSupervisor } from '../models/serving/supervisor.ts';
import type { StagePlaces } from './stage-places.ts';
import type { UsageLedgers } from '../runs/usage/usage-ledger.ts';

/** The dependencies of estimates and checks that happen on the machine of a user too. */
export type LocalDependencies = Pick<
  Dependencies,
  'store' | 'files' | 'python' | 'vllmPython' | 'packageRoot' | 'environment'
>;

/** The same for checks, which know the policy. */
export type CheckDependencies = LocalDependencies & Pick<Dependencies, 'policy' | 'connectionGuard'>;

/** The dependencies of activities, all created by the composition root. None is global. */
export interface Dependencies {
  readonly store: ArtifactStore;
  readonly files: InputFiles;
  /** Says what the operator lets a configuration make this worker do. */
  readonly policy: Policy;
  /** Keeps connections to the policy; undefined if it allows all. */
  readonly connectionGuard?: ConnectionGuard | undefined;
  readonly inference: InferenceClient;
  readonly servers: ServerSupervisor;
  /** The GPUs of this machine. */
  readonly gpus: MachineGpus;
  /** The usage of each run. */
  readonly ledgers: UsageLedgers;
  /** The places in which this process works on the units of shards. */
  readonly stagePlaces: StagePlaces;
  readonly metrics: WorkerMetrics;
  readonly temporal: Client;
  /** The interpreter that has the trainer's packages. */
  readonly python: string;
  /** The interpreter that has vLLM too, for trainings that sample by it; it need not exist. By default `python`. */
  readonly vllmPython?: string | undefined;
  /** The folder that contains `trainer/`, `embedded/` and `prompts/`. */
  readonly packageRoot: string;
  /** The name of this machine (`machineName`). */
  readonly machine: string;
  /** The task queue that only this machine's workers with the role `gpu` listen to. */
  readonly machineQueue: string;
  /** The task queue of the shards of the models that this machine serves. */
  readonly inferenceQueue: string;
  /** The project's search attributes that the namespace has. */
  readonly searchAttributes: readonly string[];
  /** The environment variables of child processes. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Decides if a trainer continues when the worker shuts down, or stops with a checkpoint. */
  readonly onShutdown: 'leave' | 'stop';
  /** Aborted when the worker begins to stop. Its reason is a failure that a retry fixes. */
  readonly stopping: AbortSignal;
  /** For how long a stopping worker, or a cancelled attempt, waits for the answers to requests that were sent. */
  readonly shutdownGraceSeconds: number;
}
