/** The log of requests that model servers write: embedded/server.py and the scripted server use the same format. */
import { createHash, randomUUID } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

const lineSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('asked'),
    id: z.string(),
    milliseconds: z.number(),
    model: z.string(),
    prompt: z.string(),
    seed: z.number().nullable(),
    samples: z.number(),
    maxTokens: z.number().nullable(),
  }),
  z.object({ event: z.literal('answered'), id: z.string(), milliseconds: z.number() }),
]);

/** Writes the two events of each request synchronously. */
export class RequestLog {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  asked(request: {
    model: string;
    messages: unknown;
    seed: number | null;
    samples: number;
    maxTokens: number | null;
  }): string {
    const { messages, ...rest } = request;
    const id = randomUUID();
    const prompt = createHash('sha256').update(JSON.stringify(messages)).digest('hex').slice(0, 16);
    this.#write({ event: 'asked', id, milliseconds: Date.now(), prompt, ...rest });
    return id;
  }

  answered(id: string): void {
    this.#write({ event: 'answered', id, milliseconds: Date.now() });
  }

  #write(line: z.input<typeof lineSchema>): void {
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`);
  }
}

/**
 * A request also counts as in flight at a kill if the server read it shortly after (the killed worker had sent it before), or
 * answered it shortly before (the worker may not have written the answer to disk yet).
 */
const IN_TRANSIT_MILLISECONDS = { request: 1_000, answer: 500 };

/** A time in which requests are interrupted, in milliseconds since the epoch. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** How often records were requested. A record is one sample: a prompt, a model and a seed. */
export interface RequestCounts {
  /** The number of different records. */
  readonly records: number;
  /** Requests for a record after the first one. */
  readonly repeated: number;
  /** Those whose previous request was in flight when the worker or the model server was killed or cut off. */
  readonly repeatedAfterKill: number;
}

/** @param interruptions when a worker, a model server or a machine was killed, or a machine was cut off from others */
export function countRequests(file: string, interruptions: readonly Interval[]): RequestCounts {
  const requests = new Map<string, { from: number; samples: string[] }>();
  const answered = new Map<string, number>();
  for (const line of linesOf(file)) {
    if (line.event === 'answered') answered.set(line.id, line.milliseconds);
    // A request for one token is a check of the server, not of a stage.
    else if (line.maxTokens !== 1) {
      const { id, milliseconds: from, model, prompt, seed, samples } = line;
      const names = Array.from({ length: samples }, (_, k) => `${model} ${prompt} ${(seed ?? 0) + k}`);
      requests.set(id, { from, samples: names });
    }
  }
  const wasInterrupted = (id: string, asked: number): boolean =>
    interruptions.some(
      ({ from, to }) =>
        asked <= to + IN_TRANSIT_MILLISECONDS.request &&
        (answered.get(id) ?? Infinity) >= from - IN_TRANSIT_MILLISECONDS.answer,
    );
  /** Whether the latest request for each record was in flight at a kill. */
  const records = new Map<string, boolean>();
  let repeated = 0;
  let repeatedAfterKill = 0;
  for (const [id, { from, samples }] of requests) {
    const isInFlight = wasInterrupted(id, from);
    for (const sample of samples) {
      const wasInFlight = records.get(sample);
      if (wasInFlight !== undefined) repeated += 1;
      if (wasInFlight === true) repeatedAfterKill += 1;
      records.set(sample, isInFlight);
    }
  }
  return { records: records.size, repeated, repeatedAfterKill };
}

function linesOf(file: string): z.output<typeof lineSchema>[] {
  if (!existsSync(file)) return [];
  // A kill may have truncated the last line of a process, so that the first line of the next one follows without a break.
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [lineSchema.parse(JSON.parse(line))];
      } catch {
        return [];
      }
    });
}
