/** The pairs with a limit of a run (src/datasets/limited-pairs.ts). */
import type { Configuration } from '../config/run-configuration.ts';
import { limitedPairs } from '../datasets/limited-pairs.ts';
import type { ResponsePair } from '../method/examples.ts';
import type { PromptTemplate } from '../method/prompt-template.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { stableHash } from '../platform/stable-hash.ts';
import type { Fingerprint } from '../store/artifact.ts';
import type { ResolvedConfiguration } from './open-run.ts';
import type { Prompts } from './prompts.ts';

/** Returns a function that gives a pair and those that are made of it, if the run makes any. */
export function limitedPairMaker({
  configuration: { pairs, seed },
  prompts,
}: ResolvedConfiguration): <Pair extends ResponsePair>(pair: Pair) => (Pair | ResponsePair)[] {
  const limits = pairs.limits.map(({ share, prompt, ...limit }) => ({
    limit,
    settings: { share, template: promptOf(prompts, prompt), seed },
  }));
  return (pair) => [pair, ...limits.flatMap(({ limit, settings }) => limitedPairs(pair, limit, settings))];
}

/** The inputs that decide these pairs; none if there are none. */
export function limitsFingerprintInputs(
  { limits }: Configuration['pairs'],
  prompts: Prompts,
  seed: number,
): Fingerprint {
  if (limits.length === 0) return {};
  return {
    limits: limits.map(({ prompt, ...values }) => ({
      ...values,
      prompt: stableHash(canonicalJson(promptOf(prompts, prompt))),
    })),
    limitSeed: seed,
  };
}

function promptOf({ limits }: Prompts, folder: string): PromptTemplate {
  const found = limits?.[folder];
  if (found === undefined) throw new Error(`the prompt ${folder} of pairs.limits was not read`);
  return found;
}
