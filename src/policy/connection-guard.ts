/** Keeps the inference client to the endpoints and keys of the policy, and to the model servers that runs have started. */
import type { ConnectionGuard } from '../models/inference/connection-guard.ts';
import { redactUrl } from '../models/inference/endpoint.ts';
import { EndpointUnsuitable } from '../models/inference/errors.ts';
import { hostOf, isPublicAddress, namesAddress, portOf } from './endpoint-patterns.ts';
import type { Policy, PolicyRules } from './policy-schema.ts';
import { endpointRefusal, keyRefusal } from './section-problems.ts';

/** The address at which a model server of a run listens. */
export interface ServerPlace {
  readonly host: string;
  readonly port: number;
}

/** Finds the model servers that runs have started: those of this machine, and those that others have announced in the store. */
export type FindServers = () => Promise<readonly ServerPlace[]>;

/** vLLM reads it without being told to, so that every server of a run may have it as its key. */
const VLLM_KEY = 'VLLM_API_KEY';

/** Creates the guard of a policy; undefined if it allows everything. */
export function connectionGuard({ rules }: Policy, findServers: FindServers): ConnectionGuard | undefined {
  return rules === undefined ? undefined : new PolicyGuard(rules, findServers);
}

class PolicyGuard implements ConnectionGuard {
  readonly #rules: PolicyRules;
  readonly #findServers: FindServers;
  /** A server that is started again, or that has failed, is still the run's own. */
  readonly #servers = new Set<string>();
  readonly #serverHosts = new Set<string>();

  constructor(rules: PolicyRules, findServers: FindServers) {
    this.#rules = rules;
    this.#findServers = findServers;
  }

  async requireEndpoint({
    baseUrl,
    apiKeyEnv,
  }: Parameters<ConnectionGuard['requireEndpoint']>[0]): Promise<void> {
    const problem = endpointRefusal(this.#rules, baseUrl);
    const isOwn = problem !== undefined && (await this.#isServer(baseUrl));
    const refusal = isOwn ? undefined : problem;
    const isFree = apiKeyEnv === undefined || (isOwn && apiKeyEnv === VLLM_KEY);
    const keyProblem = isFree ? undefined : keyRefusal(this.#rules, apiKeyEnv, isOwn ? undefined : baseUrl);
    const message = refusal ?? keyProblem;
    if (message !== undefined) throw unsuitable(baseUrl, message);
  }

  requireAddress(host: string, address: string): void {
    if (isPublicAddress(address) || this.#serverHosts.has(host)) return;
    if (namesAddress(this.#rules.endpoints, address, '')) return;
    throw unsuitable(
      host,
      `its name leads to ${address}, which is no public address: add ${JSON.stringify(address)} to endpoints of the policy file if that is meant`,
    );
  }

  async #isServer(baseUrl: string): Promise<boolean> {
    const url = URL.parse(baseUrl);
    if (url === null) return false;
    const wanted = `${hostOf(url)} ${portOf(url)}`;
    if (!this.#servers.has(wanted))
      for (const { host, port } of await this.#findServers()) {
        // As a URL writes it.
        const place = URL.parse(`http://${host.includes(':') ? `[${host}]` : host}:${port}`);
        if (place === null) continue;
        this.#servers.add(`${hostOf(place)} ${portOf(place)}`);
        this.#serverHosts.add(hostOf(place));
      }
    return this.#servers.has(wanted);
  }
}

function unsuitable(url: string, problem: string): EndpointUnsuitable {
  const endpoint = redactUrl(url);
  return new EndpointUnsuitable(`${endpoint} is not asked: ${problem}.`, { endpoint });
}
