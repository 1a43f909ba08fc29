import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { compareRuns } from '../../tools/chaos/compare-runs.ts';
import { temporaryStore } from '../support/temporary-store.ts';

describe('the comparison of two runs', () => {
  const temporary = temporaryStore();

  async function makeRun(runName: string, records: object[], accuracy = 0.5): Promise<void> {
    const shard = await temporary.store.publish(`${runName}/pairs/shard-00000`, { fingerprint: {}, records });
    const { uri, sha256 } = shard;
    await temporary.store.publish(`${runName}/pairs/index`, { fingerprint: {}, records: [{ uri, sha256 }] });
    const evaluations = [{ benchmark: 'test', accuracy, scores: { sha256: 'same' } }];
    const iterations = [{ iteration: 0, model: { sha256: 'seed' }, evaluations }];
    const result = { runName, iterations, best: 0, stoppedEarly: false };
    await writeFile(temporary.store.locate(`${runName}/result.json`), JSON.stringify(result));
  }

  const pairs = [
    { id: 'a', better: '1' },
    { id: 'b', better: '2' },
  ];
  const compare = () => compareRuns(temporary.store.address, 'calm', 'killed');

  beforeEach(() => makeRun('calm', pairs));

  it('finds no difference if only names differ', async () => {
    await makeRun('killed', pairs);
    assert.deepEqual(compare(), { lost: 0, differences: [], artifacts: 2, records: 3 });
  });

  it('counts missing and duplicated records', async () => {
    await makeRun('killed', [pairs[0] ?? {}, pairs[0] ?? {}]);
    const { lost, differences } = compare();
    assert.equal(lost, 2);
    assert.match(differences.join('\n'), /shard-00000 lacks 1 records, such as b/);
    assert.match(differences.join('\n'), /shard-00000 has 1 records twice, such as a/);
  });

  it('counts every record of an artifact that is missing', async () => {
    await makeRun('killed', pairs);
    await rm(temporary.store.locate('killed/pairs/shard-00000'), { recursive: true });
    assert.equal(compare().lost, 2);
  });

  it('finds a record with another text, another result, and a file that does not match its manifest', async () => {
    await makeRun('killed', [pairs[0] ?? {}, { id: 'b', better: 'other' }], 0.6);
    await writeFile(temporary.store.locate('killed/pairs/index/records.jsonl'), '');
    const { differences } = compare();
    assert.match(differences.join('\n'), /shard-00000 has 1 other records, such as .*"other"/);
    assert.match(differences.join('\n'), /the result is .*0\.6.*, not .*0\.5/);
    assert.match(differences.join('\n'), /index does not match its manifest/);
  });
});
