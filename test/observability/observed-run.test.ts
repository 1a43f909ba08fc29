import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { Resource } from '@opentelemetry/resources';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Client } from '@temporalio/client';
import { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry';
import { parser } from '@prometheus-io/lezer-promql';
import { parse as parseYaml } from 'yaml';
import { freePorts } from '../../src/platform/ports.ts';
import { startEvaluation, startRun } from '../../src/client/index.ts';
import { prometheusName, WORKER_METRICS } from '../../src/observability/metric-definitions.ts';
import {
  isCanary,
  type Script,
  type ScriptedEndpoint,
  startScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { type Cluster, startCluster, type WorkerProcess } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { isJudgeRequest } from '../support/scripted-run.ts';
import { scriptedAnswers, tinyConfiguration } from '../support/tiny-run.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.ts';

const KEY = 'sk-very-secret-key';
/** Occurs in one request of the stage judgePairs. */
const SAMPLES = 4;

/** Answers all but three requests: one is retried, one is refused permanently, one fails an activity's attempt. */
function withFaults(): Script {
  const faults = new Set(['again', 'too long', 'not there yet']);
  const isNew = (fault: string) => faults.delete(fault);
  return (request) => {
    const { body } = request;
    if (isCanary(body) && body.model === 'judge-1' && isNew('not there yet'))
      return { kind: 'status', status: 404, error: { code: 'model_not_found', message: 'no such model' } };
    if (!isJudgeRequest(body) || body.n !== SAMPLES) return scriptedAnswers(request);
    if (isNew('again')) return { kind: 'status', status: 503 };
    if (isNew('too long'))
      return { kind: 'status', status: 400, error: { code: 'context_length_exceeded', message: 'too long' } };
    return scriptedAnswers(request);
  };
}

interface LogLine {
  readonly [name: string]: unknown;
}

/** Observes one small run by metrics, logs and traces. */
describe('a worker that has executed a run', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let receiver: OtlpReceiver;
  let worker: WorkerProcess;
  let scrape: string;

  before(async () => {
    const ports = await freePorts(1);
    const address = `127.0.0.1:${ports[0]}`;
    receiver = await startOtlpReceiver();
    endpoint = await startScriptedEndpoint({ script: withFaults() });
    cluster = await startCluster(undefined, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_SERVICE_NAME: 'judge-workers',
      JUDGE_KEY: KEY,
    });
    worker = cluster.startWorker(
      ...['--metrics-address', address, '--log-format', 'json', '--log-level', 'debug'],
    );
    const tracing = traceThisProcess(receiver.url);
    const run = await startRun(
      new Client({ connection: cluster.client.connection, plugins: [tracing.plugin] }),
      tinyConfiguration('observed', endpoint.baseUrl, {
        serving: {
          kind: 'endpoint',
          baseUrl: endpoint.baseUrl,
          servedModelName: 'judge-{iteration}',
          apiKeyEnv: 'JUDGE_KEY',
        },
        // Long enough that no attempt is replaced, which would be counted.
        timeouts: { heartbeatSeconds: 60 },
      }),
    );
    await tracing.close();
    await run.result();
    const { serving, evaluation } = tinyConfiguration('', endpoint.baseUrl);
    const evaluated = await startEvaluation(cluster.client, {
      runName: 'observed-2026-03-01',
      serving: { ...serving, apiKeyEnv: 'JUDGE_KEY' },
      evaluation,
      drift: { compareWith: 'observed' },
    });
    await evaluated.result();
    // Some gauges are looked at every 2 s.
    for (const deadline = performance.now() + 60_000; ; await sleep(200)) {
      scrape = await (await fetch(`http://${address}/metrics`)).text();
      const isComplete = Object.values(WORKER_METRICS).every((metric) => lineOf(metric) !== undefined);
      if ((isComplete && hasTrained()) || performance.now() > deadline) break;
    }
    await cluster.stopWorkers(); // it sends the spans that are left
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
    await receiver.close();
  });

  const valueOf = (pattern: RegExp): number => Number(pattern.exec(scrape)?.[1]);
  const lineOf = (metric: Parameters<typeof prometheusName>[0]): string | undefined => {
    const name = prometheusName(metric);
    return scrape.split('\n').find((each) => each.startsWith(`${name}{`) || each.startsWith(`${name}_sum{`));
  };
  const hasTrained = () => valueOf(/training_active\{[^}]*\} (\d+)/) === 0;

  describe('shows metrics', () => {
    const exposed = () => listNames(scrape);

    it('of every name in the list, with the labels of the list only', () => {
      for (const metric of Object.values(WORKER_METRICS)) {
        const name = prometheusName(metric);
        const line = lineOf(metric);
        assert(line !== undefined, `${name} is not exposed:\n${scrape}`);
        const labels = [...line.matchAll(/(\w+)="/g)].map(([, label]) => label as string);
        assert.deepEqual(labels.sort(), [...metric.labels].sort(), name);
      }
    });

    it('that count the requests that the endpoint received', () => {
      // Canary requests are not counted.
      const chats = endpoint.requests.filter(({ body }) => !isCanary(body)).length;
      const sent = [...scrape.matchAll(/model_requests_total\{[^}]*\} (\d+)/g)].map(([, count]) =>
        Number(count),
      );
      assert.equal(
        sent.reduce((a, b) => a + b),
        chats,
      );
      assert.equal(valueOf(/retries_total\{[^}]*reason="server-error"[^}]*stage="judgePairs"\} (\d+)/), 1);
      assert.equal(valueOf(/failures_total\{[^}]*reason="RequestRejected"[^}]*\} (\d+)/), 1);
      assert.equal(
        valueOf(/units_skipped_total\{[^}]*kind="failed",reason="context-length",stage="judgePairs"\} (\d+)/),
        1,
      );
      assert.equal(valueOf(/training_step\{iteration="1",run="observed"\} (\d+)/), 1);
      assert(valueOf(/training_loss\{iteration="1",run="observed"\} ([\d.]+)/) > 0);
      assert(hasTrained(), 'it has ended');
      const compared = valueOf(
        /judge_comparison_timestamp_seconds\{benchmark="validation",outcome="\w+",series="observed-\{date\}"\} ([\d.e+]+)/,
      );
      assert(Math.abs(Date.now() / 1000 - compared) < 600, String(compared));
      assert(valueOf(/records_total\{benchmark="validation",stage="evaluateBenchmark"\} (\d+)/) > 100);
      const buckets = [...scrape.matchAll(/model_request_duration_seconds_bucket\{[^}]*le="([^"]+)"/g)];
      assert.deepEqual([...new Set(buckets.map(([, le]) => le))].slice(-2), ['1800', '+Inf']);
    });

    it('under every name that the dashboard and the alerts query, and these query every metric of the list', () => {
      const asked = new Set(
        [...dashboardQueries(), ...alertQueries()].flatMap((query) => [...listNames(query)]),
      );
      assert(asked.size > 20);
      for (const name of asked) assert(exposed().has(name), `${name} is asked for, but not exposed`);
      for (const metric of Object.values(WORKER_METRICS)) {
        const names =
          metric.kind === 'histogram' ? [`${prometheusName(metric)}_bucket`] : [prometheusName(metric)];
        for (const name of names) assert(asked.has(name), `nobody looks at ${name}`);
      }
    });

    it('that the dashboard and the alerts query in valid PromQL', () => {
      for (const query of [...dashboardQueries(), ...alertQueries()]) {
        const faults: number[] = [];
        // Grafana fills in these variables.
        const filled = query.replaceAll(/\$__(rate_interval|range)/g, '5m').replaceAll('$job', '.*');
        parser.parse(filled).iterate({ enter: (node) => void (node.type.isError && faults.push(node.from)) });
        assert.deepEqual(faults, [], query);
      }
    });
  });

  it('keeps its address: a second worker ends and names the option to change', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    for (const option of ['--metrics-address', '--health-address']) {
      const other = cluster.startWorker(option, `127.0.0.1:${port}`);
      await once(other.child, 'exit');
      assert.equal(other.child.exitCode, 2);
      assert.match(
        other.log(),
        new RegExp(`${option} 127.0.0.1:${port} can't be bound .* an address of its own`),
      );
    }
    taken.close();
  });

  describe('logs', () => {
    const lines = () =>
      worker
        .log()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as LogLine);

    it('JSON lines; those of an activity contain its run, iteration, stage and shard', () => {
      const ofShards = lines().filter(({ activityType }) => activityType === 'judgePairs');
      assert(ofShards.length >= 4, 'two shards, each with a beginning and an end');
      for (const line of ofShards) {
        const { run, iteration, stage, shard, level } = line;
        assert.deepEqual(
          { run, iteration, stage, level },
          { run: 'observed', iteration: 1, stage: 'judgePairs', level: 'debug' },
        );
        assert.equal(typeof shard, 'number');
      }
      assert.deepEqual(new Set(ofShards.map(({ shard }) => shard)), new Set([0, 1]));
    });

    it('a failed attempt with its error and without the key', () => {
      const failed = lines().find(
        ({ message, stage }) => message === 'Activity failed' && stage === 'serveModel',
      );
      assert(failed !== undefined, worker.log());
      assert.equal(failed['level'], 'warn');
      assert.equal(failed['run'], 'observed');
      assert.match((failed['error'] as { message: string }).message, /judge-1/);
      assert(endpoint.requests.some(({ headers }) => headers.authorization?.includes(KEY)));
      assert(!worker.log().includes(KEY));
    });
  });

  describe('traces', () => {
    it("the run from the client's start to each request to a model", () => {
      assert.doesNotMatch(worker.log(), /traces can't be sent/);
      const { spans } = receiver;
      const chat = spans.find(
        ({ name, attributes }) =>
          name === 'chat judge-0' && attributes['gen_ai.request.choice.count'] === SAMPLES,
      );
      assert(chat !== undefined, [...new Set(spans.map(({ name }) => name))].join('\n'));
      const path: ReceivedSpan[] = [];
      for (let span: ReceivedSpan | undefined = chat; span !== undefined;) {
        path.unshift(span);
        const { parentSpanId, traceId }: ReceivedSpan = span;
        span = spans.find((other) => other.spanId === parentSpanId && other.traceId === traceId);
      }
      assert.deepEqual(
        path.map(({ name, service }) => `${name} (${service})`),
        [
          'StartWorkflow:selfTaughtEvaluator (client of the test)',
          'RunWorkflow:selfTaughtEvaluator (judge-workers)',
          'StartChildWorkflow:mapShards (judge-workers)',
          'RunWorkflow:mapShards (judge-workers)',
          'StartActivity:judgePairs (judge-workers)',
          'RunActivity:judgePairs (judge-workers)',
          'chat judge-0 (judge-workers)',
        ],
      );
      assert.equal(path[0]?.parentSpanId, '');
      const chats = spans.filter(({ name }) => name.startsWith('chat '));
      assert.equal(
        chats.length,
        endpoint.requests.filter(({ body }) => !isCanary(body)).length - 1,
        'one was sent twice',
      );
    });

    it('each request by the conventions for generative AI, without prompts or answers', () => {
      const chats = receiver.spans.filter(({ name }) => name.startsWith('chat '));
      const retried = chats.filter(({ events }) => events.includes('retry'));
      assert.equal(retried.length, 1);
      const { attributes } = retried[0] as ReceivedSpan;
      const port = Number(new URL(endpoint.baseUrl).port);
      assert.deepEqual(
        {
          ...attributes,
          'gen_ai.request.seed': 'any',
          'gen_ai.usage.input_tokens': Number(attributes['gen_ai.usage.input_tokens']) > 0,
        },
        {
          'gen_ai.operation.name': 'chat',
          'gen_ai.provider.name': 'openai',
          'gen_ai.request.model': 'judge-0',
          'gen_ai.request.temperature': 0.7,
          'gen_ai.request.top_p': 0.9,
          'gen_ai.request.max_tokens': 4096,
          'gen_ai.request.choice.count': SAMPLES,
          'gen_ai.request.seed': 'any',
          'server.address': '127.0.0.1',
          'server.port': port,
          'gen_ai.usage.input_tokens': true,
          'gen_ai.usage.output_tokens': 4,
          'gen_ai.response.finish_reasons': ['stop', 'stop', 'stop', 'stop'],
        },
      );
      const refused = chats.find((span) => span.attributes['error.type'] === 'RequestRejected');
      assert(refused !== undefined);
      const everything = Buffer.concat(receiver.bytes).toString('latin1');
      for (const text of ['reasons . [[', "Assistant A's Answer", KEY])
        assert(!everything.includes(text), text);
    });
  });
});

