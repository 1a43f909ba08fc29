import assert from 'node:assert/strict';
import type { Instruction } from '../../src/activities/prepare-pool.ts';
import { selectInstructions } from '../../src/activities/select-instructions.ts';
import type { ConfigurationInput } from '../../src/config/schema.ts';
import { shuffledById } from '../../src/judge/seeds.ts';
import { asActivity, startTestRun, type TestRun } from './test-run.ts';

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
  ): Promise<Instruction[]> {
    const testRun = await startTestRun({ seed, instructions: { pool: ['p.jsonl'], ...instructions } });
    runs.push(testRun);
    const input = await testRun.publish('test/instructions/categories', categorized, shardSize);
    const { artifact } = await asActivity(() =>
      selectInstructions(testRun.deps, { run: testRun.run, input }),
    );
    return testRun.behind(artifact);
  }

  it('keeps those of the wanted categories and nothing but their text', async () => {
    const selected = await select({ categories });
    const wanted = categorized.filter(({ category }) => category === 'reasoning' || category === 'coding');
    assert.deepEqual(
      selected,
      wanted.map(({ id, instruction }) => ({ id, instruction })),
    );
  });

  it('keeps every instruction where no categories are asked for', async () => {
    assert.equal((await select({})).length, 40);
  });

  it('keeps at most as many as are wanted, the same ones however they were sharded, and others for another seed', async () => {
    const ids = (selected: readonly Instruction[]) => selected.map(({ id }) => id);
    const first = ids(await select({ categories, maximum: 8 }));
    assert.equal(first.length, 8);
    const wanted = categorized.filter(({ category }) => category === 'reasoning' || category === 'coding');
    const drawn = shuffledById(wanted, 42, 'select', ({ id }) => id).slice(0, 8);
    assert.deepEqual(first, ids(drawn).sort());
    assert.deepEqual(ids(await select({ categories, maximum: 8 }, 42, 40)), first);
    assert.notDeepEqual(ids(await select({ categories, maximum: 8 }, 43)), first);
    assert.equal((await select({ categories, maximum: 100 })).length, 20);
  });

  it('fails where no instruction is left', async () => {
    const none = { names: ['brainstorming', 'chat'], keep: ['brainstorming'] };
    await assert.rejects(select({ categories: none }), {
      name: 'InputProblem',
      message: /no instruction is in the categories that are kept \(brainstorming\)/,
    });
  });
});
