/** What a model server was asked for, as it wrote it down itself: the form that embedded/server.py gives it too. */
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

/** Appends both events of a request, each on disk before the caller goes on. */
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
 * What is on its way between the two logs that count, the server's and the worker's segment, is in flight too: a request
 * of a dead worker that a busy server has not read yet (the next worker asks nothing so soon), and an answer
 * that a busy worker has not written yet.
 */
const ON_ITS_WAY_MILLISECONDS = { request: 1_000, answer: 500 };

/** How often records were asked for. A record is one sample: prompt, model and its own seed. */
export interface Askings {
  /** Different records. */
  readonly records: number;
  /** Askings beyond the first of each record. */
  readonly again: number;
  /** Of those, after an asking that a kill of the worker or of the model server had found in flight. */
  readonly againAfterKill: number;
}

/** @param kills when a worker or a model server was killed, in milliseconds since the epoch. */
export function countAskings(file: string, kills: readonly number[]): Askings {
  const asked = new Map<string, { from: number; samples: string[] }>();
  const answered = new Map<string, number>();
  for (const line of linesOf(file)) {
    if (line.event === 'answered') answered.set(line.id, line.milliseconds);
    // One token is a server's canary request; no stage asks for so little.
    else if (line.maxTokens !== 1) {
      const { id, milliseconds: from, model, prompt, seed, samples } = line;
      const names = Array.from({ length: samples }, (_, k) => `${model} ${prompt} ${(seed ?? 0) + k}`);
      asked.set(id, { from, samples: names });
    }
  }
  const inFlightAtKill = (id: string, from: number): boolean =>
    kills.some(
      (kill) =>
        from <= kill + ON_ITS_WAY_MILLISECONDS.request &&
        (answered.get(id) ?? Infinity) >= kill - ON_ITS_WAY_MILLISECONDS.answer,
    );
  const before = new Map<string, boolean>();
  let again = 0;
  let againAfterKill = 0;
  for (const [id, { from, samples }] of asked) {
    const cutOff = inFlightAtKill(id, from);
    for (const sample of samples) {
      const earlierCutOff = before.get(sample);
      if (earlierCutOff !== undefined) again += 1;
      if (earlierCutOff === true) againAfterKill += 1;
      before.set(sample, cutOff);
    }
  }
  return { records: before.size, again, againAfterKill };
}

function linesOf(file: string): z.output<typeof lineSchema>[] {
  if (!existsSync(file)) return [];
  // A kill may have torn the last line of one process, with the next one's first line right behind it.
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
