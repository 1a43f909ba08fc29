/**
 * Finds what a policy forbids in the sections that serve and train. It goes by fields, whatever the kind of driver or launcher: a field
 * that it doesn't know is refused.
 */
import { pickedTemplate } from '../platform/command-template.ts';
import type { Problem } from '../platform/problem.ts';
import { commandRefusal } from './commands.ts';
import { namesEndpoint } from './endpoint-patterns.ts';
import { podTemplateProblems } from './pod-template.ts';
import { notAllowed } from './not-allowed.ts';
import { isNeverAKey, OWN_SERVERS, type PolicyRules } from './policy-schema.ts';

/** `serving` or `fineTuning.launcher`, of any kind. */
export type Section = Readonly<Record<string, unknown>>;

/** Finds the problems of a field. */
type FieldCheck = (rules: PolicyRules, path: string, value: unknown, section: Section) => Problem[];

const harmless: FieldCheck = () => [];

const CHECKS: Readonly<Record<string, FieldCheck>> = {
  kind: (rules, path, kind) =>
    (kind === 'slurm' || kind === 'kubernetes') && rules[kind] === null
      ? [{ path, message: `${NO} jobs of ${kind}: add the section ${kind} to the policy file` }]
      : [],
  command: (rules, path, _command, section) => {
    const words = wordsOf(section);
    const message = commandRefusal(rules, words);
    return message === undefined ? [] : [{ path, message }];
  },
  // They are judged with the command.
  arguments: (_rules, path, _more, section) =>
    pickedTemplate(textsOf(section['command'])) === undefined || textsOf(section['arguments']).length === 0
      ? []
      : [{ path, message: 'adds to a command template of the policy: remove it, or pick another template' }],
  environment: (rules, path, environment) =>
    Object.keys(environment ?? {})
      .filter((name) => !rules.commands.environment.includes(name))
      .map((name) => ({
        path: `${path}.${name}`,
        message: notAllowed('this variable of a server', 'add it to commands.environment'),
      })),
  baseUrl: (rules, path, urls) =>
    textsOf(urls).flatMap((url, index) => {
      const message = endpointRefusal(rules, url);
      return message === undefined
        ? []
        : [{ path: typeof urls === 'string' ? path : `${path}.${index}`, message }];
    }),
  apiKeyEnv: (rules, path, variables, section) => {
    const urls = 'baseUrl' in section ? textsOf(section['baseUrl']) : [undefined];
    const names = textsOf(variables);
    const messages = urls.map((url, index) => {
      const variable = names.length === 1 ? names[0] : names[index];
      return variable === undefined ? undefined : keyRefusal(rules, variable, url);
    });
    return [...new Set(messages)].flatMap((message) => (message === undefined ? [] : [{ path, message }]));
  },
  servedModelName: (_rules, path, name, section) =>
    'command' in section && typeof name === 'string' && name.startsWith('-')
      ? [{ path, message: 'begins with "-", which the server could take for one of its options' }]
      : [],
  partition: slurmValue('partitions'),
  account: slurmValue('accounts'),
  qos: slurmValue('qos'),
  options: (rules, path, options) =>
    textsOf(options).flatMap((option, index) => {
      const [name = ''] = option.split('=');
      return rules.slurm?.options.includes(name) === false
        ? [
            {
              path: `${path}.${index}`,
              message: `${notAllowed(`the option ${JSON.stringify(name)} of sbatch`, 'add it to slurm.options')}, and write "--name=value"`,
            },
          ]
        : [];
    }),
  podTemplate: (rules, path, template) =>
    rules.kubernetes === null ? [] : podTemplateProblems(rules.kubernetes, path, template),
  namespace: kubernetesValue('namespaces'),
  context: kubernetesValue('contexts'),
  // Runs in the image, which is named.
  python: harmless,
  ...Object.fromEntries(
    (
      'adapterLoading apiKeyHeader basePath canaryTolerance gpus gres hangTimeoutSeconds healthPath maxLoraRank maxLoras nodes processesPerNode ' +
      'queueTimeoutSeconds saveBeforeEndSeconds startTimeoutSeconds stopWhileTraining tasksPerNode time'
    )
      .split(' ')
      .map((name) => [name, harmless]),
  ),
};

const NO = "the worker's policy does not allow";

/** The problems of `serving`, or of `fineTuning.launcher`. */
export function sectionProblems(rules: PolicyRules, path: string, section: Section): Problem[] {
  return Object.entries(section).flatMap(([name, value]) => {
    const field = `${path}.${name}`;
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined;
    return check === undefined
      ? [{ path: field, message: `${NO} this field, which it does not know` }]
      : check(rules, field, value, section);
  });
}

/** Why requests may not be sent to a URL; undefined if they may. */
export function endpointRefusal({ endpoints }: PolicyRules, address: string): string | undefined {
  const url = URL.parse(address);
  if (url === null) return 'is not a URL';
  if (namesEndpoint(endpoints, url)) return undefined;
  return notAllowed(`requests to ${url.host}`, `add ${JSON.stringify(url.host)} to endpoints`);
}

/**
 * Why the value of a variable may not be sent to a URL; undefined if it may.
 * @param address undefined for a server that a run has started
 */
export function keyRefusal(
  { keyVariables }: PolicyRules,
  variable: string,
  address: string | undefined,
): string | undefined {
  const isOwn = address === undefined;
  const patterns = Object.hasOwn(keyVariables, variable) ? (keyVariables[variable] ?? []) : [];
  const url = isOwn ? null : URL.parse(address);
  if (isOwn ? patterns.includes(OWN_SERVERS) : url !== null && namesEndpoint(patterns, url)) return undefined;
  if (isNeverAKey(variable))
    return `${NO} the variable ${variable} as a key: the credentials of Temporal, the hub, buckets and clusters are no keys of endpoints`;
  const place = isOwn ? OWN_SERVERS : (url?.host ?? address);
  return notAllowed(
    `the variable ${variable} as a key for ${isOwn ? 'servers of runs' : place}`,
    `add ${JSON.stringify(place)} to keyVariables.${variable}`,
  );
}

function slurmValue(list: 'partitions' | 'accounts' | 'qos'): FieldCheck {
  return (rules, path, value) => namedProblem(rules.slurm?.[list], `slurm.${list}`, path, value);
}

function kubernetesValue(list: 'namespaces' | 'contexts'): FieldCheck {
  return (rules, path, value) => namedProblem(rules.kubernetes?.[list], `kubernetes.${list}`, path, value);
}

function namedProblem(
  names: readonly string[] | undefined,
  field: string,
  path: string,
  value: unknown,
): Problem[] {
  // Without the section the kind is refused.
  if (names === undefined || typeof value !== 'string' || names.includes(value)) return [];
  return [{ path, message: notAllowed(JSON.stringify(value), `add it to ${field}`) }];
}

/** The whole command of a section. */
export function wordsOf(section: Section): string[] {
  return [...textsOf(section['command']), ...textsOf(section['arguments'])];
}

function textsOf(value: unknown): string[] {
  return [value].flat().filter((text) => typeof text === 'string');
}
