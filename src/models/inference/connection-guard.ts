/** Tells the inference client what the operator of a worker allows: it asks before each request, and at each connection. */
import { lookup as resolveName } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Endpoint } from './endpoint.ts';

export interface ConnectionGuard {
  /**
   * Called before a request.
   * @throws EndpointUnsuitable if it must not be sent, or not with this key
   */
  requireEndpoint(endpoint: Pick<Endpoint, 'baseUrl' | 'apiKeyEnv'>): Promise<void>;
  /**
   * Called for the addresses that a name resolves to, each time it is connected: the name may lead elsewhere by then.
   * @throws EndpointUnsuitable if the address must not be connected
   */
  requireAddress(host: string, address: string): void;
}

/** Resolves a name for a connection, to the addresses that the guard allows. */
export function guardedLookup(guard: ConnectionGuard): LookupFunction {
  return (host, options, done) => {
    resolveName(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, '');
      const problems: Error[] = [];
      const allowed = addresses.filter(({ address }) => {
        try {
          guard.requireAddress(host, address);
          return true;
        } catch (problem) {
          problems.push(problem as Error);
          return false;
        }
      });
      const [first] = allowed;
      if (first === undefined) return done(problems[0] ?? new Error(`${host} has no address`), '');
      return options.all === true ? done(null, allowed) : done(null, first.address, first.family);
    });
  };
}
