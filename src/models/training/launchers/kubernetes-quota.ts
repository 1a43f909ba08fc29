/** Whether a Job fits into the quotas of a namespace at all. A quota that others have used up may become free again. */
import { z } from 'zod';
import { trainerContainer, type ManifestSettings } from './kubernetes-manifest.ts';

export const quotaListSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      spec: z.object({ hard: z.record(z.string(), z.string()).nullish() }),
    }),
  ),
});

/** One sentence for each limit that is smaller than what the pods request. */
export function quotaProblems(
  { items }: z.output<typeof quotaListSchema>,
  settings: ManifestSettings,
): string[] {
  const needs = neededResources(settings);
  return items.flatMap(({ metadata, spec }) =>
    Object.entries(spec.hard ?? {}).flatMap(([resource, limit]) => {
      const need = needs.get(resource);
      if (need === undefined || need <= quantity(limit)) return [];
      return [`the quota ${metadata.name} allows ${limit} of ${resource}, and the Job needs ${need}`];
    }),
  );
}

function neededResources(settings: ManifestSettings): Map<string, number> {
  const { limits = {}, requests = {} } = trainerContainer(settings).resources ?? {};
  const needs = new Map<string, number>([['pods', settings.nodes]]);
  const add = (name: string, value: string | number) =>
    needs.set(name, settings.nodes * quantity(String(value)));
  for (const [name, value] of Object.entries(limits)) add(`limits.${name}`, value);
  // What a container does not request is its limit.
  for (const [name, value] of Object.entries({ ...limits, ...requests })) {
    add(`requests.${name}`, value);
    if (name === 'cpu' || name === 'memory') add(name, value);
  }
  return needs;
}

const FACTORS: Readonly<Record<string, number>> = {
  ...{ '': 1, n: 1e-9, u: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** A quantity of Kubernetes, such as `500m` or `2Gi`; not a number if it can't be read. */
function quantity(written: string): number {
  const [, amount = '', suffix = ''] = /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([a-zA-Z]*)$/.exec(written) ?? [];
  return Number(amount === '' ? Number.NaN : amount) * (FACTORS[suffix] ?? Number.NaN);
}
