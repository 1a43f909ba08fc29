/**
 * Measures how the inference client adapts to the rate limit of an endpoint: a server in a separate process answers 429 above so
 * many requests per second, and the client has more requests than that.
 *
 *     node bench/endpoint-limit.ts [--limit 200] [--seconds 30] [--latencies 5,20,500] [--json]
 *     node bench/endpoint-limit.ts --in-flight-limit 50       limits concurrent requests instead
 *
 * Prints for each latency the answers per second as a share of the limit (over the whole time, and after the first ten seconds)
 * and the share of rejected requests. Exits with 1 if a share of the limit is below 0.9 or more than 0.05 were rejected.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { createInferenceClient } from '../src/models/inference/client.ts';

const { values: options } = parseArgs({
  options: {
    limit: { type: 'string', default: '200' },
    'in-flight-limit': { type: 'string' },
    seconds: { type: 'string', default: '30' },
    latencies: { type: 'string', default: '5,20,500' },
    'in-flight': { type: 'string', default: '256' },
    'retry-after': { type: 'string' },
    serve: { type: 'boolean' },
    json: { type: 'boolean' },
  },
});
const limit = Number(options.limit);
const inFlightLimit =
  options['in-flight-limit'] === undefined ? Infinity : Number(options['in-flight-limit']);
const WARM_UP_SECONDS = 10;
const LEAST_SHARE = 0.9;
const MOST_REFUSED = 0.05;

interface LimitMeasurement {
  readonly latencyMilliseconds: number;
  readonly allowedPerSecond: number;
  readonly answersPerSecond: number;
  readonly share: number;
  readonly shareAfterWarmUp: number;
  readonly refusedShare: number;
  /** The client's own limit at the end. */
  readonly inFlightLimit: number;
  readonly ratePerSecond: number | undefined;
  /** The longest time that the client's process was not scheduled, which distorts the results on a busy machine. */
  readonly blockedMilliseconds: number;
}

if (options.serve === true) serve();
else await main();

async function main(): Promise<void> {
  const measurements: LimitMeasurement[] = [];
  for (const latency of options.latencies.split(',').map(Number)) measurements.push(await measure(latency));
  for (const each of measurements) console.log(options.json === true ? JSON.stringify(each) : line(each));
  const isGood = ({ share, refusedShare }: LimitMeasurement) =>
    share >= LEAST_SHARE && refusedShare <= MOST_REFUSED;
  if (!measurements.every(isGood)) process.exitCode = 1;
}

function line({
  latencyMilliseconds,
  allowedPerSecond,
  answersPerSecond,
  ...measurement
}: LimitMeasurement): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  return (
    `answers after ${latencyMilliseconds} ms: ${answersPerSecond.toFixed(1)} of ${allowedPerSecond.toFixed(0)} a second, ` +
    `${percent(measurement.share)} of the limit (${percent(measurement.shareAfterWarmUp)} after ${WARM_UP_SECONDS} s), ` +
    `${percent(measurement.refusedShare)} refused; in the end ${measurement.ratePerSecond?.toFixed(0) ?? 'any number'} a second, ` +
    `${measurement.inFlightLimit} in flight; the client was blocked for ${measurement.blockedMilliseconds.toFixed(0)} ms at worst`
  );
}

async function measure(latencyMilliseconds: number): Promise<LimitMeasurement> {
  const seconds = Number(options.seconds);
  const server = fork(fileURLToPath(import.meta.url), [
    ...process.argv.slice(2),
    ...['--serve', '--latencies', String(latencyMilliseconds)],
  ]);
  const [baseUrl] = (await once(server, 'message')) as [string];
  const maximum = Number(options['in-flight']);
  const client = createInferenceClient({
    concurrency: { minimum: 1, maximum },
    requestTimeoutSeconds: 60,
    retry: { attempts: 8, initialSeconds: 0.5, maximumSeconds: 8 },
    environment: {},
  });
  const delays = monitorEventLoopDelay({ resolution: 10 });
  delays.enable();
  const stop = AbortSignal.timeout(1000 * seconds);
  const startedAt = performance.now();
  const answeredAt: number[] = [];
  const askOnAndOn = async (worker: number): Promise<void> => {
    for (let index = 0; !stop.aborted; index++) {
      await client.complete({
        endpoints: [{ baseUrl, model: 'm' }],
        onUnavailable: 'wait',
        messages: [{ role: 'user', content: `${worker}.${index}` }],
        sampling: { temperature: 1, topP: 1, maxTokens: 8 },
        samples: 1,
        signal: stop,
      });
      answeredAt.push((performance.now() - startedAt) / 1000);
    }
  };
  // Like the shards of a run, each loop starts a request when its previous one has ended.
  await Promise.allSettled(Array.from({ length: maximum }, (_, worker) => askOnAndOn(worker)));
  const { attempts, retries, concurrencyLimit: inFlight, rateLimit: rate } = client.statistics()[baseUrl]!;
  delays.disable();
  await client.close();
  server.kill();
  await once(server, 'exit');
  const allowedPerSecond = Math.min(limit, (1000 * inFlightLimit) / latencyMilliseconds);
  const late = answeredAt.filter((at) => at > WARM_UP_SECONDS).length;
  return {
    latencyMilliseconds,
    allowedPerSecond,
    answersPerSecond: answeredAt.length / seconds,
    share: answeredAt.length / seconds / allowedPerSecond,
    shareAfterWarmUp: late / (seconds - WARM_UP_SECONDS) / allowedPerSecond,
    refusedShare: (retries['rate-limit'] ?? 0) / attempts,
    inFlightLimit: inFlight,
    ratePerSecond: rate,
    blockedMilliseconds: delays.max / 1e6,
  };
}

/** Allows `limit` requests per second, and so many at once, and rejects others immediately. */
function serve(): void {
  const latency = Number(options.latencies);
  const allowed: number[] = [];
  let inFlight = 0;
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      const now = performance.now();
      while (allowed.length > 0 && allowed[0]! <= now - 1000) allowed.shift();
      if (allowed.length >= limit || inFlight >= inFlightLimit) {
        const after = options['retry-after'] === undefined ? {} : { 'retry-after': options['retry-after'] };
        response.writeHead(429, { 'content-type': 'application/json', ...after });
        response.end('{"error":{"message":"too many requests"}}');
        return;
      }
      allowed.push(now);
      inFlight += 1;
      setTimeout(() => {
        inFlight -= 1;
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(
          '{"choices":[{"index":0,"message":{"content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
        );
      }, latency);
    });
  });
  server.listen(0, '127.0.0.1', () => {
    process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
  });
}
