import { GENERATED } from '../judge/mix-sources.ts';
import type { Problem } from './read-configuration.ts';
import type { Configuration } from './schema.ts';

/** Settings of judging, filtering and choosing that contradict each other. */
export function judgingProblems(usable: Partial<Configuration>): Problem[] {
  return [
    ...samplingProblems(usable),
    ...preferenceProblems(usable),
    ...humanDataProblems(usable),
    ...choosingProblems(usable),
  ];
}

function samplingProblems({ judging, filtering }: Partial<Configuration>): Problem[] {
  if (judging === undefined || filtering === undefined) return [];
  const { samples, strategy, sampling } = judging;
  const { target, majorityThreshold, judgmentsPerExample } = filtering;
  const problems: Problem[] = [];
  const needsAll = (path: string, found: unknown, why: string) =>
    problems.push({
      path,
      message: `found ${JSON.stringify(found)}, which ${why} of all N samples: set judging.strategy to {"kind": "all"}, not "until-correct"`,
    });
  if (judgmentsPerExample > samples) {
    const message = `found ${judgmentsPerExample}, more than judging.samples (${samples}), the judgments that an example has`;
    problems.push({ path: 'filtering.judgmentsPerExample', message });
  }
  if (strategy.kind === 'all') return problems;
  if (target === 'majority-vote') needsAll('filtering.target', target, 'counts the verdicts');
  if (majorityThreshold !== null)
    needsAll('filtering.majorityThreshold', majorityThreshold, 'is a share of the right ones');
  if (strategy.wave > samples) {
    const message = `found ${strategy.wave}, more than judging.samples (${samples}): the first wave would be all of them`;
    problems.push({ path: 'judging.strategy.wave', message });
  }
  if (sampling.temperature === 0 && samples > 1) {
    const message =
      'found 0, at which every sample is the same: "until-correct" would ask for a wrong one N times; ' +
      'set a temperature above 0, or judging.samples to 1';
    problems.push({ path: 'judging.sampling.temperature', message });
  }
  return problems;
}

/** What rounds of DPO need of the samples, and what of `filtering` chooses single judgments and means nothing to them. */
function preferenceProblems({ judging, filtering, fineTuning }: Partial<Configuration>): Problem[] {
  const rounds = fineTuning?.rounds ?? [];
  const dpo = rounds.filter((round) => round.method === 'dpo');
  if (dpo.length === 0) return [];
  const problems: Problem[] = [];
  const strategy = judging?.strategy;
  if (strategy?.kind === 'until-correct') {
    if (dpo.some(({ rightness }) => rightness === 'both-orders')) {
      const message =
        'found "until-correct", but "both-orders" of a round of DPO compares sample by sample: all N are needed';
      problems.push({ path: 'judging.strategy.kind', message });
    } else if (strategy.also === undefined) {
      const message =
        'missing: a round of DPO needs wrong judgments too, set it to "wrong", or the strategy to {"kind": "all"}';
      problems.push({ path: 'judging.strategy.also', message });
    }
  }
  if (filtering === undefined) return problems;
  const meaningless = {
    target: filtering.target !== 'construction',
    majorityThreshold: filtering.majorityThreshold !== null,
    judgmentsPerExample: filtering.judgmentsPerExample !== 1,
    positionConsistentOnly: filtering.positionConsistentOnly,
    humanData: filtering.humanData.length > 0,
  };
  for (const [field, isSet] of Object.entries(meaningless)) {
    if (!isSet) continue;
    const message = 'set, but fineTuning.rounds has DPO, which draws pairs of judgments: leave it out';
    problems.push({ path: `filtering.${field}`, message });
  }
  return problems;
}

function humanDataProblems({ filtering }: Partial<Configuration>): Problem[] {
  if (filtering === undefined) return [];
  const { humanData, generatedWeight } = filtering;
  const problems: Problem[] = [];
  if (generatedWeight === 0 && humanData.length === 0) {
    const message = 'found 0 without filtering.humanData: there would be nothing to train on';
    problems.push({ path: 'filtering.generatedWeight', message });
  }
  humanData.forEach(({ name }, index) => {
    const path = `filtering.humanData.${index}.name`;
    const first = humanData.findIndex((other) => other.name === name);
    if (name === GENERATED)
      problems.push({
        path,
        message: `found "${GENERATED}", the name of the pairs that the run makes itself`,
      });
    else if (first !== index)
      problems.push({
        path,
        message: `found "${name}", the name of filtering.humanData.${first}: give each its own`,
      });
  });
  return problems;
}

function choosingProblems({ choosing, evaluation }: Partial<Configuration>): Problem[] {
  const { benchmark } = choosing ?? {};
  if (benchmark === undefined || evaluation === undefined) return [];
  const names = evaluation.benchmarks.map(({ name }) => name);
  if (names.includes(benchmark)) return [];
  const message = `found ${JSON.stringify(benchmark)}, which is not among evaluation.benchmarks: ${names.join(', ')}`;
  return [{ path: 'choosing.benchmark', message }];
}
