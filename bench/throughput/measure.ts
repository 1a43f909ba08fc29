/** Measures a contender at the endpoint of endpoint.ts. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Contender, Job } from './contenders.ts';
import type { EndpointReport } from './endpoint.ts';

/** One round of a contender. */
export interface Measurement {
  /** Between the first request and the last answer. */
  readonly requestsPerSecond: number;
  readonly meanInFlight: number;
  /** Milliseconds of processor time for each request in between; undefined if the system does not tell. */
  readonly cpu: number | undefined;
  readonly temporalCpu: number | undefined;
  /** Before the first request, after the last answer, and in all. */
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly seconds: number;
}

export interface MeasuringEndpoint {
  readonly baseUrl: string;
  measure(contender: Contender, job: Job, requests: number): Promise<Measurement>;
  close(): void;
}

export async function startMeasuringEndpoint(): Promise<MeasuringEndpoint> {
  const child = fork(fileURLToPath(new URL('endpoint.ts', import.meta.url)));
  const next = async () => ((await once(child, 'message')) as [unknown])[0];
  const baseUrl = (await next()) as string;
  return {
    baseUrl,
    async measure(contender, job, requests) {
      await mkdir(job.folder, { recursive: true });
      const first = next();
      child.send(requests);
      const running = await contender.start(job);
      try {
        const { pid, temporalPid, startedAt, done } = running;
        const failed = done.then(() => {
          throw new Error(`${contender.name} ended before it had sent ${requests} requests`);
        });
        failed.catch(() => undefined);
        await Promise.race([first, failed]);
        const before = [pid, temporalPid].map(processorTime);
        const report = (await Promise.race([next(), failed])) as EndpointReport;
        const after = [pid, temporalPid].map(processorTime);
        await done;
        const endedAt = Date.now();
        const [cpu, temporalCpu] = after.map((time, index) => {
          const earlier = before[index];
          return time === undefined || earlier === undefined ? undefined : (time - earlier) / requests;
        });
        return {
          requestsPerSecond: (1000 * requests) / (report.lastAnswerAt - report.firstRequestAt),
          meanInFlight: report.meanInFlight,
          cpu,
          temporalCpu,
          startSeconds: (report.firstRequestAt - startedAt) / 1000,
          endSeconds: (endedAt - report.lastAnswerAt) / 1000,
          seconds: (endedAt - startedAt) / 1000,
        };
      } finally {
        await running.stop();
        await rm(job.folder, { recursive: true, force: true });
      }
    },
    close: () => child.disconnect(),
  };
}

/** The unit in which Linux counts the processor time of a process, in milliseconds. */
const TICK_MS = 10;

/** The processor time of a process with all its threads, in milliseconds. */
function processorTime(pid: number | undefined): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    // The 14th and 15th field of the line, of which two are cut off.
    return TICK_MS * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return undefined;
  }
}
