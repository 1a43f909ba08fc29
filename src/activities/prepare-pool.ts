import { InputProblem, TooManySetAside } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import type { SetAside } from '../artifacts/resume-shard.ts';
import { SET_ASIDE_FILE } from '../artifacts/resume-shard.ts';
import { completedIndex, publishIndex, publishInShards } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { readRows } from '../benchmarks/read-rows.ts';
import { resolveInput } from '../config/input-files.ts';
import { hashOf } from '../judge/seeds.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris } from './open-run.ts';
import type { RunReference, StageResult } from './types.ts';

/** An instruction x of the pool. Its id is a hash of its text: the same instruction is the same example anywhere. */
export interface Instruction {
  readonly id: string;
  readonly instruction: string;
}

/**
 * Reads the instruction pool into shards: exact duplicates once, unusable rows set aside with their reason. Only the
 * column `instruction` is read; whatever else a row holds, an answer too, never enters the run.
 */
export function preparePool(deps: Dependencies, run: RunReference): Promise<StageResult> {
  return withHeartbeats(async () => {
    const began = Date.now();
    const { configuration } = await openRun(deps.store, run);
    const { pool, shardSize } = configuration.instructions;
    const files = pool.map((path) => resolveInput(deps.files, path));
    const uri = runUris.pool(run.runName);
    const fingerprint = { schema: 1, stage: 'prepare-pool', files: await Promise.all(files.map(fileSha256)) };
    const complete = await completedIndex(deps.store, uri, fingerprint);
    const index = complete ?? (await publishPool());
    return { artifact: referenceTo(index), counts: index.counts, seconds: (Date.now() - began) / 1000 };

    async function publishPool() {
      const { instructions, setAside, rows } = await readPool(pool, files);
      if (setAside.length > rows * configuration.inference.maximumSetAsideShare) {
        const examples = setAside.slice(0, 3).map(({ id, reason }) => `${id}: ${reason}`);
        throw new TooManySetAside(
          `${setAside.length} of ${rows} rows of the instruction pool can't be used, more than the allowed share of ` +
            `${configuration.inference.maximumSetAsideShare} (inference.maximumSetAsideShare). ${examples.join('; ')}`,
        );
      }
      if (instructions.length === 0)
        throw new InputProblem(`instructions.pool: no instruction in ${files.join(', ')}`);
      const shards = await publishInShards(deps.store, uri, instructions, shardSize, fingerprint);
      return publishIndex(deps.store, uri, shards, {
        fingerprint,
        counts: { rows, instructions: instructions.length, setAside: setAside.length },
        files: { [SET_ASIDE_FILE]: setAside },
      });
    }
  });
}

async function readPool(names: readonly string[], files: readonly string[]) {
  const byId = new Map<string, Instruction>();
  const setAside: SetAside[] = [];
  let rows = 0;
  for (const [number, file] of files.entries()) {
    for await (const { row, value, problem } of readRows(file, { columns: ['instruction'] })) {
      rows += 1;
      const instruction = (value as { instruction?: unknown } | null | undefined)?.instruction;
      const reason = problem ?? unusable(instruction);
      if (reason === undefined) {
        const text = instruction as string;
        byId.set(hashOf(text), { id: hashOf(text), instruction: text });
      } else {
        setAside.push({ id: `${names[number]} row ${row}`, kind: 'failed', reason });
      }
    }
  }
  const instructions = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { instructions, setAside, rows };
}

function unusable(instruction: unknown): string | undefined {
  if (instruction === undefined) return 'no field "instruction"';
  if (typeof instruction !== 'string')
    return `"instruction" is ${instruction === null ? 'null' : typeof instruction}, not text`;
  return instruction.trim() === '' ? '"instruction" is empty' : undefined;
}
