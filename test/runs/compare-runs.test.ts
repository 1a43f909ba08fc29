import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OUTCOMES_FILE } from '../../src/activities/score-benchmark.ts';
import { runUris } from '../../src/activities/open-run.ts';
import { publishIndex, publishInShards } from '../../src/artifacts/shards.ts';
import { referenceTo } from '../../src/artifacts/store.ts';
import { benchmarkOf } from '../../src/benchmarks/registry.ts';
import { compareRuns, type JudgeOfRun } from '../../src/runs/compare-runs.ts';
import { temporaryStore } from '../artifacts/temporary-store.ts';

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

  /** A judge that is right where `isRight` says so, in both orders, and was asked about a file of these pairs. */
  async function judgeOf(
    runName: string,
    rows: readonly Row[],
    isRight: (row: Row) => boolean,
  ): Promise<JudgeOfRun> {
    const { store, folder } = temporary;
    const file = join(folder, `${runName}.jsonl`);
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    const { items } = await benchmarkOf('pairs').read(file);
    const uri = runUris.benchmark(runName, 'own');
    const fingerprint = { format: 'pairs', file: runName };
    await publishIndex(store, uri, await publishInShards(store, uri, items, 7, fingerprint), { fingerprint });
    const outcomes = items.map(({ id }, index) => {
      const share = Number(isRight(rows[index] as Row));
      return { id, accuracy: share, consistent: share };
    });
    const scores = await store.publish(runUris.scores(runName, 0, 'own'), {
      fingerprint,
      records: [],
      files: { [OUTCOMES_FILE]: outcomes },
    });
    const evaluations = [{ benchmark: 'own', scores: referenceTo(scores) }];
    return { run: { runName }, judge: { iteration: 0, evaluations } } as unknown as JudgeOfRun;
  }

  async function compared(first: readonly Row[], second: readonly Row[]) {
    const a = await judgeOf('a', first, () => true);
    const b = await judgeOf('b', second, odd);
    const { benchmarks } = await compareRuns(temporary.store, a, b);
    assert.equal(benchmarks.length, 1);
    return benchmarks[0];
  }

  it('are compared on all that both were asked, where ids have become wider', async () => {
    const found = await compared(rowsOf(100), rowsOf(101));
    assert.deepEqual(found?.items, { first: 100, second: 101, common: 100, changed: 0 });
    assert.equal(found?.comparison?.accuracy.difference, -0.5);
  });

  it('are compared item by item where rows were put in or have changed places', async () => {
    const [added, ...more] = rowsOf(9).toReversed();
    const found = await compared(rowsOf(8), [added as Row, ...more]);
    assert.deepEqual(found?.items, { first: 8, second: 9, common: 8, changed: 0 });
    assert.deepEqual(found?.comparison?.mcNemar.onlyFirst, 4);
    assert.equal(found?.comparison?.accuracy.difference, -0.5);
  });

  it('leave out and count a row of other content, also where ids have become wider', async () => {
    const second = rowsOf(11).map((row, index) => (index === 3 ? { ...row, chosen: 'perhaps' } : row));
    const found = await compared(rowsOf(10), second);
    assert.deepEqual(found?.items, { first: 10, second: 11, common: 9, changed: 1 });
  });

  it('take each of several rows of the same content once', async () => {
    const [row] = rowsOf(1) as [Row];
    const found = await compared([row, row, row], [row, row]);
    assert.deepEqual(found?.items, { first: 3, second: 2, common: 2, changed: 0 });
  });
});
