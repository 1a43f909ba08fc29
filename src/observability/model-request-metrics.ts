import { asyncLocalStorage } from '@temporalio/activity';
import type { Endpoint } from '../models/inference/endpoint.ts';
import { InferenceError } from '../models/inference/errors.ts';
import type { RequestObserver } from '../models/inference/request-observer.ts';
import type { WorkerMetrics } from './worker-metrics.ts';

/** Measures each request by endpoint, model and the stage (activity) that sends it. */
export function createModelRequestMetrics(metrics: WorkerMetrics): RequestObserver {
  return {
    begin({ endpoint }) {
      let labels = {
        endpoint: endpointHost(endpoint),
        model: endpoint.model,
        stage: asyncLocalStorage.getStore()?.info.activityType ?? '',
      };
      return {
        sent(attempted) {
          labels = { ...labels, endpoint: endpointHost(attempted) };
          metrics.modelRequests(1, labels);
        },
        retried: (reason) => metrics.modelRequestRetries(1, { ...labels, reason }),
        answered({ usage }, seconds) {
          metrics.modelRequestDuration(seconds, labels);
          metrics.modelTokens(usage.promptTokens, { ...labels, type: 'prompt' });
          metrics.modelTokens(usage.completionTokens, { ...labels, type: 'completion' });
        },
        failed(error) {
          if (error instanceof InferenceError)
            metrics.modelRequestFailures(1, { ...labels, reason: error.name });
        },
      };
    },
  };
}

/** Returns host and port, without the user name and the path of the URL. */
export function endpointHost({ baseUrl }: Pick<Endpoint, 'baseUrl'>): string {
  return URL.parse(baseUrl)?.host ?? '';
}
