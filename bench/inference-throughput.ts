/**
 * Compares the inference client with a plain loop over the `openai` client: the same requests to the same endpoint with the same
 * concurrency, in alternating rounds, so that both run under the same conditions.
 *
 *     node bench/inference-throughput.ts [--requests 2000] [--rounds 5] [--in-flight 64] [--json]
 *     node bench/inference-throughput.ts --endpoint http://127.0.0.1:8000/v1 --model NAME [--max-tokens 32]
 *
 * Without `--endpoint` it uses an endpoint in a separate process that answers immediately, so that only the client is
 * measured. Prints requests per second, CPU milliseconds of this process for each request, and the ratio.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import OpenAI from 'openai';
import pLimit from 'p-limit';
import { createInferenceClient } from '../src/models/inference/client.ts';
import type { ChatMessage } from '../src/method/prompt-template.ts';
import { startScriptedEndpoint } from '../test/support/scripted-endpoint.ts';

const { values: options } = parseArgs({
  options: {
    endpoint: { type: 'string' },
    model: { type: 'string', default: 'scripted' },
    requests: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '5' },
    'in-flight': { type: 'string', default: '64' },
    'max-tokens': { type: 'string', default: '32' },
    'instant-endpoint': { type: 'boolean' },
    json: { type: 'boolean' },
  },
});

interface Round {
  requestsPerSecond: number;
  cpuMilliseconds: number;
}

if (options['instant-endpoint'] === true) {
  const endpoint = await startScriptedEndpoint();
  process.send?.(endpoint.baseUrl);
} else {
  await compare();
}

async function compare(): Promise<void> {
  const server =
    options.endpoint === undefined ? fork(fileURLToPath(import.meta.url), ['--instant-endpoint']) : undefined;
  const baseUrl = options.endpoint ?? ((await once(server!, 'message')) as [string])[0];
  const [requests, rounds, inFlight] = [options.requests, options.rounds, options['in-flight']].map(
    Number,
  ) as [number, number, number];
  const contenders = { bare: bareLoop(baseUrl, inFlight), ours: ourClient(baseUrl, inFlight) };
  try {
    // One warm-up round each opens connections and fills caches.
    for (const ask of Object.values(contenders)) await measure(ask, Math.min(requests, 500));
    const results: Record<keyof typeof contenders, Round[]> = { bare: [], ours: [] };
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const);
      for (const name of order) results[name].push(await measure(contenders[name], requests));
    }
    report(results, { endpoint: options.endpoint ?? 'instant', requests, rounds, inFlight });
  } finally {
    server?.kill();
  }
}

function bareLoop(baseURL: string, inFlight: number): (index: number) => Promise<unknown> {
  const openai = new OpenAI({ baseURL, apiKey: 'none' });
  const limit = pLimit(inFlight);
  return (index) =>
    limit(() =>
      openai.chat.completions.create({
        model: options.model,
        messages: messagesOf(index),
        temperature: 1,
        top_p: 1,
        max_tokens: Number(options['max-tokens']),
        seed: index,
      }),
    );
}

function ourClient(baseUrl: string, inFlight: number): (index: number) => Promise<unknown> {
  const client = createInferenceClient({
    concurrency: { minimum: 1, maximum: inFlight },
    requestTimeoutSeconds: 600,
    retry: { attempts: 5, initialSeconds: 0.5, maximumSeconds: 30 },
    environment: {},
  });
  return (index) =>
    client.complete({
      endpoints: [{ baseUrl, model: options.model }],
      messages: messagesOf(index),
      sampling: { temperature: 1, topP: 1, maxTokens: Number(options['max-tokens']) },
      samples: 1,
      seed: index,
    });
}

function messagesOf(index: number): ChatMessage[] {
  return [{ role: 'user', content: `Number ${index}: write the third word of: red green blue black` }];
}

async function measure(ask: (index: number) => Promise<unknown>, requests: number): Promise<Round> {
  const started = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(Array.from({ length: requests }, (_, index) => ask(index)));
  const { user, system } = process.cpuUsage(cpu);
  return {
    requestsPerSecond: (requests / (performance.now() - started)) * 1000,
    cpuMilliseconds: (user + system) / 1000 / requests,
  };
}

function report(results: Record<'bare' | 'ours', Round[]>, setting: Record<string, unknown>): void {
  const medians = Object.fromEntries(
    Object.entries(results).map(([name, rounds]) => [
      name,
      {
        requestsPerSecond: median(rounds.map((round) => round.requestsPerSecond)),
        cpuMilliseconds: median(rounds.map((round) => round.cpuMilliseconds)),
      },
    ]),
  ) as Record<'bare' | 'ours', Round>;
  const ratio = median(
    results.ours.map((round, index) => round.requestsPerSecond / results.bare[index]!.requestsPerSecond),
  );
  if (options.json === true) {
    console.log(JSON.stringify({ ...setting, ...medians, ratio }));
    return;
  }
  console.log(
    Object.entries(setting)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(', '),
  );
  for (const [name, { requestsPerSecond, cpuMilliseconds }] of Object.entries(medians)) {
    console.log(
      `${name}: ${requestsPerSecond.toFixed(0)} requests/s, ${cpuMilliseconds.toFixed(2)} ms of CPU a request`,
    );
  }
  console.log(`ratio ours/bare: ${ratio.toFixed(2)} (median of ${results.ours.length} pairs of rounds)`);
}

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] as number;
}
