/**
 * Traces a run from the client's start through workflows and activities (by the Temporal SDK's plugin) to each request to
 * a model. OpenTelemetry's variables set it, and it is loaded only if they enable it (tracing-enabled.ts).
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
import type { ChatAnswer } from '../models/inference/chat-answer.ts';
import { type Endpoint, redactUrl } from '../models/inference/endpoint.ts';
import type { StartedRequest, RequestObserver } from '../models/inference/request-observer.ts';

export interface Tracing {
  /** For the bundle of the workflows and each Worker. */
  readonly plugin: OpenTelemetryPlugin;
  readonly requestObserver: RequestObserver;
  /** Sends the remaining spans. */
  close(): Promise<void>;
}

const SERVICE_NAME = 'self-taught-evaluator-worker';

/**
 * @param warn called with the reason if spans can't be sent, once for each reason in a row
 * @throws Error if OTEL_EXPORTER_OTLP_PROTOCOL names another protocol than `http/protobuf`
 */
export function startTracing(
  environment: Readonly<Record<string, string | undefined>>,
  warn: (line: string) => void,
): Tracing {
  for (const name of ['OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL']) {
    const protocol = environment[name] ?? '';
    if (!['', 'http/protobuf'].includes(protocol)) {
      throw new Error(
        `${name} is ${JSON.stringify(protocol)}: this worker only sends http/protobuf; omit the variable, and name the ` +
          'port for HTTP (usually 4318) in OTEL_EXPORTER_OTLP_ENDPOINT',
      );
    }
  }
  diag.setLogger(warnOncePerReason(warn), { logLevel: DiagLogLevel.ERROR });
  const resource = new Resource({ 'service.name': SERVICE_NAME }).merge(
    detectResourcesSync({ detectors: [envDetectorSync] }),
  );
  // These classes read endpoint, headers, timeout, sampler and batch sizes from OTEL_... themselves.
  const spanProcessor = new BatchSpanProcessor(new OTLPTraceExporter());
  const provider = new BasicTracerProvider({ resource, spanProcessors: [spanProcessor] });
  // Registers the propagators of OTEL_PROPAGATORS, which Temporal's plugin uses.
  provider.register({ contextManager: new AsyncLocalStorageContextManager() });
  return {
    plugin: new OpenTelemetryPlugin({ resource, spanProcessor }),
    requestObserver: traceModelRequests(provider.getTracer('self-taught-evaluator')),
    // If the collector doesn't accept the last spans, they are lost, and the worker ends all the same.
    close: () => provider.shutdown().catch(() => undefined),
  };
}

/** Passes on OpenTelemetry's errors, which an exporter repeats with every batch, once for each reason in a row. */
function warnOncePerReason(warn: (line: string) => void): DiagLogger {
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
 * Creates a span for each request, with its retries as events and the attributes of OpenTelemetry's conventions for
 * generative AI. Spans never contain prompts or answers.
 * https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
 */
function traceModelRequests(tracer: Tracer): RequestObserver {
  return {
    begin(request) {
      const { model } = request.endpoint;
      const options = { kind: SpanKind.CLIENT, attributes: requestAttributes(request) };
      const span = tracer.startSpan(`chat ${model}`, options);
      return {
        // The endpoint of the last attempt replaces those of earlier ones.
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

function requestAttributes({ endpoint, sampling, samples, seed }: StartedRequest) {
  return {
    'gen_ai.operation.name': 'chat',
    // The provider of the protocol; the server behind it is unknown.
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
  const url = URL.parse(redactUrl(baseUrl));
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
