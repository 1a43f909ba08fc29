/** Work that runs beside other work of a workflow, in such a way that nothing outlives the work that has started it. */
import { CancellationScope } from '@temporalio/workflow';

/** Work that was started, and whose failure counts when its result is awaited. */
export interface Task<T> {
  readonly result: Promise<T>;
  /** Cancels the work, and resolves when it has ended, however it did. */
  drop(): Promise<void>;
}

export interface Tasks {
  /** Starts work whose result is awaited later, or which is dropped. */
  start<T>(work: () => Promise<T>): Task<T>;
  /** Starts work that must succeed, and that nobody awaits: its failure ends everything at once. */
  startRequired(work: () => Promise<void>): void;
  /** Resolves when no required work is running. */
  requiredDone(): Promise<void>;
}

/**
 * Runs work that starts tasks. If it fails, or one of its required tasks does, all of its tasks are cancelled, and the error is
 * thrown when they have ended: the caller may then do the same work again.
 */
export async function withTasks<T>(work: (tasks: Tasks) => Promise<T>): Promise<T> {
  const scope = new CancellationScope();
  const running = new Set<Promise<unknown>>();
  const required = new Set<Promise<unknown>>();
  let failure: { readonly error: unknown } | undefined;

  const track = <R>(result: Promise<R>, ...sets: Set<Promise<unknown>>[]): Promise<R> => {
    for (const set of sets) {
      set.add(result);
      result.finally(() => set.delete(result)).catch(() => undefined);
    }
    return result;
  };
  const tasks: Tasks = {
    start<R>(taskWork: () => Promise<R>): Task<R> {
      const taskScope = new CancellationScope();
      const result = track(taskScope.run(taskWork), running);
      return {
        result,
        async drop() {
          taskScope.cancel();
          await result.catch(() => undefined);
        },
      };
    },
    startRequired(taskWork) {
      track(new CancellationScope().run(taskWork), running, required).catch((error: unknown) => {
        failure ??= { error };
        scope.cancel();
      });
    },
    async requiredDone() {
      while (required.size > 0) await Promise.all(required);
    },
  };
  try {
    return await scope.run(async () => {
      const result = await work(tasks);
      await tasks.requiredDone();
      return result;
    });
  } catch (error) {
    // Work that is cancelled now fails too, and would hide the reason.
    const reason: unknown = failure?.error ?? error;
    scope.cancel();
    while (running.size > 0) await Promise.allSettled(running);
    throw reason;
  }
}
