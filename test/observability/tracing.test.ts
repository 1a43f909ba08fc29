import assert from 'node:assert/strict';
import { isTracingOn } from '../../src/observability/tracing-switch.ts';
import { startTracing } from '../../src/observability/tracing.ts';

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };

describe('tracing', () => {
  it('is on where the variables of OpenTelemetry say where to, and do not say no', () => {
    assert.equal(isTracingOn(endpoint), true);
    assert.equal(
      isTracingOn({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces' }),
      true,
    );
    assert.equal(isTracingOn({}), false);
    assert.equal(isTracingOn({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }), false);
    assert.equal(isTracingOn({ ...endpoint, OTEL_SDK_DISABLED: 'true' }), false);
    assert.equal(isTracingOn({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }), false);
  });

  it('refuses a protocol that it does not speak', () => {
    assert.throws(
      () => startTracing({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }),
      /OTEL_EXPORTER_OTLP_PROTOCOL is "grpc": this worker sends http\/protobuf alone/,
    );
  });
});
