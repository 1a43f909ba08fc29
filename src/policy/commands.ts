/** Decides which commands of a configuration may be started. */
import { pickedTemplate } from '../platform/command-template.ts';
import type { PolicyRules } from './policy-schema.ts';

/** The command behind the words of a configuration: those of the template that they pick, or themselves. */
export function resolveCommand(rules: PolicyRules | undefined, words: readonly string[]): readonly string[] {
  const picked = pickedTemplate(words);
  return (picked === undefined ? undefined : rules?.commands.templates[picked]) ?? words;
}

/** Why a command may not be started, with what the operator would set; undefined if it may. */
export function commandRefusal(rules: PolicyRules, words: readonly string[]): string | undefined {
  const { programs, templates } = rules.commands;
  const picked = pickedTemplate(words);
  const names = Object.keys(templates);
  const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
  if (picked !== undefined)
    return Object.hasOwn(templates, picked)
      ? undefined
      : `picks the command template ${JSON.stringify(picked)}, which the worker's policy does not have (${known}): add it to commands.templates of the policy file`;
  const isTemplate = Object.values(templates).some((template) => isEqual(template, words));
  if (isTemplate || BUILT_IN.some((isBuiltIn) => isBuiltIn(words))) return undefined;
  const [program = ''] = words;
  if (!programs.includes(program))
    return (
      `the worker's policy does not allow the program ${JSON.stringify(program)} with these arguments: the operator can add the program to commands.programs ` +
      `of the policy file, or the whole command to commands.templates (${known}; a configuration picks one by ["template:NAME"])`
    );
  const trust = words.find((word) => word.startsWith('--trust'));
  if (!rules.remoteCode && trust !== undefined)
    return `contains ${JSON.stringify(trust)}, but the worker's policy does not allow code of checkpoints: set remoteCode of the policy file`;
  return undefined;
}

function isEqual(words: readonly string[], others: readonly string[]): boolean {
  return words.length === others.length && words.every((word, index) => word === others[index]);
}

type Matcher = (words: readonly string[]) => boolean;

/** The trainer and the embedded server of this package, as they are started by default and in the documentation. */
const BUILT_IN: readonly Matcher[] = [
  command(['{python}', '-m', 'trainer', '--job', '{job}'], {}),
  (words) => {
    const end = ['-m', 'trainer', '--job', '{job}'];
    return (
      isEqual(words.slice(-end.length), end) &&
      command(['{python}', '-m', 'accelerate.commands.launch'], {
        '--config_file': /^trainer\/launch\/[\w-]+\.yaml$/,
      })(words.slice(0, -end.length))
    );
  },
  command(['{python}', '{packageRoot}/embedded/server.py'], {
    '--host': /^\{host\}$/,
    '--port': /^\{port\}$/,
    '--root': /^(\{packageRoot\}\/embedded|\{storeRoot\}|\{cacheFolder\}\/models)$/,
    '--dtype': /^(float32|bfloat16)$/,
    '--threads': /^\d{1,3}$/,
  }),
];

/** Recognises a program with options that have values. */
function command(program: readonly string[], options: Readonly<Record<string, RegExp>>): Matcher {
  return (words) => {
    const rest = words.slice(program.length);
    if (!isEqual(words.slice(0, program.length), program) || rest.length % 2 !== 0) return false;
    return rest.every((word, index) =>
      index % 2 === 0 ? Object.hasOwn(options, word) : (options[rest[index - 1] ?? '']?.test(word) ?? false),
    );
  };
}
