import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runUris } from '../../src/runs/run-layout.ts';
import { publishShardIndex, publishShards } from '../../src/store/shards.ts';
import { toReference } from '../../src/store/artifact.ts';
import { benchmarkOf } from '../support/benchmarks.ts';
import { compareRuns, type EvaluatedJudge } from '../../src/runs/compare-runs.ts';
import { temporaryStore } from '../support/temporary-store.ts';
import { OUTCOMES_FILE } from '../../src/runs/benchmark-scores.ts';

interface Row {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

const rowsOf = (count: number): Row[] =>
  Array.from({ length: count }, (_, row) => ({ prompt: `question ${row}`, chosen: 'yes', rejected: 'no' }));
const odd = ({ prompt }: Row) => Number(prompt.at(-1)) % 2 === 1;

describe('two judges on two versions of a file', () => {
  const temporary = temporaryStore();

  /** A judge that was evaluated on a file of these pairs; it is correct in both orders if `isRight` returns true. */
  async function judgeOf(
    runName: string,
    rows: readonly Row[],
    isRight: (row: Row) => boolean,
  ): Promise<EvaluatedJudge> {
    const { store, folder } = temporary;
    const file = join(folder, `${runName}.jsonl`);
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    const { items } = await benchmarkOf('pairs').read(file);
    const uri = runUris.benchmark(runName, 'own');
    const fingerprint = { format: 'pairs', file: runName };
    await publishShardIndex(store, uri, await publishShards(store, uri, items, 7, fingerprint), {
      fingerprint,
    });
    const outcomes = items.map(({ id }, index) => {
      const share = Number(isRight(rows[index] as Row));
      return { id, accuracy: share, consistent: share };
    });
    const scores = await store.publish(runUris.scores(runName, 0, 'own'), {
      fingerprint,
      records: [],
      files: { [OUTCOMES_FILE]: outcomes },
    });
    const evaluations = [{ benchmark: 'own', scores: toReference(scores) }];
    return { run: { runName }, judge: { iteration: 0, evaluations } } as unknown as EvaluatedJudge;
  }

  async function compared(first: readonly Row[], second: readonly Row[]) {
    const a = await judgeOf('a', first, () => true);
    const b = await judgeOf('b', second, odd);
    const { benchmarks } = await compareRuns(temporary.store, a, b);
    assert.equal(benchmarks.length, 1);
    return benchmarks[0];
  }

  it('are compared on all shared items although the ids have more digits', async () => {
    const found = await compared(rowsOf(100), rowsOf(101));
    assert.deepEqual(found?.items, { first: 100, second: 101, common: 100, changed: 0 });
    assert.equal(found?.comparison?.accuracy.difference, -0.5);
  });

  it('are compared item by item if rows were inserted or reordered', async () => {
    const [added, ...more] = rowsOf(9).toReversed();
    const found = await compared(rowsOf(8), [added as Row, ...more]);
    assert.deepEqual(found?.items, { first: 8, second: 9, common: 8, changed: 0 });
    assert.deepEqual(found?.comparison?.mcNemar.onlyFirst, 4);
    assert.equal(found?.comparison?.accuracy.difference, -0.5);
  });

  it('omit and count a row with different content, also if the ids have more digits', async () => {
    const second = rowsOf(11).map((row, index) => (index === 3 ? { ...row, chosen: 'perhaps' } : row));
    const found = await compared(rowsOf(10), second);
    assert.deepEqual(found?.items, { first: 10, second: 11, common: 9, changed: 1 });
  });

  it('match each of several rows with the same content once', async () => {
    const [row] = rowsOf(1) as [Row];
    const found = await compared([row, row, row], [row, row]);
    assert.deepEqual(found?.items, { first: 3, second: 2, common: 2, changed: 0 });
  });
});
