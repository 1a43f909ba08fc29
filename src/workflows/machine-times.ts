/** What the GPU machine of a run did, and why it did nothing. Does not use Temporal, so that tests can drive it. */
import type { MachineTimes, RunProgress, StageProgress } from '../api/progress.ts';

type StageId = Pick<StageProgress, 'name' | 'iteration'>;

/** The parts of a run's progress that tell why its machine is idle. */
type Situation = Pick<RunProgress, 'status' | 'paused' | 'stages' | 'waits'>;

/** More reasons of a machine are counted together. */
const MAX_REASONS = 20;
const OTHER_REASONS = 'other reasons';
/** A longer reason is cut: its beginning says what the run waited for. */
const MAX_REASON_LENGTH = 160;

/** Stages that run beside others, and that nothing waits for. */
export const BESIDE_STAGES: readonly string[] = ['writeReport', 'exportOutputs'];

interface Times {
  busySeconds: number;
  readonly idle: Map<string, number>;
}

/** Adds up the time of each machine that a run is pinned to: busy, or idle for a reason. */
export class MachineTimesCounter {
  readonly #times = new Map<string, Times>();
  readonly #uses: { readonly machine: string; readonly stage: StageId }[] = [];
  #pinned: string | undefined;
  #countedUntil: number;

  /**
   * @param now milliseconds since the epoch
   * @param before the times before the run continued as new
   */
  constructor(now: number, before: readonly MachineTimes[] = []) {
    this.#countedUntil = now;
    for (const { machine, busySeconds, idle } of before)
      this.#times.set(machine, {
        busySeconds,
        idle: new Map(idle.map(({ reason, seconds }) => [reason, seconds])),
      });
  }

  /** Counts the time until now, in which the situation was this one. Called before each change of the situation. */
  count(situation: Situation, now: number): void {
    const seconds = Math.max(0, now - this.#countedUntil) / 1000;
    this.#countedUntil = Math.max(now, this.#countedUntil);
    if (seconds > 0) for (const machine of this.#machines()) this.#add(machine, situation, seconds);
  }

  /** The machine that the run is pinned to from now on; undefined if it is pinned to none. */
  pin(machine: string | undefined): void {
    this.#pinned = machine;
    if (machine !== undefined) this.#timesOf(machine);
  }

  /** The stage uses the GPUs of the machine from now on. Returns a function that ends the use. */
  use(machine: string, stage: StageId): () => void {
    const use = { machine, stage };
    this.#uses.push(use);
    return () => {
      const index = this.#uses.indexOf(use);
      if (index >= 0) this.#uses.splice(index, 1);
    };
  }

  /** The times until now, without counting them. */
  read(situation: Situation, now: number): MachineTimes[] {
    const copy = new MachineTimesCounter(this.#countedUntil, this.#listed());
    copy.#pinned = this.#pinned;
    copy.#uses.push(...this.#uses);
    copy.count(situation, now);
    return copy.#listed();
  }

  #listed(): MachineTimes[] {
    return [...this.#times].map(([machine, { busySeconds, idle }]) => ({
      machine,
      busySeconds,
      idle: [...idle]
        .map(([reason, seconds]) => ({ reason, seconds }))
        .toSorted((a, b) => b.seconds - a.seconds),
    }));
  }

  #machines(): Set<string> {
    return new Set([
      ...(this.#pinned === undefined ? [] : [this.#pinned]),
      ...this.#uses.map(({ machine }) => machine),
    ]);
  }

  #timesOf(machine: string): Times {
    let times = this.#times.get(machine);
    if (times === undefined) this.#times.set(machine, (times = { busySeconds: 0, idle: new Map() }));
    return times;
  }

  #add(machine: string, situation: Situation, seconds: number): void {
    const times = this.#timesOf(machine);
    const stages = this.#uses.filter((use) => use.machine === machine).map(({ stage }) => stage);
    const reason = idleReason(stages, situation);
    if (reason === undefined) {
      times.busySeconds += seconds;
      return;
    }
    const { idle } = times;
    const key = idle.has(reason) || idle.size < MAX_REASONS ? reason : OTHER_REASONS;
    idle.set(key, (idle.get(key) ?? 0) + seconds);
  }
}

/**
 * Why a machine is idle; undefined if it is not.
 * @param uses the stages that use its GPUs
 */
function idleReason(uses: readonly StageId[], { paused, stages, waits = [] }: Situation): string | undefined {
  if (paused !== undefined) return paused.by === 'budget' ? 'the budget was exhausted' : 'the run was paused';
  const waitOf = ({ name, iteration }: StageId) =>
    waits.find((wait) => wait.stage === name && wait.iteration === iteration);
  if (uses.some((stage) => waitOf(stage) === undefined)) return undefined;
  const [waiting] = uses;
  const wait = waiting === undefined ? waits[0] : waitOf(waiting);
  if (wait !== undefined) return `${wait.stage} waited: ${shortened(wait.reason)}`;
  if (stages.some(({ name }) => name === 'serveModel')) return 'a model server started';
  const stage = stages.find(({ name }) => !BESIDE_STAGES.includes(name)) ?? stages[0];
  return stage === undefined ? 'between two stages' : `${stage.name}, which does not use its GPUs`;
}

function shortened(reason: string): string {
  return reason.length <= MAX_REASON_LENGTH
    ? reason
    : `${reason.slice(0, MAX_REASON_LENGTH - 1)}…`.toWellFormed();
}
