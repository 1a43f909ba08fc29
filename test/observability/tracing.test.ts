import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../../src/platform/ports.ts';
import { isTracingEnabled } from '../../src/observability/tracing-enabled.ts';
import { startCluster } from '../support/cluster.ts';
import { startTracing } from '../../src/observability/tracing.ts';

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };

describe('tracing', () => {
  it('is enabled if the variables of OpenTelemetry name an endpoint and do not disable it', () => {
    assert.equal(isTracingEnabled(endpoint), true);
    assert.equal(
      isTracingEnabled({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces' }),
      true,
    );
    assert.equal(isTracingEnabled({}), false);
    assert.equal(isTracingEnabled({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }), false);
    assert.equal(isTracingEnabled({ ...endpoint, OTEL_SDK_DISABLED: 'true' }), false);
    assert.equal(isTracingEnabled({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }), false);
  });

  it('refuses a protocol that it does not support', () => {
    assert.throws(
      () => startTracing({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, () => undefined),
      /OTEL_EXPORTER_OTLP_PROTOCOL is "grpc": this worker only sends http\/protobuf/,
    );
  });

  it('without a collector logs a warning, and does not prevent a worker from working and ending', async function () {
    this.timeout(180_000);
    const [port] = await freePorts(1);
    const cluster = await startCluster(undefined, {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
      OTEL_BSP_SCHEDULE_DELAY: '100',
    });
    try {
      const worker = cluster.startWorker();
      await cluster.client.workflow.start('evaluateJudge', {
        taskQueue: cluster.taskQueue,
        workflowId: 'refused',
        args: [{}],
      });
      while (!worker.log().includes(`warn: traces can't be sent: connect ECONNREFUSED 127.0.0.1:${port}`)) {
        assert.equal(worker.child.exitCode, null, worker.log());
        await sleep(50);
      }
      await assert.rejects(cluster.client.workflow.getHandle('refused').result());
      await worker.stop();
      assert.equal(worker.child.exitCode, 0);
    } finally {
      await cluster.close();
    }
  });
});
