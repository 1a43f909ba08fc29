import { resolve } from 'node:path';
import { STORE } from '../../src/worker-options.ts';

/** The absolute path of the store: of the option where it is given, else as the environment says, as the worker has it. */
export function storeFolder(environment: NodeJS.ProcessEnv, given?: string): string {
  return resolve(given ?? (environment[STORE.variable] || STORE.default));
}
