/** Who is sent next, and to which of the endpoints that serve the same: in the order of asking, to the least loaded. */
import type { Clock } from './clock.ts';
import type { Lane, Outcome, Sending, WhenDown } from './lane.ts';

/** A request may be sent to this endpoint now. `end` must be called once, whatever becomes of it. */
export interface Turn {
  readonly lane: Lane;
  end(outcome: Outcome): void;
}

export interface TurnRequest {
  /** The endpoints that may be sent it. */
  readonly lanes: readonly Lane[];
  readonly whenDown: WhenDown;
  /** One that failed it just now; it goes to another one where there is one. */
  readonly avoid?: Lane | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Waiting {
  readonly since: number;
  readonly avoid: Lane | undefined;
  take(turn: Turn): void;
  fail(error: Error): void;
}

/** Requests that may go to the same endpoints. */
interface Group {
  readonly lanes: readonly Lane[];
  readonly whenDown: WhenDown;
  readonly waiting: Waiting[];
}

export class Turns {
  readonly #clock: Clock;
  readonly #groups = new Map<string, Group>();
  #asked = 0;
  #closed = false;
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it is this request's turn; rejects with the signal's reason when that aborts before. */
  take({ lanes, whenDown, avoid, signal }: TurnRequest): Promise<Turn> {
    signal?.throwIfAborted();
    if (this.#closed) return Promise.reject(closedError());
    const group = this.#groupOf(lanes, whenDown);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        since: this.#asked++,
        avoid,
        take(turn) {
          signal?.removeEventListener('abort', onAbort);
          resolve(turn);
        },
        fail(error) {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      const onAbort = (): void => {
        group.waiting.splice(group.waiting.indexOf(waiting), 1);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      group.waiting.push(waiting);
      this.look();
    });
  }

  /** Requests that wait and may be sent to this endpoint. */
  waitingFor(lane: Lane): number {
    let count = 0;
    for (const { lanes, waiting } of this.#groups.values()) if (lanes.includes(lane)) count += waiting.length;
    return count;
  }

  /** Ends in the error what waits for this endpoint alone. */
  fail(lane: Lane, error: Error): void {
    for (const { lanes, waiting } of this.#groups.values()) {
      if (lanes.length === 1 && lanes[0] === lane) for (const each of waiting.splice(0)) each.fail(error);
    }
  }

  /** Gives turns to whoever may be sent now. */
  look(): void {
    const now = this.#clock.now();
    for (;;) {
      const next = this.#next(now);
      if (next === undefined) break;
      next.group.waiting.shift();
      next.waiting.take(this.#begin(next.lane, next.group.whenDown));
    }
    this.#setAlarm(now);
  }

  /** Ends what waits; nothing is sent any more. */
  close(): void {
    this.#closed = true;
    this.#alarm?.cancel();
    for (const { waiting } of this.#groups.values())
      for (const each of waiting.splice(0)) each.fail(closedError());
  }

  #begin(lane: Lane, whenDown: WhenDown): Turn {
    const sending: Sending = lane.begin(whenDown);
    return {
      lane,
      end: (outcome) => {
        lane.end(sending, outcome);
        this.look();
      },
    };
  }

  /** The request that has waited longest of those that may be sent, and to whom. */
  #next(now: number): { group: Group; waiting: Waiting; lane: Lane } | undefined {
    let found: { group: Group; waiting: Waiting; lane: Lane } | undefined;
    for (const group of this.#groups.values()) {
      const [waiting] = group.waiting;
      if (waiting === undefined || (found !== undefined && found.waiting.since < waiting.since)) continue;
      const lane = leastLoaded(group, waiting.avoid, now);
      if (lane !== undefined) found = { group, waiting, lane };
    }
    return found;
  }

  /** Looks again at the moment when somebody may be sent though nothing ends before. */
  #setAlarm(now: number): void {
    let at = Infinity;
    for (const { lanes, whenDown, waiting } of this.#groups.values()) {
      if (waiting.length === 0) continue;
      for (const lane of lanes) at = Math.min(at, lane.readyAt(now, whenDown));
    }
    if (this.#alarm !== undefined && this.#alarm.at <= at && this.#alarm.at > now) return;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    if (at === Infinity) return;
    const cancel = this.#clock.after(at - now, () => {
      this.#alarm = undefined;
      this.look();
    });
    this.#alarm = { at, cancel };
  }

  #groupOf(lanes: readonly Lane[], whenDown: WhenDown): Group {
    const key = [whenDown, ...lanes.map(({ baseUrl }) => baseUrl)].join('\n');
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { lanes, whenDown, waiting: [] };
      this.#groups.set(key, group);
    }
    return group;
  }
}

function closedError(): Error {
  return new Error('the inference client is closed');
}

function leastLoaded({ lanes, whenDown }: Group, avoid: Lane | undefined, now: number): Lane | undefined {
  let found: Lane | undefined;
  for (const lane of lanes) {
    if (lane.readyAt(now, whenDown) > now) continue;
    if (found === undefined || found === avoid || (lane !== avoid && isLessLoaded(lane, found))) found = lane;
  }
  return found;
}

function isLessLoaded(lane: Lane, other: Lane): boolean {
  const more = lane.load - other.load;
  return more < 0 || (more === 0 && lane.counts.attempts < other.counts.attempts);
}
