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

/** What an activity works on, as far as its input says. */
export interface ActivityScope {
  readonly stage: string;
  readonly run?: string;
  readonly iteration?: number;
  readonly benchmark?: string;
  readonly shard?: number;
}

export function scopeOf(activityType: string, input: unknown): ActivityScope {
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

/** Puts run, iteration, stage, benchmark and shard on every line that an activity, or the SDK about it, logs. */
export const nameActivityScope: ActivityInterceptorsFactory = (context) => {
  let scope: ActivityScope = { stage: context.info.activityType };
  return {
    inbound: {
      execute(input, next) {
        scope = scopeOf(context.info.activityType, input.args[0]);
        context.log.debug('Activity begins');
        return next(input);
      },
    },
    outbound: { getLogAttributes: (input, next) => next({ ...input, ...scope }) },
  };
};
