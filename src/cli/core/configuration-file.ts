import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  InvalidConfiguration,
  type ConfigurationInput,
  type JudgeEvaluationConfigurationInput,
  type PairsJudgingConfigurationInput,
} from '../../client/index.ts';
import { detectConfigurationKind } from '../../config/configuration-kind.ts';
import {
  parseConfiguration,
  parseJudgeEvaluation,
  parsePairsJudging,
} from '../../config/parse-configuration.ts';
import { decodeFile, UnknownEncoding } from '../../platform/text-encoding.ts';
import { CommandError } from './command-error.ts';

/** A configuration whose fields are valid; the files and endpoints that they name are not checked. */
export type ConfigurationFile =
  | { readonly kind: 'run'; readonly input: ConfigurationInput }
  | { readonly kind: 'evaluation'; readonly input: JudgeEvaluationConfigurationInput }
  | { readonly kind: 'judging'; readonly input: PairsJudgingConfigurationInput };

const PARSERS = { run: parseConfiguration, evaluation: parseJudgeEvaluation, judging: parsePairsJudging };

/**
 * Reads the configuration of a run, of an evaluation without training, or of judging a file of pairs.
 * @param changes fields that replace those of the file
 * @throws CommandError that names the file, and every invalid field by its path
 */
export function readConfigurationFile(
  file: string,
  changes: Readonly<Record<string, unknown>> = {},
): ConfigurationFile {
  const input = { ...readJsonObject(file), ...changes };
  const kind = detectConfigurationKind(input);
  const { problems } = PARSERS[kind](input);
  if (problems.length > 0)
    throw new CommandError('usage', `${resolve(file)}: ${new InvalidConfiguration(problems).message}`);
  return { kind, input } as unknown as ConfigurationFile;
}

/**
 * Reads a JSON object without checking its fields.
 * @param what the file contains, for the message
 * @throws CommandError that names the file's absolute path
 */
export function readJsonObject(file: string, what = 'configuration'): object {
  const path = resolve(file);
  const fail = (reason: string): never => {
    throw new CommandError('usage', `Cannot read the ${what} ${path}: ${reason}.`);
  };
  try {
    const content: unknown = JSON.parse(decodeFile(readFileSync(path)));
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content;
    return fail('it must be a JSON object, as in temporal/inputs');
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof UnknownEncoding) return fail(`it ${message}`);
    if (error instanceof SyntaxError) return fail(`it is not valid JSON (${message})`);
    return fail(code === 'ENOENT' ? 'there is no such file' : message);
  }
}
