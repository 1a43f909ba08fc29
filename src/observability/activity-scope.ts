import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { z } from 'zod';

const optional = <T extends z.ZodType>(schema: T) => schema.optional().catch(undefined);
const inputSchema = z
  .object({
    run: optional(z.object({ runName: z.string() })),
    runName: optional(z.string()),
    iteration: optional(z.number()),
    benchmark: optional(z.string()),
    shard: optional(z.number()),
  })
  .catch({});

/** The part of a run that an activity works on, as far as its input contains it. */
export interface ActivityScope {
  readonly stage: string;
  readonly run?: string;
  readonly iteration?: number;
  readonly benchmark?: string;
  readonly shard?: number;
}

export function activityScope(activityType: string, input: unknown): ActivityScope {
  const { run, runName, iteration, benchmark, shard } = inputSchema.parse(input);
  const name = run?.runName ?? runName;
  return {
    stage: activityType,
    ...(name === undefined ? {} : { run: name }),
    ...(iteration === undefined ? {} : { iteration }),
    ...(benchmark === undefined ? {} : { benchmark }),
    ...(shard === undefined ? {} : { shard }),
  };
}

/** Adds run, iteration, stage, benchmark and shard to every log line of an activity, those of the SDK included. */
export const logActivityScope: ActivityInterceptorsFactory = (context) => {
  let scope: ActivityScope = { stage: context.info.activityType };
  return {
    inbound: {
      execute(input, next) {
        scope = activityScope(context.info.activityType, input.args[0]);
        context.log.debug('Activity begins');
        return next(input);
      },
    },
    outbound: { getLogAttributes: (input, next) => next({ ...input, ...scope }) },
  };
};
