import type { Problem } from './read-configuration.ts';
import type { Configuration, Serving } from './schema.ts';

/** Lists of addresses that name one twice, or have keys for fewer or more of them. */
export function addressProblems({ serving, models }: Partial<Configuration>): Problem[] {
  const own = Object.entries(models ?? {}).map(([role, model]) => ({
    path: `models.${role}.serving`,
    serving: model?.serving,
  }));
  return [{ path: 'serving', serving }, ...own].flatMap((each) => problemsOf(each.path, each.serving));
}

function problemsOf(path: string, serving: Serving | undefined): Problem[] {
  if (serving?.kind !== 'endpoint') return [];
  const { baseUrl, apiKeyVariable } = serving;
  const addresses = [baseUrl].flat();
  const problems: Problem[] = addresses.flatMap((address, index) => {
    const first = addresses.indexOf(address);
    if (first === index) return [];
    return [
      { path: `${path}.baseUrl.${index}`, message: `found the address of ${path}.baseUrl.${first} again` },
    ];
  });
  if (typeof apiKeyVariable === 'object' && apiKeyVariable.length !== addresses.length) {
    const message = `found ${apiKeyVariable.length} for ${addresses.length} addresses: give one name for all, or one for each`;
    problems.push({ path: `${path}.apiKeyVariable`, message });
  }
  return problems;
}
