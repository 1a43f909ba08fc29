import assert from 'node:assert/strict';
import { categorizeInstructions } from '../../src/activities/categorize-instructions.ts';
import { selectInstructions } from '../../src/activities/select-instructions.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import type { CategorizedInstruction } from '../../src/runs/records.ts';

const instructions = ['coding 1', 'reasoning 5', 'reasoning 2', 'chat 3', 'reasoning no'].map(
  (instruction, index) => ({
    id: `id-${index}`,
    instruction,
  }),
);
const prompts = {
  category: { user: 'Category of {categories}: {instruction}' },
  complexity: { user: 'Complexity: {instruction}' },
};
const categories = { names: ['coding', 'reasoning', 'chat'], keep: ['reasoning', 'coding'] };

describe('categorizing instructions', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function categorize(settings: Partial<ConfigurationInput['instructions']>) {
    const testRun = await startTestRun(
      { instructions: { pool: ['p.jsonl'], ...settings }, inference: { concurrentRequestsPerShard: 1 } },
      prompts,
    );
    runs.push(testRun);
    const { deps, run, model, endpoint } = testRun;
    // The model takes the instruction's own words as its category and complexity.
    endpoint.script(({ body }) => {
      const [question = '', category = '', complexity = ''] = /^(\w+).*: (\w+) (\w+)$/
        .exec(body.messages.at(-1)?.content ?? '')!
        .slice(1);
      return { kind: 'answer', texts: [question === 'Category' ? category : complexity] };
    });
    const input = await testRun.publish('test/instructions/pool', instructions, 10);
    const { counts } = await asActivity(() =>
      categorizeInstructions(deps, { run, iteration: 0, model, input, shard: 0 }),
    );
    const manifest = await deps.store.readManifest('test/instructions/categories/shard-00000');
    assert(manifest !== undefined);
    return {
      testRun,
      counts,
      made: await deps.store.readRecords<CategorizedInstruction>(manifest),
      manifest,
    };
  }
  const asked = ({ endpoint }: TestRun) => endpoint.requests.map(({ body }) => body.messages.at(-1)?.content);

  it('asks only for the category if no complexity is configured', async () => {
    const { testRun, counts, made } = await categorize({ categories });
    assert.equal(asked(testRun).length, 5);
    assert.deepEqual(made[1], { id: 'id-1', instruction: 'reasoning 5', category: 'reasoning' });
    assert.equal(counts['category: reasoning'], 3);
    assert.equal(counts['complexity: 5'], undefined);
  });

  it('asks for the complexity only of instructions in a kept category', async () => {
    const { testRun, counts, made } = await categorize({ categories, complexity: { min: 2 } });
    assert.equal(asked(testRun).length, 5 + 4);
    assert(!asked(testRun).includes('Complexity: chat 3'));
    assert.deepEqual(
      made.map(({ category, complexity }) => [category, complexity]),
      [
        ['coding', 1],
        ['reasoning', 5],
        ['reasoning', 2],
        ['chat', undefined],
        ['reasoning', null],
      ],
    );
    assert.deepEqual(
      [counts['complexity: 5'], counts['complexity: 3'], counts['complexity: none']],
      [1, 0, 1],
    );
  });

  it('asks for the complexity of all instructions if no categories are configured', async () => {
    const { made } = await categorize({ complexity: {} });
    assert.deepEqual(
      made.map(({ complexity }) => complexity),
      [1, 5, 2, 3, null],
    );
    assert(made.every((instruction) => !('category' in instruction)));
  });

  it('leads to a selection between the bounds of complexity, counted by category and complexity', async () => {
    const { testRun, made } = await categorize({ categories, complexity: { min: 2, max: 5 } });
    const { deps, run } = testRun;
    const input = await testRun.publish('test/instructions/all-categories', made, 10);
    const { artifact, counts } = await asActivity(() => selectInstructions(deps, { run, input }));
    assert.deepEqual(
      (await testRun.behind<CategorizedInstruction>(artifact)).map(({ instruction }) => instruction),
      ['reasoning 5', 'reasoning 2'],
    );
    assert.deepEqual(counts, {
      selected: 2,
      'selected category: reasoning': 2,
      'selected complexity: 2': 1,
      'selected complexity: 5': 1,
    });
  });
});
