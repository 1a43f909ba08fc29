/**
 * The worker's metrics, on the meter of Temporal's SDK. The SDK's Prometheus exporter serves them together with its own
 * from one address, on its own thread, even while this process is busy.
 */
import type { MetricMeter, MetricTags } from '@temporalio/common';
import type { RuntimeOptions } from '@temporalio/worker';
import { type ListenAddress, formatListenAddress } from './listen-address.ts';
import { type MetricDescription, type MetricKey, WORKER_METRICS } from './metric-definitions.ts';

type Labels<Key extends MetricKey> = Record<(typeof WORKER_METRICS)[Key]['labels'][number], string>;

/** Records a value: the increase of a counter, the value of a gauge, or an observation of a histogram. */
export type WorkerMetrics = {
  readonly [Key in MetricKey]: (value: number, labels: Labels<Key>) => void;
};

/** @param meter the meter of the SDK's runtime, which does nothing without an exporter */
export function createWorkerMetrics(meter: MetricMeter): WorkerMetrics {
  const recorders = Object.entries(WORKER_METRICS).map(([key, metric]) => [
    key,
    createRecorder(meter, metric),
  ]);
  return Object.fromEntries(recorders) as WorkerMetrics;
}

function createRecorder(
  meter: MetricMeter,
  { kind, name, unit, help }: MetricDescription,
): (value: number, tags: MetricTags) => void {
  switch (kind) {
    case 'counter': {
      const counter = meter.createCounter(name, unit, help);
      return (value, tags) => counter.add(value, tags);
    }
    case 'gauge': {
      const gauge = meter.createGauge(name, 'float', unit, help);
      return (value, tags) => gauge.set(value, tags);
    }
    case 'histogram': {
      const histogram = meter.createHistogram(name, 'float', unit, help);
      return (value, tags) => histogram.record(value, tags);
    }
  }
}

/** In seconds: from one word of a category to a long judgment of a large model under load. */
const REQUEST_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800];

/** The settings of the SDK's Prometheus exporter, with names by the conventions of Prometheus. */
export function metricsTelemetry(
  address: ListenAddress,
): NonNullable<NonNullable<RuntimeOptions['telemetryOptions']>['metrics']> {
  return {
    attachServiceName: false,
    prometheus: {
      bindAddress: formatListenAddress(address),
      countersTotalSuffix: true,
      unitSuffix: true,
      useSecondsForDurations: true,
      histogramBucketOverrides: { [WORKER_METRICS.modelRequestDuration.name]: REQUEST_BUCKETS },
    },
  };
}
