import assert from 'node:assert/strict';
import type { PoolInstruction } from '../../src/activities/prepare-pool.ts';
import { selectInstructions } from '../../src/activities/select-instructions.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { shuffledById } from '../../src/method/seeds.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';

const categories = { names: ['reasoning', 'coding', 'chat'], keep: ['reasoning', 'coding'] };
const ofCategory = ['reasoning', 'coding', 'chat', null];
const categorized = Array.from({ length: 40 }, (_, index) => ({
  id: `id-${String(index).padStart(2, '0')}`,
  instruction: `Question ${index}?`,
  category: ofCategory[index % 4] ?? null,
}));

describe('selecting instructions', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function select(
    instructions: Partial<ConfigurationInput['instructions']>,
    seed = 42,
    shardSize = 7,
  ): Promise<PoolInstruction[]> {
    const testRun = await startTestRun({ seed, instructions: { pool: ['p.jsonl'], ...instructions } });
    runs.push(testRun);
    const input = await testRun.publish('test/instructions/categories', categorized, shardSize);
    const { artifact } = await asActivity(() =>
      selectInstructions(testRun.deps, { run: testRun.run, input }),
    );
    return testRun.behind(artifact);
  }

  it('keeps the instructions of the configured categories, and only their text', async () => {
    const selected = await select({ categories });
    const wanted = categorized.filter(({ category }) => category === 'reasoning' || category === 'coding');
    assert.deepEqual(
      selected,
      wanted.map(({ id, instruction }) => ({ id, instruction })),
    );
  });

  it('keeps every instruction if no categories are configured', async () => {
    assert.equal((await select({})).length, 40);
  });

  it('keeps at most the maximum number, the same ones for any shard size, and others for another seed', async () => {
    const ids = (selected: readonly PoolInstruction[]) => selected.map(({ id }) => id);
    const first = ids(await select({ categories, maxInstructions: 8 }));
    assert.equal(first.length, 8);
    const wanted = categorized.filter(({ category }) => category === 'reasoning' || category === 'coding');
    const drawn = shuffledById(wanted, 42, 'select', ({ id }) => id).slice(0, 8);
    assert.deepEqual(first, ids(drawn).sort());
    assert.deepEqual(ids(await select({ categories, maxInstructions: 8 }, 42, 40)), first);
    assert.notDeepEqual(ids(await select({ categories, maxInstructions: 8 }, 43)), first);
    assert.equal((await select({ categories, maxInstructions: 100 })).length, 20);
  });

  it('fails if no instruction remains', async () => {
    const none = { names: ['brainstorming', 'chat'], keep: ['brainstorming'] };
    await assert.rejects(select({ categories: none }), {
      name: 'InvalidInput',
      message: /no instruction is in the categories that are kept \(brainstorming\)/,
    });
  });
});
