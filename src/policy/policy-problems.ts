/** Finds what a policy forbids of a configuration, by the role of the worker that would do it, and by the path of its field. */
import type { FineTuning } from '../config/fine-tuning.ts';
import type { PartialConfiguration } from '../config/run-configuration.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import { formatProblems } from '../platform/format-problems.ts';
import type { Problem } from '../platform/problem.ts';
import { resolveCommand } from './commands.ts';
import { notAllowed } from './not-allowed.ts';
import type { Policy } from './policy-schema.ts';
import { type Section, sectionProblems, wordsOf } from './section-problems.ts';

/** The problems of a section `serving`. */
export function servingProblems({ rules }: Policy, path: string, serving: Section): Problem[] {
  return rules === undefined ? [] : sectionProblems(rules, path, serving);
}

/** The problems of how a run trains. */
export function trainingProblems(
  { rules }: Policy,
  { launcher, reportTo, trustRemoteCode }: Pick<FineTuning, 'launcher' | 'reportTo' | 'trustRemoteCode'>,
): Problem[] {
  if (rules === undefined) return [];
  return [
    ...sectionProblems(rules, 'fineTuning.launcher', launcher),
    ...reportTo.flatMap((tracker, index) =>
      rules.trackers.includes(tracker)
        ? []
        : [refused(`fineTuning.reportTo.${index}`, `the tracker "${tracker}"`, 'add it to trackers')],
    ),
    ...(trustRemoteCode && !rules.remoteCode
      ? [refused('fineTuning.trustRemoteCode', 'code of checkpoints', 'set remoteCode')]
      : []),
  ];
}

/** The problems of where outputs are published. */
export function publishingProblems(
  { rules }: Policy,
  { publish, publishTo }: Pick<PartialConfiguration, 'publish' | 'publishTo'>,
): Problem[] {
  if (rules === undefined) return [];
  const { repositories, tokenVariables, buckets } = rules.publishing;
  const problems: Problem[] = [];
  for (const field of ['model', 'dataset'] as const) {
    const name = publish?.[field];
    if (name !== undefined && !namesRepository(repositories, name))
      problems.push(
        refused(
          `publish.${field}`,
          `publishing to ${JSON.stringify(name)}`,
          'add it to publishing.repositories',
        ),
      );
  }
  if (publish !== undefined && !tokenVariables.includes(publish.tokenEnv))
    problems.push(
      refused(
        'publish.tokenEnv',
        `${publish.tokenEnv} as the token of the hub`,
        'add it to publishing.tokenVariables',
      ),
    );
  if (publishTo !== undefined && !buckets.some((bucket) => isBelow(bucket, publishTo)))
    problems.push(
      refused('publishTo', `copies to ${JSON.stringify(publishTo)}`, 'add it to publishing.buckets'),
    );
  return problems;
}

/** @throws InvalidInput with the problems, if there are any */
export function requireAllowed(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new InvalidInput(formatProblems(problems));
}

/** A section as it is carried out: a picked command template has become its words. */
export function withResolvedCommand<S extends Section>({ rules }: Policy, section: S): S {
  if (!('command' in section)) return section;
  const words = wordsOf(section);
  const command = resolveCommand(rules, words);
  return command === words ? section : { ...section, command };
}

/** Returns whether a repository of the hub is named, by itself or by its owner. */
export function namesRepository(patterns: readonly string[], repository: string): boolean {
  const [owner] = repository.split('/');
  return patterns.some((pattern) => pattern === repository || pattern === `${owner}/*`);
}

/** An address below another one, not only one that begins in the same way. */
function isBelow(bucket: string, address: string): boolean {
  const folder = bucket.replace(/\/+$/, '');
  const parts = address.split('/');
  return (
    !parts.includes('..') && !parts.includes('.') && (address === folder || address.startsWith(`${folder}/`))
  );
}

function refused(path: string, what: string, advice: string): Problem {
  return { path, message: notAllowed(what, advice) };
}
