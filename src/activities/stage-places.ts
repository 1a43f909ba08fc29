import { SharedPlaces } from '../platform/shared-places.ts';
import type { Places } from '../store/shard-types.ts';
import { MAX_RUNNING_SHARDS } from '../api/shard-hand-over.ts';

/** How long the places of a shard that has ended or handed over stay here, if its successor has not begun here. */
const KEPT_SECONDS = 3;
/** How long a successor is expected here. After that, further shards are handed over, because another process works on it. */
const EXPECTED_SECONDS = 1;

/** A stage that this process works on. */
export interface ShardedWork {
  readonly workflowId: string;
  /** The number of shards of the stage. */
  readonly shards: number;
  readonly placesPerShard: number;
  readonly concurrentShards: number;
}

/** A shard of a stage in this process. */
export interface ShardOfStage {
  readonly shard: number;
  /** Asks the workflow for the next shard, before this one has ended. Rejects if that fails. */
  readonly handOver: () => Promise<void>;
}

/**
 * The places of the stages that this process works on. The shards of a stage share them, so that the first requests of a shard
 * take the places that the last ones of the shards before it leave. Each of the `concurrentShards` that run at once brings
 * `placesPerShard` to the process that works on it, and passes them on to its successor: the sum over all processes stays
 * the same, also when they get different numbers of shards.
 */
export class StagePlaces {
  readonly #stages = new Map<string, Stage>();

  /** The places of one shard, for `resumeShard`. */
  ofShard(work: ShardedWork, shard: ShardOfStage): Places {
    return {
      forEach: async (units, process, signal) => {
        const stage = this.#stages.get(work.workflowId) ?? new Stage(work);
        this.#stages.set(work.workflowId, stage);
        const working = stage.places.forEach(shard.shard, units, process, signal);
        const member = stage.join(shard, units.length, signal);
        try {
          await working;
        } finally {
          stage.leave(member);
          if (stage.isEmpty) this.#stages.delete(work.workflowId);
        }
      },
    };
  }
}

interface Member extends ShardOfStage {
  /** Stops its attempt. */
  readonly signal: AbortSignal;
  /** True once it has passed its places on. */
  hasHandedOver: boolean;
  /** True once its hand-over has failed: it is not asked to hand over again. */
  isStuck: boolean;
}

class Stage {
  readonly places = new SharedPlaces(0, () => this.#handOverInTime());
  readonly #work: ShardedWork;
  readonly #members: Member[] = [];
  /** How many shards have brought their places here, and not passed them on. */
  #shares = 0;
  /** The shares of shards that have ended or handed over, whose successors have not begun here, and since when they are free. */
  readonly #free = new Map<NodeJS.Timeout, number>();
  /** Whether the stage has no shard that has not begun, as far as this process knows. */
  #hasLastShard: boolean;
  /** The units of the newest shard. */
  #unitsOfShard = 1;

  constructor(work: ShardedWork) {
    this.#work = work;
    this.#hasLastShard = work.shards <= work.concurrentShards;
  }

  get isEmpty(): boolean {
    return this.#members.length === 0;
  }

  join(shard: ShardOfStage, units: number, signal: AbortSignal): Member {
    const member = { ...shard, signal, hasHandedOver: false, isStuck: false };
    this.#members.push(member);
    this.#members.sort((one, other) => one.shard - other.shard);
    this.#unitsOfShard = Math.max(1, units);
    if (shard.shard === this.#work.shards - 1) this.#hasLastShard = true;
    // The first ones have no predecessors.
    if (shard.shard < this.#work.concurrentShards) this.#shares += 1;
    else this.#takeShare();
    this.#resize();
    return member;
  }

  leave(member: Member): void {
    this.#members.splice(this.#members.indexOf(member), 1);
    if (!member.hasHandedOver) this.#freeShare();
    if (this.isEmpty) for (const timer of this.#free.keys()) clearTimeout(timer);
  }

  /** Takes a share that is free, or else one that another process had. */
  #takeShare(): void {
    const [free] = this.#free.keys();
    if (free === undefined) this.#shares += 1;
    else {
      clearTimeout(free);
      this.#free.delete(free);
    }
  }

  /** Keeps a share for the next shard. If that one has not begun here after some time, another process works on it. */
  #freeShare(since = performance.now()): void {
    const timer = setTimeout(() => {
      this.#free.delete(timer);
      const { concurrentShards } = this.#work;
      // There is no next shard, or it may not begin before another one has ended.
      if (this.#hasLastShard || this.#members.length >= MAX_RUNNING_SHARDS * concurrentShards)
        this.#freeShare(since);
      else {
        this.#shares -= 1;
        this.#resize();
      }
    }, 1000 * KEPT_SECONDS).unref();
    this.#free.set(timer, since);
  }

  #resize(): void {
    const { placesPerShard, concurrentShards } = this.#work;
    this.places.resize(placesPerShard * Math.min(concurrentShards, Math.max(1, this.#shares)));
  }

  /** Asks for as many further shards as are needed to keep the places busy. */
  #handOverInTime(): void {
    if (this.#hasLastShard) return;
    const { unstarted, lead } = this.places;
    const fresh = performance.now() - 1000 * EXPECTED_SECONDS;
    let expected = [...this.#free.values()].filter((since) => since > fresh).length;
    for (const member of this.#members) {
      if (unstarted + expected * this.#unitsOfShard >= lead) return;
      // The next attempt goes on with a shard that is stopped, and a paused one is to begin nothing.
      if (member.hasHandedOver || member.isStuck || member.signal.aborted) continue;
      member.hasHandedOver = true;
      expected += 1;
      this.#freeShare();
      member.handOver().catch(() => {
        member.isStuck = true;
        if (!this.#members.includes(member)) return;
        member.hasHandedOver = false;
        this.#takeShare();
        this.#resize();
      });
    }
  }
}
