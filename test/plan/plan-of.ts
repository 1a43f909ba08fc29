import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { ArtifactStore } from '../../src/artifacts/store.ts';
import type { ConfigurationInput } from '../../src/client.ts';
import { readConfiguration } from '../../src/config/read-configuration.ts';
import { makePlan, type PlanDependencies, type PlanOptions } from '../../src/plan/make-plan.ts';
import { planSchema, type Plan } from '../../src/plan/plan-schema.ts';
import { packageRoot } from '../workflows/cluster.ts';

const NO_OPTIONS: PlanOptions = {
  assumptions: {},
  rates: {},
  probeSeconds: undefined,
  cacheFolder: tmpdir(),
  signal: new AbortController().signal,
  workers: [],
  say: () => undefined,
};

/** Of a machine without Python. */
export function planDependencies(storeRoot: string): PlanDependencies {
  return {
    store: new ArtifactStore(storeRoot),
    files: { roots: [packageRoot] },
    python: undefined,
    packageRoot,
    environment: { PATH: process.env['PATH'] },
  };
}

/** Without Python: what it would count is counted by the rule. */
export async function planOf(
  input: ConfigurationInput,
  storeRoot: string,
  options: Partial<PlanOptions> = {},
): Promise<Plan> {
  const { configuration, problems } = readConfiguration(input);
  assert(configuration !== undefined, JSON.stringify(problems));
  const plan = await makePlan(planDependencies(storeRoot), configuration, { ...NO_OPTIONS, ...options });
  return planSchema.parse(plan);
}

export function assertWithinTwo(planned: number, real: number, what: string): void {
  assert(real > 0, what);
  assert(planned <= 2 * real && planned >= real / 2, `${what}: ${planned} planned, ${real} real`);
}

export function plannedRequests(plan: Plan, stage: string): number {
  return plan.stages
    .filter((each) => each.stage === stage)
    .reduce((sum, { whole }) => sum + whole.requests, 0);
}
