/** An OpenTelemetry collector for tests: an HTTP server that receives OTLP traces in protobuf. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import protobuf from 'protobufjs';

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly service: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly string[];
}

export interface OtlpReceiver {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** All requests in the order of their arrival. */
  readonly bytes: readonly Buffer[];
  close(): Promise<void>;
}

/** The part of opentelemetry-proto's trace_service.proto (v1) that the tests read. */
const SCHEMA = `
  syntax = "proto3";
  message Export { repeated ResourceSpans resourceSpans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scopeSpans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; }
  message Span {
    bytes traceId = 1; bytes spanId = 2; bytes parentSpanId = 4; string name = 5;
    repeated KeyValue attributes = 9; repeated Event events = 11;
  }
  message Event { string name = 2; }
  message KeyValue { string key = 1; Value value = 2; }
  message Value {
    oneof value { string string = 1; bool bool = 2; int64 int = 3; double double = 4; Values array = 5; }
  }
  message Values { repeated Value values = 1; }
`;

interface Value {
  string?: string;
  bool?: boolean;
  int?: number;
  double?: number;
  array?: { values: Value[] };
}
type KeyValues = { key: string; value: Value }[];
interface Export {
  resourceSpans: {
    resource: { attributes: KeyValues };
    scopeSpans: {
      spans: {
        traceId: Buffer;
        spanId: Buffer;
        parentSpanId: Buffer;
        name: string;
        attributes: KeyValues;
        events: { name: string }[];
      }[];
    }[];
  }[];
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const schema = protobuf.parse(SCHEMA).root.lookupType('Export');
  const spans: ReceivedSpan[] = [];
  const bytes: Buffer[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const body = await buffer(request);
      const isTraces = request.method === 'POST' && request.url === '/v1/traces';
      if (isTraces && request.headers['content-type'] === 'application/x-protobuf') {
        bytes.push(body);
        const options = { longs: Number, defaults: true };
        spans.push(...spansIn(schema.toObject(schema.decode(body), options) as Export));
      } else response.statusCode = 400;
      response.end();
    })();
  }).listen(0, '127.0.0.1');
  // Node's default of five seconds is also the interval at which spans are sent, so a connection could close while it is used.
  server.keepAliveTimeout = 60_000;
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bytes,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function spansIn({ resourceSpans }: Export): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(attributesOf(resource.attributes)['service.name']);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, parentSpanId, name, attributes, events }) => ({
        traceId: traceId.toString('hex'),
        spanId: spanId.toString('hex'),
        parentSpanId: parentSpanId.toString('hex'),
        name,
        service,
        attributes: attributesOf(attributes),
        events: events.map((event) => event.name),
      })),
    );
  });
}

function attributesOf(pairs: KeyValues): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, plain(value)]));
}

function plain({ array, string, bool, int, double }: Value): unknown {
  return array === undefined ? (string ?? bool ?? int ?? double) : array.values.map(plain);
}
