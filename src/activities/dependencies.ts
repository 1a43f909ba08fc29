import type { Client } from '@temporalio/client';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { InputFiles } from '../config/input-files.ts';
import type { InferenceClient } from '../inference/client.ts';
import type { WorkerMetrics } from '../observability/metrics.ts';
import type { ServerSupervisor } from '../serving/supervisor.ts';
import type { Ledgers } from '../spending/ledger.ts';

/** What is needed to look at a configuration's surroundings, in a run and before there is one. */
export type LocalDependencies = Pick<
  Dependencies,
  'store' | 'files' | 'python' | 'packageRoot' | 'environment'
>;
import type { WaitingReports } from './tell-waiting.ts';

/** What activities get from the composition root. Nothing here is global. */
export interface Dependencies {
  readonly store: ArtifactStore;
  readonly files: InputFiles;
  readonly inference: InferenceClient;
  readonly servers: ServerSupervisor;
  /** What runs have spent. */
  readonly ledgers: Ledgers;
  readonly waiting: WaitingReports;
  readonly metrics: WorkerMetrics;
  readonly temporal: Client;
  /** The interpreter that has the trainer's packages. */
  readonly python: string;
  /** Where `trainer/`, `embedded/` and `prompts/` are. */
  readonly packageRoot: string;
  /** The task queue that only this machine listens to. */
  readonly machineQueue: string;
  /** Our search attributes that the namespace has. */
  readonly searchAttributes: readonly string[];
  /** What child processes may see. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether a trainer goes on when the worker stops, or stops with a checkpoint. */
  readonly onShutdown: 'leave' | 'stop';
}
