/** The key of a model server, if it asks for one. It is sent with every request and shown nowhere. */
import { addSecret, maskSecrets } from '../../../platform/secrets.ts';
import type { Endpoint, Environment } from '../../inference/endpoint.ts';

/** Where a key may be: the settings of a server, or its `ServerSpec`. */
export interface KeyedServer {
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly apiKeyEnv?: string | undefined;
}

/** vLLM, SGLang, llama.cpp and others have the same option. A variable of a shell is not a key. */
const KEY_OPTION = /--api[-_]key(?:=|\s+)(["']?)([^\s"'$\0]+)\1(?:\s|$)/;

/** The variables from which vLLM and llama.cpp read their key. */
const KEY_VARIABLES = ['VLLM_API_KEY', 'LLAMA_API_KEY'] as const;

/** The key that the settings themselves contain; undefined if there is none, or if `apiKeyEnv` names another one. */
export function keyInSettings({ command, environment = {}, apiKeyEnv }: KeyedServer): string | undefined {
  if (apiKeyEnv !== undefined) return undefined;
  const option = KEY_OPTION.exec(command.join(' '))?.[2];
  return option ?? KEY_VARIABLES.map((name) => environment[name]).find((key) => key !== undefined);
}

/**
 * The key as an endpoint has it: itself, or the variable of the worker's environment that contains it. vLLM reads
 * `VLLM_API_KEY` of the worker without being told to.
 */
export function serverKey(server: KeyedServer, worker: Environment): Pick<Endpoint, 'apiKey' | 'apiKeyEnv'> {
  if (server.apiKeyEnv !== undefined) return { apiKeyEnv: server.apiKeyEnv };
  const apiKey = keyInSettings(server);
  if (apiKey !== undefined) return { apiKey };
  return worker['VLLM_API_KEY'] ? { apiKeyEnv: 'VLLM_API_KEY' } : {};
}

/** Removes a server's key from text that is shown, such as its command or the end of its log. */
export function hideKey(text: string, server: KeyedServer, worker: Environment = {}): string {
  const { apiKey, apiKeyEnv } = serverKey(server, worker);
  addSecret(apiKey ?? worker[apiKeyEnv ?? '']);
  return maskSecrets(text).replaceAll(/(--api[-_]key(?:=|\s+))(?!\[key\])\S+/g, '$1[key]');
}
