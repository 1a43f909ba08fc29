import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../../scripts/setup/free-ports.ts';
import { isTracingOn } from '../../src/observability/tracing-switch.ts';
import { startCluster } from '../workflows/cluster.ts';
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
      () => startTracing({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, () => undefined),
      /OTEL_EXPORTER_OTLP_PROTOCOL is "grpc": this worker sends http\/protobuf alone/,
    );
  });

  it('that finds no collector says so, and keeps no worker from its work or its end', async function () {
    this.timeout(60_000);
    const [port] = await freePorts(1);
    const cluster = await startCluster(undefined, {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '500',
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