/** Traces the client in the same way as a service that starts runs: by OpenTelemetry's API and Temporal's plugin. */
function traceThisProcess(url: string) {
  const resource = new Resource({ 'service.name': 'client of the test' });
  const spanProcessor = new SimpleSpanProcessor(new OTLPTraceExporter({ url: `${url}/v1/traces` }));
  const provider = new BasicTracerProvider({ resource, spanProcessors: [spanProcessor] });
  provider.register({ contextManager: new AsyncLocalStorageContextManager() });
  return {
    plugin: new OpenTelemetryPlugin({ resource, spanProcessor }),
    async close() {
      await provider.shutdown();
      for (const api of [context, propagation, trace]) api.disable();
    },
  };
}

/** Finds the names of metrics in a scrape or a query; `up` of Prometheus is left out. */
function listNames(text: string): Set<string> {
  return new Set(text.match(/\b(self_taught_evaluator|temporal)_\w+/g));
}

const read = (file: string) => readFileSync(join(packageRoot, 'temporal', 'observability', file), 'utf8');

function dashboardQueries(): string[] {
  const { panels } = JSON.parse(read('dashboard.json')) as { panels: { targets?: { expr: string }[] }[] };
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

function alertQueries(): string[] {
  const { groups } = parseYaml(read('alerts.yml')) as { groups: { rules: { expr: string }[] }[] };
  return groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
}
