/** Why requests wait: in words for those who look at a run. */
import { shownUrl } from './endpoint.ts';
import type { Lane } from './lane.ts';

/** None of the endpoints that a request may go to is asked now. */
export interface Silence {
  /** How long that lasts already, or how long they asked for where nothing failed, in seconds. */
  readonly seconds: number;
  /** Which they are, since when and why, in one sentence each. */
  readonly text: string;
}

/** What is said of an endpoint, by its shown URL, that asked not to be sent anything for so many seconds from now. */
export function leftAlone(endpoint: string, seconds: number): string {
  return `The endpoint ${endpoint} asks to be left alone until ${secondsFromNow(seconds)}Z.`;
}

export function silenceOf(lanes: readonly (Lane | undefined)[], now: number): Silence | undefined {
  const silences = lanes.map((lane) => (lane === undefined ? undefined : silenceOfLane(lane, now)));
  const silent = silences.filter((silence) => silence !== undefined);
  if (silent.length === 0 || silent.length < lanes.length) return undefined;
  return {
    // It began when the last of them fell silent.
    seconds: Math.min(...silent.map(({ seconds }) => seconds)),
    text: silent.map(({ text }) => text).join(' '),
  };
}

function silenceOfLane({ baseUrl, outage, pausedUntil }: Lane, now: number): Silence | undefined {
  const name = shownUrl(baseUrl);
  if (outage !== undefined) {
    const { since, text, everySeconds } = outage;
    return {
      seconds: now - since,
      text: `The endpoint ${name} doesn't answer since ${secondsFromNow(since - now)}Z (${text}); it is asked again every ${everySeconds} s.`,
    };
  }
  if (pausedUntil <= now) return undefined;
  return {
    seconds: pausedUntil - now,
    text: leftAlone(name, pausedUntil - now),
  };
}

/** ISO 8601 without its zone, which is UTC. */
function secondsFromNow(seconds: number): string {
  return new Date(Date.now() + 1000 * seconds).toISOString().slice(0, 19);
}
