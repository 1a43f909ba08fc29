/**
 * The worker's metrics, on the meter of Temporal's SDK: its Prometheus exporter then serves ours and its own from one
 * address, from a thread of its own, also while this process is busy.
 */
import type { MetricMeter, MetricTags } from '@temporalio/common';
import type { RuntimeOptions } from '@temporalio/worker';
import { type Address, shownAddress } from './address.ts';
import { type MetricDescription, type MetricKey, WORKER_METRICS } from './metric-list.ts';

type Labels<Key extends MetricKey> = Record<(typeof WORKER_METRICS)[Key]['labels'][number], string>;

/** Records a value: what a counter grows by, what a gauge shows, or one more observation of a histogram. */
export type WorkerMetrics = {
  readonly [Key in MetricKey]: (value: number, labels: Labels<Key>) => void;
};

/** @param meter of the SDK's runtime; without an exporter it does nothing. */
export function createWorkerMetrics(meter: MetricMeter): WorkerMetrics {
  const recorders = Object.entries(WORKER_METRICS).map(([key, metric]) => [key, recorderOf(meter, metric)]);
  return Object.fromEntries(recorders) as WorkerMetrics;
}

function recorderOf(
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

/** From a category in a word to a reasoned judgment of a large model under load, in seconds. */
const REQUEST_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800];

/** For the SDK's runtime: its Prometheus exporter, with names as Prometheus wants them. */
export function metricsTelemetry(
  address: Address,
): NonNullable<NonNullable<RuntimeOptions['telemetryOptions']>['metrics']> {
  return {
    attachServiceName: false,
    prometheus: {
      bindAddress: shownAddress(address),
      countersTotalSuffix: true,
      unitSuffix: true,
      useSecondsForDurations: true,
      histogramBucketOverrides: { [WORKER_METRICS.modelRequestDuration.name]: REQUEST_BUCKETS },
    },
  };
}
