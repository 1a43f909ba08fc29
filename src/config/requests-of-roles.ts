import type { ProbedRequest } from '../models/inference/check-endpoints.ts';
import type { SamplingParameters } from '../method/sampling-parameters.ts';
import type { ModelRole } from './model-roles.ts';
import { benchmarkSamplings } from './benchmark-sampling.ts';
import type { PartialConfiguration } from './run-configuration.ts';

/** The parameters of the requests that a run sends to the models of some roles; undefined if it sends none that are known. */
export function requestsOfRoles(
  { judging, evaluation, instructions, pairs }: PartialConfiguration,
  roles: readonly ModelRole[],
): readonly ProbedRequest[] | undefined {
  const requests = new Map<string, ProbedRequest>();
  const add = (sampling: SamplingParameters | undefined, samples = 1) => {
    if (sampling === undefined) return;
    const isSingle = samples === 1;
    requests.set(JSON.stringify([sampling, isSingle]), { sampling, samples });
  };
  if (roles.includes('generator') && pairs?.kind === 'generated') {
    add(instructions?.categories?.sampling);
    add(instructions?.complexity?.sampling);
    add(pairs.responseSampling);
    add(pairs.similarSampling);
  }
  if (roles.includes('seed') || roles.includes('firstJudge')) {
    add(judging?.plan?.sampling, judging?.plan?.samples);
    add(judging?.sampling, judging?.samples);
  }
  if (roles.includes('seed') && evaluation !== undefined) {
    for (const benchmark of evaluation.benchmarks)
      for (const sampling of benchmarkSamplings(evaluation, benchmark)) add(sampling, evaluation.votes);
  }
  return requests.size === 0 ? undefined : [...requests.values()];
}
