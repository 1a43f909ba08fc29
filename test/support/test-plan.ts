import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { openStore } from '../../src/store/artifact-store.ts';
import type { ConfigurationInput } from '../../src/client/index.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import {
  estimateRun,
  type EstimateDependencies,
  type EstimateOptions,
} from '../../src/estimate/estimate-run.ts';
import { estimateSchema, type RunEstimate } from '../../src/api/estimate.ts';
import { MACHINE_FOLDER_VARIABLE } from '../../src/models/gpus/machine-gpus.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

const NO_OPTIONS: EstimateOptions = {
  assumptions: {},
  rates: {},
  probeSeconds: undefined,
  cacheFolder: tmpdir(),
  signal: new AbortController().signal,
  workers: [],
  say: () => undefined,
};

/** The dependencies of a machine without Python. */
export function planDependencies(storeRoot: string): EstimateDependencies {
  return {
    store: openStore(storeRoot),
    files: { roots: [packageRoot] },
    python: undefined,
    packageRoot,
    environment: {
      PATH: process.env['PATH'],
      [MACHINE_FOLDER_VARIABLE]: process.env[MACHINE_FOLDER_VARIABLE],
    },
  };
}

/** Estimates without Python: tokens are counted by the rule of thumb. */
export async function makeTestPlan(
  input: ConfigurationInput,
  storeRoot: string,
  options: Partial<EstimateOptions> = {},
): Promise<RunEstimate> {
  const { configuration, problems } = parseConfiguration(input);
  assert(configuration !== undefined, JSON.stringify(problems));
  const plan = await estimateRun(planDependencies(storeRoot), configuration, { ...NO_OPTIONS, ...options });
  return estimateSchema.parse(plan);
}

export function assertWithinFactorTwo(planned: number, real: number, what: string): void {
  assert(real > 0, what);
  assert(planned <= 2 * real && planned >= real / 2, `${what}: ${planned} planned, ${real} real`);
}

export function plannedRequests(plan: RunEstimate, stage: string): number {
  return plan.stages
    .filter((each) => each.stage === stage)
    .reduce((sum, { whole }) => sum + whole.requests, 0);
}
