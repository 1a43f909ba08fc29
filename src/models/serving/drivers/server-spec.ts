/** Specifies the server process that a driver needs. */
import { createHash } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { fillTemplate } from '../../../platform/fill-template.ts';

/** The placeholders that a server's command may contain. */
export const SERVER_PLACEHOLDERS = [
  'python',
  'checkpoint',
  'servedModelName',
  'host',
  'port',
  'storeRoot',
  'packageRoot',
  'cacheFolder',
] as const;

/** With this a server begins the line of its output that says why it can't serve yet, such as in a queue. */
export const WAIT_PREFIX = 'waits: ';

/** The values of the placeholders. The supervisor chooses host and port. */
type PlaceholderValues = Readonly<
  Record<Exclude<(typeof SERVER_PLACEHOLDERS)[number], 'host' | 'port'>, string>
>;

/** The values of the placeholders, and what a server that also serves adapters needs. */
export interface ServerValues extends PlaceholderValues {
  /** The rank of the adapters that the run trains; undefined if it trains none. */
  readonly adapterRank?: number | undefined;
  /** The folder of this machine for the adapters of its servers. */
  readonly adapterRoot?: string | undefined;
}

/** All that is needed to start a server that speaks the OpenAI protocol, except its host and port. */
export interface ServerSpec {
  /** Identifies the process: it follows from the command, the environment and the paths. */
  readonly key: string;
  /** Program and arguments, filled in except for host and port; see `withAddress`. */
  readonly command: string[];
  readonly environment: Record<string, string>;
  /** Answers 200 if the server works. */
  readonly healthPath: string;
  /** Base of the OpenAI API. */
  readonly basePath: string;
  readonly startTimeoutSeconds: number;
  /** A server that shows no sign of life for this time, although it is asked, is replaced; by default `HANG_TIMEOUT_SECONDS`. */
  readonly hangTimeoutSeconds?: number | undefined;
  /** The variable of the worker's environment that contains the server's key; the server gets it under the same name. */
  readonly apiKeyEnv?: string | undefined;
  /** True if the process only stands for a server on another machine, so that its CPU time says nothing. */
  readonly isRelay?: boolean | undefined;
  /** True if the model is one of the hub, which may ask for its token. */
  readonly usesHub?: boolean | undefined;
  /** The folder with the adapters that the server also serves, one folder each; it exists as long as the server has an owner. */
  readonly adapterFolder?: string | undefined;
}

export const HANG_TIMEOUT_SECONDS = 100;

/** Stand for host and port in a command whose other placeholders are filled in. No argument contains them by chance. */
const HOST_SENTINEL = '\0host\0';
const PORT_SENTINEL = '\0port\0';

/** The command as it is run. */
export function withAddress(
  command: readonly string[],
  { host, port }: { readonly host: string; readonly port: number },
): string[] {
  return command.map((argument) =>
    argument.replaceAll(HOST_SENTINEL, host).replaceAll(PORT_SENTINEL, String(port)),
  );
}

/** Returns whether the command tells the server the host to listen at. */
export function namesHost(command: readonly string[]): boolean {
  return command.some((argument) => argument.includes(HOST_SENTINEL));
}

/**
 * Fills in the command of a server. A command that names neither the checkpoint nor the served name is one process that
 * serves every checkpoint.
 */
export function serverSpec(
  template: Omit<ServerSpec, 'key' | 'environment'> & {
    readonly environment?: Readonly<Record<string, string>> | undefined;
  },
  values: ServerValues,
): ServerSpec {
  const { command: words, environment = {}, ...rest } = template;
  const { adapterRank: _, adapterRoot: __, ...placeholders } = values;
  const { healthPath, basePath, apiKeyEnv } = rest;
  const command = words.map((argument) =>
    fillTemplate(argument, { ...placeholders, host: HOST_SENTINEL, port: PORT_SENTINEL }),
  );
  const variables = Object.keys(environment)
    .sort()
    .map((name) => [name, environment[name]]);
  const keyed = apiKeyEnv === undefined ? [] : [apiKeyEnv];
  const identity = JSON.stringify([command, variables, healthPath, basePath, ...keyed]);
  const key = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  const { startTimeoutSeconds, hangTimeoutSeconds, isRelay } = rest;
  return {
    ...{ key, command, environment, healthPath, basePath, startTimeoutSeconds },
    ...{ hangTimeoutSeconds, apiKeyEnv, isRelay },
    usesHub: !isAbsolute(values.checkpoint),
  };
}
