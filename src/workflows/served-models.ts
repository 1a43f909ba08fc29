import { sleep } from '@temporalio/workflow';
import type { ServeModelInput } from '../activities/serve-model.ts';
import type { Model, ServedModel } from '../api/activity-types.ts';
import { FAILURES } from '../api/temporal-names.ts';
import { hasFailureType } from './failure-causes.ts';
import { SharedWork } from './shared-work.ts';
import { queueWithoutWorker } from './while-served.ts';

export type ServeRequest = Omit<ServeModelInput, 'run'>;
export type ServeOptions = Pick<ServeRequest, 'replacesOthers' | 'step'>;

/** The models that a run serves. Stages that want the same one at the same time share one start. */
export class ServedModels {
  readonly #start: (request: ServeRequest) => Promise<ServedModel>;
  readonly #giveUpMachine: (queue: string | undefined) => void;
  /** The newest place of each served model: where a stage goes on when another one has had its model served again. */
  readonly #served = new Map<string, ServedModel>();
  readonly #serving = new SharedWork<ServedModel>();

  /** @param giveUpMachine called with the queue of a machine that was found to be without a worker */
  constructor(
    start: (request: ServeRequest) => Promise<ServedModel>,
    giveUpMachine: (queue: string | undefined) => void,
  ) {
    this.#start = start;
    this.#giveUpMachine = giveUpMachine;
  }

  serve(request: ServeRequest): Promise<ServedModel> {
    const key = keyOf(request);
    return this.#serving.run(key, async () => {
      const served = await this.#start(request);
      this.#served.set(key, served);
      return served;
    });
  }

  /** Forgets all models: their servers are stopped. */
  clear(): void {
    this.#served.clear();
  }

  /**
   * Runs work that needs a served model. A server of this run may disappear with its machine or its worker: then the model
   * is served again, perhaps on another machine, and the work continues with what is missing. Of several stages that lose the
   * same server, the first one has it served again, and the others go on with that one.
   */
  async whileServed<T>(model: ServedModel, work: (served: ServedModel) => Promise<T>): Promise<T> {
    const { checkpoint, sha256, servedFor } = model;
    if (servedFor === undefined) return work(model);
    const { iteration, role } = servedFor;
    const request = { model: { checkpoint, sha256 }, iteration, role };
    const newest = () => this.#served.get(keyOf(request)) ?? model;
    for (let served = newest(), again = 0; ; again += 1) {
      const current = served;
      try {
        return await work(current);
      } catch (error) {
        if (!hasFailureType(error, FAILURES.serverUnavailable)) throw error;
        this.#giveUpMachine(queueWithoutWorker(error));
        // Serves again at once the first time, then with growing delays, in case the server stays unusable.
        if (again > 0) await sleep(Math.min(60, 2 ** again) * 1000);
        served = newest();
        if (served === current) served = await this.serve(request);
      }
    }
  }
}

/** Identifies a model that a run serves. */
function keyOf({
  model,
  iteration,
  role,
}: Pick<ServeRequest, 'iteration' | 'role'> & { readonly model: Model }): string {
  return `${role}/${iteration}/${model.sha256}`;
}
