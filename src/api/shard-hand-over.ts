/** Handing over: the next shard of a stage begins while the last requests of an earlier one are in flight. */

/** A shard tells its stage that it needs few places from now on, so that the next one may begin. */
export interface ShardHandOver {
  readonly shard: number;
}

/**
 * How many shards of a stage may run, those that have handed over included, as a multiple of `concurrentShards`. Shards are
 * handed over only while places would be idle, so that large ones never come near it.
 */
export const MAX_RUNNING_SHARDS = 4;
