import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LocalDependencies } from '../activities/dependencies.ts';
import type { Problem } from '../config/read-configuration.ts';
import type { Configuration } from '../config/schema.ts';
import type { Asked } from '../judge/conversation.ts';
import type { Assumptions } from './assumptions.ts';
import { expectedDisk } from './expected-disk.ts';
import type { ExpectedCounts, ExpectedStage } from './expected-usage.ts';
import type { ModelShape } from './model-shape.ts';
import type { PlanInputs } from './plan-inputs.ts';
import type { Plan } from './plan-schema.ts';
import type { PromptSizes } from './prompt-sizes.ts';

/** What the run leaves on the disk of the store, and how much is free there. */
export async function plannedDisk(
  deps: LocalDependencies,
  configuration: Configuration,
  {
    counts,
    expected,
    shape,
    sizes,
    inputs,
    assumptions,
  }: {
    readonly counts: ExpectedCounts;
    readonly expected: readonly ExpectedStage[];
    readonly shape: ModelShape | undefined;
    readonly sizes: PromptSizes;
    readonly inputs: PlanInputs;
    readonly assumptions: Assumptions;
  },
): Promise<NonNullable<Plan['disk']>> {
  const { charactersPerToken } = sizes;
  const characters = meanCharacters(inputs.source);
  const tokens = (name: 'instructionTokens' | 'responseTokens') =>
    (assumptions[name]?.value ?? 0) * charactersPerToken;
  const isGiven = configuration.pairs.kind === 'given';
  const disk = expectedDisk({
    configuration,
    counts,
    stages: expected,
    shape,
    charactersPerToken,
    instructionCharacters: characters?.instruction ?? tokens('instructionTokens'),
    givenCharacters: isGiven ? (characters?.responses ?? 2 * tokens('responseTokens')) : 0,
  });
  const free = await freeBytes(deps.store.root);
  return {
    artifactsBytes: Math.round(disk.artifactsBytes),
    modelsBytes: Math.round(disk.modelsBytes),
    checkpointsBytes: Math.round(disk.checkpointsBytes),
    neededBytes: Math.round(disk.neededBytes),
    ...(free === undefined ? {} : { freeBytes: free }),
  };
}

/** Of the sampled instructions and of both responses to each, where they are given; undefined where nothing was sampled. */
function meanCharacters(source: PlanInputs['source']) {
  if (source === undefined || source.sample.length === 0) return undefined;
  const mean = <T>(items: readonly T[], lengthOf: (item: T) => number) =>
    items.reduce((sum, item) => sum + lengthOf(item), 0) / items.length;
  return {
    instruction: mean<Asked>(source.sample, ({ instruction }) => instruction.length),
    responses:
      source.kind === 'pairs'
        ? mean(source.sample, ({ chosen, rejected }) => chosen.length + rejected.length)
        : 0,
  };
}

/** Of the disk that the folder is on, or will be. */
async function freeBytes(folder: string): Promise<number | undefined> {
  let there = folder;
  while (!existsSync(there) && there !== dirname(there)) there = dirname(there);
  const { bavail, bsize } = await statfs(there);
  return bavail * bsize;
}

/** That the store has less than the run needs. */
export function tooFull(
  deps: LocalDependencies,
  { neededBytes, freeBytes: free }: NonNullable<Plan['disk']>,
): Problem[] {
  if (free === undefined || free >= neededBytes) return [];
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const message = `${deps.store.root} has ${gigabytes(free)} left, and the run takes about ${gigabytes(neededBytes)}: make room, or name another store by SELF_TAUGHT_EVALUATOR_STORE`;
  return [{ path: 'store', message }];
}
