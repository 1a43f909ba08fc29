/** How a model comes to be served: by somebody else, or by a command of ours. */
import { createHash } from 'node:crypto';
import type { EndpointAddresses } from '../inference/endpoint.ts';

/** Somebody else serves the model; its name there follows from the run. */
export interface EndpointDriver extends EndpointAddresses {
  kind: 'endpoint';
  /** Template with `{runName}`, `{iteration}` and `{checkpoint}`. */
  servedName: string;
}

/** A command starts a server that speaks the OpenAI protocol, for example `vllm serve`. */
export interface CommandDriver {
  kind: 'command';
  /** Program and arguments with the placeholders of `commandPlaceholders`; no shell sees them. */
  command: string[];
  /** Template with `{runName}`, `{iteration}` and `{checkpoint}`. */
  servedName: string;
  /** The name under which the workers reach this machine. */
  host: string;
  /** Answers 200 when the server works. */
  healthPath: string;
  /** Base of the OpenAI API. */
  basePath: string;
  startTimeoutSeconds: number;
  /** Variables on top of the worker's own. */
  environment?: Record<string, string> | undefined;
}

export type ServingDriver = EndpointDriver | CommandDriver;

export const namePlaceholders = ['runName', 'iteration', 'checkpoint'] as const;
export const commandPlaceholders = [
  'python',
  'checkpoint',
  'servedName',
  'port',
  'storeRoot',
  'packageRoot',
  'cacheFolder',
] as const;

/** The placeholders of a template that are not among the known ones, for the check of a configuration. */
export function unknownPlaceholders(template: string, known: readonly string[]): string[] {
  return [...template.matchAll(placeholder)]
    .map((match) => match[1] as string)
    .filter((name) => !known.includes(name));
}

/** Only a plain name in braces is a placeholder, so that an argument may hold JSON. */
const placeholder = /\{([A-Za-z]+)\}/g;

/** Fills in the placeholders, in one pass: a value that looks like a placeholder stays as it is. */
export function fillIn(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(placeholder, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) {
      throw new Error(
        `${JSON.stringify(template)} holds the unknown placeholder ${whole}; known: ${Object.keys(values).join(', ')}`,
      );
    }
    return value;
  });
}

/** Stands for the port in a command whose other placeholders are filled in. No argument can hold it by chance. */
const portMark = '\0port\0';

/** The command as it is run. */
export function commandWithPort(command: readonly string[], port: number): string[] {
  return command.map((argument) => argument.replaceAll(portMark, String(port)));
}

/** One server process, whatever number of models it serves: all that is needed to start it, the port aside. */
export interface ServerDescription {
  /** Same key: the same process does. Follows from everything below. */
  key: string;
  /** Filled in but for the port; see `commandWithPort`. */
  command: string[];
  environment: Record<string, string>;
  host: string;
  healthPath: string;
  basePath: string;
  startTimeoutSeconds: number;
}

/**
 * The server that a driver needs for a model. A command that names neither checkpoint nor served name is one process
 * that serves every checkpoint.
 */
export function describeServer(
  driver: CommandDriver,
  values: Readonly<Record<Exclude<(typeof commandPlaceholders)[number], 'port'>, string>>,
): ServerDescription {
  const { host, healthPath, basePath, startTimeoutSeconds, environment = {} } = driver;
  const command = driver.command.map((argument) => fillIn(argument, { ...values, port: portMark }));
  const variables = Object.keys(environment)
    .sort()
    .map((name) => [name, environment[name]]);
  const meaning = JSON.stringify([command, variables, host, healthPath, basePath]);
  const key = createHash('sha256').update(meaning).digest('hex').slice(0, 16);
  return { key, command, environment, host, healthPath, basePath, startTimeoutSeconds };
}
