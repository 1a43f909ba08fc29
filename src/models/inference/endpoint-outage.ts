/** Explains to those who follow a run why requests wait. */
import { redactUrl } from './endpoint.ts';
import type { EndpointState } from './endpoint-state.ts';

/** No endpoint that a request may go to takes requests now. */
export interface EndpointOutage {
  /** The seconds since the outage began; if nothing failed, the seconds of the pause that the endpoints requested. */
  readonly seconds: number;
  /** A sentence for each endpoint: since when and why. */
  readonly text: string;
}

/** Describes an endpoint that requested a pause of some seconds from now on. */
export function retryAfterText(endpoint: string, seconds: number): string {
  return `The endpoint ${endpoint} asks for no request until ${isoTimeFromNow(seconds)}Z.`;
}

export function outageOf(
  endpointStates: readonly (EndpointState | undefined)[],
  now: number,
): EndpointOutage | undefined {
  const outages = endpointStates.map((endpointState) =>
    endpointState === undefined ? undefined : endpointOutage(endpointState, now),
  );
  const known = outages.filter((outage) => outage !== undefined);
  if (known.length === 0 || known.length < endpointStates.length) return undefined;
  return {
    // The outage began when the last endpoint failed.
    seconds: Math.min(...known.map(({ seconds }) => seconds)),
    text: known.map(({ text }) => text).join(' '),
  };
}

function endpointOutage(
  { baseUrl, outage, pausedUntil }: EndpointState,
  now: number,
): EndpointOutage | undefined {
  const name = redactUrl(baseUrl);
  if (outage !== undefined) {
    const { since, reason, text, probeIntervalSeconds } = outage;
    const again = `it is asked again every ${probeIntervalSeconds} s.`;
    const time = `${isoTimeFromNow(since - now)}Z`;
    return {
      seconds: now - since,
      text:
        reason === 'no-credit'
          ? `The account has no credit or quota left at ${name} since ${time} (${text}): add credit; ${again}`
          : `The endpoint ${name} doesn't answer since ${time} (${text}); ${again}`,
    };
  }
  if (pausedUntil <= now) return undefined;
  return {
    seconds: pausedUntil - now,
    text: retryAfterText(name, pausedUntil - now),
  };
}

/** ISO 8601 without its zone, which is UTC. */
function isoTimeFromNow(seconds: number): string {
  return new Date(Date.now() + 1000 * seconds).toISOString().slice(0, 19);
}
