/** The pairs with a limit of length of a run (src/datasets/limited-pairs.ts). */
import type { Configuration } from '../config/run-configuration.ts';
import { limitedPairs } from '../datasets/limited-pairs.ts';
import type { ResponsePair } from '../method/examples.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { stableHash } from '../platform/stable-hash.ts';
import type { Fingerprint } from '../store/artifact.ts';
import type { ResolvedConfiguration } from './open-run.ts';
import type { Prompts } from './prompts.ts';

/** Returns a function that gives a pair and those that are made of it, if the run makes any. */
export function limitedPairMaker({
  configuration: { pairs, seed },
  prompts: { limit },
}: ResolvedConfiguration): <Pair extends ResponsePair>(pair: Pair) => (Pair | ResponsePair)[] {
  const { limits } = pairs;
  if (limits === null) return (pair) => [pair];
  if (limit === undefined) throw new Error('the prompt of pairs.limits was not read');
  return (pair) => [pair, ...limitedPairs(pair, limits, limit, seed)];
}

/** The inputs that decide these pairs; none if there are none. */
export function limitsFingerprintInputs(
  { limits }: Configuration['pairs'],
  { limit }: Prompts,
  seed: number,
): Fingerprint {
  if (limits === null) return {};
  const { prompt: _, ...values } = limits;
  return { limits: values, limitPrompt: stableHash(canonicalJson(limit)), limitSeed: seed };
}
