/** How a checkpoint is served that no run says anything about. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { serving } from '../../src/config/models.ts';
import { commandPlaceholders, type CommandDriver, unknownPlaceholders } from '../../src/serving/drivers.ts';
import { CommandError } from '../cli/command-error.ts';
import { findOnPath } from '../setup/programs.ts';

/** What the embedded server, on the processor alone, answers with at a bearable speed. */
const SMALL_BYTES = 1_000_000_000;

/**
 * The driver of a command in one text, in which quotes keep blanks together.
 * @param servedName what the server calls the model; may be a template
 * @throws CommandError
 */
export function drivenByCommand(text: string | undefined, servedName = 'judge'): CommandDriver | undefined {
  if (text === undefined) return undefined;
  const words = wordsOf(text);
  const unknown = words.flatMap((word) => unknownPlaceholders(word, commandPlaceholders));
  const braces = (names: readonly string[]) => names.map((name) => `{${name}}`).join(', ');
  if (words.length === 0 || unknown.length > 0)
    throw new CommandError(
      'usage',
      `--serve is ${JSON.stringify(text)}${unknown.length === 0 ? '' : `, with the unknown placeholder ${braces(unknown)}`}: it takes a command ` +
        `such as "vllm serve {checkpoint} --served-model-name {servedName} --port {port}"; known: ${braces(commandPlaceholders)}.`,
    );
  return driver(words, servedName);
}

/**
 * vLLM where it is installed; else, for a small Llama, the embedded server.
 * @throws CommandError where neither can serve it
 */
export function usualDriver(checkpoint: string): CommandDriver {
  if (findOnPath('vllm') !== undefined)
    return driver(
      ['vllm', 'serve', '{checkpoint}', '--served-model-name', '{servedName}', '--port', '{port}'],
      'judge',
    );
  if (isSmallLlama(checkpoint))
    return driver(
      ['{python}', '{packageRoot}/embedded/server.py', '--port', '{port}', '--root', '{checkpoint}'],
      '{checkpoint}',
    );
  throw new CommandError(
    'usage',
    `Nothing here serves ${checkpoint}: vllm is not on the PATH, and the embedded server takes Llama models below 1 GB. ` +
      'Name a command by --serve "... {checkpoint} ... {port}", or serve it yourself and name the URL of the endpoint by --model.',
  );
}

function isSmallLlama(checkpoint: string): boolean {
  try {
    const { model_type: type } = JSON.parse(readFileSync(join(checkpoint, 'config.json'), 'utf8')) as {
      model_type?: string;
    };
    return type === 'llama' && statSync(join(checkpoint, 'model.safetensors')).size < SMALL_BYTES;
  } catch {
    return false;
  }
}

/** With the defaults of a configuration. */
function driver(command: string[], servedName: string): CommandDriver {
  const parsed = serving.parse({ kind: 'command', command, servedName });
  if (parsed.kind !== 'command') throw new TypeError('a command is a command');
  return parsed;
}

/** The words of a command line: quotes keep blanks, no shell reads it. */
export function wordsOf(text: string): string[] {
  const words = text.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/g, (_, double: string, single: string) => double ?? single),
  );
}
