import { asyncLocalStorage } from '@temporalio/activity';
import type { Endpoint } from '../inference/endpoint.ts';
import { InferenceError } from '../inference/errors.ts';
import type { RequestObserver } from '../inference/request-observer.ts';
import type { WorkerMetrics } from './metrics.ts';

/** Measures each request by endpoint, model and the stage (activity) that asks. */
export function measureModelRequests(metrics: WorkerMetrics): RequestObserver {
  return {
    begin({ endpoint }) {
      let labels = {
        endpoint: hostOf(endpoint),
        model: endpoint.model,
        stage: asyncLocalStorage.getStore()?.info.activityType ?? '',
      };
      return {
        sent(to) {
          labels = { ...labels, endpoint: hostOf(to) };
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

/** Host and port: neither a user name nor a path of the URL. */
export function hostOf({ baseUrl }: Pick<Endpoint, 'baseUrl'>): string {
  return URL.parse(baseUrl)?.host ?? '';
}
