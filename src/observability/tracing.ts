/**
 * Traces: from the client's start through workflows and activities (the Temporal SDK's own plugin) to each request to a
 * model. Set by OpenTelemetry's variables; loaded only where these ask for it (tracing-switch.ts).
 */
import {
  diag,
  type DiagLogger,
  DiagLogLevel,
  SpanKind,
  SpanStatusCode,
  type Tracer,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResourcesSync, envDetectorSync, Resource } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry';
import type { ChatAnswer } from '../inference/chat-answer.ts';
import { type Endpoint, shownUrl } from '../inference/endpoint.ts';
import type { BegunRequest, RequestObserver } from '../inference/request-observer.ts';

export interface Tracing {
  /** For the bundle of the workflows and for each Worker. */
  readonly plugin: OpenTelemetryPlugin;
  readonly requests: RequestObserver;
  /** Sends what is left. */
  close(): Promise<void>;
}

const SERVICE_NAME = 'self-taught-evaluator-worker';

/**
 * @param warn is told why spans can't be sent, once for each reason in a row
 * @throws Error where OTEL_EXPORTER_OTLP_PROTOCOL asks for another protocol than `http/protobuf`
 */
export function startTracing(
  environment: Readonly<Record<string, string | undefined>>,
  warn: (line: string) => void,
): Tracing {
  for (const name of ['OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL']) {
    const protocol = environment[name] ?? '';
    if (!['', 'http/protobuf'].includes(protocol)) {
      throw new Error(
        `${name} is ${JSON.stringify(protocol)}: this worker sends http/protobuf alone; leave it out, and name the ` +
          'port for HTTP (4318 as a rule) in OTEL_EXPORTER_OTLP_ENDPOINT',
      );
    }
  }
  diag.setLogger(warningOnce(warn), { logLevel: DiagLogLevel.ERROR });
  const resource = new Resource({ 'service.name': SERVICE_NAME }).merge(
    detectResourcesSync({ detectors: [envDetectorSync] }),
  );
  // Endpoint, headers, time-out, sampler and batch sizes are read from OTEL_... by these classes themselves.
  const spanProcessor = new BatchSpanProcessor(new OTLPTraceExporter());
  const provider = new BasicTracerProvider({ resource, spanProcessors: [spanProcessor] });
  // With the propagators of OTEL_PROPAGATORS, which Temporal's plugin takes from here.
  provider.register({ contextManager: new AsyncLocalStorageContextManager() });
  return {
    plugin: new OpenTelemetryPlugin({ resource, spanProcessor }),
    requests: traceModelRequests(provider.getTracer('self-taught-evaluator')),
    // What the collector doesn't take is lost: no reason for a worker not to end.
    close: () => provider.shutdown().catch(() => undefined),
  };
}

/** OpenTelemetry's own complaints: an exporter repeats one with every batch. */
function warningOnce(warn: (line: string) => void): DiagLogger {
  const ignore = (): void => undefined;
  let last = '';
  const error = (text: string): void => {
    const reason = /"message":"([^"]*)"/.exec(text)?.[1] ?? text;
    if (reason === last) return;
    last = reason;
    warn(`traces can't be sent: ${reason}`);
  };
  return { error, warn: ignore, info: ignore, debug: ignore, verbose: ignore };
}

/**
 * A span for each request, its retries as events, with the attributes of OpenTelemetry's conventions for generative AI;
 * never what was asked or answered.
 * https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
 */
function traceModelRequests(tracer: Tracer): RequestObserver {
  return {
    begin(request) {
      const { model } = request.endpoint;
      const options = { kind: SpanKind.CLIENT, attributes: requestAttributes(request) };
      const span = tracer.startSpan(`chat ${model}`, options);
      return {
        // Where it is sent to in the end; before, another endpoint may have failed.
        sent: (endpoint) => void span.setAttributes(serverAttributes(endpoint)),
        retried: (reason) => void span.addEvent('retry', { 'error.type': reason }),
        answered(answer) {
          span.setAttributes(answerAttributes(answer)).end();
        },
        failed(error) {
          const type = error instanceof Error ? error.name : 'unknown';
          span
            .setAttribute('error.type', type)
            .setStatus({ code: SpanStatusCode.ERROR, message: type })
            .end();
        },
      };
    },
  };
}

function requestAttributes({ endpoint, sampling, samples, seed }: BegunRequest) {
  return {
    'gen_ai.operation.name': 'chat',
    // The protocol's: what stands behind it says only its model.
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': endpoint.model,
    'gen_ai.request.temperature': sampling.temperature,
    'gen_ai.request.top_p': sampling.topP,
    'gen_ai.request.max_tokens': sampling.maxTokens,
    'gen_ai.request.choice.count': samples,
    ...(seed === undefined ? {} : { 'gen_ai.request.seed': seed }),
  };
}

function serverAttributes({ baseUrl }: Endpoint) {
  const url = URL.parse(shownUrl(baseUrl));
  return url === null ? {} : { 'server.address': url.hostname, 'server.port': portOf(url) };
}

function portOf({ port, protocol }: URL): number {
  return port !== '' ? Number(port) : protocol === 'https:' ? 443 : 80;
}

function answerAttributes({ choices, usage }: ChatAnswer) {
  return {
    'gen_ai.usage.input_tokens': usage.promptTokens,
    'gen_ai.usage.output_tokens': usage.completionTokens,
    'gen_ai.response.finish_reasons': choices.map(({ finishReason }) => finishReason),
  };
}
