import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCanary, type Script, type ScriptedEndpoint } from './scripted-endpoint.ts';

/**
 * Answers some requests and lets all others hang, so that a command can be killed at a moment at which just these are in flight:
 * an answer that has just arrived may not be written yet.
 */
export class HeldAnswers {
  readonly #endpoint: ScriptedEndpoint;
  readonly #script: Script;
  #answered = 0;
  #hanging = 0;

  constructor(endpoint: ScriptedEndpoint, script: Script) {
    this.#endpoint = endpoint;
    this.#script = script;
  }

  /** Answers until so many requests have been answered in all, not counting checks of the endpoint. */
  answerUntil(total: number): void {
    this.#hanging = 0;
    this.#endpoint.script((request) => {
      if (isCanary(request.body)) return this.#script(request);
      if (this.#answered === total) {
        this.#hanging += 1;
        return { kind: 'hang' };
      }
      this.#answered += 1;
      return this.#script(request);
    });
  }

  /**
   * Waits until so many requests hang and all answers are in the journal, or the command has ended.
   * @param journal its folder
   * @param lost the number of answers that were removed from it
   */
  async stored(
    journal: string,
    hanging: number,
    child: { readonly exitCode: number | null },
    lost = 0,
  ): Promise<void> {
    const isStored = async () =>
      this.#hanging === hanging && (await countRecords(journal)) === this.#answered - lost;
    while (child.exitCode === null && !(await isStored())) await sleep(5);
  }
}

/** Lets all requests but checks of the endpoint wait until `answer` is called; `asked` resolves at the first one. */
export function holdAnswers(endpoint: ScriptedEndpoint): { asked: Promise<void>; answer: () => void } {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  endpoint.script(({ body }) => {
    if (isCanary(body)) return { kind: 'answer' };
    ask();
    return { kind: 'answer', heldUntil: answered };
  });
  return { asked, answer };
}

/** The number of records in the journals of a folder. A journal that is removed meanwhile, as its shard is published, has none. */
export async function countRecords(journal: string): Promise<number> {
  const segments = glob('**/segment-*.jsonl', { cwd: journal });
  const texts = await Array.fromAsync(segments, (path) =>
    readFile(join(journal, path), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    }),
  );
  return texts.join('').split('\n').length - 1;
}
