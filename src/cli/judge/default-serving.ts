/** The servers of checkpoints that no run's configuration says how to serve. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { commandServing, type CommandServing } from '../../models/serving/drivers/command.ts';
import { SERVER_PLACEHOLDERS } from '../../models/serving/drivers/server-spec.ts';
import { unknownPlaceholders } from '../../platform/fill-template.ts';
import { CommandError } from '../core/command-error.ts';
import { findOnPath } from '../../platform/programs.ts';

/** The embedded server runs on the CPU only, so larger models would be too slow. */
const MAX_EMBEDDED_SERVER_BYTES = 1_000_000_000;

/**
 * The server that a command line starts, whose words may be quoted.
 * @param servedModelName the server's name of the model; may contain placeholders
 * @param apiKeyEnv the variable that contains the server's key
 * @throws CommandError
 */
export function servingByCommand(
  text: string | undefined,
  servedModelName = 'judge',
  apiKeyEnv?: string,
): CommandServing | undefined {
  if (text === undefined) return undefined;
  const words = splitCommandLine(text);
  const unknown = words.flatMap((word) => unknownPlaceholders(word, SERVER_PLACEHOLDERS));
  const braces = (names: readonly string[]) => names.map((name) => `{${name}}`).join(', ');
  if (words.length === 0 || unknown.length > 0)
    throw new CommandError(
      'usage',
      `--serve is ${JSON.stringify(text)}${unknown.length === 0 ? '' : `, with the unknown placeholder ${braces(unknown)}`}: it must be a command ` +
        `such as "vllm serve {checkpoint} --served-model-name {servedModelName} --host {host} --port {port}"; the placeholders are ${braces(SERVER_PLACEHOLDERS)}.`,
    );
  return commandServing({
    command: words,
    servedModelName,
    ...(apiKeyEnv === undefined ? {} : { apiKeyEnv }),
  });
}

/**
 * vLLM if it is installed; else, for a small Llama model, the embedded server.
 * @throws CommandError if neither can serve the checkpoint
 */
export function defaultServing(checkpoint: string): CommandServing {
  if (findOnPath('vllm') !== undefined)
    return commandServing({
      command: [
        ...['vllm', 'serve', '{checkpoint}', '--served-model-name', '{servedModelName}'],
        ...['--host', '{host}', '--port', '{port}'],
        // Only the judge's own sampling counts, not that of the checkpoint's generation_config.json.
        ...['--generation-config', 'vllm', '--disable-uvicorn-access-log'],
      ],
      servedModelName: 'judge',
    });
  if (isSmallLlama(checkpoint))
    return commandServing({
      command: [
        ...['{python}', '{packageRoot}/embedded/server.py', '--host', '{host}', '--port', '{port}'],
        ...['--root', '{checkpoint}'],
      ],
      servedModelName: '{checkpoint}',
    });
  throw new CommandError(
    'usage',
    `Nothing on this machine can serve ${checkpoint}: vllm is not on the PATH, and the embedded server only serves Llama models below 1 GB. ` +
      'Give a command with --serve "... {checkpoint} ... {port}", or serve it yourself and give the URL of the endpoint with --model.',
  );
}

function isSmallLlama(checkpoint: string): boolean {
  try {
    const { model_type: type } = JSON.parse(readFileSync(join(checkpoint, 'config.json'), 'utf8')) as {
      model_type?: string;
    };
    return (
      type === 'llama' && statSync(join(checkpoint, 'model.safetensors')).size < MAX_EMBEDDED_SERVER_BYTES
    );
  } catch {
    return false;
  }
}

/** Splits a command line into words; blanks in quotes do not separate. It is not run by a shell. */
export function splitCommandLine(text: string): string[] {
  const words = text.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/g, (_, double: string, single: string) => double ?? single),
  );
}
