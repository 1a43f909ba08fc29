import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  ConfigurationRefused,
  type ConfigurationInput,
  type JudgeEvaluationInput,
  type PairsJudgingInput,
} from '../../src/client.ts';
import { kindOf } from '../../src/config/kind.ts';
import {
  readConfiguration,
  readJudgeEvaluation,
  readPairsJudging,
} from '../../src/config/read-configuration.ts';
import { CommandError } from '../cli/command-error.ts';

/** What a file configures; its fields are right, which says nothing of the files and endpoints that they name. */
export type Configured =
  | { readonly kind: 'run'; readonly input: ConfigurationInput }
  | { readonly kind: 'evaluation'; readonly input: JudgeEvaluationInput }
  | { readonly kind: 'judging'; readonly input: PairsJudgingInput };

const READ = { run: readConfiguration, evaluation: readJudgeEvaluation, judging: readPairsJudging };

/**
 * Reads the configuration of a run, of an evaluation without training, or of the judging of a file.
 * @param changes fields that stand in place of the file's
 * @throws CommandError naming the file and every mistake by the path of its field
 */
export function configurationIn(file: string, changes: Readonly<Record<string, unknown>> = {}): Configured {
  const input = { ...configurationObject(file), ...changes };
  const kind = kindOf(input);
  const { problems } = READ[kind](input);
  if (problems.length > 0)
    throw new CommandError('usage', `${resolve(file)}: ${new ConfigurationRefused(problems).message}`);
  return { kind, input } as unknown as Configured;
}

/**
 * The JSON object in a file, whatever its fields are.
 * @throws CommandError that names the file's absolute path
 */
export function configurationObject(file: string): object {
  const path = resolve(file);
  const fail = (what: string): never => {
    throw new CommandError('usage', `Cannot read the configuration ${path}: ${what}.`);
  };
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content;
    return fail('it must be a JSON object, such as those in temporal/inputs');
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof SyntaxError) return fail(`it is no JSON (${message})`);
    return fail(code === 'ENOENT' ? 'there is no such file' : message);
  }
}
