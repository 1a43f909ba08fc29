/**
 * A model server with a number of places, each of which works on one sample at a time, and a queue of samples before them, as vLLM has.
 * The latency of a sample is log-normal and follows from its prompt and seed. Started by `fork`: sends its address, and after any
 * message the times of all samples.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { stableHash } from '../../src/platform/stable-hash.ts';
import { type ChatBody, isCanary } from '../../test/support/scripted-endpoint.ts';

export interface ServerSettings {
  readonly places: number;
  readonly medianSeconds: number;
  /** The standard deviation of the logarithm of a latency. */
  readonly sigma: number;
  readonly maxSeconds: number;
}

/** Seconds since the server's start, in the order of arrival, without the requests that only check the endpoint. */
export interface SampleTimes {
  readonly arrived: number;
  started: number;
  ended: number;
}

interface WaitingSample {
  readonly seconds: number;
  readonly times: SampleTimes;
  done(): void;
}

const { places, medianSeconds, sigma, maxSeconds } = JSON.parse(process.argv[2] ?? '{}') as ServerSettings;
const samples: SampleTimes[] = [];
const waiting: WaitingSample[] = [];
let busy = 0;

function startSamples(): void {
  while (busy < places && waiting.length > 0) {
    const sample = waiting.shift()!;
    busy += 1;
    sample.times.started = performance.now() / 1000;
    setTimeout(() => {
      busy -= 1;
      sample.times.ended = performance.now() / 1000;
      sample.done();
      startSamples();
    }, 1000 * sample.seconds);
  }
}

function latencyOf(prompt: string, seed: number): number {
  const hash = stableHash(prompt, seed);
  const [one, other] = [hash.slice(0, 8), hash.slice(8, 16)].map(
    (part) => (Number.parseInt(part, 16) + 0.5) / 2 ** 32,
  ) as [number, number];
  const normal = Math.sqrt(-2 * Math.log(one)) * Math.cos(2 * Math.PI * other);
  return Math.min(maxSeconds, medianSeconds * Math.exp(sigma * normal));
}

function answer(body: string, response: ServerResponse): void {
  const { messages, n = 1, seed = 0 } = JSON.parse(body) as ChatBody;
  const prompt = JSON.stringify(messages);
  let missing = n;
  for (let k = 0; k < n; k++) {
    const times = { arrived: performance.now() / 1000, started: 0, ended: 0 };
    if (!isCanary({ messages })) samples.push(times);
    waiting.push({
      seconds: latencyOf(prompt, seed + k),
      times,
      done() {
        missing -= 1;
        if (missing > 0) return;
        const message = { role: 'assistant', content: `[[${'AB'[(seed + k) % 2]}]]` };
        const choices = Array.from({ length: n }, (_, index) => ({ index, message, finish_reason: 'stop' }));
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ choices, usage: { prompt_tokens: 100, completion_tokens: n } }));
      },
    });
  }
  startSamples();
}

const server = createServer((request, response) => {
  if (request.url === '/metrics') {
    response.end(`vllm:num_requests_waiting{model_name="judge"} ${waiting.length}\n`);
    return;
  }
  let body = '';
  request.setEncoding('utf8').on('data', (part: string) => (body += part));
  request.once('end', () => {
    if (request.url === '/v1/chat/completions') answer(body, response);
    else response.writeHead(404).end();
  });
});
server.listen(0, '127.0.0.1', () =>
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`),
);
process.on('message', () => process.send?.(samples));
process.once('disconnect', () => process.exit());
